"""What can be done with what a file says? Made into specs, written down again, drawn as a form.

==============  ============================================================================================
`structure`     the specs that a document says, or all its mistakes
`unstructure`   the shortest plain data that says a spec: ``structure(unstructure(spec)) == spec``
`schema`        the form of a file, for editors and for others who check it: JSON Schema, draft 2020-12
==============  ============================================================================================

All three go by the same kinds. What is read without a mistake is valid by the schema; what has a word or an option that
is not there is not. What specs themselves refuse (a ``cap`` below ``base``) no schema tells.
"""

from __future__ import annotations

from typing import Any

from .document import Document
from .kinds.kind import Definitions, Schema
from .typed import Kinds

__all__ = ["schema", "structure", "unstructure"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def structure(document: Document, wanted: Any, kinds: Kinds) -> Any:
    """The value of that type (or `Kind`) that a document says. Raises `FileErrors` with all its mistakes."""
    found = kinds.of(wanted).read(document.root, document.mistakes)
    document.mistakes.check()
    return found


def unstructure(value: Any, wanted: Any, kinds: Kinds) -> Any:
    """Texts, numbers, truths, lists and dicts of them; what has its default is left out. Raises `ConfigError` for what
    no file can say.
    """
    return kinds.of(wanted).write(value)


def schema(wanted: Any, kinds: Kinds, *, title: str = "") -> Schema:
    """The schema of files that are of a type (or `Kind`)."""
    definitions = Definitions()
    form = kinds.of(wanted).schema(definitions)
    whole: Schema = {"$schema": DIALECT}
    if title:
        whole["title"] = title
    return {**whole, **form, "$defs": dict(sorted(definitions.schemas.items()))}
