"""Where in the file does a value stand? Plain data that knows its line and column.

=============================  ==========================================================
``value``                      of
=============================  ==========================================================
a ``dict`` of `Located`        a mapping; ``keys`` says where each of its keys stands
a ``list`` of `Located`        a list
text, number, truth, None      a scalar; ``written`` is how the file spells it
`BROKEN`                       what was found wrong already: nobody complains of it again
=============================  ==========================================================

A place is one number, ``line << 24 | column``: there are as many as there are values.
"""

from __future__ import annotations

from typing import Any, TypeAlias

__all__ = ["BROKEN", "MERGE", "SHIFT", "WRONG", "Keys", "Located", "place", "placed", "plain"]

SHIFT = 24
"""Bits for a column: more than a file has bytes."""
MASK = (1 << SHIFT) - 1

Keys: TypeAlias = dict[str, int]


class Word:
    """A thing that is only itself."""

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def __repr__(self) -> str:
        return self._word


BROKEN = Word("BROKEN")
"""In place of a value that could not be read."""
WRONG = Word("WRONG")
"""In place of a spec that could not be made: the mistakes say why."""
MERGE = "<<"
"""The key under which a mapping has what was found wrong already."""


def place(line: int, column: int) -> int:
    """Both in one; they count from 1, and 0 is no place."""
    return line << SHIFT | column


def placed(at: int) -> tuple[int, int]:
    """Line and column."""
    return at >> SHIFT, at & MASK


class Located:
    """A value of a file. An alias is the very value that it stands for."""

    __slots__ = ("at", "keys", "value", "written")

    def __init__(self, value: Any, at: int = 0, written: str | None = None, keys: Keys | None = None) -> None:
        self.value = value
        self.at = at
        self.written = written
        """A plain scalar as it stands there, ``0x1F``; ``None``: it is quoted, or no scalar."""
        self.keys = keys
        """Of a mapping: the place of each key."""

    @property
    def line(self) -> int:
        return self.at >> SHIFT

    @property
    def column(self) -> int:
        return self.at & MASK

    def __repr__(self) -> str:
        return f"Located({self.value!r}, {self.line}:{self.column})"


def plain(located: Located) -> Any:
    """The data alone, as ``json.loads`` gives it."""
    value = located.value
    if value.__class__ is dict:
        return {name: plain(each) for name, each in value.items()}
    return [plain(each) for each in value] if value.__class__ is list else value
