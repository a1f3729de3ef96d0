"""How are texts written: names, words of a few, rates, bytes, and whatever else JSON can say?

A text is one line without control characters: many of them become header fields, log lines, names in errors. Bytes, and
texts that say so, may have lines. A number where a text is wanted is a mistake: ``1.10`` would have been ``1.1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...errors import ConfigError
from ...limit.rate import parsed
from ..foreign import meant
from ..located import BROKEN, WRONG, Located, plain
from ..meant import near, ours
from ..mistakes import Mistakes, shown
from .kind import Definitions, Kind, Schema, unwritable

__all__ = ["Bytes", "Plain", "Rate", "Text", "Words"]

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ONE_LINE = "^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]*$"
_RATE_MEANT = re.compile(
    r"([0-9.]{1,20})\s*(?:r|req|requests?|calls?)?\s*(?:/|p(?=[sm]$)|\b(?:per|an?|every)\s)\s*"
    r"(s|sec|second|m|min|minute|h|hour|d|day)"
)
_RATE = r"^\s*[0-9]+(\.[0-9]+)?\s*/\s*([0-9]+(\.[0-9]+)?)?\s*[a-z]+\s*$"


class Text(Kind):
    """``lines``: whether it may have more than one."""

    expects = "a text"
    plain = True
    """Whether a number may have been meant, and only lacks its quotes."""
    shapes: tuple[type, ...] = (str,)
    classes: tuple[type, ...] = (str,)

    def __init__(self, *, lines: bool = False) -> None:
        self.lines = lines

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is str:
            stray = None if value.isprintable() else self._stray(value)
            if stray is None:
                return value
            line = stray[0] in "\r\n"
            what = "a line break" if line else f"the character U+{ord(stray[0]):04X}"
            mistakes.note(node, f"there is {what} in it", "write one line" if line else "leave it out")
            return WRONG
        written = node.written if self.plain and value.__class__ in {int, float, bool} else None
        return self.wrong(node, mistakes, f'put it in quotes, "{shown(written)}"' if written else "")

    def _stray(self, value: str) -> re.Match[str] | None:
        return (_UNSEEN if self.lines else _CONTROL).search(value)

    def write(self, value: Any) -> Any:
        if self._stray(value):
            raise unwritable(value, "it has characters that cannot be seen, or several lines")
        return value

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string"} if self.lines else {"type": "string", "pattern": _ONE_LINE}


class Bytes(Text):
    """The UTF-8 of a text."""

    classes = (bytes,)

    def __init__(self) -> None:
        super().__init__(lines=True)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        return value.encode() if value.__class__ is str else self.wrong(node, mistakes)

    def write(self, value: Any) -> Any:
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise unwritable(value, "it is no UTF-8") from None


class Words(Kind):
    """One of a few texts, or numbers. ``name``: what they are for others, too (`foreign`)."""

    shapes: tuple[type, ...] = (str,)

    def __init__(self, words: Iterable[Any], name: str = "") -> None:
        self.words = tuple(words)
        self.name = name
        self.shapes = self.classes = tuple({each.__class__ for each in self.words})
        self.expects = "one of " + ", ".join(map(str, self.words)) if len(self.words) > 1 else str(self.words[0])

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if self.suits(value):
            return value
        text = value if isinstance(value, str) else node.written or ""
        if not text or mistakes.full:
            return self.wrong(node, mistakes)
        found = near(text, [*map(str, self.words)])
        return self.wrong(node, mistakes, f"did you mean {found}?" if found else meant(self.name, ours(text)))

    def fits(self, node: Located) -> bool:
        return self.suits(node.value)

    def suits(self, value: Any) -> bool:
        return value.__class__ in self.classes and value in self.words

    def schema(self, definitions: Definitions) -> Schema:
        return {"enum": list(self.words)}


class Rate(Kind):
    """``100/s``, ``10/min``, ``1/10s``, or a number per second."""

    expects = "a rate such as 100/s or 10/min"
    shapes = classes = (str, int, float)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ not in self.shapes:
            return self.wrong(node, mistakes)
        try:
            parsed(value)
        except ConfigError as error:
            return self.wrong(node, mistakes, _rate_meant(value) or (error.fix if "no unit" in error.fix else ""))
        return value

    def schema(self, definitions: Definitions) -> Schema:
        number = {"type": "number", "exclusiveMinimum": 0}
        return {"anyOf": [{"type": "string", "pattern": _RATE, "examples": ["100/s", "10/min"]}, number]}


def _rate_meant(value: Any) -> str:
    match = _RATE_MEANT.fullmatch(value) if value.__class__ is str else None
    told = "" if match is None else f"{match[1]}/{'min' if match[2] == 'm' else match[2]}"
    return f"write {told}" if told and told != value else ""


class Plain(Kind):
    """Whatever JSON can say."""

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        return WRONG if _broken(node) else plain(node)

    def fits(self, node: Located) -> bool:
        return True

    def suits(self, value: Any) -> bool:
        if isinstance(value, dict):
            return all(isinstance(name, str) for name in value) and all(map(self.suits, value.values()))
        if isinstance(value, list):
            return all(map(self.suits, value))
        return value is None or isinstance(value, str | int | float | bool)

    def write(self, value: Any) -> Any:
        if not self.suits(value):
            raise unwritable(value, "only texts, numbers, truths, lists and dicts of these can")
        return value

    def schema(self, definitions: Definitions) -> Schema:
        return {}


def _broken(node: Located) -> bool:
    value = node.value
    inner = value.values() if value.__class__ is dict else value if value.__class__ is list else ()
    return value is BROKEN or any(map(_broken, inner))
