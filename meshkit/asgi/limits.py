"""Which limits is a client told of? Those that its request has passed: in front of the routes, and on the one it took.

Another route's limits are none of its business. What is on a route is put together when the first request comes by it;
what no field can carry is refused before that, when the middleware is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ..call import Call
from ..engine import gather
from ..fields.rate_limit import Announced
from ..inside import taken

__all__ = ["announcing", "told"]

Announces = Callable[..., list[tuple[bytes, bytes]]]
"""``(call, now, now_wall)``: the fields of one answer."""


def announcing(states: Sequence[Any], profile: str) -> Announces | None:
    """What says the ``RateLimit`` fields of an answer; ``None``: there is nothing to say. Raises `ConfigError`."""
    if not any(hasattr(state, "titles") for state in states):
        announced = Announced(states, profile)
        return announced.fields if announced else None
    limits = [state for state in _every(states) if hasattr(state, "quota_policy")]
    for limit in limits:
        Announced([limit], profile)
    return ByRoute(states, profile).fields if limits else None


class ByRoute:
    """The same where there are routes: for each way that a call may take, as it is first taken."""

    __slots__ = ("_known", "_plain", "_profile", "_states")

    def __init__(self, states: Sequence[Any], profile: str) -> None:
        self._states = states
        self._profile = profile
        self._known: dict[tuple[int, ...], Announced] = {}
        """By the states of the routes and branches taken, which live as long as ``states``."""
        self._plain: dict[int, Announces] = {}
        """By the rule that was found, where that leads to no branches; a rule lives as long."""

    def fields(self, call: Call, now: float, now_wall: float = 0.0) -> list[tuple[bytes, bytes]]:
        rule = getattr(call.route, "rule", None)
        plain = self._plain.get(id(rule))
        if plain is not None:
            return plain(call, now, now_wall)
        routes = [*taken(self._states, call)]
        key = tuple(map(id, routes))
        announced = self._known.get(key)
        if announced is None:
            states = [*self._states, *(state for route in routes for state in route)]
            announced = self._known[key] = Announced(states, self._profile)
        alone = len(routes) == 1 and getattr(rule, "states", None) is routes[0]
        if alone and not any(hasattr(last, "titles") for last in routes[0][-1:]):  # a route may have no state at all
            self._plain[id(rule)] = announced.fields
        return announced.fields(call, now, now_wall)


def told(door: Any, exchange: Any, now: float) -> Call:
    """A call like the one that was refused, that knows what the gates on its way ask of the request."""
    call = Call(door, exchange, now)
    call.facts = getattr(exchange, "facts", None)  # where a router has asked
    states = door.pipeline.states
    gather(call, _asking(states))
    for route in taken(states, call):  # a router within is asked when its turn comes
        gather(call, _asking(route))
    return call


def _asking(states: Sequence[Any]) -> list[Any]:
    return [state for state in states if getattr(state, "facts", None) is not None]


def _every(states: Iterable[Any]) -> Iterator[Any]:
    """Those of all routes, each once."""
    seen: set[int] = set()
    left = [*states]
    while left:
        state = left.pop()
        if id(state) not in seen:
            seen.add(id(state))
            yield state
            for branch in state.branches if hasattr(state, "titles") else ():
                left += branch
