"""How far has a WebSocket come? It is asked for upstream, and where it is granted, relayed (`socket`)."""

from __future__ import annotations

import asyncio
from typing import Any

from ..asgi import connection as asgi
from ..asgi.routed import path_of
from ..runtime.settle import settle
from .messages import after

__all__ = ["Connection"]


class Connection(asgi.Connection):
    """One WebSocket through a gateway. As behind `MeshMiddleware`; what is asked for upstream as of an `Exchange`."""

    answer = None
    apart = False
    asking: asyncio.Task[None] | None = None
    """What waits for the client to go, as long as it was not let in; see `Vigil`."""
    body = None
    fields: Any = None
    head: Any = None
    limits: Any = None
    """What is let through of it, as its route has it."""
    moved = True
    quiet = 0
    reading = None
    seen: Any = ()
    talks = False
    task: Any = None
    vigil: Any = None
    """Who looks whether the client waits yet; once it is let in, `meshkit.gateway.patience` does."""
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
        await self._recall()

    async def _recall(self) -> None:
        """Nobody else is to ask from now on, and what was said is to be heard."""
        asking, self.asking = self.asking, None
        self.talks = True
        if asking is not None:
            asking.cancel()
            await asyncio.wait((asking,))
        if self.seen:
            self.source = after([*self.seen], self.source)
            self.seen = ()

    async def relay(self, found: Any) -> None:
        """Relay what the upstream has granted, or tell the client what it has answered instead."""
        from .socket import Refused, relay

        call: Any = self.call
        try:
            await self._recall()
            self.vigil.end(self)
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
        self.task = self.fields = self.vigil = None
