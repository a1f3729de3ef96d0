"""Where do the parts of a text in YAML stand, and where its comments? The tree of its data, made from pyyaml's events.

It is given texts that have been read as a mesh file before: one document, no tags, no keys but texts. What is plain
stays as it is written; what is in quotes is written anew, in double ones if it needs no escape there.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from ..mistakes import lines_of
from .comments import attach
from .tree import Alias, Block, Entry, Node, Place, Scalar, Several

__all__ = ["Document", "quoted", "read"]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BREAKS = {"\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P", "\ufeff": "\\uFEFF"}
_HEAD = re.compile(r"([|>])([+-]?)(\d?)([+-]?)\s*(#.*)?$")


class Document:
    """The tree of a text, its lines, and where something can stand that a comment is about."""

    def __init__(self, text: str) -> None:
        self.lines = lines_of(text)
        self.marks: list[tuple[Place, Entry]] = []
        """Where entries begin and end, in order."""
        self.starts: list[Entry] = []
        """All entries, in order."""
        self.brackets: list[Several] = []
        """All that is written in brackets, in order."""
        self.covered: dict[int, list[tuple[int, int]]] = {}
        """Of each line the columns where scalars stand."""
        self.filled: set[int] = set()
        """Lines within scalars, which are not blank even if they are."""
        self.heads: list[tuple[Place, Place, str]] = []
        """Comments in the first line of a scalar of several lines: where that stands, where the comment, and which."""
        self.root: Node = Scalar("")
        self.top = Several(mapping=False, flow=False, at=(0, -1), owner=None)
        """Holds the root: a list of one."""


def read(text: str) -> Document:
    """The tree of a text, with its comments where they belong."""
    document = Document(text)
    loader = _Loader(text)
    try:
        _build(document, loader)
    finally:
        loader.dispose()
    attach(document)
    return document


def _build(document: Document, loader: Any) -> None:
    first = Entry(None, (0, 0), document.top)
    document.top.entries.append(first)
    opened: list[Several] = []
    waiting: list[Entry] = [first]
    while (event := loader.get_event()) is not None:
        kind = event.__class__
        at = event.start_mark and (event.start_mark.line, event.start_mark.column)
        if kind in {yaml.MappingEndEvent, yaml.SequenceEndEvent}:
            ended = opened.pop()
            if ended.flow:
                ended.stop = event.end_mark.line, event.end_mark.column
                document.marks.append((ended.stop, ended.owner or first))
            continue
        if kind not in {yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent, yaml.AliasEvent}:
            continue
        within = opened[-1] if opened else None
        if within is not None and within.mapping and not waiting:
            entry = Entry(_scalar(document, event).text, at, within)
            _begin(document, entry)
            waiting.append(entry)
            continue
        if within is not None and not within.mapping:
            entry = Entry(None, at if within.flow else _dash(document, within, at), within)
            _begin(document, entry)
        else:
            entry = waiting.pop()
        entry.value = value = _value(document, event, entry)
        if isinstance(value, Several):
            opened.append(value)
        else:
            document.marks.append(((event.end_mark.line, event.end_mark.column), entry))
    document.root = first.value


def _begin(document: Document, entry: Entry) -> None:
    entry.within.entries.append(entry)
    document.starts.append(entry)
    document.marks.append((entry.at, entry))


def _dash(document: Document, within: Several, at: Place) -> Place:
    """Where the dash of an item stands."""
    line = at[0]
    while line > 0 and not document.lines[line].startswith("-", within.column):
        line -= 1
    return line, within.column


def _value(document: Document, event: Any, entry: Entry) -> Node:
    kind = event.__class__
    if kind is yaml.AliasEvent:
        return Alias(event.anchor)
    if kind is yaml.ScalarEvent:
        return _lines(document, event) if event.style in {"|", ">"} else _scalar(document, event)
    at = event.start_mark.line, event.start_mark.column
    mapping, flow = kind is yaml.MappingStartEvent, bool(event.flow_style)
    bare = mapping and flow and not document.lines[event.end_mark.line].startswith("{", event.end_mark.column - 1)
    found = Several(mapping, flow, at, entry, event.anchor or "", bare=bare)
    if flow:
        document.brackets.append(found)
        document.marks.append((at, entry))
    return found


def _scalar(document: Document, event: Any) -> Scalar:
    _cover(document, event)
    value: str = event.value
    if not event.style and "\n" not in value:
        return Scalar(value, event.anchor or "")
    return Scalar(quoted(value), event.anchor or "")


def quoted(value: str) -> str:
    """A text in quotes: double ones, unless it has some and no other character would need an escape."""
    if value.isprintable() and ('"' in value or "\\" in value):
        return "'" + value.replace("'", "''") + "'"
    told = json.dumps(value, ensure_ascii=False)
    return "".join(_BREAKS.get(each) or (each if each.isprintable() else json.dumps(each)[1:-1]) for each in told)


def _cover(document: Document, event: Any) -> None:
    start, end = event.start_mark, event.end_mark
    for line in range(start.line, end.line + 1):
        first = start.column if line == start.line else 0
        last = end.column if line == end.line else len(document.lines[line])
        document.covered.setdefault(line, []).append((first, last))
        if start.line < line < end.line or (line > start.line and line == end.line and end.column):
            document.filled.add(line)


def _lines(document: Document, event: Any) -> Block | Scalar:
    """A scalar in lines of its own, taken from the text; in quotes, where blank lines behind it would belong to it."""
    start, end = event.start_mark, event.end_mark
    head = document.lines[start.line]
    style, before, _, after, comment = _HEAD.search(head, start.column).groups()  # type: ignore[union-attr]  # it begins so
    keep = before or after
    lines = document.lines[start.line + 1 : end.line if end.column == 0 else end.line + 1]
    while lines and not lines[-1].strip():
        lines.pop()
    for number in range(start.line + 1, start.line + 1 + len(lines)):
        document.filled.add(number)
        document.covered.setdefault(number, []).append((0, len(document.lines[number])))
    if comment:
        document.heads.append(((start.line, start.column), (start.line, head.index(comment, start.column)), comment))
    if keep == "+":
        return Scalar(quoted(event.value), event.anchor or "")
    # What the first line with something in it has in front of it, and is not its text, the others have as well.
    own = _first_depth(event.value.split("\n"))
    indent = _first_depth(lines) - own
    deep = own > 0  # then the number of blanks must be said, which is always two here
    if event.value and not event.value.endswith("\n"):  # the file may end without one
        keep = "-"
    return Block(style + ("2" if deep else "") + keep, [line[indent:] for line in lines], event.anchor or "")


def _first_depth(lines: list[str]) -> int:
    """With how many blanks the first line begins that has something else."""
    return next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), 0)
