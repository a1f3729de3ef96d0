"""How is a tree written? Two blanks further in for each mapping, a dash under its key for each item of a list.

::

    key: value  # tail
    list:
    - item
    mapping:
      key: {in: brackets, if: that was so, and: it fits}

What is in brackets stays so where it fits on a line of `WIDE` columns and has no comment in it. Of several blank lines
one is left, and one is put before each section of several lines.
"""

from __future__ import annotations

from collections.abc import Iterator

from .tree import Alias, Block, Entry, Node, Scalar, Several

__all__ = ["WIDE", "written"]

WIDE = 100


def written(root: Node, before: list[str], after: list[str]) -> str:
    """The text of a tree, and what stands before and after all of it."""
    if isinstance(root, Several) and not (_fits(root, 0) and root.entries):
        lines = [*_entries(root, 0, top=True)]
    elif isinstance(root, Block):
        lines = _block("", root, 0)
    else:
        lines = [_inline(root)]
    whole = [*_sparse(before, first=True), *([""] if before else []), *_inside(root), *lines, *_sparse(after)]
    while whole and not whole[0]:
        whole.pop(0)
    while whole and not whole[-1]:
        whole.pop()
    return "\n".join(whole) + "\n"


def _sparse(lines: list[str], *, first: bool = False) -> Iterator[str]:
    """With one blank line of several, and none where it begins."""
    for number, line in enumerate(lines):
        if line or not (first if number == 0 else not lines[number - 1]):
            yield line


def _entries(several: Several, indent: int, *, top: bool = False) -> Iterator[str]:
    blank = " " * indent
    long = False
    for number, entry in enumerate(several.entries):
        lines = _entry(entry, indent)
        lead = [*_sparse(entry.lead, first=number == 0)]
        if top and number and several.mapping and (long or len(lines) > 1):
            lead = _apart(lead)
        long = len(lines) > 1
        yield from (blank + line if line else "" for line in lead)
        yield from lines
        yield from (blank + line if line else "" for line in _sparse(entry.trail))
    yield from (blank + line if line else "" for line in _sparse(several.end))


def _apart(lead: list[str]) -> list[str]:
    """With a blank line before the comments that stand right above an entry."""
    at = len(lead)
    while at and lead[at - 1]:
        at -= 1
    return lead if at and not lead[at - 1] else [*lead[:at], "", *lead[at:]]


def _entry(entry: Entry, indent: int) -> list[str]:
    head = "-" if entry.key is None else f"{entry.key}:"
    blank, value = " " * indent, entry.value
    tail = "".join(f"  {each}" for each in entry.tail[:1])
    above = [blank + each for each in (*entry.tail[1:], *_inside(value))]
    if isinstance(value, Block):
        return above + _block(f"{blank}{head} ", value, indent, tail)
    if not isinstance(value, Several) or not value.entries or _fits(value, indent + len(head) + 1):
        told = _inline(value)
        return [*above, f"{blank}{head} {told}{tail}" if told else f"{blank}{head}{tail}"]
    anchor = f" &{value.anchor}" if value.anchor else ""
    deeper = indent if entry.key is not None and not value.mapping else indent + 2
    inner = [*_entries(value, deeper)]
    if entry.key is None and not (tail or anchor or any(value.entries[0].lead)):
        return [*above, f"{blank}- {inner[0][deeper:]}", *inner[1:]]
    return [*above, f"{blank}{head}{anchor}{tail}", *inner]


def _inside(value: Node) -> list[str]:
    """Comments in brackets that hold nothing else."""
    return [each for each in value.end if each] if isinstance(value, Several) and not value.entries else []


def _block(head: str, block: Block, indent: int, tail: str = "") -> list[str]:
    anchor = f"&{block.anchor} " if block.anchor else ""
    blank = " " * (indent + 2)
    return [f"{head}{anchor}{block.head}{tail}", *(blank + line if line.strip() else "" for line in block.lines)]


def _fits(several: Several, column: int) -> bool:
    """Whether it stays in brackets."""
    if not several.flow or several.said:
        return False
    told = _inline(several)
    return "\n" not in told and column + len(told) <= WIDE


def _inline(node: Node) -> str:
    if isinstance(node, Alias):
        return f"*{node.name}"
    anchor = f"&{node.anchor} " if node.anchor else ""
    if isinstance(node, Scalar):
        return f"{anchor}{node.text}".rstrip() if anchor else node.text
    if isinstance(node, Block):
        return anchor + node.head
    if not node.mapping:
        return f"{anchor}[{', '.join(_inline(each.value) for each in node.entries)}]"
    pairs = ", ".join(_pair(each) for each in node.entries)
    return anchor + (pairs if node.bare else f"{{{pairs}}}")


def _pair(entry: Entry) -> str:
    told = _inline(entry.value)
    return f"{entry.key}: {told}" if told else f"{entry.key}"
