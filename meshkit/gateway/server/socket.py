"""How does a WebSocket end with its server? As its client is told that the server goes away (1001; RFC 6455, 7.4.1).

The rest is uvicorn's, on the sans-I/O part of websockets: lighter than the other two that it has, and the only one that
does not read on while the app has not taken what came.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .heads import refusing

__all__ = ["Socket"]

GOING_AWAY: Final = 1001


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket; see `WebSocketsSansIOProtocol`."""

    def data_received(self, data: bytes) -> None:
        if self.handshake_initiated:
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
