"""How does a WebSocket go through? Two of them: one of the server's with the client, one of ours with an upstream.

::

    client ══ server (ASGI) ══ relay ══ `Upstream` ══ pool ══ upstream
                     a task: receive ──> say
                     the app's own:  send <── messages

=============================================  =========================================================================
what happens                                   then
=============================================  =========================================================================
the upstream answers other than 101            the answer goes to the client (`Refused`)
the upstream closes                            its code and reason go to the client; no code is 1000
.. without goodbye, or not by the protocol     1014 (bad gateway)
.. with a message that is too big              1009, to both
the client closes                              its code and reason go to the upstream; no code stays none
.. without goodbye                             1001 (going away)
.. with a message that is too big              1009, and 1001 to the upstream
a limit of `meshkit.route.WebSocket`           1001 to both
who serves the client is cancelled             1001 to the upstream, and its connection is gone at once
=============================================  =========================================================================

Messages are relayed whole and as they are, in their order, each side as fast as the other takes them. Compression is
between the client and the server; the upstream is not asked for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..route.options import TOKEN
from ..upstream.errors import WireError
from .backward import answered
from .frames import GOING_AWAY, NONE_GIVEN, Frames, sendable
from .wire import Upstream

if TYPE_CHECKING:
    from ..route.websocket import WebSocket
    from ..upstream.answer import Answer
    from ..upstream.origin import Origin
    from ..upstream.pool import Pool

__all__ = ["Refused", "open_", "relay"]

Pairs = list[tuple[bytes, bytes]]

PATIENCE = 2.0
"""Seconds for what nobody should wait for: the body of a refusal, a goodbye to a client that takes nothing."""
MOST = 65_536
"""Bytes of the body of a refusal. A longer one is left out: half of it would be none."""
OURS = frozenset((b"connection", b"te", b"upgrade", b"content-length", b"transfer-encoding", b"expect"))
SOCKETS = b"sec-websocket-"


@attrs.frozen
class Refused:
    """An upstream's answer that is not 101: ``status``, and ``headers`` and ``body`` as they may go to the client."""

    status: int
    headers: Pairs
    body: bytes


async def open_(
    pool: Pool,
    origin: Origin,
    target: bytes,
    headers: Pairs,
    subprotocols: list[str],
    *,
    times: Mapping[str, float | None],
    limits: WebSocket,
) -> Upstream | Refused:
    """Ask an upstream for a WebSocket. ``headers``: those that go on, the host among them; ``times`` as in `Pool.send`,
    and for the handshake only. What comes back is relayed or closed. Raises `WireError`, and what the pool raises else.
    """
    frames = Frames([each for each in subprotocols if TOKEN.fullmatch(each)], limits.max_message)
    fields = [field for field in headers if not ours(field[0])] + frames.asks()
    answer = await pool.send(origin, b"GET", target, fields, times=times)
    try:
        told = [field for field in answered(answer.headers) if not field[0].startswith(SOCKETS)]
        if answer.status != 101:
            return Refused(answer.status, *await refusal(answer, told))
        frames.check(answer.headers)
        told = [field for field in told if field[0] != b"date"]  # the server says its own, and chokes on a second one
        upstream = Upstream(frames, answer, told)
        connection: Any = answer.stream
        upstream.attach(*await connection.tunnel.give(upstream))
        connection.tunnel = connection.parser = None  # of no use any more, and there may be thousands
        answer.headers = []
    except BaseException:
        answer.close()
        raise
    return upstream


async def relay(exchange: Any, upstream: Upstream, limits: WebSocket) -> None:
    """Let the client in, and relay until either side closes. ``exchange``: what has ``receive`` and ``send``, such as
    `meshkit.asgi.connection.Connection`. When this returns or raises, nothing is left of the upstream but the time it
    has to close its connection. A client that goes is no error here.
    """
    incoming: Any = None
    message: dict[str, Any] = {"type": "websocket.accept", "headers": upstream.headers}
    if upstream.subprotocol is not None:
        message["subprotocol"] = upstream.subprotocol
    try:
        await exchange.send(message)
        try:
            async with asyncio.timeout(None) as scope:
                loop = asyncio.get_running_loop()
                upstream.watch(limits, lambda: scope.reschedule(loop.time()))
                incoming = loop.create_task(receiving(exchange, upstream))
                incoming.add_done_callback(upstream.interrupt)
                while messages := await upstream.messages():
                    for each in messages:
                        kind = "text" if isinstance(each, str) else "bytes"
                        await exchange.send({"type": "websocket.send", kind: each})
        except TimeoutError:
            if not scope.expired():
                raise
        finally:
            upstream.unwatch()
        if incoming.done():
            incoming.result()
        incoming.cancel()  # of a goodbye of ours some servers tell as of one of the client's
        if upstream.left is None:
            await farewell(exchange, upstream)
        upstream.leave()
    except OSError:  # the client has gone (ASGI 2.4)
        upstream.leave()
    except BaseException:
        upstream.close()
        raise
    finally:
        if incoming is not None:
            incoming.cancel()
            await asyncio.wait((incoming,))
            if not incoming.cancelled():
                incoming.exception()  # it was seen, or came too late


async def receiving(exchange: Any, upstream: Upstream) -> None:
    """What the client says, until it leaves or has said too much."""
    while True:
        message = await exchange.receive()
        kind = message["type"]
        if kind == "websocket.receive":
            text = message.get("text")
            if not await upstream.say(message["bytes"] if text is None else text):
                return
        elif kind == "websocket.disconnect":
            upstream.left = parting(message)
            return


def parting(message: Any) -> tuple[int | None, str]:
    """The code and reason for the upstream. 1005 says that there was no code, or no goodbye: uvicorn tells the reason,
    an empty one, in the first case only. To be gone without a word is what browsers are said to mean by 1001.
    """
    code, reason = message.get("code", NONE_GIVEN), message.get("reason")
    if sendable(code):
        return code, (reason or "").encode()[:123].decode(errors="ignore")
    return (None if code == NONE_GIVEN and reason is not None else GOING_AWAY), ""


async def farewell(exchange: Any, upstream: Upstream) -> None:
    code, reason = upstream.over or (GOING_AWAY, "")
    async with asyncio.timeout(PATIENCE):  # late: it is gone, as far as anybody can tell
        await exchange.send({"type": "websocket.close", "code": code, "reason": reason})


async def refusal(answer: Answer, told: Pairs) -> tuple[Pairs, bytes]:
    """The fields and the body of a refusal. Its status is all that matters: a body that is late or broken is none."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in answer:
                body += part
                if len(body) > MOST:
                    break
            else:
                return [field for field in told if field[0] != b"content-length"], bytes(body)
    except (TimeoutError, WireError):
        pass
    finally:
        answer.close()
    return [field for field in told if not field[0].startswith(b"content-")], b""


def ours(name: bytes) -> bool:
    lower = name.lower()
    return lower in OURS or lower.startswith(SOCKETS)
