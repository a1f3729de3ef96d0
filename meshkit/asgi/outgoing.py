"""What becomes of an answer on its way to the client, where its route has something for it?

Between what an `Exchange` sees and the server: the app's own answer is judged, and what the route makes of it is sent.
Pacing, as a slow client, takes none of the app's time. In this order::

    the app -> page -> cap -> CORS -> encoding -> pace -> the server

Files that a server sends by itself (``pathsend``, ``zerocopysend``) pass as they are. Where answers are paced the app
is not told that the server can, and sends them as it does elsewhere (`routed`).
"""

from __future__ import annotations

from typing import Any

from ..call import Call
from ..engine import survive
from ..route.buffer import told
from ..route.compress import accepted
from ..route.cors import OURS
from ..route.local import App
from ..route.pages import fields, made
from ..runtime.waiting import nap
from .bodies import FILES, Send, paced
from .encoders import Encoder, encoder, installed
from .page import asked

__all__ = ["Outgoing"]

BODY = "http.response.body"
START = "http.response.start"
BODILESS = frozenset({204, 304})
AS_IT_IS = frozenset(
    (b"content-digest", b"content-encoding", b"content-md5", b"content-range", b"digest", b"repr-digest")
)
"""With one of these an answer is not encoded."""
SLICE = 65536
"""Bytes that are encoded at a stretch: the others on the loop have their turn every few milliseconds."""

Fields = list[tuple[bytes, bytes]]


class Outgoing:
    """An answer, as it is sent. One that was not begun before is a refusal, and of any length."""

    __slots__ = (
        "_buckets",
        "_clock",
        "_encoder",
        "_exchange",
        "_head",
        "_held",
        "_most",
        "_plan",
        "_replaced",
        "_seen",
        "_send",
        "_sent",
    )

    def __init__(self, exchange: Any, plan: Any, send: Send) -> None:
        self._exchange = exchange
        self._plan = plan
        self._send = send
        self._head = exchange.scope.get("method") == "HEAD"
        self._most: int | None = None
        """Bytes of the app's that are let through."""
        self._clock = exchange.door.clock
        self._buckets = [each for state in plan.paces if (each := state.answer()) is not None]
        self._encoder: Encoder | None = None
        self._held: tuple[Any, Any] | None = None
        """The beginning, for a body of the app's and for a file of the server's, until it is known which it is."""
        self._replaced = False
        """Whether a page was sent: the rest of the app's answer is nobody's."""
        self._seen = self._sent = 0

    def begin(self, status: int, headers: Fields) -> None:
        """Raises what stands against the beginning of an app's answer."""
        exchange, plan = self._exchange, self._plan
        if exchange.refused is not None:
            raise exchange.refused
        if plan.buffer is not None and not self._head and status not in BODILESS:
            self._most = plan.buffer.max_response
            length = told(_joined(headers, b"content-length"))
            too_long = self._most is not None and length is not None and length > self._most
            if too_long and (plan.pages is None or plan.pages.find(status) is None):
                raise self._overlong()

    def _overlong(self) -> Exception:
        exchange = self._exchange
        exchange.refused = exchange.refused or self._plan.buffer.overlong(exchange.call.endpoint)
        return exchange.refused  # type: ignore[no-any-return]

    async def send(self, message: Any) -> None:
        kind = message["type"]
        if self._replaced:
            self._count()
        elif kind == START:
            await self._start(message)
        elif kind == BODY:
            await self._body(message.get("body", b""), bool(message.get("more_body")))
            self._count()
        else:
            if kind in FILES and self._held is not None:
                (_, plain), self._held = self._held, None
                self._encoder = None
                await self._send(plain)
            await self._send(message)

    def _count(self) -> None:
        """What the client is sent is told of, and not what the app has made."""
        if self._exchange.size is not None:
            self._exchange.size = self._sent

    async def _start(self, message: Any) -> None:
        plan, exchange = self._plan, self._exchange
        status = message["status"]
        headers: Fields = [*message.get("headers", ())]
        page = None if plan.pages is None else await self._page(status)
        if page is not None:
            kind, body = page
            headers = fields(headers, kind, len(body))
            status = exchange.status = plan.pages.status or status
            message = {"type": START, "status": status}
        if plan.cors is not None:
            headers = [field for field in headers if field[0].lower() not in OURS]
            for name, value in plan.cors.fields(exchange.scope["headers"], exchange.scope.get("method")):
                headers = _varied(headers, value) if name == b"vary" else [*headers, (name, value)]
        if page is not None:
            self._replaced = True
            await self._send({**message, "headers": headers})
            await self._out(b"" if self._head else body, False)
            return
        if plan.compress is not None:
            as_file = {**message, "headers": headers}
            headers = self._choose(status, headers)
            if self._encoder is not None and not FILES.isdisjoint(exchange.scope.get("extensions") or ()):
                self._held = ({**message, "headers": headers}, as_file)
                return
        await self._send({**message, "headers": headers})

    async def _page(self, status: int) -> tuple[bytes, bytes] | None:
        """Type and body of the page for a status. One that fails is counted, and costs no answer."""
        pages = self._plan.pages
        page = pages.find(status)
        if page is None:
            return None
        try:
            if isinstance(page, App):
                kind, body = await asked(page.app, self._exchange.scope, status)
                return kind or pages.type, body
            exchange = self._exchange  # which was refused, where it has no call
            text = made(page, status, exchange.call or Call(exchange.door, exchange, self._clock()))
        except Exception as error:
            survive(error)
            return None
        return None if text is None else (pages.type, text)

    def _choose(self, status: int, headers: Fields) -> Fields:
        """Whether the answer is encoded; its fields then."""
        compress, scope = self._plan.compress, self._exchange.scope
        known = {name.lower() for name, _ in headers}
        kind = _joined(headers, b"content-type")
        length = told(_joined(headers, b"content-length"))
        if (
            kind is None
            or not compress.suits(status, kind)
            or not known.isdisjoint(AS_IT_IS)
            or (length is not None and length < compress.least)
            or "no-transform" in (_joined(headers, b"cache-control") or "").lower()
        ):
            return headers
        headers = _varied(headers, b"accept-encoding")
        accepts = _joined(scope["headers"], b"accept-encoding")
        name = None if accepts is None else accepted(accepts, installed(compress.encodings))
        if name is None or self._head:
            return headers
        self._encoder = encoder(name, compress.level)
        changed: Fields = [(b"content-encoding", name.encode("ascii"))]
        for field, value in headers:
            named = field.lower()
            if named not in (b"accept-ranges", b"content-length"):
                strong = named == b"etag" and not value.startswith(b"W/")
                changed.append((field, b"W/" + value if strong else value))
        return changed

    async def _body(self, body: bytes, more: bool) -> None:
        self._seen += len(body)
        if self._most is not None and self._seen > self._most:
            self._exchange.writing = False
            raise self._overlong()
        if self._held is not None:
            (encoded, _), self._held = self._held, None
            await self._send(encoded)
        if self._encoder is None:
            await self._out(body, more)
            return
        begin, ready = SLICE, self._encoder.encode(body[:SLICE])
        while begin < len(body):
            if ready:
                await self._out(ready, True)
            await nap(0.0, self._clock)
            ready = self._encoder.encode(body[begin : begin + SLICE])
            begin += SLICE
        if more and body:
            ready += self._encoder.flush()
        elif not more:
            ready += self._encoder.finish()
        if ready or not more:
            await self._out(ready, more)

    async def _out(self, body: bytes, more: bool) -> None:
        """To the server, no faster than is allowed."""
        begin = 0
        if self._buckets and not self._head:
            piece = min(bucket.piece for bucket in self._buckets)
            while begin + piece < len(body):
                await self._piece(body[begin : begin + piece], True)
                begin += piece
            await self._piece(body[begin:], more)
            return
        await self._tell(body, more)

    async def _piece(self, body: bytes, more: bool) -> None:
        if body:
            await paced(self._buckets, len(body), self._clock)
        await self._tell(body, more)

    async def _tell(self, body: bytes, more: bool) -> None:
        self._sent += len(body)
        await self._send({"type": BODY, "body": body, "more_body": more})


def _joined(headers: Any, wanted: bytes) -> str | None:
    """A field's value, its lines in order; ``None``: there is none."""
    lines = [value.decode("latin-1") for name, value in headers if name.lower() == wanted]
    return ", ".join(lines) if lines else None


def _varied(headers: Fields, by: bytes) -> Fields:
    """The fields, which say that the answer depends on those named as well."""
    known = {name.strip(" \t") for name in (_joined(headers, b"vary") or "").lower().split(",")}
    missing = [] if "*" in known else [name for name in by.decode("ascii").split(", ") if name not in known]
    return [*headers, (b"vary", ", ".join(missing).encode("ascii"))] if missing else headers
