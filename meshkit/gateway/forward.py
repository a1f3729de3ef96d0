"""What is sent to an endpoint, and how does it answer? One attempt of a call.

The request is put together once, of what goes on (`fields`); an attempt adds what is its own: the path and the fields
of its route, what is left of the deadline, which attempt it is, and what those who follow the call want said.

A short answer of a known length is there when its body is: a server that dies between the head and the last byte has
then failed an attempt, which may be repeated, and not broken off an answer.
"""

from __future__ import annotations

import asyncio
import logging
from errno import EMFILE, ENFILE
from math import inf
from typing import Any

from ..asgi.routed import edited, host_of
from ..call import Call
from ..engine import expired
from ..errors import NoRoute
from ..fields.deadline import format_ms
from ..observe.trail import SENDING
from ..route.branch import unrouted
from ..route.edit import NOTHING
from ..route.hosts import bracketed
from ..runtime.telling import sending
from ..upstream.answer import Answer
from ..upstream.errors import Malformed, WireError
from ..upstream.origin import Origin
from ..upstream.pool import Pool

__all__ = ["Forward"]

DEADLINE, ATTEMPT = b"x-request-deadline-ms", b"x-envoy-attempt-count"
LAST = 599
"""Of the statuses (RFC 9110, 15); servers do not take another from an app."""
HINT = "http.response.early_hint"
EARLY = 0.002
"""Seconds by which a timer may be early."""
LONG = 1e6
LOG = logging.getLogger("meshkit")
PAUSE = 60.0
"""Seconds between two complaints."""
MANY = 10_000
SMALL = 16_384
"""Bytes of a request's body that are read before it is sent: head and body then go out as one."""
METHODS = {each: each.encode() for each in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
ENDLESS = b"text/event-stream"


class Forward:
    """Sends the attempts of one listener's calls."""

    __slots__ = ("_clock", "_origins", "_pipeline", "_pool", "_silent_until", "_times", "_whole", "copies")

    def __init__(self, pipeline: Any, pool: Pool, *, connect: float, idle: float, whole: int) -> None:
        self._pipeline = pipeline
        self._clock = pipeline.clock
        self._pool = pool
        self._times: dict[str, float | None] = {"connect": connect, "read": idle, "write": idle, "pool": connect}
        self._whole = whole
        self._silent_until = -inf
        self._origins: dict[str, Origin] = {}
        self.copies: Any = None
        """What sends the copies of requests; see `mirrored`."""

    async def send(self, call: Call) -> Any:
        """Send the request to the call's endpoint: an `Answer`, or of a WebSocket what `socket` relays. Raises
        `WireError`, `TimedOut`; `Left`: the client has gone.
        """
        exchange = call.request
        call.answered_at = None  # of an attempt before this one
        endpoint, decision = call.endpoint, call.route
        if endpoint is None:
            raise NoRoute("the route leads to no cluster")
        if decision is None:  # of a copy: it walks a pipeline that need not have a router
            decision = call.route = unrouted(call)
        plan = decision.plan
        if exchange.fields is None:
            exchange.read()
        fields, body, scope = exchange.fields, exchange.body, exchange.scope
        if plan.mirrors and scope["type"] == "http":
            self.copies.begin(call, exchange)
        if body is not None:
            if 0 < exchange.length <= SMALL and not exchange.expects:
                await self._fetch(call, body)
            body = body.whole or body
        if plan.request is not NOTHING:
            fields = edited(fields, plan.request)
        if decision.host is not None:
            fields = [(b"host", bracketed(decision.host).encode("ascii")), *fields[1:]]
        times = self._times
        began = self._clock()
        deadline = call.deadline
        if deadline is not None:
            left = deadline - began
            times = {**times, "total": left}
            fields = [*fields, (DEADLINE, b"%d" % (left * 1e3) if 0 < left < LONG else said(left))]
        if call.attempt > 1:
            fields = [*fields, (ATTEMPT, b"%d" % call.attempt)]
        if call.events is not None and call.events.wants & SENDING:
            theirs = sending(self._pipeline, call)
            names = {name for name, _ in theirs}
            fields = [*(each for each in fields if each[0] not in names), *theirs]
        query = scope["query_string"]
        target = decision.path.encode("ascii")
        if query:
            target = b"%b?%b" % (target, query)
        origin = self._origins.get(endpoint.url) or self._origin(endpoint, fields[0][1])
        try:
            if scope["type"] == "websocket":
                answer = await self._open(call, origin, target, fields, times)
            else:
                method = scope["method"]
                method = METHODS.get(method) or method.encode("ascii")
                hint = exchange.hinted if HINT in (scope.get("extensions") or ()) else None
                answer = await self._pool.send(origin, method, target, fields, body or b"", times=times, hint=hint)
                if answer.status > LAST:
                    answer.close()
                    raise Malformed(f"the answer has the status {answer.status}, which there is none of")
                if answer.connection is not None and self._whole and not answer.complete:
                    await self._take(answer)
        except WireError as error:
            if spent(error):
                self._complain()
            if deadline is not None and self._clock() >= deadline - EARLY:
                raise expired(call, began, max(self._clock(), deadline)) from error
            raise
        call.answered_at = self._clock()
        return answer

    def _complain(self) -> None:
        """Say once a minute that this process can open no more files: no endpoint is to blame, and nobody tells."""
        now = self._clock()
        if now >= self._silent_until:
            self._silent_until = now + PAUSE
            LOG.error("gateway: no file descriptor is left for a connection to an upstream; see ulimit -n")

    async def _fetch(self, call: Call, body: Any) -> None:
        """Have a short body before anything is sent, within the call's deadline."""
        if body.over:
            return
        began = self._clock()
        until = None if call.deadline is None else call.deadline - began
        try:
            async with asyncio.timeout(until):
                await body.fetch()
        except TimeoutError as error:
            raise expired(call, began, self._clock()) from error

    async def _open(self, call: Call, origin: Origin, target: bytes, fields: Any, times: Any) -> Any:
        """Ask for a WebSocket, where the route has any; answers nothing where it has none, and the client was told."""
        from ..route.websocket import WebSocket
        from .socket import open_  # and with it a library, which only WebSockets need

        exchange: Any = call.request
        limits = exchange.limits = call.route.plan.websocket or WebSocket()
        if not limits.allowed:
            await call.door.respond(call, 403)
            return None
        protocols = exchange.scope.get("subprotocols") or []
        return await open_(self._pool, origin, target, fields, protocols, times=times, limits=limits)

    async def _take(self, answer: Answer) -> None:
        """Wait for a body that is short and has a known length."""
        length = None
        for name, value in answer.headers:
            if len(name) == 14 and name.lower() == b"content-length":
                length = int(value)
            elif len(name) == 12 and name.lower() == b"content-type" and value.startswith(ENDLESS):
                return
        if length is not None and length <= self._whole:
            await answer.fetch()

    def _origin(self, endpoint: Any, host: bytes) -> Origin:
        """To whom to connect. Over TLS an endpoint that is an address shows the certificate of the host asked for."""
        tls = endpoint.scheme == "https"
        if tls and numeric(endpoint.host):
            name, _ = host_of(host.decode("ascii"))
            return Origin(endpoint.host, endpoint.port, tls, name)
        if len(self._origins) >= MANY:
            self._origins.clear()
        origin = self._origins[endpoint.url] = Origin(endpoint.host, endpoint.port, tls)
        return origin


def said(left: float) -> bytes:
    """What is left of a deadline, in whole milliseconds."""
    return format_ms(max(0.0, left)).encode("ascii")


def spent(error: BaseException) -> bool:
    """Whether it is this process that can open no more files."""
    return getattr(error.__cause__, "errno", None) in {EMFILE, ENFILE}


def numeric(host: str) -> bool:
    return ":" in host or host.rpartition(".")[2].isdecimal()
