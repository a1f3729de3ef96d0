"""How does a server tell its callers how busy it is? An ASGI middleware that adds a load report to its answers.

    app = LoadReport(app)                                    # calls and errors a second, this process's share of time
    app = LoadReport(app, utilization=lambda: pool.busy / pool.size)

=========================================  ===========================================================================
``rps_fractional``, ``eps``                answers, and errors among them (500 and above, or the app raised), a
                                           second; over the last ``window`` to twice as long
``cpu_utilization``                        processor time of this process in the time since, by the number of
                                           processors; without a ``utilization`` of your own
``application_utilization``                what your ``utilization()`` answers: a number, or a dict of numbers by name
``named_metrics.in_flight``                requests under way, this one included
``named_metrics.latency``                  the ``quantile`` of the times to the answer's beginning, in seconds
=========================================  ===========================================================================

What ``WeightedByReports``, ``DynamicRatio`` and ``LeastReported`` read, and gRPC's and Envoy's weighted round robin.
The form is ORCA's, see ``meshkit.fields.orca``. An answer that has a report already keeps it. A report tells strangers
how busy the service is: with ``when`` only those hear it for whom ``when(scope)`` is true.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..errors import ConfigError
from ..fields.orca import FORMS, NAME, write
from ..options import is_function
from ..sketch import Sketch
from .exchange import Receive, Send

__all__ = ["LoadReport"]

App = Callable[[Any, Receive, Send], Awaitable[None]]
FRESH = 0.1
"""Seconds for which a utilization, a rate and a quantile are not worked out anew."""
NAMES = (NAME.encode(), f"{NAME}-json".encode(), f"{NAME}-bin".encode())


class LoadReport:
    """Adds a load report to each answer of an ASGI app. It changes nothing else, and never makes a call fail.

    ``utilization`` answers how busy the server is, 0 to 1 (more: beyond what it can take), or a dict of numbers by the
    names of a report; it is called in the event loop, ten times a second at most, and while it raises, that part of the
    report is left out (``failures`` counts). ``window`` is in seconds, ``quantile`` a share; ``form`` is ``"text"``,
    ``"json"`` or ``"bin"``, which is all that gRPC reads. Raises `ConfigError`.
    """

    def __init__(
        self,
        app: App,
        *,
        utilization: Callable[[], float | Mapping[str, float]] | None = None,
        window: float = 10.0,
        quantile: float = 0.5,
        form: str = "text",
        when: Callable[[Any], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for option, function in (("utilization", utilization), ("when", when)):
            if function is not None and not is_function(function):
                raise ConfigError.of("LoadReport", option, function, "give a function, or leave it out")
        if form not in FORMS:
            raise ConfigError.of("LoadReport", "form", form, f"write one of {', '.join(map(repr, FORMS))}")
        _within("window", window, 0.1, 3600.0, "give seconds from 0.1 to 3600")
        _within("quantile", quantile, 0.0, 1.0, "give a share from 0 to 1, such as 0.9")
        self.app = app
        self.failures = 0
        self._utilization = utilization or _Processor(clock)
        self._rates = _Rates(float(window), clock())
        self._latencies = Sketch(float(window), 0.05)
        self._quantile = quantile
        self._form = form
        self._when = when
        self._clock = clock
        self._in_flight = 0
        self._slow: dict[str, float] = {}
        self._stale_at = clock()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = self._clock()
        status = 500  # of whoever raises before there is one

        async def report(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                now = self._clock()
                self._latencies.add(now - began, now)
                field = self._field(scope, now)
                headers = message.get("headers") or ()
                if field is not None and not any(bytes(name).lower() in NAMES for name, _ in headers):
                    message = {**message, "headers": [*headers, field]}
            await send(message)

        self._in_flight += 1
        try:
            await self.app(scope, receive, report)
        except Exception:
            status = 500
            raise
        finally:
            self._in_flight -= 1
            self._rates.add(status >= 500, self._clock())

    def _field(self, scope: Any, now: float) -> tuple[bytes, bytes] | None:
        try:
            if self._when is not None and not self._when(scope):
                return None
            return write(self.report(now), self._form)
        except Exception:
            self.failures += 1
            return None

    def report(self, now: float | None = None) -> dict[str, float]:
        """What would be reported now."""
        if now is None:
            now = self._clock()
        if now >= self._stale_at:
            self._stale_at = now + FRESH
            self._slow = self._worked_out(now)
        return {**self._slow, "named_metrics.in_flight": float(self._in_flight)}

    def _worked_out(self, now: float) -> dict[str, float]:
        calls, errors = self._rates.read(now)
        report = {"rps_fractional": calls, "eps": errors}
        latency = self._latencies.quantile(self._quantile)
        if latency is not None:
            report["named_metrics.latency"] = latency
        try:
            said = self._utilization()
            own = dict(said) if isinstance(said, Mapping) else {"application_utilization": said}
            report.update((name, float(value)) for name, value in own.items())
        except Exception:
            self.failures += 1
        return report


def _within(option: str, value: object, least: float, most: float, fix: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ConfigError.of("LoadReport", option, value, fix)


class _Rates:
    """Answers and errors a second: of the present window, and of the one before it as far as it is needed."""

    def __init__(self, window: float, now: float) -> None:
        self._window = window
        self._began_at = self._since = now
        self._counts = [0, 0]
        self._before = (0, 0)

    def add(self, error: bool, now: float) -> None:
        self._turn(now)
        self._counts[0] += 1
        self._counts[1] += error

    def read(self, now: float) -> tuple[float, float]:
        self._turn(now)
        elapsed = max(now - self._since, min(self._window, 1.0))  # a first call is not ten a second
        return (self._counts[0] + self._before[0]) / elapsed, (self._counts[1] + self._before[1]) / elapsed

    def _turn(self, now: float) -> None:
        over = now - self._began_at
        if over >= self._window:
            self._before = (self._counts[0], self._counts[1]) if over < 2 * self._window else (0, 0)
            self._began_at = now - over % self._window
            self._since = self._began_at - self._window
            self._counts = [0, 0]


class _Processor:
    """The share of all processors that this process has used since it was last asked, a second ago or more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._processors = os.cpu_count() or 1
        self._at = clock()
        self._used = time.process_time()
        self._share = 0.0

    def __call__(self) -> dict[str, float]:
        now = self._clock()
        if now - self._at >= 1.0:
            used = time.process_time()
            self._share = (used - self._used) / (now - self._at) / self._processors
            self._at, self._used = now, used
        return {"cpu_utilization": self._share}
