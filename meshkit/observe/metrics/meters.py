"""What are the numbers of `Metrics` to OpenTelemetry? The same metrics by its names, for whatever the SDK exports to.

=====================================  =================  ==========================================================
here                                   instrument         attributes
=====================================  =================  ==========================================================
``http.client.request.duration`` s     histogram          ``http.request.method``, ``server.address``, ``server.port``,
                                                          ``http.response.status_code``, ``error.type``, ``url.scheme``
``http.server.request.duration`` s     histogram          ``http.request.method``, ``http.route``, and as above
``http.client.open_connections``       up-down counter    ``http.connection.state``, ``meshkit.pool``
``meshkit.call.duration`` s            histogram          ``meshkit.pipeline``, ``meshkit.outcome``
``meshkit.route.duration`` s           histogram          the same, ``meshkit.route``, ``meshkit.branch``
``meshkit.attempts`` and the like      counter            ``meshkit.pipeline`` and so on: see `ATTRIBUTES`
``meshkit.in_flight`` and the like     up-down counter    the same
=====================================  =================  ==========================================================

Those that an exporter for Prometheus makes of these names (dots to underscores, the unit and ``_total`` behind) are
those of `meshkit.observe.prometheus`. Counters and gauges are read from `Metrics` when they are collected; a histogram
can only be recorded as it happens, and has the SDK's exemplars for it. OpenTelemetry, "Semantic conventions for HTTP
metrics"; units by UCUM.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from ...errors import ConfigError
from ...runtime.guard import guard
from ..events import CallEnded
from .exchanges import Exchanges
from .metrics import FAMILIES, Metrics
from .series import BOUNDS, Family, Key, Table, once

try:
    from opentelemetry import metrics as otel
except ImportError as error:
    raise ConfigError("Meters: OpenTelemetry's API is missing: pip install meshkit[otel]") from error

if TYPE_CHECKING:
    from ...pipeline import Pipeline

__all__ = ["ATTRIBUTES", "NAMES", "Meters"]

CLIENT, SERVER = "http_client_request_duration_seconds", "http_server_request_duration_seconds"
CALLS, ROUTES = "meshkit_call_duration_seconds", "meshkit_route_duration_seconds"
COUNTER, UP_DOWN, GAUGE = "counter", "up-down counter", "gauge"

HISTOGRAMS = {
    CLIENT: "http.client.request.duration",
    SERVER: "http.server.request.duration",
    CALLS: "meshkit.call.duration",
    ROUTES: "meshkit.route.duration",
}
"""All in seconds."""

NAMES = {
    "http_client_open_connections": ("http.client.open_connections", "{connection}", UP_DOWN),
    "meshkit_attempts_total": ("meshkit.attempts", "{attempt}", COUNTER),
    "meshkit_rejections_total": ("meshkit.rejections", "{rejection}", COUNTER),
    "meshkit_retries_total": ("meshkit.retries", "{attempt}", COUNTER),
    "meshkit_retries_stopped_total": ("meshkit.retries_stopped", "{call}", COUNTER),
    "meshkit_hedges_total": ("meshkit.hedges", "{attempt}", COUNTER),
    "meshkit_fallbacks_total": ("meshkit.fallbacks", "{call}", COUNTER),
    "meshkit_faults_injected_total": ("meshkit.faults_injected", "{attempt}", COUNTER),
    "meshkit_would_reject_total": ("meshkit.would_reject", "{call}", COUNTER),
    "meshkit_state_changes_total": ("meshkit.state_changes", "{change}", COUNTER),
    "meshkit_breaker_state": ("meshkit.breaker.state", "{breaker}", UP_DOWN),
    "meshkit_retry_budget_balance": ("meshkit.retry_budget.balance", "{attempt}", GAUGE),
    "meshkit_in_flight": ("meshkit.in_flight", "{call}", UP_DOWN),
    "meshkit_limit": ("meshkit.limit", "{call}", UP_DOWN),
    "meshkit_queue_waiting": ("meshkit.queue.waiting", "{call}", UP_DOWN),
    "meshkit_cluster_endpoints": ("meshkit.cluster.endpoints", "{endpoint}", UP_DOWN),
    "meshkit_listener_failures_total": ("meshkit.listener.failures", "{failure}", COUNTER),
    "meshkit_events_dropped_total": ("meshkit.events.dropped", "{event}", COUNTER),
}
"""By the name in `Metrics`: what it is called here, its unit, and the kind of instrument. What may be added up over
processes is a counter, or one that goes up and down."""

ATTRIBUTES = {
    "http_request_method": "http.request.method",
    "http_response_status_code": "http.response.status_code",
    "http_route": "http.route",
    "http_connection_state": "http.connection.state",
    "server_address": "server.address",
    "server_port": "server.port",
    "url_scheme": "url.scheme",
    "error_type": "error.type",
    "error": "error.type",
    "meshkit_pool": "meshkit.pool",
}
"""By the name of the label; any other has ``meshkit.`` in front."""

NUMBERS = {"http_response_status_code", "server_port"}
"""Labels whose values are numbers here."""

Attributes = dict[str, Any]


class Meters:
    """``Meters(metrics)``, and then ``watch`` in place of that of ``metrics``, for it has them watch as well. What they
    watch without it comes without histograms.

    ``meter_provider``: whose instruments they are; by default the global one, also when it is set later. No instrument
    has more attribute sets than ``metrics`` has label sets. Raises `ConfigError` for what is no provider, and where
    OpenTelemetry's API is not installed.
    """

    __slots__ = ("_calls", "_exchanges", "_lock", "_metrics", "_picture", "_reading", "_routes", "_served", "_watched")

    def __init__(self, metrics: Metrics, *, meter_provider: Any = None) -> None:
        if not isinstance(metrics, Metrics):
            raise ConfigError.of("Meters", "metrics", metrics, "give a Metrics()")
        if meter_provider is not None and not callable(getattr(meter_provider, "get_meter", None)):
            fix = "give a MeterProvider of opentelemetry.sdk.metrics, or leave it out for the global one"
            raise ConfigError.of("Meters", "meter_provider", meter_provider, fix)
        self._metrics = metrics
        self._lock = guard()
        self._reading = guard()
        self._picture: dict[str, dict[str, Any]] = {}
        self._served: set[str] | None = None
        self._watched: WeakSet[Pipeline] = WeakSet()
        meter = otel.get_meter("meshkit", meter_provider=meter_provider)
        for name, (new, unit, kind) in NAMES.items():
            make: Any = {
                COUNTER: meter.create_observable_counter,
                UP_DOWN: meter.create_observable_up_down_counter,
                GAUGE: meter.create_observable_gauge,
            }[kind]
            make(new, callbacks=[self._observing(name)], unit=unit, description=_help(name))
        histograms = {name: Recorded(meter, metrics, name, self._lock) for name in HISTOGRAMS}
        self._calls, self._routes = histograms[CALLS], histograms[ROUTES]
        client, server = histograms[CLIENT], histograms[SERVER]
        self._exchanges = Exchanges(client, server, Recorded.add)  # type: ignore[arg-type]  # they are handed on

    def watch(self, pipeline: Pipeline, name: str | None = None) -> Callable[[], None]:
        """Tell of what happens in it from now on, under ``name``, or its own; answers how to stop that. The `Metrics`
        watch it as well, if they did not. Raises `ConfigError` for what is no pipeline, or is watched already.
        """
        with self._lock:
            if pipeline in self._watched:
                fix = "it is watched already, and each call would count twice: once is enough"
                raise ConfigError.of("Meters", "pipeline", pipeline.name if name is None else name, fix)
            stops = []
            try:
                stops.append(self._metrics.watch(pipeline, name))
            except ConfigError:
                if not (hasattr(pipeline, "listen") and isinstance(name, str | None)):
                    raise
            self._watched.add(pipeline)
        label = pipeline.name if name is None else name
        tell = Ended(label, self._calls.add, self._routes.add)
        stops += [pipeline.listen(tell, direct=True), pipeline.listen(self._exchanges)]
        return once(*stops, lambda: self._watched.discard(pipeline))

    def _observing(self, name: str) -> Callable[[Any], Iterable[Any]]:
        """What the SDK asks when it collects."""

        def observe(options: Any) -> Iterable[Any]:
            return [
                otel.Observation(sample["value"], attributes(sample["labels"].items()))
                for sample in self._read(name)["samples"]
            ]

        return observe

    def _read(self, name: str) -> dict[str, Any]:
        """One metric of a picture that all of a collection share: who asks for the second time begins a new one."""
        with self._reading:
            if self._served is None or name in self._served:
                self._picture, self._served = self._metrics.snapshot(), set()
            self._served.add(name)
            return self._picture.get(name, {"samples": ()})

    def __repr__(self) -> str:
        return f"Meters({self._metrics!r})"


class Ended:
    """What is told of the calls of one pipeline."""

    __slots__ = ("_add", "_add_routed", "_label")

    def __init__(self, label: str, add: Callable[[Key, float], None], add_routed: Callable[[Key, float], None]) -> None:
        self._label = label
        self._add, self._add_routed = add, add_routed

    def __call__(self, event: Any, /) -> None:
        if event.__class__ is CallEnded:
            self._over(event, event.outcome, event.at - event.began_at)

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        self._over(call.events, ended[3].value, now - call.began_at)

    def _over(self, way: Any, outcome: str, seconds: float) -> None:
        self._add((self._label, outcome), seconds)
        if way.route or way.branch:
            self._add_routed((self._label, way.route, way.branch, outcome), seconds)


class Recorded:
    """A histogram, with no more attribute sets than `Table` has label sets."""

    __slots__ = ("_known", "_lock", "_made", "_record", "_table")

    def __init__(self, meter: Any, metrics: Metrics, name: str, lock: Any) -> None:
        family = FAMILIES[name]
        instrument = meter.create_histogram(
            HISTOGRAMS[name], unit="s", description=family.help, explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._record: Callable[[float, Attributes], None] = instrument.record
        self._lock = lock
        # Only for its bounds: a number for each label set is enough.
        self._table = Table(family._replace(kind="counter"), endpoints=metrics.endpoints, series=metrics.series)
        self._known: dict[Key, Attributes] = {}
        self._made: dict[int, Attributes] = {}
        """By the identity of their row in the table."""

    def add(self, key: Key, seconds: float) -> None:
        self._record(seconds, self._known.get(key) or self._bounded(key))

    def _bounded(self, key: Key) -> Attributes:
        """Those of this key, or of the one that stands in for it."""
        table = self._table
        with self._lock:
            row = table.row(key)
            found = self._made.get(id(row))
            if found is None:  # it was made just now, and is the last one
                found = attributes(zip(table.family.labels, next(reversed(table.rows)), strict=True))
                self._made[id(row)] = found
            if table.get(key) is row:
                self._known[key] = found
            return found


def attributes(labels: Iterable[tuple[str, str]]) -> Attributes:
    """Labels by their names here, without the empty ones."""
    return {
        ATTRIBUTES.get(name) or f"meshkit.{name}": int(text) if name in NUMBERS and text.isdecimal() else text
        for name, text in labels
        if text
    }


def _help(name: str) -> str:
    from .gauges import GAUGES

    family: Family = FAMILIES[name] if name in FAMILIES else GAUGES[name]
    return family.help
