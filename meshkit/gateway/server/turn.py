"""How does an app answer a request on a connection of HTTP/1.1? One turn: what it receives, and what it sends.

=============================  =================================================================================
it sends                       on the wire
=============================  =================================================================================
a ``content-length``           so many bytes; more is an error, fewer break the connection off
none                           chunks; in HTTP/1.0 until the connection is closed
204, 304, an answer to HEAD    no body, whatever it sends
``http.response.early_hint``   103, where the client speaks HTTP/1.1
``http.response.trailers``     behind the last chunk
no ``date``                    that of now
half an answer, or it raises   the connection is closed, so that nobody takes it for a whole one
=============================  =================================================================================

A body is handed on in the pieces in which it came: it is neither copied nor gathered. Where more than `MOST` bytes wait
for the app, the connection is not read.
"""

from __future__ import annotations

import asyncio
import http
import logging
from typing import Any, Final, Protocol

from .date import DATE, date

__all__ = ["MOST", "Line", "Turn"]

MOST: Final = 65536
LOG: Final = logging.getLogger("meshkit.gateway")
GONE: Final[dict[str, Any]] = {"type": "http.disconnect"}
BODILESS: Final = frozenset({204, 304})
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection"})


def _phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


LINES: Final = {status: b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status)) for status in range(100, 600)}

SECRET: Final = frozenset({b"authorization", b"set-cookie", b"www-authenticate"})
MANY: Final = 1000
LONG: Final = 100
_known: dict[Any, bytes] = {}
"""Lines of fields that came before: so many are remembered, none that is longer, and no secrets. Whether they have line
ends in them is looked at in each answer."""

ERROR: Final = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"21"), (b"connection", b"close")]


class Line(Protocol):
    """The connection of a turn."""

    transport: asyncio.Transport
    full: asyncio.Event | None

    def resume(self) -> None:
        """Read on."""

    def turned(self, turn: Turn) -> None:
        """The answer is complete."""


class Turn:
    """One request, and its answer."""

    __slots__ = (
        "_chunked", "_left", "_line", "_mute", "_parts", "_trailers", "_waiter", "complete", "expects", "gone",
        "keep_alive", "more", "scope", "size", "started",
    )  # fmt: skip

    def __init__(self, scope: dict[str, Any], line: Line, *, keep_alive: bool, expects: bool) -> None:
        self.scope = scope
        self._line = line
        self.keep_alive = keep_alive
        self.expects = expects
        """Whether the client waits for a 100 before it sends the body."""
        self.more = True
        """Whether more of the body is to come."""
        self.size = 0
        """Bytes of it that wait for the app."""
        self._parts: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self.gone = False
        """The client has left, or will not be told anything any more."""
        self.started = False
        self.complete = False
        self._mute = scope["method"] == "HEAD"
        self._chunked = False
        self._trailers = False
        self._left: int | None = None
        """Bytes that are to come by the answer's length."""

    @property
    def waits(self) -> bool:
        """Whether the app waits for more of the body, and the client may send it."""
        return self.more and self._waiter is not None and not self.complete

    async def run(self, app: Any) -> None:
        """Have the app answer. Raises nothing but what ends the task."""
        transport = self._line.transport
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            if self.started or self.gone:
                LOG.debug("an answer was broken off", exc_info=True)
                self._break_off()
            else:
                LOG.exception("the app failed on %s %a", self.scope["method"], self.scope["path"])
                await self._failed()
        except BaseException:
            self.gone = True
            transport.abort()
            raise
        else:
            if self.gone or self.complete:
                return
            if self.started:
                self._break_off()
            else:
                LOG.error("the app did not answer %s %a", self.scope["method"], self.scope["path"])
                await self._failed()

    async def _failed(self) -> None:
        await self.send({"type": "http.response.start", "status": 500, "headers": ERROR})
        await self.send({"type": "http.response.body", "body": b"Internal Server Error"})

    def _break_off(self) -> None:
        if not self.gone:
            self.gone = True
            if self._chunked or self._left is not None:
                self._line.transport.close()
            else:  # the end of the connection would be the end of the body
                self._line.transport.abort()

    # What the connection says.

    def came(self, part: bytes) -> None:
        """A part of the body."""
        self._parts.append(part)
        self.size += len(part)
        self.wake()

    def wake(self) -> None:
        """The app may go on: with a part, the end, or without the client."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def left(self) -> None:
        """The client has."""
        if not self.complete:
            self.gone = True
        self.wake()

    # What the app says.

    async def receive(self) -> dict[str, Any]:
        line = self._line
        if self.expects:
            self.expects = False
            if self.more and not self.started and not line.transport.is_closing():
                line.transport.write(CONTINUE)
        while not (self._parts or self.gone or self.complete or (not self.more and self.size >= 0)):
            line.resume()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.gone or self.complete:
            return GONE
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if parts:
            self._parts = []
        self.size = 0 if self.more else -1  # the end is told once
        return {"type": "http.request", "body": body, "more_body": self.more}

    async def send(self, message: dict[str, Any]) -> None:
        full = self._line.full
        if full is not None and not self.gone:
            await full.wait()
        if self.gone:
            return
        kind = message["type"]
        if kind == "http.response.body" and self.started and not self.complete:
            self._body(message)
        elif kind == "http.response.start" and not self.started:
            self._start(message)
        elif kind == "http.response.trailers" and self._trailers:
            self._end(message.get("headers", ()))
        elif kind == "http.response.early_hint" and not self.started:
            if self.scope["http_version"] == "1.1":
                links = [b"link: %b\r\n" % link for link in message["links"]]
                self._line.transport.write(_checked([LINES[103], *links]))
        elif kind != "http.response.trailers" or not self.complete:  # some are told that nobody was told would come
            raise RuntimeError(f"{kind!r} is not what comes next in an answer")

    def _start(self, message: dict[str, Any]) -> None:
        status = message["status"]
        lines = [LINES[status]]
        length: int | None = None
        chunked = closes = False
        for field in message.get("headers", ()):
            line = _known.get(field) if field.__class__ is tuple else None
            if line is not None:
                lines.append(line)
                continue
            name, value = field
            name = name.lower()
            if name in FRAMING:
                if name == b"connection":
                    if b"close" not in value.lower():
                        continue  # no business of an app's
                    self.keep_alive = False
                    closes = True
                elif name == b"content-length" and status != 204:
                    length = int(value)
                else:
                    continue
            line = b"%b: %b\r\n" % (name, value)
            lines.append(line)
            if name not in SECRET and name not in FRAMING and len(line) <= LONG and field.__class__ is tuple:
                if len(_known) >= MANY:
                    _known.clear()
                _known[field] = line
        if self.expects and self.more:
            self.keep_alive = False  # nobody knows whether the body comes
        if self._mute or status in BODILESS:
            self._mute = True
            length = 0
        elif length is None:
            chunked = self.scope["http_version"] == "1.1"
            if chunked:
                lines.append(CHUNKED)
                self._trailers = message.get("trailers", False)
            else:
                self.keep_alive = False
        if not self.keep_alive and not closes:
            lines.append(CLOSE)
        head = _checked(lines)
        if DATE not in head:
            head = b"%b%b\r\n" % (head[:-2], date())
        self.started = True
        self._left, self._chunked = length, chunked
        self._line.transport.write(head)

    def _body(self, message: dict[str, Any]) -> None:
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self._mute:
            pass
        elif self._chunked:
            if not more and not self._trailers:
                tail = b"0\r\n\r\n"
                self._line.transport.write(b"%x\r\n%b\r\n%b" % (len(body), body, tail) if body else tail)
            elif body:
                self._line.transport.writelines((b"%x\r\n" % len(body), body, b"\r\n"))
        elif body:
            if self._left is not None:
                self._left -= len(body)
                if self._left < 0:
                    raise RuntimeError("the answer is longer than its content-length")
            self._line.transport.write(body)
        if not more:
            if self._left:
                raise RuntimeError("the answer is shorter than its content-length")
            if not self._trailers:
                self._over()

    def _end(self, trailers: Any) -> None:
        self._trailers = False
        self._line.transport.write(_checked([b"0\r\n", *(b"%b: %b\r\n" % each for each in trailers)]))
        self._over()

    def _over(self) -> None:
        self.complete = True
        self.wake()
        self._line.turned(self)


def _checked(lines: list[bytes]) -> bytes:
    """A head, or trailers. Raises `RuntimeError` where a field has a line end in it."""
    lines.append(b"\r\n")
    head = b"".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise RuntimeError("a field of the answer has a line end or NUL in it")
    return head
