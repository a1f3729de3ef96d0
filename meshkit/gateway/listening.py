"""Who serves what comes to one listener? Its pipeline, behind a door of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..asgi import bodies
from ..asgi.client import Clients
from ..asgi.limits import announcing
from ..asgi.serving import Serving, profile, sends
from ..fact import check
from ..runtime.tasks import bind
from ..upstream.pool import Pool
from .body import Left
from .connection import Connection
from .door import GatewayDoor
from .exchange import Exchange
from .fields import Fields
from .forward import Forward
from .mirrored import GatewayCopies, Way

__all__ = ["Listening"]

LOG = logging.getLogger("meshkit")


class Listening:
    """One listener of a gateway: ``listener()`` is what is written of it, in the version that is in force. ``options``
    are the `Gateway`'s. Raises `ConfigError`.
    """

    def __init__(self, pipeline: Any, listener: Callable[[], Any], pool: Pool, options: Any) -> None:
        self.pipeline = pipeline
        self.under_way = 0
        profile("Gateway", options.rate_limit)

        def listens() -> tuple[Clients, Fields]:
            said = listener()
            clients = Clients(said.trusted, said.forwarded, "Listener")
            return clients, Fields(clients, said.identity, options.via, options.request_id)

        steps = {name: getattr(options, name) for name in ("connect", "idle", "whole")}

        def way(pipeline: Any, pool: Pool, limits: str | None = None) -> Way:
            _check(pipeline)
            door = GatewayDoor(pipeline, listens, limits, replay=options.replay, finishes=options.finish)
            check(door, pipeline.specs)

            def accepts(heir: Any) -> None:
                _check(heir)
                if limits is not None:
                    announcing(heir.states, limits)

            door.accepts = accepts
            forward = Forward(pipeline, pool, **steps)
            forward.copies = copies = GatewayCopies(pipeline, pool, way)
            door.prepare = copies.prepare
            copies.prepare(pipeline.states)
            return door, bind(pipeline, door, forward.send), copies

        door, invoke, self.copies = way(pipeline, pool, options.rate_limit)
        self.door = door

        self._serving = Serving(
            "Gateway",
            door,
            pipeline,
            invoke,
            deadline=options.deadline,
            most=options.most,
            via=options.via,
            explain=options.explain,
            relays=True,
        )

    async def serve(self, vigil: Any, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or one WebSocket."""
        kind = Connection if scope["type"] == "websocket" else Exchange
        exchange: Any = kind(self.door, self.door.fields.believed(scope), receive, send)
        if kind is Connection:
            exchange.vigil = vigil
        vigil.begin(exchange)
        task = exchange.task = asyncio.current_task()
        self.under_way += 1
        try:
            await self._serving.serve(exchange)
        except asyncio.CancelledError:
            why, exchange.why = exchange.why, None
            if why is None or task is None or task.uncancel() > 0:
                raise
            if not (exchange.gone or exchange.started):
                await self._refuse(exchange, why, send)
        except Exception as error:
            if exchange.gone or isinstance(error, Left):
                return  # nobody is there to be told
            if exchange.started:
                raise  # the server breaks it off
            LOG.exception("gateway: %s %s", scope.get("method"), ascii(scope["path"]))
            await self._refuse(exchange, error, send)
        finally:
            vigil.end(exchange)
            self.under_way -= 1
            body, exchange.body = exchange.body, None
            if body is not None:
                await body.close()

    async def _refuse(self, exchange: Any, error: BaseException, send: Any) -> None:
        """Answer what nobody has answered. The exchange is closed by now: it is opened for this once more."""
        exchange._send = send
        await self._serving.refuse(exchange, error)


def _check(pipeline: Any) -> None:
    """The policies that it has, or, of a `Successor`, is to have."""
    sends("Gateway", "mesh", pipeline)
    bodies.check(pipeline.states)
