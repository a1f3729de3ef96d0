"""The typed file: read with a place for each value, made into specs, with every mistake told at once.

    kinds = standard()
    document = read("policies.yaml")
    policies = structure(document, tuple[Retry, ...], kinds)     # FileErrors: policies.yaml:3:7: ...

======================================  ==========================================================
`read`, `parse`                         a file, a text: located data (`document`)
`structure`                             the specs that it says (`typed`, `kinds`, `words`)
`unstructure`                           the shortest data that says a spec
`schema`                                the form of a file, as JSON Schema
`Mistake`, `FileErrors`                 what is wrong, and where
======================================  ==========================================================
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .document import Document, parse, read
    from .mistakes import FileErrors, Mistake
    from .typed import Kinds
    from .ways import schema, structure, unstructure
    from .words import standard

__all__ = [
    "Document",
    "FileErrors",
    "Kinds",
    "Mistake",
    "parse",
    "read",
    "schema",
    "standard",
    "structure",
    "unstructure",
]

_HOMES = {
    ".document": ("Document", "parse", "read"),
    ".mistakes": ("FileErrors", "Mistake"),
    ".typed": ("Kinds",),
    ".ways": ("schema", "structure", "unstructure"),
    ".words": ("standard",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
