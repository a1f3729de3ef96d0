"""What is each comment about? The entry that it stands behind, or before; or it ends the list or mapping it stands in.

=================================================  ================================================================
a comment                                          belongs to
=================================================  ================================================================
behind something on its line                       the entry that begins or ends there last: its tail
within brackets                                    the entry that comes next there, or the end of what is in them
further in than the entry that comes next          the end of the mapping that it is as deep as, if one ended there
otherwise                                          the entry that comes next
=================================================  ================================================================
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from .tree import Entry, Place, Several

if TYPE_CHECKING:
    from .read import Document

__all__ = ["Comment", "attach", "comments"]


class Comment(NamedTuple):
    at: Place
    text: str
    alone: bool
    """Whether nothing stands before it on its line."""


def comments(document: Document) -> list[Comment]:
    """All of them, in order."""
    found = [Comment(place, text.rstrip(), False) for _, place, text in document.heads]
    heads = {place[0] for _, place, _ in document.heads}
    for number, line in enumerate(document.lines):
        if "#" not in line or number in heads:
            continue
        covered = document.covered.get(number, ())
        column = line.find("#")
        while column >= 0:
            free = column == 0 or line[column - 1] in " \t"
            if free and not any(first <= column < last for first, last in covered):
                found.append(Comment((number, column), line[column:].rstrip(), not line[:column].strip()))
                break
            column = line.find("#", column + 1)
    return sorted(found)


def attach(document: Document) -> None:
    """Give every comment, and every blank line between entries, to what it is about."""
    starts = [entry.at for entry in document.starts]
    marks = sorted(document.marks, key=lambda mark: mark[0])
    places = [place for place, _ in marks]
    by_line: dict[int, list[Entry]] = {}
    for entry in document.starts:
        by_line.setdefault(entry.at[0], []).append(entry)
    last: tuple[int, int] = (-1, 0)
    for comment in comments(document):
        if not comment.alone:
            number = bisect_left(places, comment.at) - 1
            if number >= 0 and places[number][0] == comment.at[0]:
                marks[number][1].tail.append(comment.text)
                continue
        number = bisect_right(starts, comment.at)
        before = document.starts[number - 1] if number else None
        after = document.starts[number] if number < len(starts) else None
        if last[0] != number:
            last = number, 1_000_000
        owner = _owner(document, comment, before, after, last[1])
        last = number, owner.column if isinstance(owner, Several) else -1
        lines = owner.end if isinstance(owner, Several) else owner.lead
        if _blank(document, comment.at[0] - 1):
            lines.append("")
        lines.append(comment.text)
    for entries in by_line.values():
        if _blank(document, entries[0].at[0] - 1):
            entries[0].lead.append("")


def _blank(document: Document, line: int) -> bool:
    return line >= 0 and not document.lines[line].strip() and line not in document.filled


def _owner(
    document: Document, comment: Comment, before: Entry | None, after: Entry | None, deepest: int
) -> Entry | Several:
    """``deepest``: comments before this one, and behind the same entry, were no further in."""
    inside = [each for each in document.brackets if each.at < comment.at < each.stop]
    if inside:
        return next((each for each in inside[-1].entries if each.at > comment.at), inside[-1])
    if before is None:
        return after if after is not None else document.top
    outer = set() if after is None else {id(each) for each in after.within.outward()}
    column = -1 if after is None else after.at[1]
    for each in before.within.outward():
        if id(each) in outer or each.flow or each is document.top:
            continue
        within = each.owner.within if each.owner is not None else None
        if not each.mapping and within is not None and within.mapping:
            continue  # a list stands no further in than its key: what is as deep as it may be about the next key
        if column < each.column <= min(comment.at[1], deepest):
            return each
    if after is not None:
        return after
    return document.root if isinstance(document.root, Several) else document.top
