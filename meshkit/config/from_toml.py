"""How is TOML read, so that each value knows its place? ``tomllib`` says whether it is TOML and what it means; places
it does not tell, so the statements are walked once more for them.

The walk comes first, and only as far as it understands: it sees what goes deeper than we do before ``tomllib`` goes
down there. A table stands where its name does. There is no nothing in TOML: where one is wanted, ``"none"`` is.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from datetime import date, time
from typing import Any

from .from_json import DEPTH, NODES, starts_of
from .located import BROKEN, Located, place
from .mistakes import Mistakes
from .scalars import LONGEST

__all__ = ["compose"]

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_VALUE = re.compile(
    r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+[^,\]}#\s]*|[^,\[\]{}#"'\s][^,\]}#\s]*"""
)
_WHERE = re.compile(r" \(at (?:line ([0-9]+), column ([0-9]+)|end of document)\)$")
_TWICE = re.compile(r"(?<=Cannot declare )\(.*\)(?= twice)")
_FIXES = {
    "Cannot overwrite a value": "it stands here twice: leave one out",
    "Invalid value": "a text stands in quotes",
}
_PART = re.compile(r"'([^']*)'")


class _Lost(Exception):
    """No TOML, or too deep."""


def compose(text: str, mistakes: Mistakes) -> Located | None:
    """The table of a text; ``None``: it is empty. Raises `FileErrors` where reading cannot go on."""
    walk = _Walk(text, mistakes)
    walk.document()
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = _WHERE.search(str(error))
        problem = _WHERE.sub("", str(error))
        at = place(int(where[1]), int(where[2])) if where and where[1] else walk.place(len(text))
        twice = _TWICE.search(problem)
        if twice is not None:
            mistakes.at(at, f"{'.'.join(_PART.findall(twice[0]))} stands here twice", "write all of it in one place")
            raise mistakes.error() from None
        mistakes.at(at, f"no TOML: {problem[:1].lower()}{problem[1:]}", _FIXES.get(problem, ""))
        raise mistakes.error() from None
    return walk.located(data, ()) if data else None


class _Walk:
    """Notes where each key and each value stands, by path."""

    __slots__ = ("counts", "keys", "mistakes", "nodes", "starts", "text", "values")

    def __init__(self, text: str, mistakes: Mistakes) -> None:
        self.text = text
        self.mistakes = mistakes
        self.starts = starts_of(text)
        self.keys: dict[Path, int] = {}
        self.values: dict[Path, int] = {(): 0}
        self.counts: dict[Path, int] = {}
        """Of an array of tables: how many there are until here."""
        self.nodes = 0

    def place(self, at: int) -> int:
        line = bisect_right(self.starts, at)
        return place(line, at - self.starts[line - 1] + 1)

    def document(self) -> None:
        text, at = self.text, 0
        table: Path = ()
        try:
            while (at := self._blank(at)) < len(text):
                if text.startswith("[[", at):
                    table, at = self._names((), at + 2, array=True)
                elif text[at] == "[":
                    table, at = self._names((), at + 1)
                else:
                    path, at = self._names(table, at)
                    at = self._value(path, self._past("=", at), len(path))
                    continue
                at = self._past("]]" if text.startswith("]]", at) else "]", at)
        except _Lost:
            return  # tomllib says why

    def located(self, data: Any, path: Path) -> Located:
        """The data with its places."""
        at = path
        while at not in self.values:
            at = at[:-1]
        here = self.place(self.values[at])
        if isinstance(data, dict):
            keys = {name: self.place(self.keys.get((*path, name), self.values[at])) for name in data}
            values = {name: self.located(each, (*path, name)) for name, each in data.items()}
            return Located(values, here, None, keys)
        if isinstance(data, list):
            return Located([self.located(each, (*path, number)) for number, each in enumerate(data)], here)
        if isinstance(data, date | time):
            self.mistakes.at(here, "a date or a time", "put it in quotes")
            return Located(BROKEN, here)
        match = None if isinstance(data, str) else _VALUE.match(self.text, self.values[at])
        return Located(data, here, match and match[0])

    def _blank(self, at: int) -> int:
        return _BLANK.match(self.text, at).end()  # type: ignore[union-attr]  # it may be empty

    def _past(self, sign: str, at: int) -> int:
        """After the sign that is next, and blanks before and behind it."""
        at = _SPACE.match(self.text, at).end()  # type: ignore[union-attr]
        if not self.text.startswith(sign, at):
            raise _Lost
        return _SPACE.match(self.text, at + len(sign)).end()  # type: ignore[union-attr]

    def _names(self, path: Path, at: int, *, array: bool = False) -> tuple[Path, int]:
        """A name with dots, below a path; where it goes through an array of tables, the last of them is meant."""
        header = not path and not array
        while True:
            at = _SPACE.match(self.text, at).end()  # type: ignore[union-attr]
            match = _KEY.match(self.text, at)
            if match is None:
                raise _Lost
            self._count(at, len(path))
            path = (*path, _name(match[0]))
            self.keys.setdefault(path, at)
            self.values.setdefault(path, at)
            end = _SPACE.match(self.text, match.end()).end()  # type: ignore[union-attr]
            last = not self.text.startswith(".", end)
            if last and array:
                number = self.counts[path] = self.counts.get(path, -1) + 1
                path = (*path, number)
                self.values[path] = at
            elif path in self.counts and (not last or header):
                path = (*path, self.counts[path])
            if last:
                return path, end
            at = end + 1

    def _count(self, at: int, depth: int) -> None:
        self.nodes += 1
        if depth >= DEPTH or self.nodes > NODES:
            text = f"more than {DEPTH} levels" if depth >= DEPTH else f"more than {NODES} values"
            self.mistakes.at(self.place(at), text, "write it flatter" if depth >= DEPTH else "write less")
            raise self.mistakes.error()

    def _value(self, path: Path, at: int, depth: int) -> int:
        """Notes where a value stands, and those in it; answers where it ends."""
        self._count(at, depth)
        self.values[path] = at
        text = self.text
        if text.startswith(('"""', "'''"), at):
            return self._long(at)
        if text.startswith("[", at):
            return self._list(path, at + 1, depth + 1)
        if text.startswith("{", at):
            return self._table(path, at + 1, depth + 1)
        match = _VALUE.match(text, at)
        if match is None:
            raise _Lost
        if text[at] not in "\"'" and len(match[0]) > LONGEST:
            self.mistakes.at(self.place(at), f"a number of {len(match[0])} characters", f"{LONGEST} are read at most")
            raise self.mistakes.error()
        return match.end()

    def _long(self, at: int) -> int:
        """The end of a text of several lines, which may end in up to two quotes of its own."""
        text, quote = self.text, self.text[at : at + 3]
        end = text.find(quote, at + 3)
        while end >= 0:
            before = end
            while quote[0] == '"' and text[before - 1] == "\\":
                before -= 1
            if (end - before) % 2 == 0:
                end += 3
                while text.startswith(quote[0], end):
                    end += 1
                return end
            end = text.find(quote, end + 1)
        raise _Lost

    def _list(self, path: Path, at: int, depth: int) -> int:
        number = 0
        while (at := self._blank(at)) < len(self.text):
            if self.text[at] == "]":
                return at + 1
            at = self._blank(self._value((*path, number), at, depth))
            number += 1
            if self.text.startswith(",", at):
                at += 1
        raise _Lost

    def _table(self, path: Path, at: int, depth: int) -> int:
        while (at := self._blank(at)) < len(self.text):
            if self.text[at] == "}":
                return at + 1
            inner, at = self._names(path, at)
            at = self._blank(self._value(inner, self._past("=", at), depth + len(inner) - len(path) - 1))
            if self.text.startswith(",", at):
                at += 1
        raise _Lost


def _name(key: str) -> str:
    """What a key says, without its quotes."""
    if key[0] == '"':
        try:
            return str(tomllib.loads(f"key = {key}")["key"])
        except tomllib.TOMLDecodeError:
            raise _Lost from None
    return key[1:-1] if key[0] == "'" else key
