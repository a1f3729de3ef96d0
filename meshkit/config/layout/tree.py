"""What stands in a text in YAML, comments and all? Entries of lists and mappings, each with what is said about it.

::

    # about b            lead of b: lines of their own, blank ones among them
    b:  # short          tail of b
    - x: 1
      # at the end       end of the mapping with x
    c: {d: e}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import attrs

__all__ = ["Alias", "Block", "Entry", "Node", "Place", "Scalar", "Several"]

Place = tuple[int, int]
"""Line and column, from 0."""


@attrs.define(eq=False)
class Scalar:
    """``text``: as it is written on one line."""

    text: str
    anchor: str = ""


@attrs.define(eq=False)
class Block:
    """A scalar in lines of its own: ``|`` or ``>`` and the like, then the lines, from the first column on."""

    head: str
    lines: list[str]
    anchor: str = ""


@attrs.define(eq=False)
class Alias:
    name: str


@attrs.define(eq=False)
class Entry:
    """An item of a list, or a key with its value. ``key`` is as it is written; ``None``: of a list."""

    key: str | None
    at: Place
    within: Several
    value: Node = attrs.field(factory=lambda: Scalar(""))
    lead: list[str] = attrs.field(factory=list)
    """Comments, and an empty text for each blank line between them; the last one is in front of the entry."""
    tail: list[str] = attrs.field(factory=list)
    """Comments behind it on a line."""
    trail: list[str] = attrs.field(factory=list)
    """Comments below it that are not about what comes next: a blank line is between."""

    @property
    def said(self) -> bool:
        """Whether there are comments in it."""
        return bool(self.tail or any(self.lead) or (isinstance(self.value, Several) and self.value.said))


@attrs.define(eq=False)
class Several:
    """A list or a mapping. ``flow``: written in brackets."""

    mapping: bool
    flow: bool
    at: Place
    owner: Entry | None
    anchor: str = ""
    entries: list[Entry] = attrs.field(factory=list)
    end: list[str] = attrs.field(factory=list)
    """Comments behind the last entry, with blank lines as in a lead."""
    stop: Place = (0, 0)
    """Where it ends, if it is in brackets."""
    bare: bool = False
    """Whether it is a pair in a list in brackets, and has none of its own."""

    @property
    def said(self) -> bool:
        return bool(self.end) or any(each.said for each in self.entries)

    @property
    def column(self) -> int:
        return self.at[1]

    def outward(self) -> Iterator[Several]:
        """Itself, and all that it is within."""
        one: Several | None = self
        while one is not None:
            yield one
            one = one.owner.within if one.owner is not None else None


Node: TypeAlias = Scalar | Block | Alias | Several
