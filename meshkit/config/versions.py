"""What is different in another version of a mesh? In words, and as what may go on as it is.

::

    route pay: policies, to                    the route of that name is written otherwise there
    route shop.example/old/* added             or removed
    the order of routes
    cluster orders: endpoints                  and not each route that leads to it
    listener public: port (after a restart)    where an address would have to be opened

What says the same in both is taken from the one before: the very objects, by which everything further on knows that it
need do nothing for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import attrs

from ..shared import bare
from .alike import Alike
from .mistakes import shown
from .spec import MeshSpec

__all__ = ["Version", "changes", "settled"]

MOST = 20
"""Changes that are told; the others are counted."""
PLAIN = re.compile(r"[\w./*-]+")
OPENED = frozenset({"address", "port", "scheme"})
"""What of a listener is opened once, by whoever serves it."""
LATER = " (after a restart)"
WHOLE = ("name", "egress", "order", "paths")
"""What is of the mesh as a whole."""
PARTS = (("cluster", "clusters"), ("route", "routes"), ("listener", "listeners"), ("node", "nodes"))


@attrs.frozen
class Version:
    """One of the versions a mesh has had: its number, since when, and what is different in it from the one before, in
    words (none of the first).
    """

    number: int
    at: datetime
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"version {self.number}" + (f": {'; '.join(self.changes)}" if self.changes else "")


def settled(before: MeshSpec, spec: MeshSpec) -> MeshSpec:
    """A mesh, with what says the same as in the one before taken from there; where that is all, the one before."""
    if spec is before:
        return before
    alike = Alike()
    parts: dict[str, tuple[Any, ...]] = {}
    for _, section in PARTS:
        known = _by_name(getattr(before, section))
        found = []
        for key, each in _by_name(getattr(spec, section)).items():
            other = known.get(key)
            found.append(each if other is None or not alike(other, each) else other)
        parts[section] = tuple(found)
    if all(_same(getattr(before, section), parts[section]) for section in parts) and alike(
        [getattr(before, option) for option in WHOLE], [getattr(spec, option) for option in WHOLE]
    ):
        return before
    changed: dict[str, Any] = {
        section: those for section, those in parts.items() if not _same(those, getattr(spec, section))
    }
    return attrs.evolve(spec, **changed) if changed else spec


def changes(before: MeshSpec, spec: MeshSpec) -> tuple[str, ...]:
    """What is different in a mesh that was `settled`."""
    told = [*_told(before, spec)]
    more = len(told) - MOST
    return (*told[:MOST], f"and {more} more") if more > 0 else tuple(told)


def _told(before: MeshSpec, spec: MeshSpec) -> Iterator[str]:
    if spec.name != before.name:
        yield f"the mesh is called {shown(spec.name)}"
    for option in ("egress", "order"):
        if getattr(spec, option) != getattr(before, option):
            yield f"{option} is {getattr(spec, option)}"
    if spec.paths != before.paths:
        yield "paths have another normal form"
    alike = Alike(by_name=True)
    for word, section in PARTS:
        were, those = _by_name(getattr(before, section)), _by_name(getattr(spec, section))
        for key, each in those.items():
            other = were.get(key)
            if other is None:
                yield f"{word} {_named(key)} added{LATER if word == 'listener' else ''}"
            elif other is not each:
                options = [*_options(bare(other), bare(each), alike)]
                opened = [option for option in options if word == "listener" and option in OPENED]
                at_once = [option for option in options if option not in opened]
                if at_once:
                    yield f"{word} {_named(key)}: {', '.join(at_once)}"
                if opened:
                    yield f"{word} {_named(key)}: {', '.join(opened)}{LATER}"
        for key in were:
            if key not in those:
                yield f"{word} {_named(key)} removed"
        if section == "routes" and [key for key in were if key in those] != [key for key in those if key in were]:
            yield "the order of routes"


def _options(one: Any, other: Any, alike: Alike) -> Iterator[str]:
    for field in attrs.fields(type(one)):
        if field.eq and not alike(getattr(one, field.name), getattr(other, field.name)):
            yield field.alias


def _by_name(those: Iterable[Any]) -> dict[tuple[str, int], Any]:
    """Each by its name, and which one of that name it is."""
    count: dict[str, int] = {}
    found = {}
    for each in those:
        spec = bare(each)
        name = spec.name or str(spec)
        number = count[name] = count.get(name, 0) + 1
        found[name, number] = each
    return found


def _named(key: tuple[str, int]) -> str:
    name, number = key
    name = shown(name)
    return (name if PLAIN.fullmatch(name) else repr(name)) + (f" ({number})" if number > 1 else "")


def _same(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))
