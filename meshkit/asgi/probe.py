"""How busy is this app, and how quick is it while it is that busy? What a `Prequal` asks of each endpoint.

    app = Probe(app)

``GET /-/load`` is answered here, and never reaches the app: ``{"rif": 3, "latency": 0.012000}``. ``rif`` is the HTTP
requests in flight: from arrival until the last of the answer is sent, or the app returns. ``latency`` is the median, in
seconds, of what requests took that arrived while about as many were in flight.

What a request took is noted with the number it found in flight when it arrived. Counts from 16 up share a bucket with
those within an eighth; a bucket keeps the last 16 requests, of the last ``window`` seconds. A probe reads the bucket
of the present count, and its neighbours on both sides, until it has five. With nothing in ``window`` seconds the answer
is 0: whoever is out of favour is asked again by then.

Latency is up to where the answer begins. A status of 500 or more, an exception or no answer count as ``penalty``
seconds at least: what fails at once must not look quick. A client that leaves before an answer teaches nothing.
Websockets are not counted: they last as long as their clients like.

Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024): the two signals, the tag, the
median. The buckets and the penalty are ours.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median
from typing import Any

from ..balance.report.probes import PATH, written
from ..errors import ConfigError
from .exchange import Message, Receive, Send

__all__ = ["Probe", "Rif"]

KEPT = 16
"""Requests that a bucket keeps."""
ENOUGH = 5
"""Requests that make a median."""
LONGEST = 3600.0
"""Seconds, of an option."""
BODIES = {"http.response.body", "http.response.zerocopysend", "http.response.pathsend"}
"""What a body is sent by, and may be the last of an answer."""


def bucket(rif: int) -> int:
    """0 to 15 have their own; then eight for each doubling."""
    if rif < 16:
        return rif
    shift = rif.bit_length() - 4
    return 8 * shift + (rif >> shift)


class Rif:
    """The requests in flight, and how long they take by how many there are. Time is an argument."""

    __slots__ = ("_buckets", "_window", "in_flight")

    def __init__(self, window: float) -> None:
        self._window = window
        self._buckets: dict[int, deque[tuple[float, float]]] = {}
        """By `bucket` of the count at arrival: the latest (when, latency)."""
        self.in_flight = 0

    def enter(self) -> int:
        """One more; answers how many there were."""
        found = self.in_flight
        self.in_flight = found + 1
        return found

    def learn(self, found: int, latency: float, now: float) -> None:
        """A request that found so many in flight took so long."""
        place = bucket(found)
        if place not in self._buckets:
            self._buckets[place] = deque(maxlen=KEPT)
        self._buckets[place].append((now, latency))

    def latency(self, now: float) -> float:
        """What the next request will take, by those at or near the present count; 0: nobody knows."""
        buckets = self._buckets
        if not buckets:
            return 0.0
        since = now - self._window
        here = bucket(self.in_flight)
        found: list[float] = []
        for distance in range(max(here - min(buckets), max(buckets) - here) + 1):
            for place in {here - distance, here + distance}:
                found += [latency for at, latency in buckets.get(place, ()) if at > since]
            if len(found) >= ENOUGH:
                break
        return median(found) if found else 0.0


class Probe:
    """An app that says how busy it is. Raises `ConfigError`.

    ``path`` is where it says so, ``window`` the seconds for which a request tells of latency, ``penalty`` what a
    failure counts as, in seconds at least. Put it outermost: what waits in a queue of ours is in flight as well. It is
    told to whoever asks: let the path be reached from inside only.
    """

    __slots__ = ("_clock", "_path", "_penalty", "app", "load")

    def __init__(
        self,
        app: Callable[[Any, Receive, Send], Any],
        *,
        path: str = PATH,
        window: float = 10.0,
        penalty: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        _check(app, path, window, penalty)
        self.app = app
        self.load = Rif(window)
        """What is known. One loop's: an app served by several in one process is several endpoints."""
        self._path = path
        self._penalty = penalty
        self._clock = clock

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == self._path and scope["method"] in {"GET", "HEAD"}:
            await self._answer(scope, send)
        else:
            await self._serve(scope, receive, send)

    async def _answer(self, scope: Any, send: Send) -> None:
        body = written(self.load.in_flight, self.load.latency(self._clock()))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _serve(self, scope: Any, receive: Receive, send: Send) -> None:
        request = _Request(self.load, self._penalty, self._clock, receive, send)
        try:
            await self.app(scope, request.receive, request.send)
        except Exception:
            request.failed()
            raise
        else:
            request.failed()
        finally:
            request.end()

    def __repr__(self) -> str:
        return f"Probe({self.app!r}, path={self._path!r})"


def _check(app: Any, path: Any, window: Any, penalty: Any) -> None:
    if isinstance(app, type) or not callable(app):
        raise ConfigError.of("Probe", "app", app, "give an ASGI app: an async def (scope, receive, send)")
    if not isinstance(path, str) or not path.startswith("/"):
        raise ConfigError.of("Probe", "path", path, 'give the path to answer on, such as "/-/load"')
    for option, value, least in (("window", window, 0.1), ("penalty", penalty, 0.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LONGEST:
            fix = f"give seconds from {least:g} to {LONGEST:g}, such as 1.0"
            raise ConfigError.of("Probe", option, value, fix)


class _Request:
    """One request on its way through."""

    __slots__ = (
        "_began",
        "_clock",
        "_found",
        "_load",
        "_penalty",
        "_receive",
        "_send",
        "gone",
        "over",
        "told",
        "trailers",
    )

    def __init__(self, load: Rif, penalty: float, clock: Callable[[], float], receive: Receive, send: Send) -> None:
        self._load = load
        self._penalty = penalty
        self._clock = clock
        self._receive = receive
        self._send = send
        self._found = load.enter()
        self._began = clock()
        self.gone = False
        self.told = False
        """Whether its latency is known."""
        self.trailers = False
        self.over = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.trailers = message.get("trailers", False)
            if message["status"] >= 500:
                self.failed()
            else:
                self._tell(0.0)
            await self._send(message)
            return
        await self._send(message)
        if kind == "http.response.trailers":
            last = not message.get("more_trailers")
        else:
            last = kind in BODIES and not (self.trailers or message.get("more_body"))
        if last:
            self.end()

    def failed(self) -> None:
        """No answer, or none to be proud of. Nothing new, if there was one."""
        if not self.gone:
            self._tell(self._penalty)

    def _tell(self, least: float) -> None:
        if not self.told:
            self.told = True
            now = self._clock()
            self._load.learn(self._found, max(now - self._began, least), now)

    def end(self) -> None:
        """It is in flight no more. Once."""
        if not self.over:
            self.over = True
            self._load.in_flight -= 1
