"""What does a mesh file say? A `MeshSpec`, or all that is wrong with the file.

::

    mesh: shop                      # its name
    egress: listed                  # or: any
    order: gateway-api              # or: envoy, ingress-nginx; whose rules say which route comes first
    paths: {dots: reject}           # the normal form of paths, where it is to be another one
    policies: {careful: [...]}      # stacks of policies, by name
    clusters: {orders: {...}}       # by name
    routes: [{match: ..., to: orders}]
    listeners: {public: {...}}
    nodes: {web: {...}}
    namespaces: {billing: {policies, clusters, routes, grants}}
    grants: {billing: [orders]}     # who else may refer to what is named here
    $schema: mesh.schema.json       # for editors

The words and options are those of the specs (`words`, `mesh_kinds`), what is named in them stands in `names`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from typing import Any

import attrs

from ..cluster import Cluster
from ..errors import ConfigError
from ..route.hosts import ANY, checked
from ..route.options import ANY_PATHS
from ..route.path import Paths
from ..route.route import Route
from ..route.router import ORDERS
from .destinations import PASS
from .document import Document, parse, read
from .grants import grant, granted
from .kinds.several import Several, Table
from .kinds.texts import Text, Words
from .located import BROKEN, MERGE, WRONG, Located
from .meant import advice, named
from .mentions import look_up
from .mesh_kinds import add_to
from .mistakes import quoted, shown
from .names import ALL, DEFAULT, Names, Space
from .spec import EGRESS, Listener, MeshSpec, Node
from .typed import Kinds
from .words import standard

__all__ = ["SPACE", "TOP", "MeshFile", "load", "loads"]

SPACE = ("policies", "clusters", "routes", "grants")
"""The sections of a namespace."""
TOP = ("mesh", "egress", "order", "paths", *SPACE, "listeners", "nodes", "namespaces", "$schema")
"""Those of a file. ``namespaces`` has a `SPACE` for each name; of which kinds the others are, `MeshFile` has."""

SECTIONS = {"cluster": "clusters", "policies": "policies"}
"""By sort of what is named, where it stands."""
OBJECT = ("apiVersion", "kind")
EXAMPLE = "such as clusters: {orders: {endpoints: [10.0.0.7:8080]}}"

_STRAY = re.compile(r"[^a-z0-9.-]+")


def load(path: str | PathLike[str], *, imports: bool = False) -> MeshSpec:
    """The mesh of a file. Raises `FileErrors`, with all its mistakes. ``imports``: see `standard`."""
    return MeshFile(imports=imports).spec(read(path))


def loads(text: str | bytes, name: str = "mesh.yaml", *, imports: bool = False) -> MeshSpec:
    """The mesh of a text; ``name`` is what mistakes call it, and tells the format."""
    return MeshFile(imports=imports).spec(parse(text, name))


class MeshFile:
    """Reads mesh files. What has been read last is there to be asked: the ``names``, the ``kinds``, and in ``places``
    where each route stands, by its name; in ``routes`` all of them, in the order of the mesh; in ``spaces`` the
    sections of each namespace; in ``top`` those of the file.
    """

    def __init__(self, *, imports: bool = False) -> None:
        self.kinds: Kinds = standard(imports=imports)
        self.names = Names({"cluster": self._cluster, "policies": self._policies})
        add_to(self.kinds, self.names)
        self.sections: dict[str, Any] = {
            "$schema": Text(),
            "mesh": Text(),
            "egress": Words(EGRESS, "egress"),
            "order": Words(ORDERS, "order"),
            "paths": self.kinds.of(Paths),
            "policies": Table(self.kinds.option_of(Route, "policies")),
            "clusters": self.kinds.named(Cluster),
            "routes": Several(self.kinds.of(Route), single=False),
            "grants": Table(Several(Text())),
            "listeners": self.kinds.named(Listener),
            "nodes": self.kinds.named(Node),
        }
        """Of which kind each section is, as it is read and as its form is drawn."""
        self.places: dict[str, Located] = {}
        self.routes: list[Located] = []
        self.spaces: list[tuple[Space, dict[str, Located]]] = []
        self.top: dict[str, Located] = {}
        self.others: Sequence[Route] | None = ()
        """Routes that are not in the document, but may be mentioned in it; ``None``: nobody knows which those are."""

    def spec(self, document: Document) -> MeshSpec:
        """The mesh of a document. Raises `FileErrors`."""
        mistakes = self.mistakes = document.mistakes
        self.places, self.routes = {}, []
        top = self.top = self._sections(document.root, TOP, "mesh file")
        self.names.order = self._one(top, "order", "gateway-api")
        self.names.paths = self._one(top, "paths", ANY_PATHS if "paths" in top else Paths())
        spaces = self.spaces = [(self._space(DEFAULT, top), top)]
        if not _read(top.get("namespaces")):
            self.names.lost.add(ALL)
        for name, node in self._mapping(top, "namespaces").items():
            if name == MERGE or not self._is_name(name, top["namespaces"], "namespace"):
                self.names.lost.add(ALL if name == MERGE else name)
                continue
            sections = self._sections(node, SPACE, "namespace")
            spaces.append((self._space(name, sections), sections))
            if not _read(node):
                spaces[-1][0].unread = {*SECTIONS}
        for space, sections in spaces:
            others = (each.name for each, _ in spaces if each is not space)
            if self._mapping(sections, "grants", granted(sections.get("grants"), next(others, "shop"))):
                grant(space, sections["grants"], self.names, mistakes)
        clusters: list[Any] = []
        routes: list[Route] = []
        for space, sections in spaces:
            self.names.space = space
            for sort in ("policies", "cluster"):
                found = self.names.all(sort, space, mistakes)
                (clusters if sort == "cluster" else []).extend(each for each in found if each is not WRONG)
            routes += self._routes(space, sections)
        self.names.space = spaces[0][0]
        parts = {
            "clusters": clusters,
            "routes": routes,
            "listeners": self._named(top, "listeners"),
            "nodes": self._named(top, "nodes"),
            "name": self._one(top, "mesh", "mesh"),
            "egress": self._one(top, "egress", EGRESS[0]),
            "order": self.names.order,
            "paths": self.names.paths,
        }
        self._one(top, "$schema", "")
        if self.others is not None:
            look_up(top, clusters, [*routes, *self.others], mistakes)
        mistakes.check()
        try:
            return MeshSpec(**parts)
        except ConfigError as error:
            mistakes.note(document.root, str(error))
            raise mistakes.error() from None

    # Sections.

    def _sections(self, node: Located, known: tuple[str, ...], what: str) -> dict[str, Located]:
        value = node.value
        if value is None:
            self.mistakes.note(node, "it is empty", EXAMPLE)
            return {}
        if value.__class__ is not dict:
            fix = "write routes: above the list" if value.__class__ is list else EXAMPLE
            self.mistakes.wrong(node, "sections such as clusters: and routes:", fix)
            return {}
        stranger = next((name for name in OBJECT if name in value), None)
        if stranger is not None:
            text = "this is an object of Kubernetes, and no mesh file"
            self.mistakes.note(node, text, "begin with clusters: and routes:", key=stranger)
            return {}
        found = {name: each for name, each in value.items() if name in known and each.value is not None}
        for name, each in value.items():
            if name in known or each.value is BROKEN:
                continue
            fix = "it stands at the top of the file" if name in TOP else advice(name, known, what)
            self.mistakes.note(node, f"a {what} has no section {shown(name)}", fix, key=name)
            for section in known:  # nobody knows what stands in what was meant for it
                if fix == f"did you mean {section}?" or f"{section}:" in fix:
                    found.setdefault(section, Located(BROKEN, each.at))
        return found

    def _mapping(self, sections: dict[str, Located], name: str, fix: str = "") -> dict[str, Located]:
        node = sections.get(name)
        if node is None or node.value is BROKEN:
            return {}
        if node.value.__class__ is not dict:
            self.mistakes.wrong(node, f"{name} by name, each with what belongs to it", fix or named(node.value))
            return {}
        return node.value

    def _is_name(self, name: str, node: Located, what: str) -> bool:
        """Whether it may be a name of the file's: names are hosts, and stand on both sides of a slash."""
        try:
            sound = ANY not in checked("", "", name) and name == name.lower()
        except ConfigError:
            sound = False
        if not sound:
            better = _STRAY.sub("-", name.lower()).strip("-.")
            fix = f"write {better}: it is a host as well" if better else "it is a host as well, such as orders"
            self.mistakes.note(node, f"{quoted(name)} cannot be the name of a {what}", fix, key=name)
        return sound

    def _space(self, name: str, sections: dict[str, Located]) -> Space:
        space = self.names.spaces[name] = Space(name)
        space.unread = {sort for sort, section in SECTIONS.items() if not _read(sections.get(section))}
        for section, sort, what in (("clusters", "cluster", "cluster"), ("policies", "policies", "stack of policies")):
            for each, node in self._mapping(sections, section).items():
                if each == MERGE:
                    space.unread.add(sort)
                elif self._is_name(each, sections[section], what):
                    space.nodes[sort][each] = node
                else:
                    space.misnamed.add(each)
        words = self.kinds.one_of("policy").members
        for each in [*space.nodes["policies"]]:
            if each in words:
                space.misnamed.add(each)
                fix = "give the stack another name"
                self.mistakes.note(sections["policies"], f"{each} is the word of a policy", fix, key=each)
        if PASS in space.nodes["cluster"]:
            self.mistakes.note(sections["clusters"], f"{PASS} is no name for a cluster", "take another one", key=PASS)
        return space

    # What is named.

    def _cluster(self, name: str, node: Located) -> Any:
        inner = self.sections["clusters"].inner
        given = {"name": self.names.space.qualified(name)}
        if node.value is None:
            return inner.bare(node, self.mistakes, **given)
        return inner.read(node, self.mistakes, **given)

    def _policies(self, name: str, node: Located) -> Any:
        return self.sections["policies"].inner.read(node, self.mistakes)

    def _named(self, top: dict[str, Located], section: str) -> list[Any]:
        inner = self.sections[section].inner
        found = []
        for name, node in self._mapping(top, section).items():
            if node.value is None:
                one = inner.bare(node, self.mistakes, section, name=name)
            else:
                one = inner.read(node, self.mistakes, name=name)
            if one is not WRONG:
                found.append(one)
        return found

    def _one(self, top: dict[str, Located], section: str, default: Any) -> Any:
        node = top.get(section)
        found = default if node is None else self.sections[section].read(node, self.mistakes)
        return default if found is WRONG else found

    # Routes.

    def _routes(self, space: Space, sections: dict[str, Located]) -> list[Route]:
        node = sections.get("routes")
        if node is None or node.value is BROKEN:
            return []
        if node.value.__class__ is not list:
            self.mistakes.wrong(node, "a list of routes", "begin each route with -")
            return []
        found = []
        for each in node.value:
            route = self._one_route(space, each)
            if route is not None:
                found.append(route)
                self.routes.append(each)
        return found

    def _one_route(self, space: Space, node: Located) -> Route | None:
        route = self.sections["routes"].inner.read(node, self.mistakes)
        if route is WRONG:
            return None
        if route.name:
            route = attrs.evolve(route, name=space.qualified(route.name))
            if route.name in self.places:
                text = f"the route on line {self.places[route.name].line} has that name already"
                self.mistakes.note(node.value.get("name", node), text, "give each route a name of its own")
            self.places[route.name] = node
        return route  # type: ignore[no-any-return]


def _read(node: Located | None) -> bool:
    """Whether it is known what is named in a section."""
    return node is None or node.value.__class__ is dict
