"""How is JSON read, so that each value knows its place? As RFC 8259 says, and nothing else: no comments, no commas too
many, no NaN.

The scanner of the standard library tells no places; this one is its grammar again, with ``json``'s own function for
strings. A key that stands twice is a mistake, and the first one counts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # it is there, untold, since Python 2.6
from typing import NoReturn

from .located import BROKEN, Keys, Located, place, placed
from .mistakes import Mistakes, quoted
from .scalars import LONGEST

__all__ = ["DEPTH", "NODES", "compose", "starts_of"]

DEPTH = 64
NODES = 1_000_000

_BLANK = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD = re.compile(r"[A-Za-z_]+")
_LITERALS = {"true": True, "false": False, "null": None}
_BREAK = re.compile(r"\r\n|\r|\n")


def starts_of(text: str) -> list[int]:
    """Where each line begins."""
    return [0, *(match.end() for match in _BREAK.finditer(text))]


def compose(text: str, mistakes: Mistakes) -> Located | None:
    """The value of a text; ``None``: it is blank. Raises `FileErrors` where reading cannot go on."""
    return _Scanner(text, mistakes).document()


class _Scanner:
    __slots__ = ("mistakes", "nodes", "starts", "text")

    def __init__(self, text: str, mistakes: Mistakes) -> None:
        self.text = text
        self.mistakes = mistakes
        self.starts = starts_of(text)
        self.nodes = 0

    def document(self) -> Located | None:
        at = self._blank(0)
        if at == len(self.text):
            return None
        node, at = self._value(at, 0)
        at = self._blank(at)
        if at < len(self.text):
            self._stop(at, "something follows the value", "a file holds one value")
        return node

    def _place(self, at: int) -> int:
        line = bisect_right(self.starts, at)
        return place(line, at - self.starts[line - 1] + 1)

    def _blank(self, at: int) -> int:
        return _BLANK.match(self.text, at).end()  # type: ignore[union-attr]  # it may be empty

    def _value(self, at: int, depth: int) -> tuple[Located, int]:
        self.nodes += 1
        if self.nodes > NODES:
            self._stop(at, f"more than {NODES} values", "write less")
        text = self.text
        first = text[at : at + 1]
        here = self._place(at)
        if first == '"':
            value, end = self._string(at)
            return Located(value, here), end
        if first in {"{", "["}:
            if depth >= DEPTH:
                self._stop(at, f"more than {DEPTH} levels", "write it flatter")
            return self._mapping(at, depth) if first == "{" else self._list(at, depth)
        match = _NUMBER.match(text, at)
        if match is not None:
            return self._number(match, here), match.end()
        word = _WORD.match(text, at)
        if word is not None and word[0] in _LITERALS:
            return Located(_LITERALS[word[0]], here, word[0]), word.end()
        if at == self._blank(0):
            self._stop(at, "no JSON", "if it is YAML, let its name end in .yaml")
        fix = "a text stands in double quotes" if word or first == "'" else ""
        return self._stop(at, "a value is wanted here", fix or self._comment(at))

    def _number(self, match: re.Match[str], here: int) -> Located:
        written = match[0]
        if len(written) > LONGEST:
            self.mistakes.at(here, f"a number of {len(written)} characters", f"{LONGEST} are read at most")
            return Located(BROKEN, here)
        value = int(written) if match[1] is None and match[2] is None else float(written)
        return Located(value, here, written)

    def _string(self, at: int) -> tuple[str, int]:
        try:
            found: tuple[str, int] = scanstring(self.text, at + 1, True)
            return found
        except JSONDecodeError as error:
            self._stop(min(error.pos, len(self.text)), f"no JSON: {error.msg[:1].lower()}{error.msg[1:]}", "")

    def _list(self, at: int, depth: int) -> tuple[Located, int]:
        items: list[Located] = []
        node = Located(items, self._place(at))
        at = self._blank(at + 1)
        if self.text[at : at + 1] == "]":
            return node, at + 1
        while True:
            item, at = self._value(at, depth + 1)
            items.append(item)
            at = self._blank(at)
            sign = self.text[at : at + 1]
            if sign == "]":
                return node, at + 1
            at = self._after_comma(at, sign, "]")

    def _mapping(self, at: int, depth: int) -> tuple[Located, int]:
        items: dict[str, Located] = {}
        keys: Keys = {}
        node = Located(items, self._place(at), None, keys)
        at = self._blank(at + 1)
        if self.text[at : at + 1] == "}":
            return node, at + 1
        while True:
            if self.text[at : at + 1] != '"':
                self._stop(at, "a key is wanted here", self._comment(at) or "a key stands in double quotes")
            here = self._place(at)
            key, at = self._string(at)
            self.nodes += 1
            at = self._blank(at)
            if self.text[at : at + 1] != ":":
                self._stop(at, "a colon is wanted here", "")
            value, at = self._value(self._blank(at + 1), depth + 1)
            known = keys.setdefault(key, here)
            if known != here:
                first = f"the first is on line {placed(known)[0]}"
                self.mistakes.at(here, f"{quoted(key)} stands here twice", first)
            else:
                items[key] = value
            at = self._blank(at)
            sign = self.text[at : at + 1]
            if sign == "}":
                return node, at + 1
            at = self._after_comma(at, sign, "}")

    def _comment(self, at: int) -> str:
        return "JSON has no comments: leave it out" if self.text.startswith(("//", "/*", "#"), at) else ""

    def _after_comma(self, at: int, sign: str, end: str) -> int:
        if sign != ",":
            self._stop(at, f"a comma or {end} is wanted here", "")
        after = self._blank(at + 1)
        if self.text[after : after + 1] == end:
            self._stop(at, "a comma too many", f"nothing follows it but {end}")
        return after

    def _stop(self, at: int, text: str, fix: str) -> NoReturn:
        self.mistakes.at(self._place(at), text, fix)
        raise self.mistakes.error()
