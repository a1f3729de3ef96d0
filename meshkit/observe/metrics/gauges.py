"""How do the watched pipelines stand right now? Read when somebody asks, and only then.

=============================  ========================================================================================
metric                         read from
=============================  ========================================================================================
``meshkit_breaker_state``      the ``state`` of each breaker, those of endpoints one by one
``meshkit_in_flight``,         concurrency limits, fixed and adaptive; load shedding; a cluster's ceiling on requests.
``meshkit_limit``              Of limits with a key: all keys together, and no limit, for that is of one key
``meshkit_queue_waiting``      the queues of those limits; in front of a cluster, who waits for the first endpoints
``meshkit_retry_budget_…``     the budgets of retries and hedges: how many could go now
``meshkit_cluster_endpoints``  the members of each cluster: ejected by outlier detection, else up or down
``http_client_open_…``         the pools that were given to be watched
=============================  ========================================================================================

Policies of the same name in one pipeline, those of a cluster's endpoints above all, are added up; so are pipelines that
go by one name. A state that several of these share is read once. What cannot be read, of a policy of somebody's, is
left out: the rest is told all the same.

The states of ten thousand endpoints are gone through outside the lock, a microsecond or so for each: what is read are
single attributes. Two of them may be of different instants; a gauge is late by a scrape interval anyhow.
"""

from __future__ import annotations

import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ...engine.back import survive
from ...runtime.guard import guard
from ...runtime.lock import LOCK
from ...section import named
from .series import OTHER, Family, Texts, written

__all__ = ["GAUGES", "Readings", "connections"]

BREAKERS, BUDGETS = "meshkit_breaker_state", "meshkit_retry_budget_balance"
IN_FLIGHT, LIMITS, QUEUES = "meshkit_in_flight", "meshkit_limit", "meshkit_queue_waiting"
ENDPOINTS, CONNECTIONS = "meshkit_cluster_endpoints", "http_client_open_connections"
FAILURES, DROPPED = "meshkit_listener_failures_total", "meshkit_events_dropped_total"
BY_POLICY = ("pipeline", "policy")

GAUGES: Mapping[str, Family] = {
    CONNECTIONS: Family(
        "gauge", "Open connections of the HTTP client's pools.", ("http_connection_state", "meshkit_pool")
    ),
    BREAKERS: Family("gauge", "Circuit breakers of that name that are in that state.", (*BY_POLICY, "state")),
    BUDGETS: Family("gauge", "Further attempts that the budget of a retry or a hedge allows now.", BY_POLICY),
    IN_FLIGHT: Family("gauge", "Calls that hold a permit of the limit.", BY_POLICY),
    LIMITS: Family("gauge", "Calls that may hold a permit of the limit at once.", BY_POLICY),
    QUEUES: Family("gauge", "Calls that wait in the queue of the limit.", BY_POLICY),
    ENDPOINTS: Family("gauge", "Endpoints of the cluster, by state.", ("pipeline", "cluster", "state")),
    FAILURES: Family("counter", "Failures of those who listen to the pipeline.", ("pipeline",)),
    DROPPED: Family("counter", "Events that were dropped because a listener was too slow.", ("pipeline",)),
}
"""What is read when somebody asks."""

STATES = ("closed", "open", "half-open", "isolated")
NOTHING, BREAKER, PERMITS, CLUSTER, AROUND, SHOWN = range(6)

Values = dict[str, defaultdict[Texts, float]]


class Lost:
    """What the listeners of pipelines of one label have lost, as far as these are watched no more: it must not fall."""

    __slots__ = ("dropped", "failed", "live")

    def __init__(self) -> None:
        self.dropped = self.failed = 0
        self.live = 0
        """How many of them are watched."""


class Watched:
    """A pipeline, what its counters were when it began, and what they were when they were last read."""

    __slots__ = ("_before", "dropped", "failed", "label", "lost", "pipeline")

    def __init__(self, label: str, pipeline: Any, gone: Callable[[Any], None]) -> None:
        self.label = label
        self.lost = label
        """Under which label its losses are counted."""
        self.pipeline = weakref.ref(pipeline, gone)
        self._before = pipeline.failed_listeners, pipeline.dropped_events
        self.failed = self.dropped = 0

    def read(self) -> Any:
        """The pipeline, unless it is gone."""
        pipeline = self.pipeline()
        if pipeline is not None:
            failed, dropped = self._before
            self.failed, self.dropped = pipeline.failed_listeners - failed, pipeline.dropped_events - dropped
        return pipeline


class Readings:
    """The pipelines and pools to be read."""

    __slots__ = ("_gone", "_lock", "_lost", "_series", "_watched", "pools")

    def __init__(self, series: int) -> None:
        self._lock = guard()
        self._series = series
        self._watched: dict[Any, Watched] = {}
        """By a weak reference to the pipeline."""
        self._gone: deque[Any] = deque()
        """Such references to pipelines that are no more. Whoever collects garbage appends here, and takes no lock."""
        self._lost: dict[str, Lost] = {}
        self.pools: dict[str, Any] = {}

    def begin(self, label: str, pipeline: Any) -> Watched | None:
        """``None``: it is watched already."""
        watched = Watched(written(label), pipeline, self._gone.append)
        with self._lock:
            self._bury()
            if watched.pipeline in self._watched:
                return None
            if watched.lost not in self._lost and len(self._lost) >= self._series - 1:
                watched.lost = OTHER
            self._lost.setdefault(watched.lost, Lost()).live += 1
            self._watched[watched.pipeline] = watched
            return watched

    def end(self, watched: Watched) -> None:
        """It is watched no more, if it is."""
        with self._lock:
            if self._watched.get(watched.pipeline) is watched:
                self._end(watched)

    def _end(self, watched: Watched) -> None:
        if self._watched.pop(watched.pipeline, None) is None:
            return
        watched.read()
        lost = self._lost[watched.lost]
        lost.live -= 1
        lost.failed += watched.failed
        lost.dropped += watched.dropped
        if not (lost.live or lost.failed or lost.dropped):
            del self._lost[watched.lost]

    def _bury(self) -> None:
        """Those that are gone are watched no more."""
        while self._gone:
            with suppress(IndexError):  # what strikes here was sooner
                watched = self._watched.get(self._gone.popleft())
                if watched is not None:
                    self._end(watched)

    def read(self) -> Values:
        """By metric, then by the texts of its labels."""
        values: Values = {name: defaultdict(float) for name in GAUGES}
        with self._lock:
            self._bury()
            for label, lost in self._lost.copy().items():  # what strikes here may watch another
                values[FAILURES][label,] += lost.failed
                values[DROPPED][label,] += lost.dropped
            watching = [(watched, watched.read()) for watched in self._watched.copy().values()]
            for watched, _ in watching:
                values[FAILURES][watched.lost,] += watched.failed
                values[DROPPED][watched.lost,] += watched.dropped
        seen: dict[tuple[str, int], Any] = {}
        for watched, pipeline in watching:
            if pipeline is not None:
                _read(values, watched.label, pipeline, seen)
        for name, pool in self.pools.copy().items():
            try:
                active, idle = connections(pool)
            except Exception as error:
                survive(error)
            else:
                values[CONNECTIONS]["active", written(name)] += active
                values[CONNECTIONS]["idle", written(name)] += idle
        for found in values.values():
            self._bound(found)
        return values

    def _bound(self, values: defaultdict[Texts, float]) -> None:
        """No more label sets than there may be; the rest are one."""
        for key in [*values][self._series - 1 :] if len(values) > self._series else ():
            values[(OTHER,) * len(key)] += values.pop(key)


def connections(pool: Any) -> tuple[float, float]:
    """How many of them are active, and how many idle. Raises where it cannot tell."""
    shown = pool.snapshot()
    return 0 + shown["busy"], 0 + shown["idle"]


def _read(values: Values, label: str, pipeline: Any, seen: dict[tuple[str, int], Any]) -> None:
    """One pipeline's states, by what their class has: also of endpoints, of routes, and of what stands instead."""
    kinds: dict[type, int] = {}
    breakers: dict[tuple[str, str], int] = {}
    left = [*pipeline.states]
    while left:
        state = left.pop()
        if (label, id(state)) in seen:
            continue
        seen[label, id(state)] = state  # itself, lest another one gets its id
        try:
            which = state.__class__
            kind = kinds.get(which)
            if kind is None:
                kind = kinds[which] = _kind(state)
            if kind == NOTHING:
                continue
            if kind == BREAKER:
                found = state.name, state.state
                breakers[found] = breakers.get(found, 0) + 1
            elif kind == AROUND:
                left += [*getattr(state, "instead", ()), *((state.inner,) if hasattr(state, "inner") else ())]
                for branch in state.branches if hasattr(state, "titles") else ():
                    left += branch
            else:
                name = written(named(state))
                numbers, inside = TOLD[kind](state, pipeline)
                for (metric, *further), number in numbers.items():
                    values[metric][label, name, *further] += number
                left += inside
        except Exception as error:  # of somebody's policy, or a clock that is a loop's: the rest can be read
            survive(error)
    for name, word in [*breakers]:
        for each in (*STATES, word):
            values[BREAKERS][label, written(name), written(each)] += 0
        values[BREAKERS][label, written(name), written(word)] += breakers[name, word]


def _kind(state: Any) -> int:
    if any(hasattr(state, word) for word in ("inner", "instead", "titles")):  # what is on trial has the words of that
        return AROUND
    if hasattr(state, "isolate") and hasattr(state, "state"):
        return BREAKER
    if hasattr(state, "permits") or (hasattr(state, "in_flight") and hasattr(state, "places")):
        return PERMITS
    if hasattr(state, "members") and hasattr(state, "admission"):
        return CLUSTER
    keyed = hasattr(state, "cells") and hasattr(state, "leave")
    if hasattr(state, "snapshot") and (keyed or any(hasattr(state, word) for word in ("again", "another", "levels"))):
        return SHOWN
    return NOTHING


Numbers = dict[tuple[str, ...], float]
"""By metric and further labels. What is added to nothing must be a number."""
Told = tuple[Numbers, list[Any]]
"""What a state tells, and the states that are within."""


def _permits(state: Any, pipeline: Any) -> Told:
    permits = getattr(state, "permits", state)
    numbers: Numbers = {
        (IN_FLIGHT,): 0 + permits.in_flight,
        (LIMITS,): 0 + permits.limit,
        (QUEUES,): len(permits.places),
    }
    return numbers, []


def _cluster(cluster: Any, pipeline: Any) -> Told:
    numbers: Numbers = {(ENDPOINTS, "up"): 0, (ENDPOINTS, "down"): 0, (ENDPOINTS, "ejected"): 0}
    inside = []
    for member in cluster.members:
        numbers[ENDPOINTS, "ejected" if member.ejected else "up" if member.up else "down"] += 1
        inside += member.states
    if cluster.enter is not None:
        shown = cluster.admission.numbers(None, 0.0)
        numbers[IN_FLIGHT,] = 0 + shown["requests"]
        numbers[QUEUES,] = 0 + shown["waiting"]
        if "requests_ceiling" in shown:
            numbers[LIMITS,] = 0 + shown["requests_ceiling"]
    return numbers, inside


def _shown(state: Any, pipeline: Any) -> Told:
    """Of what says it best itself."""
    now = pipeline.clock()
    with LOCK:
        shown = state.snapshot(now)
    numbers: Numbers = {}
    if "balance" in shown:
        numbers[BUDGETS,] = 0 + shown["balance"]
    if "in_flight" in shown:
        numbers[IN_FLIGHT,] = 0 + shown["in_flight"]
        if "limit" in shown and "keys" not in shown:
            numbers[LIMITS,] = 0 + shown["limit"]
        if "queued" in shown:
            numbers[QUEUES,] = 0 + shown["queued"]
    return numbers, []


TOLD: Mapping[int, Callable[[Any, Any], Told]] = {PERMITS: _permits, CLUSTER: _cluster, SHOWN: _shown}
