"""What is wrong with a file, and where? All of it at once.

::

    mesh.yaml:12:17: routes[3].policies[0].retry.attempts: expected a whole number, not the text 'three'; write 3
            attempts: three
                      ^

Whoever reads the file notes what is wrong and goes on; at the end all of it is raised, by the place in the file. What
comes from the file is escaped and cut short before it is shown, and a line that looks as if it held a secret is not
shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import attrs

from ..errors import ConfigError
from .located import BROKEN, Located, placed

__all__ = ["SECRET", "FileErrors", "Mistake", "Mistakes", "lines_of", "quoted", "shown"]

MOST = 100
"""Mistakes that are told; the others are counted."""
KEPT = 1000
"""Mistakes of which those are chosen that come first in the file."""
EXCERPTS = 20
"""Mistakes whose line is shown."""
WIDE = 300
"""Characters of what is wrong, and of what to do."""
WINDOW = 100
"""Columns of the file that are shown of a line."""
HIDDEN = ("    the line is not shown: there may be a secret in it",)
"""In the place of a line with what looks like one."""

SECRET = re.compile(r"secret|passw|token|authorization|cookie|credential|api.?key|private|\w:\S+@", re.IGNORECASE)
Fix: TypeAlias = str | Callable[[], str]

_UNFILLED = re.compile(r"\$\{\w|\$\(\w|\{\{")
_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


def lines_of(text: str) -> list[str]:
    """As editors count them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def shown(text: str, most: int = 60) -> str:
    """For a terminal: cut short, and without anything that would steer it."""
    cut = text if len(text) <= most else text[: most - 3] + "..."
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)


def quoted(text: str) -> str:
    """The same, in quotes."""
    return f"'{shown(text)}'"


@attrs.frozen
class Mistake:
    """One of them. ``line`` and ``column`` count from 1; 0: it is about the whole file."""

    file: str
    line: int
    column: int
    path: str
    """Where it is in the data, ``routes[3].to``."""
    text: str
    suggestion: str = ""
    excerpt: tuple[str, ...] = attrs.field(default=(), repr=False)
    """The line of the file and a sign beneath the place, where that helps."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.path}: {self.text}" if self.path else f"{place}: {self.text}"
        return f"{text}; {self.suggestion}" if self.suggestion else text


class FileErrors(ConfigError):
    """A file with mistakes: all of them, in the order of the file."""

    mistakes: tuple[Mistake, ...] = ()
    more: int = 0
    """How many there are besides."""

    @classmethod
    def told(cls, mistakes: tuple[Mistake, ...], more: int = 0) -> FileErrors:
        lines = []
        for number, mistake in enumerate(mistakes):
            lines.append(str(mistake))
            if number < EXCERPTS:
                lines += mistake.excerpt
        if more:
            lines.append(f"{mistakes[0].file}: and {more} more")
        error = cls("\n".join(lines))
        error.mistakes, error.more = mistakes, more
        return error


class _Noted(NamedTuple):
    at: int
    text: str
    suggestion: Fix
    node: Located | None
    below: str | None
    """The key or option of the node that it is about."""
    secret: bool


class Mistakes:
    """Those of one file, while it is read. ``root`` is what was read; from it paths are told."""

    def __init__(self, file: str, text: str = "", root: Located | None = None) -> None:
        self.file = shown(file, 200)
        self.text = text
        self.root = root
        self.more = 0
        self._noted: dict[tuple[int, str], _Noted] = {}
        """By place and text: what an alias stands for is read as often as it is used, and told once."""
        self._secret = False

    def __len__(self) -> int:
        return len(self._noted) + self.more

    @property
    def full(self) -> bool:
        """Whether further ones are only counted: it is then not worth finding out what was meant."""
        return len(self._noted) >= KEPT

    def note(self, node: Located, text: str, suggestion: Fix = "", *, key: str | None = None, below: str = "") -> None:
        """Of a node; of its ``key``, where that stands; or of an option ``below`` it, which does not stand there. A
        ``suggestion`` that takes long to find is a function, and only asked for if it is told.
        """
        at = node.at if key is None or node.keys is None else node.keys.get(key, node.at)
        self._note(_Noted(at, text, suggestion, node, below or key, self._secret))

    def at(self, at: int, text: str, suggestion: str = "") -> None:
        """Of a place where there is no node; 0: of the whole file."""
        self._note(_Noted(at, text, suggestion, None, None, self._secret))

    def wrong(self, node: Located, expected: str, suggestion: str = "") -> None:
        """Of a node that is something else than what is wanted there."""
        if node.value is not BROKEN:
            self._of(node, f"expected {expected}, not {self.described(node)}", suggestion)

    def refused(self, node: Located, suggestion: str, key: str | None = None) -> None:
        """Of a node that is what is wanted there, but for its value; or of the name of one of its own."""
        what = self.described(node) if key is None else f"the name {quoted(key)}"
        self._of(node, f"{what} cannot stand here", suggestion, key)

    def _of(self, node: Located, text: str, suggestion: str, key: str | None = None) -> None:
        unfilled = isinstance(node.value, str) and _UNFILLED.search(node.value) is not None
        fix = "nothing is filled in here: write the value itself" if unfilled else suggestion
        self.note(node, text, "" if self._secret else fix, key=key)

    def described(self, node: Located) -> str:
        value: Any = node.value
        if isinstance(value, dict | list):
            return "a mapping" if isinstance(value, dict) else "a list"
        if value is None:
            return "nothing"
        what = "text" if isinstance(value, str) else "number"
        if self._secret:
            return "a text" if what == "text" else "a number"
        if isinstance(value, bool):
            return "true" if value else "false"
        return f"the text {quoted(value)}" if what == "text" else f"the number {shown(node.written or str(value))}"

    @contextmanager
    def secretly(self) -> Iterator[None]:
        """What is noted meanwhile shows nothing of what stands there."""
        before, self._secret = self._secret, True
        try:
            yield
        finally:
            self._secret = before

    def error(self) -> FileErrors:
        """All of them."""
        found = sorted(self._noted.values(), key=lambda each: each.at)
        told = found[:MOST]
        paths = _paths(self.root, {id(each.node) for each in told if each.node is not None})
        lines = lines_of(self.text) if self.text else []
        mistakes = tuple(
            Mistake(
                self.file,
                *placed(each.at),
                shown(paths.get(id(each.node), "") + _step(each.below), 200).removeprefix("."),
                shown(each.text, WIDE),
                shown(each.suggestion if isinstance(each.suggestion, str) else each.suggestion(), WIDE),
                HIDDEN if each.secret else _excerpt(lines, *placed(each.at)),
            )
            for each in told
        )
        return FileErrors.told(mistakes, self.more + len(found) - len(told))

    def check(self) -> None:
        """Raises `FileErrors` where there are any."""
        if self._noted:
            raise self.error()

    def _note(self, noted: _Noted) -> None:
        if self.full:
            self.more += (noted.at, noted.text) not in self._noted
        else:
            self._noted.setdefault((noted.at, noted.text), noted)


def _excerpt(lines: list[str], line: int, column: int) -> tuple[str, ...]:
    if not 1 <= line <= len(lines) or column > len(lines[line - 1]) + 1:
        return ()
    text = lines[line - 1]
    start = max(0, column - 1 - WINDOW // 2)
    seen = text[max(0, start - WINDOW) : start + WINDOW]
    if SECRET.search(seen):
        return HIDDEN
    if not seen.strip():
        return ()
    before, after = shown(text[start : column - 1], WINDOW), shown(text[column - 1 : start + WINDOW], WINDOW)
    return f"    {before}{after}", f"    {' ' * len(before)}^"


def _step(name: str | None) -> str:
    if name is None:
        return ""
    return f".{name}" if _NAME.fullmatch(name) and len(name) <= 60 else f'["{shown(name, 40)}"]'


def _paths(root: Located | None, wanted: set[int]) -> dict[int, str]:
    """Of each of these nodes, by identity, where it is first met."""
    found: dict[int, str] = {}
    seen: set[int] = set()
    waiting: list[tuple[Located, str]] = [] if root is None else [(root, "")]
    while waiting and len(found) < len(wanted):
        node, path = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if id(node) in wanted:
            found[id(node)] = path
        value = node.value
        if value.__class__ is dict:
            waiting += [(each, path + _step(name)) for name, each in reversed(value.items())]
        elif value.__class__ is list:
            waiting += [(each, f"{path}[{number}]") for number, each in reversed([*enumerate(value)])]
    return found
