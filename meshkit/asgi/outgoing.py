"""What becomes of an answer on its way to the client, where its route has something for it?

Between what an `Exchange` sees and the server: the app's own answer is judged, and what the route makes of it is sent.
Pacing, as a slow client, takes none of the app's time. In this order::

    the app -> page -> cap -> CORS -> encoding -> pace -> the server

What is about the header fields alone is done where the answer begins, and then nothing stands between. Files that a
server sends by itself (``pathsend``, ``zerocopysend``) pass as they are. Where answers are paced the app is not told
that the server can, and sends them as it does elsewhere (`routed`).
"""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..engine import survive
from ..route.lines import joined, told
from ..runtime.waiting import nap
from .bodies import FILES, Send, paced
from .encoders import Encoder, encoder, installed

__all__ = ["begins"]

BODY = "http.response.body"
START = "http.response.start"
BODILESS = frozenset({204, 304})
SLICE = 65536
"""Bytes that are encoded at a stretch: the others on the loop have their turn every few milliseconds."""

Fields = list[tuple[bytes, bytes]]


def begins(
    exchange: Any, plan: Any, status: int, headers: Fields, send: Send, *, refusal: bool = False
) -> tuple[Fields, Send]:
    """An answer is about to begin: its fields as the route has them, and what it is sent through from now on.

    Raises what stands against an app's answer; then it has not begun. Nothing stands against a ``refusal``.
    """
    scope = exchange.scope
    head = scope.get("method") == "HEAD"
    page = None if plan.pages is None else plan.pages.find(status)
    most = None if plan.buffer is None or head or refusal or status in BODILESS else plan.buffer.max_response
    if exchange.refused is not None:  # which a refusal has forgotten
        raise exchange.refused
    if most is not None and page is None and (told(joined(headers, b"content-length")) or 0) > most:
        raise overlong(exchange, plan)
    if plan.cors is not None:
        headers = plan.cors.edited(headers, scope["headers"], scope.get("method"))
    name, plain = None, headers
    if plan.compress is not None and page is None:
        offered = () if head else installed(plan.compress.encodings)
        name, headers = plan.compress.encoded(status, plain, joined(scope["headers"], b"accept-encoding"), offered)
    buckets = [] if head or not plan.paces else [each for pace in plan.paces if (each := pace.answer()) is not None]
    if page is None and most is None and name is None and not buckets:
        return headers, send
    answer = Outgoing(exchange, plan, send, buckets)
    answer.page = page
    answer.most = most
    if name is not None:
        answer.encoder = encoder(name, plan.compress.level)
        if not FILES.isdisjoint(scope.get("extensions") or ()):
            answer.plain = len(headers), plain
    return headers, answer.send


def overlong(exchange: Any, plan: Any) -> BaseException:
    """What is raised because the answer is too long: the very same from then on."""
    if exchange.refused is None:
        exchange.refused = plan.buffer.overlong(exchange.call.endpoint)
    return exchange.refused  # type: ignore[no-any-return]  # it was set just now


class Outgoing:
    """An answer, as it is sent."""

    def __init__(self, exchange: Any, plan: Any, send: Send, buckets: list[Any]) -> None:
        self.page: Any = None
        """What takes its place: bytes, a function, or an `App`."""
        self.most: int | None = None
        """Bytes of the app's that are let through."""
        self.encoder: Encoder | None = None
        self.plain: tuple[int, Fields] | None = None
        """How many fields it has as it is encoded, and those that it has if the server sends a file."""
        self._exchange = exchange
        self._plan = plan
        self._send = send
        self._clock = exchange.door.clock
        self._buckets = buckets
        self._held: Any = None
        """The beginning, until it is known who sends the body, the app or the server."""
        self._replaced = False
        """Whether a page was sent: the rest of the app's answer is nobody's."""
        self._seen = self._sent = 0

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if self._replaced:
            self._told()
        elif kind == BODY:
            body, more = message.get("body", b""), message.get("more_body", False)
            self._count(len(body))
            if self.encoder is not None:
                await self._encoded(body, more)
                self._told()
            elif self._buckets:
                await self._paced(body, more)
            else:
                await self._send(message)
        elif kind == START and self.page is not None:
            await self._instead(message)
        elif kind == START and self.plain is not None:
            self._held = message
        else:
            if kind in FILES and self._held is not None and self.plain is not None:
                held, self._held, self.encoder = self._held, None, None
                count, plain = self.plain
                await self._send({**held, "headers": plain + held["headers"][count:]})
            await self._send(message)

    def _told(self) -> None:
        """What the client is sent is told of, and not what the app has made."""
        if self._exchange.size is not None:
            self._exchange.size = self._sent

    def _count(self, size: int) -> None:
        self._seen += size
        if self.most is not None and self._seen > self.most:
            self._exchange.writing = False
            raise overlong(self._exchange, self._plan)

    async def _instead(self, message: Any) -> None:
        """Send the page. One that fails is counted, and costs no answer."""
        exchange, pages, page, status = self._exchange, self._plan.pages, self.page, message["status"]
        kind = pages.type
        try:
            if hasattr(page, "app"):
                from .page import asked

                deadline = None if exchange.over else exchange.call.deadline  # a refusal has none any more
                left = None if deadline is None else deadline - self._clock()
                said, body = await asked(page.app, exchange.scope, status, left)
                kind = said or kind
            else:  # a refused exchange has no call
                body = pages.made(page, status, exchange.call or Call(exchange.door, exchange, self._clock()))
        except Exception as error:
            survive(error)
            body = None
        if body is None:
            await self._send(message)
            return
        self._replaced = True
        status = exchange.status = pages.status or status
        headers = pages.fields(message.get("headers", ()), kind, len(body))
        await self._send({"type": START, "status": status, "headers": headers})
        await self._paced(b"" if exchange.scope.get("method") == "HEAD" else body, False)

    async def _encoded(self, body: bytes, more: bool) -> None:
        encoder: Any = self.encoder
        if self._held is not None:
            held, self._held = self._held, None
            await self._send(held)
        begin, ready = SLICE, encoder.encode(body[:SLICE])
        while begin < len(body):
            if ready:
                await self._paced(ready, True)
            await nap(0.0, self._clock)
            ready = encoder.encode(body[begin : begin + SLICE])
            begin += SLICE
        if not more:
            ready += encoder.finish()
        elif body:
            ready += encoder.flush()
        if ready or not more:
            await self._paced(ready, more)

    async def _paced(self, body: bytes, more: bool) -> None:
        """To the server, no faster than is allowed."""
        buckets, begin = self._buckets, 0
        piece = min([bucket.piece for bucket in buckets]) if buckets else len(body)
        while begin + piece < len(body):
            await paced(buckets, piece, self._clock)
            await self._out(body[begin : begin + piece], True)
            begin += piece
        if buckets and body:
            await paced(buckets, len(body) - begin, self._clock)
        await self._out(body[begin:], more)

    async def _out(self, body: bytes, more: bool) -> None:
        self._sent += len(body)
        await self._send({"type": BODY, "body": body, "more_body": more})
