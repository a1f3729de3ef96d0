"""How does Prometheus get the metrics? From a registry of yours, as bytes, or from an ASGI app.

::

    REGISTRY.register(collector(metrics))                     beside whatever else is in it
    content_type, body = exposition(metrics)                  at once
    app.add_route("/metrics", MetricsApp(metrics))            ASGI: an app that is a route of Starlette or FastAPI,
    app.add_middleware(MetricsMiddleware, metrics=metrics)    or one around another, which no pipeline gets to see

Nothing is kept twice: samples are made of what `meshkit.observe.Metrics` has at the time of a scrape. Exemplars are in
the OpenMetrics form only; Prometheus asks for that.

For `prometheus_client`: ``pip install meshkit[prometheus]``. Raises `ConfigError` where that is missing.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Awaitable, Callable, Iterator
from math import inf
from typing import Any

from ..errors import ConfigError
from .metrics.gauges import GAUGES
from .metrics.metrics import FAMILIES, Metrics

try:
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Exemplar
except ImportError as missing:
    raise ConfigError("meshkit.observe.prometheus: prometheus_client: pip install meshkit[prometheus]") from missing

__all__ = ["MetricsApp", "MetricsMiddleware", "collector", "exposition"]

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
ALL = {**FAMILIES, **GAUGES}
KINDS = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}


def collector(metrics: Metrics) -> Collector:
    """For ``REGISTRY.register``, or any other registry of prometheus_client."""
    return _Collector(metrics)


def exposition(metrics: Metrics, openmetrics: bool = False) -> tuple[str, bytes]:
    """The content type, and all metrics in Prometheus's text form, or in that of OpenMetrics."""
    encode, content_type = choose_encoder(OPENMETRICS if openmetrics else "")
    return content_type, encode(_Collector(metrics))


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        """The names alone: registering asks for them."""
        for name, family in ALL.items():
            yield KINDS[family.kind](name, family.help)

    def collect(self) -> Iterator[Metric]:
        for name, shown in self._metrics.snapshot().items():
            labels = ALL[name].labels
            found: Any = KINDS[shown["type"]](name, shown["help"], labels=labels)
            for sample in shown["samples"]:
                values = [sample["labels"][label] for label in labels]
                if shown["type"] == "histogram":
                    found.add_metric(values, _buckets(sample), sample["sum"])
                else:
                    found.add_metric(values, sample["value"])
            yield found


def _buckets(sample: Any) -> list[Any]:
    exemplars = sample.get("exemplars", {})
    buckets: list[Any] = []
    for bound, count in sample["buckets"].items():
        exemplar = exemplars.get(bound)
        edge = "+Inf" if bound == inf else repr(bound)
        if exemplar is None:
            buckets.append((edge, count))
        else:
            buckets.append((edge, count, Exemplar(exemplar["labels"], exemplar["value"], exemplar["at"])))
    return buckets


class MetricsApp:
    """An ASGI app that answers with the metrics, in the form that is asked for. They are written out in a thread: the
    loop goes on meanwhile.
    """

    __slots__ = ("_collector",)

    def __init__(self, metrics: Metrics) -> None:
        if not isinstance(metrics, Metrics):
            raise ConfigError.of("MetricsApp", "metrics", metrics, "give a Metrics")
        self._collector = _Collector(metrics)

    async def __call__(
        self,
        scope: Any,
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        from anyio import to_thread

        if scope["type"] != "http":
            raise ValueError(f"MetricsApp answers HTTP, not {scope['type']}")
        if scope["method"] not in {"GET", "HEAD"}:
            headers = [(b"allow", b"GET, HEAD"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 405, "headers": headers})
            await send({"type": "http.response.body"})
            return
        asked = {b"accept": "", b"accept-encoding": ""}
        for name, value in scope["headers"]:
            if name in asked:
                asked[name] += "," + value.decode("latin-1")
        encode, content_type = choose_encoder(asked[b"accept"])
        packs = _packs(asked[b"accept-encoding"])

        def written() -> bytes:
            text = encode(self._collector)
            return gzip.compress(text, 6) if packs else text

        body = await to_thread.run_sync(written)
        headers = [(b"content-type", content_type.encode("ascii")), (b"content-length", b"%d" % len(body))]
        if packs:
            headers.append((b"content-encoding", b"gzip"))
        headers.append((b"vary", b"accept, accept-encoding"))
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def __repr__(self) -> str:
        return "MetricsApp()"


def _packs(accept_encoding: str) -> bool:
    """Whether gzip will do (RFC 9110, 12.5.3): a weight of nothing says it will not."""
    for each in accept_encoding.lower().split(","):
        coding, *weights = each.replace(" ", "").replace("\t", "").split(";")
        if coding == "gzip":
            return not any(re.fullmatch(r"q=0(\.0*)?", weight) for weight in weights)
    return False


class MetricsMiddleware:
    """An ASGI app that answers ``path`` with the metrics, and has ``app`` answer all else. Where it stands around the
    pipeline, scrapes are no requests of the service: with ``add_middleware``, what is added last stands outermost.
    """

    __slots__ = ("_app", "_path", "_scraped")

    def __init__(self, app: Any, metrics: Metrics, path: str = "/metrics") -> None:
        if not str(path).startswith("/"):
            raise ConfigError.of("MetricsMiddleware", "path", path, 'give a path, such as "/metrics"')
        self._app = app
        self._path = path
        self._scraped = MetricsApp(metrics)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        asks = scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) == self._path
        await (self._scraped if asks else self._app)(scope, receive, send)

    def __repr__(self) -> str:
        return f"MetricsMiddleware({self._app!r}, {self._path!r})"
