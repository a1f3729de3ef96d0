"""Where does each item of a section stand in a YAML text? Found by lines, without reading it.

::

    mesh: shop                 head
    routes:                    head
      # the shop               head
      - name: pay              an item: from a line with a dash at the section's indentation,
        to: payments                    to the next one
      - name: orders           the last item: up to the section's end
        to: orders
    clusters:                  tail
      orders: ...              tail

What is found here is a guess: only who reads the text knows whether an item begins there, or whether that line is in
the midst of a text. A text that is laid out otherwise (in brackets, say) is not taken apart.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Items", "split"]

SLICE = 2**18
"""Characters that are gone through in one go: meanwhile nobody else is served."""

_COMMENT = re.compile(r"[ \t\r]*(?:[ \t]#.*)?")
_FIRST = re.compile(r"( *)- .")
_END = re.compile(r"\n[^ \t\r\n#]")
_END_FLAT = re.compile(r"\n(?:[^ \t\r\n#-]|-[^ ])")


class Items(NamedTuple):
    """The items of a section, and what stands before and behind them. All of it in a row is the text."""

    head: str
    items: list[str]
    tail: str


def split(text: str, section: str = "routes") -> Items | None:
    """The items of a section at the top; ``None``: it is not laid out as above."""
    if "\r" in text and "\r" in text.replace("\r\n", ""):
        return None  # a line's end to YAML, but not here
    key = f"{section}:"
    if text.count(f"\n{key}") + text.startswith(key) != 1:
        return None
    begin = 0 if text.startswith(key) else text.index(f"\n{key}") + 1
    at = _line_end(text, begin)
    if not _COMMENT.fullmatch(text, begin + len(key), at):
        return None
    while at < len(text):
        end = _line_end(text, at + 1)
        line = text[at + 1 : end].strip(" \t\r")
        if line and not line.startswith("#"):
            break
        at = end
    first = at + 1
    match = _FIRST.match(text, first)
    if match is None:
        return None
    indent = match[1]
    end = _section_end(text, first, _END if indent else _END_FLAT)
    starts = [first]
    mark = f"\n{indent}- "
    at = text.find(mark, first, end)
    while at >= 0:
        starts.append(at + 1)
        at = text.find(mark, at + 1, end)
    items = [text[start:stop] for start, stop in pairwise([*starts, end])]
    return Items(text[:first], items, text[end:])


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _section_end(text: str, first: int, sign: re.Pattern[str]) -> int:
    for at in range(first, len(text), SLICE):
        match = sign.search(text, at, at + SLICE + 3)
        if match is not None:
            return match.start() + 1
    return len(text)
