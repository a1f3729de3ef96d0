"""What came by, where to, and how did it go? Calls by their way (listener, route, branch, cluster), attempts by end.

::

    shop public ──► buy ──► orders ──► orders-a      a way is counted once for each call, an end for each attempt:
          └───────► pay ──► payments ──► ...         routes, clusters and the edges between them are sums of these

So a call costs two slots, however many rows there are to be shown. No more than ``ways`` ways and ``ends`` ends are
told apart: those that have been silent for a minute make room for others, and what finds none is counted as ``_OTHER``.
Each pipeline is counted by its own clock; nothing here keeps a pipeline alive.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ...call import Verdict
from ...engine.back import survive
from ...errors import ConfigError
from ...observe.events import AttemptEnded, CallEnded, StateChanged
from ...observe.redact import path, text
from ...runtime.guard import guard
from .failures import ERRORS, REFUSED, Failures
from .series import WIDTH, Series, Sum
from .tap import Tap, Trace

if TYPE_CHECKING:
    from ...pipeline import Pipeline

__all__ = ["OTHER", "End", "Traffic", "Way"]

OTHER = "_OTHER"
CHANGES = 50
"""Changes of state that are remembered."""
LONGEST = 5
"""Calls under way that are named."""
SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED


class Way(NamedTuple):
    """Which way a call went. Of a call that is answered here, or refused, there is no cluster."""

    pipeline: str
    route: str
    branch: str
    cluster: str


class End(NamedTuple):
    """Whom an attempt was for."""

    cluster: str
    endpoint: str


class Traffic:
    """Counts what happens in the pipelines given to `watch`: ``mesh.watch(traffic)``. Safe for any number of threads.

    ``failures``: kinds of failures that are remembered. Raises `ConfigError`.
    """

    def __init__(self, failures: int = 50, *, ways: int = 1000, ends: int = 3000) -> None:
        self.failures = Failures(failures)
        self.changes: deque[dict[str, Any]] = deque(maxlen=CHANGES)
        """Breakers and endpoints that went from one state to another, as plain data, the newest last."""
        self._lock = guard()
        self._most = ways, ends
        self._ways: dict[Way, Series] = {}
        self._ends: dict[End, Series] = {}
        self._known: dict[int, tuple[Any, Series, str]] = {}
        """The same by the identity of the endpoint, which is held here, and its cluster: its name is made only once."""
        self._nobody = Series()
        """Attempts that are at no endpoint."""
        self._swept = 0.0
        self._taps: dict[Any, tuple[Tap, float]] = {}
        """By a weak reference to the pipeline: what listens to it, and since when."""
        self._gone: deque[Any] = deque()

    def watch(self, pipeline: Pipeline) -> Callable[[], None]:
        """Count what happens in it from now on; answers how to stop that."""
        tap = Tap(self, pipeline, self._gone.append)
        with self._lock:
            self._bury()
            if tap.pipeline in self._taps:
                raise ConfigError.of("Traffic", "pipeline", tap.label, "it is watched already: once is enough")
            self._taps[tap.pipeline] = tap, pipeline.clock()
        stop_listening = pipeline.listen(tap)

        def stop() -> None:
            stop_listening()
            with self._lock:
                self._taps.pop(tap.pipeline, None)

        return stop

    # What is told.

    def changed(self, label: str, event: StateChanged, *, by_hand: bool = False) -> None:
        self.changes.append(
            {
                "at": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
                "pipeline": text(label),
                "policy": text(event.policy),
                "endpoint": None if event.endpoint is None else text(event.endpoint),
                "before": text(event.before),
                "after": text(event.after),
                "by_hand": by_hand,
            }
        )

    def settle(self, tap: Tap) -> None:
        """Count in what is pending."""
        pending, whole = tap.pending, tap.whole
        take, ways, known = pending.popleft, self._ways, self._known
        with self._lock:
            for _ in range(len(pending)):
                try:
                    attempt, way, at, seconds, retries = take()
                except IndexError:  # counted in by what struck in between
                    return
                try:
                    if attempt is not None:
                        when, _, endpoint, _, latency, _, _, number, cluster, _ = attempt
                        found = known.get(id(endpoint))
                        if found is not None and found[2] == cluster:
                            series = found[1]
                        else:
                            series = self._end(cluster, endpoint, when)
                        series.add(when, latency, 0, 0, number > 1)
                    if way is not None:  # equal to a `Way`, and made sooner
                        (ways.get(way) or self._way(way, at)).add(at, seconds, 0, 0, retries)  # type: ignore[call-overload]
                        whole.add(at, None)
                except Exception as error:  # of an endpoint's name that cannot be had
                    survive(error)

    def attempt(self, event: AttemptEnded) -> None:
        """One that has failed."""
        with self._lock:
            series = self._end(event.cluster, event.endpoint, event.at)
            series.add(event.at, event.latency, event.verdict is not IGNORED, 0, event.number > 1)

    def call(self, tap: Tap, event: CallEnded, cluster: str, retries: int) -> None:
        """One that was no success."""
        word, at = event.outcome, event.at
        error, rejected = word in ERRORS, word == REFUSED
        way: Any = tap.label, event.route, event.branch, cluster
        with self._lock:
            series = self._ways.get(way) or self._way(way, at)
            series.add(at, at - event.began_at if error else None, error, rejected, retries)
            tap.whole.add(at, None, error, rejected)

    def _end(self, cluster: str, endpoint: Any, at: float) -> Series:
        """Those of an endpoint that is new here."""
        if endpoint is None:
            return self._nobody
        end = End(cluster, str(endpoint))
        most = self._most[1]
        if end not in self._ends and len(self._ends) >= most and not self._sweep(at, self._ends, most):
            return self._ends.setdefault(End(cluster, OTHER), Series())  # it may be told apart some time later
        series = self._ends.setdefault(end, Series())
        if len(self._known) >= 2 * most:
            self._known.clear()
        self._known[id(endpoint)] = endpoint, series, cluster
        return series

    def _way(self, found: tuple[str, str, str, str], now: float) -> Series:
        way = Way(*found)
        if len(self._ways) >= self._most[0] and not self._sweep(now, self._ways, self._most[0]):
            way = Way(way.pipeline, OTHER, "", OTHER)
        return self._ways.setdefault(way, Series())

    def _sweep(self, now: float, among: dict[Any, Series], most: int) -> bool:
        """Forget what is silent, now and then. Whether there is room."""
        if now - self._swept >= WIDTH:
            self._swept = now
            for key in [key for key, series in among.items() if series.silent(now)]:
                del among[key]
            self._known.clear()
        return len(among) < most

    # What is asked.

    def seen(self, label: str) -> bool:
        """Whether any call came by the pipeline of that name."""
        return any(tap.seen for tap in self._listening() if tap.label == label)

    def under_way(self) -> int:
        """Calls that have begun and not ended, in all pipelines."""
        return sum(len(tap.live) for tap in self._listening())

    def longest(self) -> list[dict[str, Any]]:
        """Those under way for longest, as plain data: what may be said of each, and for how many seconds."""
        found: list[tuple[float, str]] = []
        for tap in self._listening():
            for trace in [*tap.live.values()][:LONGEST]:
                with suppress(Exception):  # a clock may be an event loop's, a door anybody's; and it may end just now
                    found.append((tap.clock() - trace.began_at, _said(trace)))
        found.sort(reverse=True)
        return [{"seconds": round(seconds, 1), "who": who} for seconds, who in found[:LONGEST]]

    def sums(self, of: Callable[[Way], Any]) -> dict[Any, Sum]:
        """The calls of the last minute, added up by what ``of`` answers for their way; ``None``: left out."""
        return self._added(self._ways, of)

    def ends(self) -> dict[End, Sum]:
        """The attempts of the last minute, by endpoint."""
        return self._added(self._ends, lambda end: end)

    def whole(self) -> Sum:
        """All calls of the last minute, by the second."""
        now, since = self._now()
        total = Sum(now, since, 1.0, 60)
        for tap in self._listening():
            with self._lock:
                total.add(tap.whole)
        return total

    def _added(self, among: dict[Any, Series], of: Callable[[Any], Any]) -> dict[Any, Sum]:
        now, since = self._now()
        found: dict[Any, Sum] = {}
        for key, series in [*among.items()]:
            by = of(key)
            if by is None or series.silent(now):
                continue
            total = found.get(by)
            if total is None:
                total = found[by] = Sum(now, since)
            with self._lock:  # for each anew: no call waits for all of them
                total.add(series)
        return found

    def _now(self) -> tuple[float, float]:
        """The present instant, and since when anything is counted."""
        now = since = None
        for tap in self._listening():
            self.settle(tap)
            with suppress(Exception):  # as above
                at, began = tap.clock(), self._taps[tap.pipeline][1]
                now = at if now is None else max(now, at)
                since = began if since is None else min(since, began)
        return now or 0.0, since or 0.0

    def _listening(self) -> Iterable[Tap]:
        with self._lock:
            self._bury()
            return [tap for tap, _ in self._taps.values()]

    def _bury(self) -> None:
        while self._gone:
            with suppress(IndexError):  # what strikes here was sooner
                self._taps.pop(self._gone.popleft(), None)


def _said(trace: Trace) -> str:
    """What may be said of a request that is under way."""
    about = trace.door.about(trace)
    if about["kind"] == "function":
        return text(about["name"])
    host = about.get("host")
    return text(f"{about['method']} {f'//{host}' if host else ''}{path(about['path'])}")
