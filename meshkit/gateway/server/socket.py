"""How does a WebSocket end with its server? As its client is told that the server goes away (1001; RFC 6455, 7.4.1).

The rest is uvicorn's, on the sans-I/O part of websockets: lighter than the other two that it has, and the only one that
does not read on while the app has not taken what came. What it does not do is to mind clients that take nothing: here
they are answered no more than the last of their pings, and once it is closed they have `Limits.stall` seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .heads import refusing
from .sweep import Limits, sweep_of

__all__ = ["Socket"]

GOING_AWAY: Final = 1001
POLICY: Final = 1008
PINGS: Final = 200
"""In what was read at once: nobody asks so often whether somebody is there."""
LIMITS: Final = Limits()


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket; see `WebSocketsSansIOProtocol`."""

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._sweep = sweep_of(server_state, self.loop, LIMITS)
        self._closing = 0.0
        """Since when it is to be closed, as far as the sweep has seen."""
        self._pings = 0
        self._pong = b""
        """What is to be answered when the client takes something again."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._sweep.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sweep.discard(self)
        super().connection_lost(exc)

    def look(self, now: float, limits: Limits) -> None:
        """See whether it is time to end, see `sweep`."""
        if self.transport.is_closing():
            self._closing = self._closing or now
            if now - self._closing > limits.stall:
                self.transport.abort()

    def handle_ping(self) -> None:
        self._pings += 1
        pongs = self.conn.data_to_send()
        if self.transport.is_closing():
            return
        if self.writable.is_set() or self.conn.close_rcvd is not None:
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]
        if self._pings > PINGS:
            self.conn.fail(POLICY, "too many pings")
            self.handle_parser_exception()

    def resume_writing(self) -> None:
        super().resume_writing()
        pong, self._pong = self._pong, b""
        if pong and not (self.close_sent or self.transport.is_closing()):
            self.transport.write(pong)

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
            self._pings = 0
            super().data_received(data)
            return
        self.conn.receive_data(data)
        if self.conn.parser_exc is not None:  # a line or a head beyond what websockets takes
            self.transport.write(refusing(431, "The head of the handshake is too long."))
            self.transport.close()
            return
        self.handle_events()

    def shutdown(self) -> None:
        """Close it now: the goodbye is sent, and not waited for."""
        self.stop_keepalive()
        if self.handshake_complete and not self.close_sent:
            self.close_sent = True
            self.queue.put_nowait({"type": "websocket.disconnect", "code": GOING_AWAY})
            self.conn.send_close(GOING_AWAY)
            self.transport.write(b"".join(self.conn.data_to_send()))
        elif not self.handshake_complete:
            self.send_500_response()
        if self.close_timer is not None:
            self.close_timer.cancel()
            self.close_timer = None
        self.transport.close()

    async def send(self, message: Any) -> None:
        if self.close_sent and self.initial_response is None and message["type"].startswith("websocket."):
            return  # it was closed from this end, and the app has not heard yet
        await super().send(message)
        if self.close_sent:  # also a refusal is the end of a handshake, and no fault of the app's
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        except asyncio.CancelledError:
            self.transport.abort()
            raise
