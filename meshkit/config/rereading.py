"""What must be read anew of a mesh file that has changed a little? The items that are others, and what is around them.

============================================  ==================================================================
of a YAML file, laid out in lines (`items`)   on reading it again
============================================  ==================================================================
a route whose text is the same                is the very same `Route`, and is not read
one whose text is another, or new             is read, in its place, with the first and the last route
all that is around the routes                 is read
a route that mentions a cluster or a stack    is read: what it leads to has changed
which is another now
all routes, where what is granted is another  are read
now, or whose order of routes it is
============================================  ==================================================================

So what is read is a text from which routes are left out, and it is read as any text is: by the same parser, with the
same checks. That nothing else comes of it than of reading all of it, rests on this. A route that is left out was read
before, between two others; so its text begins and ends where the parser is between two items of the routes, wherever it
stands. The first and the last one are always there, by which it is known that the routes are still those of the mesh.
And an item may mean something else by what stands elsewhere only through names, and through anchors: one with an anchor
or an alias is always read.

Whatever is odd, and whatever is wrong, is found out by reading all of it: so mistakes are told as ever.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import attrs

from ..discover.stamp import Stamp
from ..errors import ConfigError
from ..route.route import Route
from .alike import Alike
from .document import FORMATS, LARGEST, Document, contents, decoded, parse
from .file import MeshFile
from .garbage import let_go, paused
from .items import Items, split
from .located import Located, plain
from .mistakes import Mistakes
from .spec import MeshSpec

__all__ = ["MeshSource"]

FEWEST = 50
"""Routes from which on it is worth while."""
MANY = 100
"""Names that are others, from which on it is not."""
APART = frozenset(
    ("$schema", "clusters", "egress", "grants", "listeners", "mesh", "namespaces", "nodes", "policies", "routes")
)
"""Sections that no route depends on, but for what is named in them."""
WHOLE = "whole"
NODES = 1_000_000
"""As in `from_yaml`; a text has no more than it has characters."""

_MARK = re.compile(r"(?:^|[\s\[\]{},:?!-])[*&]")
"""Where an anchor or an alias may begin; so do some texts."""


class _Before(NamedTuple):
    """What was read before; all of it at once, or nothing."""

    text: str
    spec: MeshSpec
    around: tuple[str, str] = ("", "")
    """What stands before the routes, and behind them."""
    known: Mapping[str, Route] = {}
    """The routes that may be left out, by their texts."""
    names: Mapping[tuple[str, ...], Any] = {}
    """What is named in the file, and what is about all routes."""
    nodes: int = 0
    """How many values and keys there are at most."""


class MeshSource:
    """A file that is read again and again. ``imports``: see `load`."""

    def __init__(self, path: str | os.PathLike[str], *, imports: bool = False, fewest: int = FEWEST) -> None:
        self.path = os.fspath(path)
        self.stamp: Any = None
        """Of what was read, for whoever looks whether it is another now."""
        self.in_full = self.in_part = 0
        """How often it was read so."""
        self._imports = imports
        self._fewest = fewest
        self._yaml = FORMATS.get(PurePath(self.path).suffix.lower()) == "yaml"
        self._before: _Before | None = None

    def read(self, data: bytes | None = None) -> MeshSpec:
        """What it says now: the same object as before, where its text is the same. ``data``: what stands in it, where
        that is known. Raises `FileErrors`.
        """
        if data is None:
            self.stamp = Stamp.at(self.path)
            data = contents(self.path)
        if len(data) > LARGEST:
            parse(data, self.path)  # raises
        text = decoded(data, Mistakes(self.path))
        before = self._before
        if before is None or text != before.text:
            with paused():
                before = self._before = (before and self._in_part(text, before)) or self._in_full(text)
        return before.spec

    def adopt(self, spec: MeshSpec) -> None:
        """Go on with these objects, which say the same as those that were read last: so that they are there once."""
        before = self._before
        if before is not None and spec is not before.spec:
            same = {id(one): other for one, other in zip(before.spec.routes, spec.routes, strict=True)}
            known = {item: same[id(route)] for item, route in before.known.items()}
            self._before = before._replace(spec=spec, known=known)
            pieces = [*before.spec.routes]
            del before
            let_go(pieces)

    def _in_full(self, text: str) -> _Before:
        document = parse(text, self.path)
        file = MeshFile(imports=self._imports)
        try:
            spec = file.spec(document)
            self.in_full += 1
            items = split(text) if self._yaml else None
            if items is None or len(items.items) < self._fewest or not _as_read(file, items.head, items.items):
                return _Before(text, spec)
            nodes = _size(document.root) if len(text) > NODES else 0
            return _Before(text, spec, (items.head, items.tail), _known(items, spec.routes), _names(file), nodes)
        finally:
            _let_go(file, document)

    def _in_part(self, text: str, before: _Before) -> _Before | None:
        """The same, where it can be told so; ``None``: all of it must be read."""
        items = split(text) if before.known else None
        if items is None:
            return None
        try:
            known = self._still(items, before)
            kept = _kept(items, known)
            if 2 * len(kept) > len(items.items):
                return None
            file, document, spec = self._parsed(items, kept, known)
            try:
                own, others = spec.routes[: len(kept)], spec.routes[len(kept) :]
                read = dict(zip(kept, own, strict=True))
                routes = [read.get(place) or known[item] for place, item in enumerate(items.items)]
                spec = attrs.evolve(spec, routes=(*routes, *others))
                nodes = before.nodes + _size(document.root) if len(text) > NODES else 0
                names = _names(file)
            finally:
                _let_go(file, document)
        except (ConfigError, _OddError):
            return None
        if nodes > NODES:
            return None
        self.in_part += 1
        return _Before(text, spec, (items.head, items.tail), _known(items, routes, before.known), names, nodes)

    def _still(self, items: Items, before: _Before) -> Mapping[str, Route]:
        """The routes that need not be read, by what is around them."""
        if (items.head, items.tail) == before.around:
            return before.known
        file, document, _ = self._parsed(items, [0, len(items.items) - 1], before.known, probing=True)
        names = _names(file)
        _let_go(file, document)
        alike = Alike()
        changed = before.names.keys() ^ names.keys()
        changed |= {key for key in before.names.keys() & names.keys() if not alike(before.names[key], names[key])}
        if len(changed) > MANY or any(key[0] == WHOLE for key in changed):
            raise _OddError
        words = [key[-1] for key in changed]
        if not words:
            return before.known
        return {
            item: route
            for item, route in before.known.items()
            if "\\" not in item and not any(word in item for word in words)
        }

    def _parsed(
        self, items: Items, kept: Sequence[int], known: Mapping[str, Route], *, probing: bool = False
    ) -> tuple[MeshFile, Document, MeshSpec]:
        """The text with these items only. Raises `FileErrors`, and `_OddError` if they begin elsewhere."""
        places = set(kept)
        texts = [items.items[place] for place in kept]
        document = parse("".join((items.head, *texts, items.tail)), self.path)
        file = MeshFile(imports=self._imports)
        file.others = None
        if not probing:
            file.others = [known[item] for place, item in enumerate(items.items) if place not in places]
        try:
            spec = file.spec(document)
            if not _as_read(file, items.head, texts):
                raise _OddError
        except BaseException:
            _let_go(file, document)
            raise
        return file, document, spec


class _OddError(Exception):
    """It must be read in full."""


def _kept(items: Items, known: Mapping[str, Route]) -> list[int]:
    """The places of the items that are to be read."""
    last = len(items.items) - 1
    seen: set[str] = set()
    kept = []
    for place, item in enumerate(items.items):
        if place in {0, last} or item not in known or item in seen:
            kept.append(place)
        seen.add(item)
    return kept


def _known(items: Items, routes: Sequence[Route], before: Mapping[str, Route] | None = None) -> dict[str, Route]:
    """The routes that may be left out next time. ``before``: those that were so last time."""
    count = Counter(items.items)
    return {
        item: route
        for item, route in [*zip(items.items, routes, strict=False)][1:-1]
        if count[item] == 1 and ((before and item in before) or not _MARK.search(item))
    }


def _as_read(file: MeshFile, head: str, texts: Sequence[str]) -> bool:
    """Whether the routes at the top are these, each beginning on the first line of its text."""
    node = file.top.get("routes")
    if node is None or node.value.__class__ is not list or len(node.value) != len(texts):
        return False
    line = head.count("\n") + 1
    for each, text in zip(node.value, texts, strict=True):
        if each.line != line:
            return False
        line += text.count("\n")
    return True


def _names(file: MeshFile) -> dict[tuple[str, ...], Any]:
    """What a route may mean something else by: what is named, what is granted, what is about all routes."""
    found: dict[tuple[str, ...], Any] = {
        (WHOLE, section): plain(node) for section, node in file.top.items() if section not in APART
    }
    for space in file.names.spaces.values():
        found[WHOLE, "grants", space.name] = space.grants
        for (sort, name), value in space.found.items():
            found[sort, space.name, name] = value
    return found


def _size(root: Located) -> int:
    """Values and keys, aliases counted as often as they are used."""
    count, left = 0, [root]
    while left:
        value = left.pop().value
        count += 1
        if value.__class__ is dict:
            count += len(value)
            left += value.values()
        elif value.__class__ is list:
            left += value
    return count


def _let_go(file: MeshFile, document: Document) -> None:
    """Of all that was read, piece by piece: at once, it would stop everybody for as long as that takes."""
    document.root.value = None
    routes = file.top.pop("routes", None)
    items = routes.value if routes is not None and routes.value.__class__ is list else []
    let_go(file.routes, file.places, file.names.places, items)
