"""How far has a WebSocket come? It is asked for upstream, and where it is granted, relayed (`socket`)."""

from __future__ import annotations

from typing import Any

from ..asgi import connection as asgi
from ..asgi.routed import path_of
from ..runtime.settle import settle

__all__ = ["Connection"]


class Connection(asgi.Connection):
    """One WebSocket through a gateway. As behind `MeshMiddleware`; what is asked for upstream as of an `Exchange`."""

    apart = False
    body = None
    fields: Any = None
    head: Any = None
    limits: Any = None
    """What is let through of it, as its route has it."""
    task: Any = None
    why: BaseException | None = None

    def read(self) -> Any:
        """As of an `Exchange`."""
        scope = self.scope
        self.fields, host, port, _, _ = self.door.fields.onward(scope)
        query = scope["query_string"].decode("latin-1")
        self.head = "GET", scope["scheme"], host, port, path_of(scope) or "/", query or None
        return self.head

    async def depart(self) -> None:
        """As of an `Exchange`."""
        self.apart = True

    async def relay(self, found: Any) -> None:
        """Relay what the upstream has granted, or tell the client what it has answered instead."""
        from .socket import Refused, relay

        call: Any = self.call
        try:
            if isinstance(found, Refused):
                await self.respond(found.status, found.headers, found.body)
            else:
                await relay(self, found, self.limits)
        finally:
            if not self.over:  # the client has gone before it was told, or who serves it was interrupted
                self.over = True
                settle(self.door.pipeline, call, self.door.clock(), self.outcome())

    def close(self) -> None:
        super().close()
        self.task = self.fields = None
