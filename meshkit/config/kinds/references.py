"""How does a file name a Python object? ``module:attribute``, imported only where an option asks for a function, and
only where that is allowed: importing runs the module.

``{import: module:attribute}`` says the same, and is the only way where a text would be something else:
``key: header:x-user`` is the name of a field of the request. Some functions of meshkit have a word of their own, which
is always allowed: ``loop_lag``.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from typing import Any

from ..located import WRONG, Located
from ..mistakes import Mistakes, quoted, shown
from .kind import Definitions, Kind, Schema, unwritable

__all__ = ["IMPORT", "REFERENCE", "Function"]

IMPORT = "import"
REFERENCE = r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*"

_REFERENCE = re.compile(REFERENCE)


class Function(Kind):
    """``allowed``: whether it is imported. ``known``: those with a word of their own. ``explicit``: a text is something
    else.
    """

    shapes = (str, dict)

    def __init__(self, *, allowed: bool, known: Mapping[str, Any] | None = None, explicit: bool = False) -> None:
        self.allowed = allowed
        self.known = known or {}
        self.explicit = explicit
        self.expects = "a function, {import: module:function}" if explicit else "a function, module:function"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is dict and [*value] == [IMPORT] and isinstance(value[IMPORT].value, str):
            return self._found(value[IMPORT], mistakes)
        if value.__class__ is not str or self.explicit:
            return self.wrong(node, mistakes)
        return self.known[value] if value in self.known else self._found(node, mistakes)

    def _found(self, node: Located, mistakes: Mistakes) -> Any:
        name = node.value
        if _REFERENCE.fullmatch(name) is None:
            words = f", or one of {', '.join(self.known)}" if self.known and "." not in name else ""
            module, dot, attribute = name.rpartition(".")
            meant = f"{module}:{attribute}" if dot and ":" not in name else ""
            mistakes.note(
                node,
                f"{quoted(name)} names nothing to import",
                f"write {meant}" if _REFERENCE.fullmatch(meant) else f"write module:function{words}",
            )
        elif not self.allowed:
            mistakes.note(
                node, f"{shown(name)} would be imported", "allow it where the file is read, with imports=True"
            )
        else:
            try:
                return imported(name)
            except (Exception, SystemExit) as error:  # the module is somebody's program
                mistakes.note(
                    node, f"{shown(name)} cannot be imported: {type(error).__name__}: {shown(str(error), 100)}"
                )
        return WRONG

    def fits(self, node: Located) -> bool:
        value = node.value
        if value.__class__ is dict:
            return [*value] == [IMPORT]
        return value.__class__ is str and not self.explicit

    def suits(self, value: Any) -> bool:
        return callable(value)

    def write(self, value: Any) -> Any:
        word = next((word for word, each in self.known.items() if each is value), None)
        if word is not None and not self.explicit:
            return word
        name = reference(value)
        return {IMPORT: name} if self.explicit else name

    def schema(self, definitions: Definitions) -> Schema:
        text = {"type": "string", "pattern": f"^{REFERENCE}$"}
        explicit = {
            "type": "object",
            "properties": {IMPORT: text},
            "required": [IMPORT],
            "additionalProperties": False,
        }
        if self.explicit:
            return explicit
        return {"anyOf": [*([{"enum": [*self.known]}] if self.known else []), text, explicit]}


def imported(name: str) -> Any:
    """What ``module:attribute`` names. Raises whatever importing the module raises."""
    module, _, path = name.partition(":")
    found: Any = importlib.import_module(module)
    for each in path.split("."):
        found = getattr(found, each)
    return found


def reference(value: Any) -> str:
    """``module:attribute`` of what can be found under its own name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if isinstance(module, str) and isinstance(name, str) and _REFERENCE.fullmatch(f"{module}:{name}"):
        found: Any = sys.modules.get(module)
        for each in name.split("."):
            found = getattr(found, each, None)
        if found is value:
            return f"{module}:{name}"
    raise unwritable(value, "it has no name in its module")
