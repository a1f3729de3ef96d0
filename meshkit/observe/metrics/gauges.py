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

Policies of the same name in one pipeline, those of a cluster's endpoints above all, are added up.

The states of ten thousand endpoints are gone through outside the lock, a microsecond or so for each: what is read are
single attributes. Two of them may be of different instants; a gauge is late by a scrape interval anyhow.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Mapping
from threading import RLock
from typing import Any

from ...engine.back import survive
from ...runtime.lock import LOCK
from ...section import named
from .series import OTHER, Family, locked

__all__ = ["GAUGES", "Readings"]

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
NOTHING, BREAKER, PERMITS, ADAPTIVE, CLUSTER, AROUND, SHOWN = range(7)
LIMITING = (PERMITS, ADAPTIVE)

Values = dict[str, defaultdict[tuple[str, ...], float]]


class Watched:
    """A pipeline, and what its counters were when they were last read."""

    __slots__ = ("dropped", "failed", "label", "pipeline")

    def __init__(self, label: str, pipeline: Any) -> None:
        self.label = label
        self.pipeline = weakref.ref(pipeline)
        self.failed = self.dropped = 0
        self.read()

    def read(self) -> Any:
        """The pipeline, unless it is gone."""
        pipeline = self.pipeline()
        if pipeline is not None:
            self.failed, self.dropped = pipeline.failed_listeners, pipeline.dropped_events
        return pipeline


class Readings:
    """The pipelines and pools to be read."""

    __slots__ = ("__weakref__", "_past", "_series", "_watched", "lock", "pools")

    def __init__(self, series: int) -> None:
        self.lock = RLock()
        self._series = series
        self._watched: list[Watched] = []
        self._past: dict[str, list[int]] = {}
        """The counters of pipelines that are not watched any more: they must not fall."""
        self.pools: dict[str, Any] = {}
        locked.add(self)

    def begin(self, label: str, pipeline: Any) -> bool:
        """Whether it was not watched before."""
        with self.lock:
            if any(each.pipeline() is pipeline for each in self._watched):
                return False
            self._watched.append(Watched(label, pipeline))
            return True

    def end(self, pipeline: Any) -> None:
        """It is watched no more; nor are those that are gone."""
        with self.lock:
            watched, self._watched = self._watched, []
            for each in watched:
                found = each.read()
                if found is not None and found is not pipeline:
                    self._watched.append(each)
                elif each.failed or each.dropped:
                    past = self._past.setdefault(each.label if len(self._past) < self._series else OTHER, [0, 0])
                    past[0] += each.failed
                    past[1] += each.dropped

    def read(self) -> Values:
        """By metric, then by the values of its labels."""
        values: Values = {name: defaultdict(float) for name in GAUGES}
        with self.lock:
            self.end(None)
            watched, pools = [*self._watched], dict(self.pools)
            for label, (failed, dropped) in self._past.items():
                values[FAILURES][label,] += failed
                values[DROPPED][label,] += dropped
        for each in watched:
            pipeline = each.read()
            if pipeline is not None:
                values[FAILURES][each.label,] += each.failed
                values[DROPPED][each.label,] += each.dropped
                _read(values, each.label, pipeline)
        for name, pool in pools.items():
            shown = pool.snapshot()
            values[CONNECTIONS]["active", name] = shown["busy"]
            values[CONNECTIONS]["idle", name] = shown["idle"]
        for found in values.values():
            self._bound(found)
        return values

    def _bound(self, values: defaultdict[tuple[str, ...], float]) -> None:
        """No more label sets than there may be; the rest are one."""
        for key in [*values][self._series - 1 :] if len(values) > self._series else ():
            values[(OTHER,) * len(key)] += values.pop(key)


def _read(values: Values, label: str, pipeline: Any) -> None:
    """One pipeline's states, by what their class has: also those of endpoints, and of what stands instead."""
    kinds: dict[type, int] = {}
    breakers: dict[str, dict[str, int]] = {}
    seen: set[int] = set()
    left = [*pipeline.states]
    while left:
        state = left.pop()
        which = state.__class__
        kind = kinds.get(which)
        if kind is None:
            kind = kinds[which] = _kind(state)
        if kind == NOTHING or id(state) in seen:
            continue
        seen.add(id(state))
        if kind == BREAKER:
            counts = breakers.get(state.name)
            if counts is None:
                counts = breakers[state.name] = dict.fromkeys(STATES, 0)
            counts[state.state] = counts.get(state.state, 0) + 1
        elif kind in LIMITING:
            permits = state.permits if kind == ADAPTIVE else state
            key = label, named(state)
            values[IN_FLIGHT][key] += permits.in_flight
            values[LIMITS][key] += permits.limit
            values[QUEUES][key] += len(permits.places)
        elif kind == CLUSTER:
            _cluster(values, label, state)
            for member in state.members:
                left += member.states
        elif kind == AROUND:
            left += getattr(state, "instead", ())
            left += (state.inner,) if hasattr(state, "inner") else ()
        else:
            try:
                now = pipeline.clock()
                with LOCK:
                    shown = state.snapshot(now)
            except Exception as error:  # of somebody's policy, or a clock that is a loop's: the rest can be read
                survive(error)
            else:
                _shown(values, (label, named(state)), shown)
    for name, counts in breakers.items():
        for word, count in counts.items():
            values[BREAKERS][label, name, word] = count


def _kind(state: Any) -> int:
    if hasattr(state, "inner") or hasattr(state, "instead"):  # what is on trial has the words of what is inside it
        return AROUND
    if hasattr(state, "isolate") and hasattr(state, "state"):
        return BREAKER
    if hasattr(state, "permits"):
        return ADAPTIVE
    if hasattr(state, "in_flight") and hasattr(state, "places"):
        return PERMITS
    if hasattr(state, "members") and hasattr(state, "admission"):
        return CLUSTER
    keyed = hasattr(state, "cells") and hasattr(state, "leave")
    if hasattr(state, "snapshot") and (keyed or any(hasattr(state, word) for word in ("again", "another", "levels"))):
        return SHOWN
    return NOTHING


def _shown(values: Values, key: tuple[str, str], shown: Mapping[str, Any]) -> None:
    """Of what says it best itself."""
    if "balance" in shown:
        values[BUDGETS][key] += shown["balance"]
    if "in_flight" in shown:
        values[IN_FLIGHT][key] += shown["in_flight"]
        if "limit" in shown and "keys" not in shown:
            values[LIMITS][key] += shown["limit"]
        if "queued" in shown:
            values[QUEUES][key] += shown["queued"]


def _cluster(values: Values, label: str, cluster: Any) -> None:
    found = {"up": 0, "down": 0, "ejected": 0}
    for member in cluster.members:
        found["ejected" if member.ejected else "up" if member.up else "down"] += 1
    for word, count in found.items():
        values[ENDPOINTS][label, cluster.name, word] += count
    if cluster.enter is not None:
        shown = cluster.admission.numbers(None, 0.0)
        key = label, cluster.name
        values[IN_FLIGHT][key] += shown["requests"]
        values[QUEUES][key] += shown["waiting"]
        if "requests_ceiling" in shown:
            values[LIMITS][key] += shown["requests_ceiling"]
