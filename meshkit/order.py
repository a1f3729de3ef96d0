"""Which orders of policies are odd, and which cannot work at all?

A warning names an order that is legal and hardly ever meant; an error one that could not keep what it promises. Below
a router or a split there are as many paths as there are ways: of each odd thing it is said on which, once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random
from typing import Any, NamedTuple

from .breaker import CircuitBreaker
from .call import Failure
from .cluster import Cluster, Endpoint, OutlierDetection
from .errors import AttemptTimedOut, ConfigError
from .fallback import Fallback
from .fault import FaultInjection
from .limit import LoadShed, Pace, Throttle
from .policy import awaits
from .retry import Hedge, Retry
from .share import SingleFlight, StaleIfError
from .shared import Shared, bare
from .timeout import Timeout

__all__ = ["Oddity", "Way", "check_sync", "every", "oddities", "paths", "warnings", "ways"]

MOST = 50
"""Warnings, where there are routes."""
AWAITED = "it is awaited: give a plain function, or take the async client"
_ANY = Random(0)  # noqa: S311  # draws nothing here


class Way(NamedTuple):
    """One way on: a route of a router, or a branch of a split."""

    kind: str
    name: str
    spec: Any
    specs: tuple[Any, ...]
    """What stands on it."""


class Oddity(NamedTuple):
    """Something odd about a path."""

    word: str
    """What it is called, for as long as there is such an oddity."""
    spec: Any
    """Of whom it is said."""
    text: str
    fix: str = ""
    """What to do, where it is the same for everybody."""

    def __str__(self) -> str:
        return f"{self.text}: {self.fix}" if self.fix else self.text


def ways(spec: Any) -> list[Way]:
    """The ways on from a spec; none from what is neither a router nor a split."""
    spec = bare(spec)
    kind, listed = "route", getattr(spec, "every", None)
    if not isinstance(listed, tuple):  # of a rollout, that is a duration
        kind, listed = "branch", getattr(spec, "branches", None)
    if listed is None:
        listed = getattr(spec, "main", None), getattr(spec, "canary", None)
    names: dict[str, int] = {}
    found = []
    for each in listed:
        if not hasattr(each, "specs"):
            continue  # of no choice, or of somebody's own kind
        name = str(each)
        names[name] = names.get(name, 0) + 1
        found.append(Way(kind, name if names[name] == 1 else f"{name} {names[name]}", each, each.specs))
    return found


def every(specs: Iterable[Any]) -> Iterator[Any]:
    """All specs that stand on any way, each as often as it does; what is shared, once."""
    left = deque(specs)
    seen: set[int] = set()
    while left:
        spec = left.popleft()
        if isinstance(spec, Shared):
            if id(spec) in seen:
                continue
            seen.add(id(spec))
        yield bare(spec)
        left += (each for way in ways(spec) for each in way.specs)


def warnings(specs: tuple[Any, ...]) -> list[str]:
    """Odd orders, in plain words; at most `MOST`, where there are routes."""
    if not (specs and ways(specs[-1])):
        return list(dict.fromkeys(map(str, oddities(_path(specs)))))
    outside = set(map(str, oddities(_path(specs))))
    clusters: dict[int, list[Oddity]] = {}
    found: dict[str, tuple[str, int]] = {}
    total = 0
    for total, (where, path) in enumerate(paths(specs), 1):  # noqa: B007  # how many there are
        for warning in dict.fromkeys(map(str, chain(oddities(path, clusters), _endless(path)))):
            first, count = found.get(warning, (where, 0))
            found[warning] = first, count + 1
    told = []
    for warning, (first, count) in found.items():
        more = f", and {count - 1} more" if count > 1 else ""
        told.append(warning if count == total and warning in outside else f"{warning} ({first}{more})")
    return told[:MOST] + ([f"and {len(told) - MOST} more"] if len(told) > MOST else [])


def paths(specs: tuple[Any, ...], where: str = "", above: tuple[Any, ...] = ()) -> Iterator[tuple[str, list[Any]]]:
    """Each path to where something is asked, and by which routes it leads there."""
    from .route.answer import Redirect, Respond

    path = [*above, *_path(specs)]
    onwards = ways(path[-1]) if path else []
    for way in onwards:
        name = f"{way.kind} {way.name}"
        yield from paths(way.specs, f"{where}, {name}" if where else name, tuple(path[:-1]))
    if not onwards and not (path and isinstance(path[-1], Redirect | Respond)):
        yield where, path


def _endless(path: list[Any]) -> Iterator[Oddity]:
    """Where many routes lead, one without a timeout is soon overlooked."""
    if not any(isinstance(spec, Timeout | Retry) for spec in path):
        yield Oddity("no-timeout", None, "no timeout: a call that hangs is never given up")


def oddities(path: list[Any], clusters: dict[int, list[Oddity]] | None = None) -> Iterator[Oddity]:
    """What is odd about one path, of specs that are not shared, a cluster's own policies behind it. ``clusters``: what
    is odd about those that were met, by identity.
    """
    retries = [k for k, spec in enumerate(path) if isinstance(spec, Retry)]
    deadline: float | None = None
    for k, spec in enumerate(path):
        repeated = any(k < other for other in retries)
        if isinstance(spec, CircuitBreaker) and repeated:
            text = "a circuit breaker outside a retry sees only the last attempt of a call"
            yield Oddity("breaker-outside-retry", spec, text, "put it inside")
        if isinstance(spec, FaultInjection):
            text = f"{spec.name} injects faults on purpose, until {spec.expires:g} s after its first call"
            yield Oddity("fault-injection", spec, text)
            if repeated:
                text = "a fault outside a retry strikes whole calls"
                yield Oddity("fault-outside-retry", spec, text, "put it inside to have it retried")
        if isinstance(spec, Throttle | Pace) and repeated:
            word = "throttle" if isinstance(spec, Throttle) else "pace"
            text = f"a {word} outside a retry sees only the last attempt of a call"
            yield Oddity(f"{word}-outside-retry", spec, text, "put it inside")
        if isinstance(spec, LoadShed) and spec.signal is not None and any(other < k for other in retries):
            text = "a load shedder inside a retry asks its signal once for all attempts"
            yield Oddity("load-shed-inside-retry", spec, text, "put it outside")
        if isinstance(spec, Timeout):
            if deadline is not None and spec.seconds >= deadline:
                text = f"a timeout of {spec.seconds:g} s within one of {deadline:g} s never strikes"
                yield Oddity("timeout-never-strikes", spec, text)
            deadline = min(deadline or spec.seconds, spec.seconds)
    if len(retries) > 1:
        tries = 1
        for k in retries:
            tries *= path[k].attempts
        text = f"two retries on one path multiply: up to {tries} attempts for one call"
        yield Oddity("two-retries", path[retries[-1]], text)
    for k in retries:
        inner = [spec for spec in path[k + 1 :] if isinstance(spec, Timeout)]
        if inner and path[k].attempts > 1 and not path[k].start(_ANY).matches(Failure(AttemptTimedOut())):
            text = "an attempt that times out is not repeated"
            yield Oddity("timeout-not-repeated", path[k], text, "name TimeoutError in the retry's on")
    if retries and deadline is None:
        text = "a retry without a timeout: an attempt that hangs is never repeated"
        yield Oddity("retry-without-timeout", path[retries[0]], text)
    hedges = [k for k, spec in enumerate(path) if isinstance(spec, Hedge)]
    if hedges and any(k < hedges[-1] for k in retries):
        text = "a hedge within a retry: every attempt may be sent twice; put it outside, or keep its budget"
        yield Oddity("hedge-inside-retry", path[hedges[-1]], text)
    for k, spec in enumerate(path):
        if isinstance(spec, Fallback) and any(isinstance(outer, Timeout) for outer in path[:k]):
            text = "a fallback within a timeout cannot answer when time has run out"
            yield Oddity("fallback-inside-timeout", spec, text, "put it outside")
            break
    for k, spec in enumerate(path):
        if isinstance(spec, SingleFlight) and any(isinstance(outer, Hedge) for outer in path[:k]):
            text = "a single flight within a hedge: the second attempt waits for the first; put it outside"
            yield Oddity("single-flight-inside-hedge", spec, text)
        if isinstance(spec, StaleIfError):
            if any(other < k for other in retries):
                yield Oddity("stale-inside-retry", spec, "a stale answer within a retry ends it", "put it outside")
            bounds = [j for j, other in enumerate(path) if isinstance(other, Timeout)]
            if bounds and bounds[-1] < k:
                text = "a stale answer cannot be given when time has run out"
                yield Oddity("stale-inside-timeout", spec, text, "put it outside the timeout")
    for k in retries:
        if path[k].budget is None and path[k].attempts > 1:
            text = "a retry without a budget multiplies the load on an upstream that fails"
            yield Oddity("retry-without-budget", path[k], text)
    cluster = next((spec for spec in path if isinstance(spec, Cluster)), None)
    if cluster is None:
        return
    known = {} if clusters is None else clusters
    if id(cluster) not in known:
        known[id(cluster)] = [*_of_cluster(cluster)]
    yield from known[id(cluster)]


def _of_cluster(cluster: Cluster) -> Iterator[Oddity]:
    known = [each for each in cluster.endpoints if isinstance(each, Endpoint) and each.weight]
    first = min((each.priority for each in known), default=0)
    spare = any(each.priority > first for each in known)
    outliers = cluster.outliers
    if (spare or cluster.localities is not None) and outliers is None and not cluster.checks:
        what = "priorities" if spare else "localities"
        text = f"{what} without outliers or checks: whoever is down keeps its share of the calls"
        yield Oddity("nobody-is-found-down", cluster, text)
    if spare and isinstance(outliers, OutlierDetection) and not cluster.checks and len(known) == len(cluster.endpoints):
        room = max(int(outliers.max_ejected * len(known)), int(outliers.always_eject_one))
        preferred = sum(each.priority == first for each in known)
        if room < preferred:
            text = (
                f"outlier detection ejects {room} of {len(known)} endpoints at most, but priority {first} has "
                f"{preferred}: give max_ejected, or the others never get all calls"
            )
            yield Oddity("too-few-ejected", cluster, text)


def check_sync(specs: tuple[Any, ...], *, bounds_attempts: bool = False, repeated: bool = False) -> None:
    """Refuse what has no meaning where nothing is awaited: raises `ConfigError`.

    A middleware is an ``async def``, nothing that has begun can be given up (a hedge), and a timeout inside a retry
    cannot end an attempt, unless the door ``bounds_attempts`` by passing the deadline on. Nor can an app be asked that
    is awaited. ``repeated``: a retry stands around them.
    """
    path = _path(specs)
    for spec in path:
        if isinstance(spec, Hedge):
            fix = "on a thread nothing can be given up: make the function async, or leave the hedge out"
            raise ConfigError.of("Pipeline", "policies", spec.name, fix)
        if isinstance(spec, SingleFlight | StaleIfError):
            fix = "it shares answers among those who await: make the function async, or leave it out"
            raise ConfigError.of("Pipeline", "policies", spec.name, fix)
        if not hasattr(spec, "start"):
            name = getattr(spec, "__name__", spec)
            raise ConfigError.of(
                "Pipeline", "policies", name, "a middleware is async: make the function it guards async"
            )
        if repeated and isinstance(spec, Timeout) and not bounds_attempts:
            fix = (
                "a sync function cannot be cancelled: put the timeout outside the retry (of a preset: "
                "attempt_timeout=None), or make the function async"
            )
            raise ConfigError.of("Timeout", "seconds", spec.seconds, fix)
        if isinstance(spec, Fallback):
            if awaits(spec.instead):
                fix = "it is async: give a plain function, or make the function it stands in for async"
                raise ConfigError.of("Fallback", "instead", spec.instead, fix)
            if isinstance(spec.instead, tuple):
                *path, end = spec.instead
                plain = callable(end) and not awaits(end) and not hasattr(end, "start")
                check_sync((*path,) if plain else spec.instead, bounds_attempts=bounds_attempts)
            elif hasattr(spec.instead, "start"):
                check_sync((spec.instead,), bounds_attempts=bounds_attempts)
        repeated = repeated or isinstance(spec, Retry)
    if path and _is_awaited(path[-1]):
        raise ConfigError.of("Pipeline", "policies", type(path[-1]).__name__, AWAITED)
    for way in ways(path[-1]) if path else ():
        if way.specs and _is_awaited(bare(way.specs[-1])):
            fix = f"{type(bare(way.specs[-1])).__name__}: {AWAITED}"
            raise ConfigError.of(type(way.spec).__name__, "to", way.name, fix)
        check_sync(way.specs, bounds_attempts=bounds_attempts, repeated=repeated)


def _is_awaited(end: Any) -> bool:
    """Whether it is an answer of this process that somebody has to await."""
    from .route.local import App, Function

    return isinstance(end, App) or (isinstance(end, Function) and awaits(end.fn))


def _path(specs: tuple[Any, ...]) -> list[Any]:
    path = [bare(spec) for spec in specs]
    if path and isinstance(path[-1], Cluster):
        path += [bare(spec) for spec in path[-1].pipeline]
    return path
