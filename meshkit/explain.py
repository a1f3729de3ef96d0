"""Why does each policy stand where it stands, and what looks odd?

The stack is printed outermost first, a line for each policy; options that have their default are left out. Of a router
each route is told with what it matches, what is done on it and what stands on it; what several share is told in full
where it comes first.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from .breaker import CircuitBreaker
from .cluster import Cluster, Endpoint
from .fallback import Fallback
from .fault import FaultInjection
from .limit import (
    AdaptiveConcurrency,
    ConcurrencyLimit,
    FixedWindow,
    LoadShed,
    Pace,
    RateLimit,
    SlidingWindow,
    Throttle,
)
from .order import Way, warnings, ways
from .retry import Hedge, Retry
from .route.answer import Redirect, Respond
from .route.local import App, Function
from .shadow import Shadow
from .share import SingleFlight, StaleIfError
from .shared import Lasting, Shared, bare
from .timeout import Timeout

__all__ = ["explain", "reason"]

FEW, MANY = 3, 8
"""Endpoints that are told in one line, and those that get a line of their own."""
WAYS = 50
"""Routes of a router that are told."""
WAYS_IN = ("branches", "canary", "default", "main", "routes")
"""Options of routers, splits and the like."""
LAST = -(2**31)
"""The least priority there is, that of a cluster's own host in a mesh."""
LONGEST = 1000
"""Lines."""
REASONS: dict[type, tuple[str, str]] = {
    Timeout: ("the deadline of the whole call, its attempts and waits", "the deadline of each attempt"),
    Retry: ("all below is done again for each attempt", "a retry within a retry"),
    RateLimit: ("counts calls, not attempts", "counts every attempt"),
    FixedWindow: ("counts calls, not attempts", "counts every attempt"),
    SlidingWindow: ("counts calls, not attempts", "counts every attempt"),
    Pace: ("hears of the last attempt only", "paces every attempt by what the upstream says"),
    ConcurrencyLimit: ("a permit for the whole call", "a permit for each attempt"),
    LoadShed: ("sheds whole calls, the least important first", "sheds attempts, by the signal at the call's beginning"),
    Throttle: ("counts calls, not attempts", "counts every attempt"),
    FaultInjection: ("a fault of the whole call", "a fault of an attempt, as if the upstream's"),
    AdaptiveConcurrency: (
        "a permit for the whole call, by a limit that moves",
        "a permit for each attempt, by a limit that moves",
    ),
    CircuitBreaker: ("judges whole calls", "judges every attempt"),
    Fallback: ("answers otherwise when the call fails", "answers otherwise when an attempt fails"),
    SingleFlight: ("identical calls at once share one", "identical attempts at once share one"),
    StaleIfError: ("answers with the last good one when the call fails", "answers with the last good one at once"),
    Hedge: ("sends a slow call a second time", "sends a slow attempt a second time"),
    Cluster: ("picks the endpoint", "picks an endpoint for each attempt"),
    Redirect: ("answers by itself", "answers by itself"),
    Respond: ("answers by itself", "answers by itself"),
    Function: ("answers within this process", "answers each attempt within this process"),
    App: ("answers within this process", "answers each attempt within this process"),
}
"""Outside a retry, and inside one."""
ENDS = (App, Cluster, Function, Redirect, Respond)


def explain(specs: tuple[Any, ...]) -> str:
    """The stack with its reasons, then the warnings."""
    rows = list(islice(_rows(specs, False, 0, _Told(specs)), LONGEST + 1))
    rows[LONGEST:] = [("and more", "")] if len(rows) > LONGEST else []
    width = max((len(left) for left, _ in rows), default=0)
    lines = [f"{left:<{width}}  {right}".rstrip() for left, right in rows] or ["no policies: calls pass unchanged"]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in warnings(specs))])


def reason(spec: Any, *, repeated: bool) -> str:
    """What a spec does where it stands. ``repeated``: a retry stands around it."""
    onwards = ways(spec)
    if onwards:
        return f"picks the {onwards[0].kind}" + (", the same for each attempt" if repeated else "")
    told = REASONS.get(type(_tried(spec)), ("around the whole call", "around each attempt"))[repeated]
    return f"on trial, refuses nothing: {told}" if isinstance(bare(spec), Shadow) else told


class _Told:
    """What is shared, by identity: at how many places it stands, and what was told ``already``, in full."""

    def __init__(self, specs: tuple[Any, ...]) -> None:
        self.already: set[int] = set()
        self._places: Counter[int] = Counter()
        left = deque(specs)
        while left:
            spec = left.popleft()
            self._places[id(spec)] += 1
            if not isinstance(spec, Shared) or self._places[id(spec)] == 1:
                left += _below(spec)

    def shared(self, spec: Any) -> bool:
        """Whether that is worth telling: what only lasts is, where several places name it."""
        return isinstance(spec, Shared) and (not isinstance(spec, Lasting) or self._places[id(spec)] > 1)


def _below(spec: Any) -> Iterator[Any]:
    known = bare(spec)
    if isinstance(known, Cluster):
        yield from known.pipeline
    elif isinstance(known, Fallback):
        yield from known.instead if isinstance(known.instead, tuple) else (known.instead,)
    for way in ways(known):
        yield from way.specs


def _rows(specs: tuple[Any, ...], repeated: bool, depth: int, told: _Told) -> Iterator[tuple[str, str]]:
    for spec in specs:
        known, onwards = bare(spec), ways(spec)
        shared = ", shared" if told.shared(spec) else ""
        again = id(spec) in told.already and bool(onwards or isinstance(known, Cluster))
        yield "  " * depth + _text(spec), reason(spec, repeated=repeated) + shared + (": see above" if again else "")
        repeated = repeated or isinstance(known, Retry)
        if shared:
            told.already.add(id(spec))
        if again:
            continue
        if isinstance(known, Cluster):
            if not _short(known.endpoints):
                yield from _endpoints(known.endpoints, depth + 1)
            yield from _rows(known.pipeline, repeated, depth + 1, told)
        elif isinstance(spec, Fallback) and isinstance(spec.instead, tuple):
            yield from _rows(spec.instead, repeated, depth + 1, told)
        weighed = hasattr(known, "branches")
        yield from _ways(onwards, weighed, repeated, depth + 1, told)


def _ways(onwards: list[Way], weighed: bool, repeated: bool, depth: int, told: _Told) -> Iterator[tuple[str, str]]:
    """The routes of a router, or the branches of a split."""
    for way in onwards[:WAYS]:
        when = f"weight {way.spec.weight:g}" if weighed else _when(way.spec)
        yield f"{'  ' * depth}{way.kind} {way.name}", when
        for action in way.spec.actions:
            yield "  " * (depth + 1) + _text(action), "what is done there"
        yield from _rows(way.specs, repeated, depth + 1, told)
        end = way.specs[-1] if way.specs else None
        if not isinstance(bare(end), ENDS) and not ways(end):
            yield "  " * (depth + 1) + "onwards", "where the request was going"
    if len(onwards) > WAYS:
        yield f"{'  ' * depth}and {len(onwards) - WAYS} more", ""


def _when(spec: Any) -> str:
    """Which requests go by a route."""
    several = [_text(match) for match in getattr(spec, "match", ())]
    said = " or ".join(several[:FEW]) + (f" or {len(several) - FEW} more" if len(several) > FEW else "")
    priority = getattr(spec, "priority", 0)
    if priority == LAST:
        return f"{said}, where no other route is"
    return said + (f", priority {priority}" if priority else "")


def _short(endpoints: tuple[Any, ...]) -> bool:
    """Whether they can be told in the cluster's own line."""
    return len(endpoints) <= FEW and all(
        isinstance(each, Endpoint) and each == Endpoint(each.address, name=each.name) for each in endpoints
    )


def _endpoints(endpoints: tuple[Any, ...], depth: int) -> Iterator[tuple[str, str]]:
    """A line for each of the first, and how many there are besides."""
    for each in endpoints[:MANY]:
        text = repr(each) if isinstance(each, Endpoint) else _text(each)
        drained = isinstance(each, Endpoint) and not each.weight
        yield "  " * depth + text, "drained" if drained else "" if isinstance(each, Endpoint) else "says where they are"
    if len(endpoints) > MANY:
        yield f"{'  ' * depth}and {len(endpoints) - MANY} more", ""


def _tried(spec: Any) -> Any:
    """The policy itself, shared or on trial or not."""
    spec = bare(spec)
    return spec.policy if isinstance(spec, Shadow) else spec


def _text(value: Any) -> str:
    """A value as its user would write it."""
    if isinstance(value, Lasting):
        return _text(value.spec)
    if isinstance(value, Shared):
        return f"Shared({_text(value.spec)})"
    if isinstance(value, Endpoint):
        return repr(value.name or value.address)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, Mapping):
        return repr(dict(value))
    if isinstance(value, type) or not attrs.has(type(value)):
        name = getattr(value, "__name__", None)
        return name if isinstance(name, str) else repr(value)
    parts = []
    onwards = ways(value)
    for field in attrs.fields(type(value)):
        option = getattr(value, field.name)
        if onwards and field.name in WAYS_IN:  # each has its own line
            parts += [f"[{len(onwards)}]"] if field.name in ("branches", "routes") else []
            continue
        if (
            not field.init
            or option == _default(field, value)
            or (isinstance(value, Cluster) and field.name == "pipeline")
        ):
            continue
        if isinstance(value, Cluster) and field.name == "endpoints" and not _short(option):
            parts.append(f"[{len(option)}]")
            continue
        parts.append(f"{field.name}={_text(option)}" if field.kw_only else _text(option))
    return f"{type(value).__name__}({', '.join(parts)})"


def _default(field: attrs.Attribute[Any], value: Any) -> Any:
    default: Any = field.default
    if not isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        return default
    return default.factory(value) if default.takes_self else default.factory()
