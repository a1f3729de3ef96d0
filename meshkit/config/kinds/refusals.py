"""What does a spec refuse, of what a file gives it? All of it, each where it stands.

A class stops at the first option that it refuses. So each option's converter and validator are then asked by
themselves, on a stand-in that has the others; what leans on one that is wrong finds it missing, and is not asked. If
none of them refuses, it is the options together, and the class's own error is told, at the option that it names.

Where the error shows an item of a list, a name or a value of a mapping, it is told of that one.

A fix is said in the words of Python, ``slow_after=2.0`` or ``Retry()``; here ``slow_after: 2.0`` and ``retry``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...errors import ConfigError
from ..located import Located, plain
from ..meant import snake
from ..mistakes import Mistakes
from .option import Option

__all__ = ["Refusals", "as_written"]

MOST = 20
"""Items of one option of which it is told."""
HIDDEN = "***"
"""What an error says that does not repeat a value."""

_ASSIGNED = re.compile(r"\b([a-z_]+)=(?=(\S)?)")
_CALL = re.compile(r"\b([A-Z][A-Za-z]*)\(([^()]*)\)")
_TUPLE = re.compile(r"((?:such as|as in) )\(([^()]*)\)")
_WORDS = {"None": "none", "True": "true", "False": "false", "dict": "mapping", "tuple": "list"}
_WORD = re.compile(rf"\b({'|'.join(_WORDS)})\b")


class Refusals:
    """Those of one spec; made only when there are any. ``given``: its options that could be read."""

    __slots__ = ("cls", "given", "mistakes", "node", "options", "stands")

    def __init__(
        self,
        cls: type,
        options: Mapping[str, Option],
        given: Mapping[str, Any],
        node: Located,
        mistakes: Mistakes,
    ) -> None:
        self.cls = cls
        self.options = options
        self.given = given
        self.node = node
        self.mistakes = mistakes
        named = isinstance(node.value, dict) and any(name in options for name in node.value)
        self.stands: Mapping[str, Located] = node.value if named else {}
        """Where the options stand, if they do by name."""

    def tell(self, error: Exception | None) -> None:
        """Notes all of them. ``error``: the class's own; ``None``: it was not asked, since an option is wrong."""
        if not self._of_options() and error is not None:
            self._note(error)

    def _of_options(self) -> bool:
        """Whether an option is refused by itself."""
        probe: Any = object.__new__(self.cls)
        refused = False
        for name, option in self.options.items():
            try:
                if name in self.given:
                    option.put(probe, self.given[name])
                elif name not in self.stands and not option.required:
                    option.put(probe, option.default(probe))
            except AttributeError:
                continue  # it leans on an option that is wrong
            except Exception as error:
                refused = True
                self._note(error, name)
        for name, option in self.options.items():
            if name in self.given and option.attribute.validator is not None and hasattr(probe, option.attribute.name):
                refused = self._of_option(name, option, probe) or refused
        return refused

    def _of_option(self, name: str, option: Option, probe: Any) -> bool:
        """Whether an option's validator refuses it; of a list or a mapping, each item."""
        value = option.of(probe)
        refused = False
        for _ in range(MOST):
            try:
                option.attribute.validator(probe, option.attribute, value)
            except AttributeError:
                break
            except Exception as error:
                left = _without(value, _refused(error))
                if not refused or left is not None:
                    self._note(error, name)
                refused = True
                if not left:
                    break
                value = left
            else:
                break
        return refused

    def _note(self, error: Exception, name: str = "") -> None:
        """At the option, if that stands there."""
        told = error if isinstance(error, ConfigError) else ConfigError()
        option = name or told.option
        known, fix = self.options.get(option), as_written(told.fix)
        place = self._place(option)
        if known is None or not fix:
            text = as_written(str(error.args[0] if error.args else "").removeprefix(f"{self.cls.__name__}: "))
            self.mistakes.note(place or self.node, text if told is error else f"{type(error).__name__}: {text}")
        elif place is None:
            below = option if self.stands else ""
            self.mistakes.note(self.node, f"{option} is not given, and cannot be left out", fix, below=below)
        elif known.secret or HIDDEN in str(error):
            with self.mistakes.secretly():
                self.mistakes.note(place, "that cannot stand here", fix)
        else:
            place, key = _item(place, _refused(told))
            self.mistakes.refused(place, fix, key)

    def _place(self, option: str) -> Located | None:
        if option in self.stands:
            return self.stands[option]
        return self.node if option in self.given and not self.stands else None


def _refused(error: Exception) -> str:
    """What an error shows of the value that it refuses."""
    fix: str = getattr(error, "fix", "")
    return str(error).partition("=")[2].removesuffix(f": {fix}") if fix else ""


def _without(value: Any, refused: str) -> Any:
    """A list or a mapping without what was refused of it; ``None``: that cannot be told."""
    left: Any = None
    if isinstance(value, dict):
        left = {name: each for name, each in value.items() if refused not in {repr(name), repr(each)}}
    elif isinstance(value, tuple):
        left = tuple(each for each in value if repr(each) != refused)
    return left if left is not None and len(left) < len(value) else None


def _item(place: Located, refused: str) -> tuple[Located, str | None]:
    """What of a list or a mapping is refused, by its ``repr``; of a name the mapping and the name."""
    value: Any = place.value
    if isinstance(value, dict):
        for name, each in value.items():
            if repr(name) == refused:
                return place, name
            if repr(plain(each)) == refused:
                return each, None
    if isinstance(value, list):
        for each in reversed(value):  # of two that are the same, the second one
            if repr(plain(each)) == refused:
                return each, None
    return place, None


def as_written(fix: str) -> str:
    """A fix, said in the words of a file."""
    fix = _TUPLE.sub(r"\1[\2]", fix)
    called = _CALL.sub(lambda match: snake(match[1]) + (match[2] and f": {_braced(match[2])}"), fix)
    assigned = _ASSIGNED.sub(lambda match: f"{match[1]}: " if match[2] else f"{match[1]}:", called)
    return _WORD.sub(lambda match: _WORDS[match[0]], assigned)


def _braced(options: str) -> str:
    return f"{{{options}}}" if "=" in options else options
