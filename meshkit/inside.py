"""What is in a pipeline, and by which name? What snapshots show, and what is steered by hand.

::

    Timeout(2.0)                                  "Timeout"
    Fallback([Retry(...), spare])                 "Fallback", and in that, by name, what stands instead
    Router([Route(name="buy", to=orders, ...)])   "Router", in that "buy", and there its policies; "to": where it leads
    a cluster or a split that routes lead to      "orders", at the top, once

What routes lead to is a graph, and no tree: a cluster behind ten thousand routes is gone through once, and each route
says its name. Where a name stands twice, the second is ``"name 2"``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .runtime.lock import LOCK
from .section import numbered

if TYPE_CHECKING:
    from .call import Call

__all__ = ["find", "holding", "shown", "taken"]

MANY = 20
"""Names that an error lists."""

Picture = dict[str, dict[str, Any]]


def shown(states: Sequence[Any], now: float) -> Picture:
    """The state of each by its name, as plain data. Calls come by in between: each state is asked for itself."""
    listed = [*numbered([*states, *_below(states)])]
    names = {id(state): name for name, state in listed}
    picture: Picture = {}
    for name, state in listed:
        with LOCK:
            said = state.snapshot(now) if hasattr(state, "snapshot") else None
            whole = state.summary(now) if hasattr(state, "summary") else None
        if hasattr(state, "titles"):
            picture[name] = _ways(state, said or {}, names, now)
        elif said is not None:
            picture[name] = {**said, **shown(getattr(state, "instead", ()), now)}
        if whole is not None:
            picture[f"{name} as a whole"] = whole
    return picture


def holding(states: Iterable[Any]) -> Iterator[Any]:
    """All that may hold something, each once. What is in a cluster that answers for; a router or a fallback, which is
    no gate itself, has nothing but what is in it.
    """
    seen: set[int] = set()
    left = deque(states)
    while left:
        state = left.popleft()
        if id(state) in seen:
            continue
        seen.add(id(state))
        inside = [*getattr(state, "instead", ())]
        if hasattr(state, "titles"):
            for branch in (*state.branches, *getattr(state, "beside", ())):
                inside += branch
        left += inside
        if not inside or getattr(state, "enter", None) is not None:
            yield state


def find(states: Sequence[Any], name: str, endpoint: str | None, route: str | None) -> Any:
    """The state of that name: of a route, or of the endpoint of a cluster. Raises `ConfigError`."""
    if route is not None:
        states = _way_to(states, route)
    those = _all(states)
    if endpoint is not None:
        those = _at(those, endpoint)
    found = dict(numbered(those))
    if name not in found:
        raise ConfigError.of("Pipeline", "control", name, f"name one of {_some(found)}")
    return found[name]


def taken(states: Sequence[Any], call: Call) -> Iterator[list[Any]]:
    """The states of the route that a router at the end of these has found for a call, or of the branch of a split; then
    of what that leads to, and so on, as far as it is known.
    """
    while states and hasattr(states[-1], "titles"):
        fact = (call.facts or {}).get(states[-1])
        found = getattr(fact, "rule", None) or getattr(fact, "branch", None)
        if found is None:
            return
        states = found.states
        yield found.states


def _below(states: Iterable[Any]) -> list[Any]:
    """The choices that routes lead to, and those that these lead to, each once."""
    found: dict[int, Any] = {}
    left = deque(state for state in states if hasattr(state, "titles"))
    while left:
        for branch in left.popleft().branches:
            for state in _with_those_instead(branch):
                if hasattr(state, "pick") and id(state) not in found:
                    found[id(state)] = state
                    if hasattr(state, "titles"):
                        left.append(state)
    return [*found.values()]


def _with_those_instead(states: Iterable[Any]) -> Iterator[Any]:
    for state in states:
        yield state
        yield from _with_those_instead(getattr(state, "instead", ()))


def _ways(state: Any, said: dict[str, Any], names: dict[int, str], now: float) -> dict[str, Any]:
    """A router or a split: each of its ways by name, and what it says of itself."""
    picture = {**said}
    beside = getattr(state, "beside", ((),) * len(state.branches))
    for title, branch, more in zip(state.titles, state.branches, beside, strict=True):
        own = said.get(title)
        with LOCK:
            picture[title] = {**(own if isinstance(own, dict) else {}), **_way(branch, more, names, now)}
    return picture


def _way(states: Sequence[Any], more: Iterable[Any], names: dict[int, str], now: float) -> dict[str, Any]:
    """The policies of one way, what is done beside it, and where it leads."""
    picture: dict[str, Any] = {}
    for name, state in numbered(each for each in (*states, *more) if id(each) not in names):
        if hasattr(state, "snapshot"):
            instead = getattr(state, "instead", ())
            picture[name] = {**state.snapshot(now), **(_way(instead, (), names, now) if instead else {})}
    end: Any = states[-1] if states else None
    picture["to"] = names.get(id(end)) or (end.name if hasattr(end, "destination") else None)
    return picture


def _all(states: Sequence[Any]) -> list[Any]:
    """The states, then the choices that routes lead to, and then those of what stands instead of some of them."""
    those = [state for state in (*states, *_below(states)) if not hasattr(state, "destination")]
    for state in states:
        if hasattr(state, "instead"):
            those += _all(state.instead)
    return those


def _at(states: Iterable[Any], endpoint: str) -> list[Any]:
    members: dict[str, list[Any]] = {
        str(member.endpoint): member.states for state in states for member in getattr(state, "members", ())
    }
    if endpoint not in members:
        raise ConfigError.of("Pipeline", "endpoint", endpoint, f"name one of {_some(members)}")
    return members[endpoint]


def _way_to(states: Sequence[Any], route: str) -> list[Any]:
    """The states of a route by its name, or else of a branch; of several of that name ``"router/name"`` tells which."""
    found: dict[str, dict[str, list[Any]]] = {}
    names = []
    for name, state in numbered(_all(states)):
        if hasattr(state, "titles"):
            for title, branch in zip(state.titles, state.branches, strict=True):
                names.append(title)
                if route in (title, f"{name}/{title}"):
                    found.setdefault(state.kind, {})[f"{name}/{title}"] = branch
    several = found.get("route") or found.get("branch", {})
    if len(several) != 1:
        raise ConfigError.of("Pipeline", "route", route, f"name one of {_some(several or names)}")
    return next(iter(several.values()))


def _some(names: Iterable[str]) -> str:
    several = [*names]
    more = len(several) - MANY
    return f"{several[:MANY]}{f' and {more} more' if more > 0 else ''}"
