"""How often, and how long? Every call counted, in memory, for whoever asks: Prometheus, a status page, a test.

::

    metrics = Metrics()
    metrics.watch(pipeline, "payments")
    metrics.snapshot()                        plain data; `meshkit.observe.prometheus` makes an exposition of it

A call appends what is to be counted, a small tuple or two, and waits for nobody, nor does it for a scrape: see
`counted`, and `Tally` in `series`.
Durations are kept in logarithmic buckets (`meshkit.sketch.Histogram`), and told in those of the HTTP semantic
conventions. What can only be read (a breaker's state, what is in flight) is read when somebody asks: see `gauges`.
There are never more label sets than ``series`` for each metric: see `series`.

``http_client_request_duration_seconds`` is of each attempt that an httpx client sends, until its body is closed;
``http_server_request_duration_seconds`` of each request to an ASGI app, refused ones included, until its answer is
sent. Their labels, and what counts as an error, are those of OpenTelemetry's HTTP semantic conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from time import time
from typing import TYPE_CHECKING, Any

import attrs

from ... import options
from ...errors import ConfigError
from ...policy import awaits
from .counted import ATTEMPTS, CALLS, ROUTES, Counted, Told
from .exchanges import Exchanges
from .gauges import GAUGES, Readings, connections
from .series import BOUNDS, Durations, Family, Key, Table, Tally, exemplified, once

if TYPE_CHECKING:
    from ...pipeline import Pipeline

__all__ = ["FAMILIES", "Metrics"]

CLIENT, SERVER = "http_client_request_duration_seconds", "http_server_request_duration_seconds"
BY_POLICY = ("pipeline", "policy")

FAMILIES: Mapping[str, Family] = {
    CLIENT: Family(
        "histogram",
        "Duration of HTTP client requests: of each attempt, until its body is closed.",
        (
            "server_address",
            "server_port",
            "http_request_method",
            "http_response_status_code",
            "error_type",
            "url_scheme",
        ),
        ("server_address", "server_port"),
        few=True,
    ),
    SERVER: Family(
        "histogram",
        "Duration of HTTP server requests, until the answer is sent.",
        ("http_request_method", "http_route", "http_response_status_code", "error_type", "url_scheme"),
        ("http_route",),
    ),
    CALLS: Family(
        "histogram", "Duration of calls, with all their attempts and waits, by outcome.", ("pipeline", "outcome")
    ),
    ROUTES: Family(
        "histogram",
        "Duration of calls by the route that a router took, and the branch that a split did.",
        ("pipeline", "route", "branch", "outcome"),
        ("route", "branch"),
    ),
    ATTEMPTS: Family(
        "counter",
        "Attempts that were sent and have ended.",
        ("pipeline", "cluster", "endpoint", "verdict"),
        ("endpoint",),
        few=True,
    ),
    "meshkit_rejections_total": Family(
        "counter", "Calls or attempts that a policy refused; error is the class of its error.", (*BY_POLICY, "error")
    ),
    "meshkit_retries_total": Family("counter", "Further attempts that a retry made.", BY_POLICY),
    "meshkit_retries_stopped_total": Family(
        "counter", "Calls for which a retry made no further attempt, and why.", (*BY_POLICY, "reason")
    ),
    "meshkit_hedges_total": Family("counter", "Further attempts begun beside those under way.", BY_POLICY),
    "meshkit_fallbacks_total": Family("counter", "Failures that a fallback took the place of.", BY_POLICY),
    "meshkit_faults_injected_total": Family(
        "counter", "Attempts with a fault that was injected on purpose.", BY_POLICY
    ),
    "meshkit_would_reject_total": Family(
        "counter", "Calls that a policy on trial would have refused or kept waiting.", BY_POLICY
    ),
    "meshkit_state_changes_total": Family(
        "counter",
        "Changes of state: of circuit breakers, and of endpoints that were ejected, went out or came back.",
        (*BY_POLICY, "before", "after"),
    ),
}
"""What is counted as it happens."""


def _function(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not options.is_function(value) or awaits(value)):
        fix = 'give a plain function that answers the labels of the present trace, {"trace_id": ...}, or None'
        raise ConfigError.of("Metrics", attribute.name, value, fix)


@attrs.define(eq=False, kw_only=True, repr=False)
class Metrics:
    """Counts what happens in the pipelines given to `watch`.

    ``endpoints``: endpoints of a cluster, or hosts, that have label sets of their own; the rest are ``_OTHER``.
    ``series``: label sets of each metric. ``exemplar``: a function that answers labels of the present trace
    (``{"trace_id": ...}``), or ``None`` where there is none; it is asked when a call or a request has ended, and what
    it says of the last one is kept for each bucket. Raises `ConfigError`. Safe for any number of threads.
    """

    endpoints: int = attrs.field(default=100, validator=options.count(1, 1_000_000))
    series: int = attrs.field(default=2000, validator=options.count(10, 1_000_000))
    exemplar: Callable[[], Mapping[str, str] | None] | None = attrs.field(default=None, validator=_function)
    _tally: Tally = attrs.field(init=False)
    _readings: Readings = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tally = Tally(FAMILIES, endpoints=self.endpoints, series=self.series)
        self._readings = Readings(self.series)

    def watch(self, pipeline: Pipeline, name: str | None = None) -> Callable[[], None]:
        """Count what happens in it from now on, under ``name``, or its own; answers how to stop that. What was counted
        stays. Raises `ConfigError` for what is no pipeline, or is watched already.
        """
        if not hasattr(pipeline, "listen"):
            raise ConfigError.of("Metrics", "pipeline", pipeline, "give a Pipeline")
        if name is not None and not isinstance(name, str):
            raise ConfigError.of("Metrics", "name", name, "give a string, or leave it out: it has its own")
        label = pipeline.name if name is None else name
        watched = self._readings.begin(label, pipeline)
        if watched is None:
            fix = "it is watched already, and each call would count twice: once is enough"
            raise ConfigError.of("Metrics", "pipeline", label, fix)
        note = _noting(self._tally, self.exemplar)
        tell = Told(self._tally, label, note) if self.exemplar else Counted(self._tally, label, note)
        exchanges = Exchanges(self._tally.tables[CLIENT], self._tally.tables[SERVER], note)
        stops = [lambda: self._readings.end(watched)]
        try:
            stops.append(pipeline.listen(exchanges))
            stops.append(pipeline.listen(tell, direct=True))
        except BaseException:
            once(*reversed(stops))()
            raise
        return once(*reversed(stops))

    def watch_pool(self, pool: Any, name: str) -> Callable[[], None]:
        """Read how many connections it has open whenever somebody asks: a `meshkit.upstream.Pool`, or a transport over
        one. Answers how to stop that. Raises `ConfigError` for what has no such pool, or a name that is taken.
        """
        while not hasattr(pool, "snapshot") and (hasattr(pool, "inner") or hasattr(pool, "pool")):
            pool = pool.inner if hasattr(pool, "inner") else pool.pool
        try:
            connections(pool)
        except Exception as error:
            fix = "give a Pool, or a transport over one, as PoolTransport()"
            raise ConfigError.of("Metrics", "pool", pool, fix) from error
        if not isinstance(name, str):
            raise ConfigError.of("Metrics", "name", name, "give a string")
        pools = self._readings.pools
        if pools.setdefault(name, pool) is not pool:
            raise ConfigError.of("Metrics", "name", name, "another pool of that name is watched already")

        return once(lambda: pools.pop(name, None))

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """All metrics as plain data: by name ``{"type", "help", "samples"}``. A sample has its ``labels``, and a
        ``value``; or, of a histogram, ``count``, ``sum``, ``buckets`` (how many were at most so many seconds), and
        ``exemplars`` by bucket, where there are any.
        """
        picture: dict[str, dict[str, Any]] = {}
        tally = self._tally
        tally.settle()
        for name, table in tally.tables.items():
            labels = table.family.labels
            samples = [
                {"labels": dict(zip(labels, texts, strict=True)), **_shown(row)} for texts, row in tally.read(table)
            ]
            picture[name] = {"type": table.family.kind, "help": table.family.help, "samples": samples}
        values = self._readings.read()
        for name, family in GAUGES.items():
            samples = [
                {"labels": dict(zip(family.labels, texts, strict=True)), "value": value}
                for texts, value in values[name].items()
            ]
            picture[name] = {"type": family.kind, "help": family.help, "samples": samples}
        return picture


def _shown(row: Any) -> dict[str, Any]:
    if row.__class__ is not Durations:
        return {"value": row[0]}
    below = row.below(BOUNDS)
    shown = {"count": below[-1], "sum": row.sum, "buckets": dict(zip((*BOUNDS, inf), below, strict=True))}
    if row.exemplars:
        bounds = (*BOUNDS, inf)
        shown["exemplars"] = {
            bounds[bucket]: {"labels": dict(labels), "value": value, "at": at}
            for bucket, (labels, value, at) in row.exemplars.items()
        }
    return shown


def _noting(tally: Tally, exemplar: Callable[[], Mapping[str, Any] | None] | None) -> Callable[..., None]:
    """Takes down seconds, to be counted in later. Where an exemplar cannot be had they are taken down all the same."""
    append = tally.pending.append

    def note(table: Table, key: Key, seconds: float) -> None:
        append((table, key, seconds, None))

    def note_with_exemplar(table: Table, key: Key, seconds: float) -> None:
        labels = None
        try:
            labels = exemplified(exemplar())  # type: ignore[misc]  # there is one
        finally:
            append((table, key, seconds, (labels, time()) if labels else None))

    return note if exemplar is None else note_with_exemplar
