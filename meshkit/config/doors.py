"""Is what a mesh asks for known where it is asked, and is what a route does done there?

==================  ================================================================================================
word
==================  ================================================================================================
`unknown-fact`      a condition, or a key, that is unknown where it is asked: a client's calls, a server's requests
`needs-gateway`     a note: a listener with routes to clusters, for a gateway, and to an app, for a middleware
`only-for-servers`  what is for browsers, on a route that only clients use
==================  ================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..asgi import facts as server
from ..cluster import Cluster
from ..errors import ConfigError
from ..fact import check
from ..httpx import door as client
from ..order import paths
from ..route.compress import Compress
from ..route.cors import Cors
from ..route.local import App, Function
from ..route.websocket import WebSocket
from ..shared import bare
from .findings import NOTE, below
from .foreign import meant
from .meant import snake
from .view import View

__all__ = ["doors"]


def doors(view: View) -> None:
    """Notes what is of no use there, or is not known."""
    known = {
        True: _Names("an HTTP client's calls", client.PLAIN, client.NAMED),
        False: _Names("requests to a listener", server.ALONE, server.UNDER_A_NAME),
    }
    for number, route in enumerate(view.spec.routes):
        for outgoing in {part.outgoing for part in view.reach.of(route)}:
            found = _unknown(known[outgoing], route)
            if found is not None:
                name, *place = found
                _note(view, known[outgoing], name, below(view.route(number), *place))
    for outgoing, spec in _in_front(view):
        name = known[outgoing].lacks(spec)
        node = view.policy(spec)
        if name and node is not None:
            _note(view, known[outgoing], name, node)
    _clusters(view)
    _for_servers(view)


def _note(view: View, door: _Names, name: str, node: Any) -> None:
    text = f"{door.told} have no {name!r}: whoever loads the file for them gets an error"
    view.findings.note("unknown-fact", node, text, meant("key", name) or "leave it out, or let them have another route")


def _in_front(view: View) -> Iterator[tuple[bool, Any]]:
    """What stands in front of routes, and of what a node serves, with whether it is asked of calls."""
    for part in view.reach.parts:
        yield from ((part.outgoing, spec) for spec in part.policies)
    for node in view.spec.nodes:
        yield from ((False, bare(spec)) for spec in node.serves)


def _unknown(door: _Names, route: Any) -> tuple[Any, ...] | None:
    """What a route asks for that a door does not know, and where it does."""
    for place, match in enumerate(route.match):
        for name, option in match.asked.items():
            try:
                door.knows(name)
            except ConfigError:
                return name, "match", place, option
    name = next(filter(None, map(door.lacks, route.specs)), "")
    return (name, "policies") if name else None


class _Names:
    """What a door knows by name, without the door."""

    def __init__(self, told: str, alone: tuple[str, ...], kinds: tuple[str, ...]) -> None:
        self.told = told
        self._alone = alone
        self._kinds = kinds
        self._unknown = ""
        """What was asked for last, and is not known."""
        self._known: dict[int, str] = {}

    def lacks(self, spec: Any) -> str:
        """What a spec asks for that it does not know; empty: nothing. Stacks and clusters are met again and again."""
        known = self._known.get(id(spec))
        if known is None:
            try:
                check(self, (spec,))
                known = ""
            except ConfigError:
                known = self._unknown
            self._known[id(spec)] = known
        return known

    def knows(self, name: str) -> None:
        kind, _, which = name.partition(":")
        if name not in self._alone and not (which and kind in self._kinds):
            self._unknown = name
            raise ConfigError.of(self.told, "key", name, "it is not known there")

    def head(self) -> None:
        """There is one: it is about requests."""


def _clusters(view: View) -> None:
    """Once for each listener. One that only leads to clusters is a gateway's, one that never does is an app's."""
    led: dict[str, dict[bool, str]] = {}
    for number, route in enumerate(view.spec.routes):
        ends = _ends(route)
        for part in view.reach.of(route) if ends else ():
            if not part.outgoing:
                called = f"route {route.name}" if route.name else f"routes[{number}]"
                for end in ends:
                    led.setdefault(part.name.removeprefix("listener "), {}).setdefault(end, called)
    for name, first in led.items():
        if len(first) == 2:
            text = f"{first[True]} leads to a cluster, which meshkit serve sends on to and no mesh.middleware() does; "
            text += f"{first[False]} leads to an app, which only mesh.middleware() has"
            fix = "give those to the app a listener of their own, or lead them to a cluster"
            view.findings.note("needs-gateway", view.file.top["listeners"], text, fix, level=NOTE, key=name)


def _ends(route: Any) -> set[bool]:
    """Whether it leads to clusters, and to the app that a middleware stands in front of."""
    ends = set()
    for _, path in paths(route.specs):
        if any(isinstance(spec, Cluster) for spec in path):
            ends.add(True)
        elif not (path and isinstance(path[-1], App | Function)):
            ends.add(False)
    return ends


def _for_servers(view: View) -> None:
    for number, route in enumerate(view.spec.routes):
        parts = view.reach.of(route)
        if not parts or not all(part.outgoing for part in parts):
            continue
        for place, action in enumerate(route.actions):
            if isinstance(action, Cors | Compress | WebSocket):
                word = snake(type(action).__name__)
                node = below(view.route(number), "actions", place)
                text = f"{word} does nothing here: it is for what a server does, and only clients use this route"
                fix = "leave it out, or let a listener serve its hosts"
                view.findings.note("only-for-servers", node, text, fix)
