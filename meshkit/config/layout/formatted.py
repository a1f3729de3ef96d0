"""What is a mesh file in its one layout? Its sections and what belongs to its routes in their order, its lines anew.

Nothing else changes: what is read of it is the same afterwards, and every comment is still there. That is looked after
each time: what could not be laid out so is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ...errors import ConfigError
from ..document import parse
from ..file import SPACE, TOP
from ..garbage import paused
from ..located import plain
from .comments import comments
from .tree import Node, Several
from .write import written

if TYPE_CHECKING:
    from .read import Document

__all__ = ["ROUTE", "SECTIONS", "formatted"]

SECTIONS = ("$schema", *(each for each in TOP if each != "$schema"))
ROUTE = ("name", "match", "priority", "policies", "actions", "to")
"""The order of what belongs to a route: which requests it is for, and then as they come by."""
FIRST = "# yaml-language-server:"
"""What editors look for at the top."""


def formatted(text: str | bytes, name: str = "mesh.yaml") -> str:
    """The text of a mesh file, laid out anew. Raises `FileErrors` where it is no file of data, `ConfigError` where it
    is no YAML, or cannot be laid out.
    """
    with paused():
        return _formatted(text, name)


def _formatted(text: str | bytes, name: str) -> str:
    before = parse(text, name)
    if before.format != "yaml":
        raise ConfigError(f"{name}: only YAML is laid out: for TOML and JSON there are others")
    before.mistakes.check()
    from .read import read  # pyyaml is an extra

    data, source = plain(before.root), before.mistakes.text
    for sorts in (True, False):
        document = read(source)
        said = sorted(each.text for each in comments(document))
        top: list[str] = []
        if sorts:
            top = _sort(document)
        made = written(document.root, top, document.top.end)
        after = parse(made, name)
        same = not len(after.mistakes) and plain(after.root) == data
        if same and sorted(each.text for each in comments(read(made))) == said:
            return made
    raise ConfigError(f"{name}: it cannot be laid out without a change: this is a fault of ours, please report it")


def _sort(document: Document) -> list[str]:
    """Put entries in their order. Answers what stands at the top of the file, whatever comes first."""
    root = document.root
    if not isinstance(root, Several) or not root.mapping or not root.entries:
        return []
    first = root.entries[0]
    top, first.lead = _apart(first.lead)
    while first.lead and first.lead[0].startswith(FIRST):
        top.append(first.lead.pop(0))
    _order(root, SECTIONS)
    for name, section in _sections(root):
        if name == "namespaces" and isinstance(section, Several):
            for _, space in _sections(section):
                if isinstance(space, Several):
                    _order(space, SPACE)
                    _routes(space)
    _routes(root)
    return top


def _apart(lead: list[str]) -> tuple[list[str], list[str]]:
    """Comments that a blank line keeps apart from the entry below them, and the others; each with the blank line before
    it.
    """
    at = len(lead)
    while at and lead[at - 1]:
        at -= 1
    at = max(0, at - 1)
    return lead[:at], lead[at:]


def _routes(several: Several) -> None:
    for name, section in _sections(several):
        if name == "routes" and isinstance(section, Several):
            for route in section.entries:
                if isinstance(route.value, Several):
                    _order(route.value, ROUTE)


def _sections(several: Several) -> list[tuple[str, Node]]:
    return [((each.key or "").strip("\"'"), each.value) for each in several.entries]


def _order(several: Several, order: Sequence[str]) -> None:
    if several.mapping:
        for before, entry in pairwise(several.entries):
            before.trail, entry.lead = _apart(entry.lead)
        known = {name: place for place, name in enumerate(order)}
        several.entries.sort(key=lambda each: known.get((each.key or "").strip("\"'"), len(known)))
