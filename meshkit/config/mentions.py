"""Is there what listeners and nodes mention? Routes and listeners by name, hosts that may be called.

What stands in the file, and only is wrong itself, is there; and where a section could not be read, nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..errors import ConfigError
from ..route.hosts import ANY, checked, intersection
from ..route.route import Route
from .assembly import host_of
from .located import BROKEN, Located
from .meant import advice
from .mistakes import Mistakes, quoted

__all__ = ["look_up"]


def look_up(top: dict[str, Located], clusters: Iterable[Any], routes: Iterable[Route], mistakes: Mistakes) -> None:
    """Notes what is not there. ``top``: the sections of the file; ``clusters``, ``routes``: what was read of them."""
    sound = not len(mistakes)  # otherwise what is missing may only be wrong itself
    hosts = dict.fromkeys(host for route in routes for match in route.match for host in match.host)
    hosts.update(dict.fromkeys(host_of(cluster) for cluster in clusters))
    patterns = [host for host in hosts if ANY in host]
    anywhere = any(not match.host for route in routes for match in route.match)
    names = {route.name: route for route in routes if route.name}
    listeners = top.get("listeners")
    known: Any = {} if listeners is None else listeners.value
    told = known.__class__ is dict
    for node in _parts(top, "nodes"):
        for each in _items(node, "calls") if sound and not anywhere else ():
            _is_served(each, hosts, patterns, mistakes)
        for each in _items(node, "listeners") if told else ():
            _is_one_of(each, known, "listener", "add it under listeners:", mistakes)
    for node in _parts(top, "listeners"):
        for each in _items(node, "routes") if sound else ():
            _is_one_of(each, names, "route", "give the one that is meant a name:, and write that", mistakes)


def _is_one_of(node: Located, known: dict[str, Any], what: str, otherwise: str, mistakes: Mistakes) -> None:
    if isinstance(node.value, str) and node.value not in known and not mistakes.full:
        fix = partial(advice, node.value, known) if known else otherwise
        mistakes.note(node, f"there is no {what} {quoted(node.value)}", fix)


def _is_served(node: Located, hosts: dict[str, None], patterns: list[str], mistakes: Mistakes) -> None:
    if not isinstance(node.value, str) or mistakes.full:
        return
    try:
        wanted = checked("", "", node.value)
    except ConfigError:
        return  # that was said already
    if wanted not in hosts and not any(intersection(wanted, host) for host in (hosts if ANY in wanted else patterns)):
        fix: Any = partial(advice, node.value, hosts) if hosts else "there is neither a route with a host nor a cluster"
        if wanted in {"all", "any"}:
            fix = 'leave calls: out, or write "*"'
        mistakes.note(node, f"no route and no cluster has the host {quoted(node.value)}", fix)


def _parts(top: dict[str, Located], section: str) -> Iterable[Located]:
    node = top.get(section)
    return node.value.values() if node is not None and node.value.__class__ is dict else ()


def _items(node: Located, option: str) -> list[Located]:
    value = node.value.get(option) if node.value.__class__ is dict else None
    if value is None or value.value is BROKEN:
        return []
    return value.value if value.value.__class__ is list else [value]
