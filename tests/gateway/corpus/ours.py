"""How does meshkit's own gateway stand in front of the upstreams? One for each case, in the test's own loop.

So it can be asked afterwards what it still holds: `Left`. Served by uvicorn's machinery with meshkit's own HTTP/1.1,
once with llhttp and once without; and by granian.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from meshkit import Cluster
from meshkit.config import Listener, Mesh
from meshkit.gateway import Gateway
from meshkit.gateway.server import HttpConnection, Limits
from meshkit.gateway.server.plain import PlainParser
from meshkit.route import Buffer, Match, Redirect, Rewrite, Route

from .case import Case
from .playing import Front, Lane, Way, free, up

__all__ = ["Left", "Watch", "granian", "llhttp", "plain"]

LIMITS = Limits(head=2.0, body=2.0, idle=10.0, linger=1.0, stall=2.0)
CAPTURED = "/r/(.*)"


def gateway(case: Case, behind: int) -> Gateway:
    """The one for a case, before its upstream."""
    up = Cluster("up", [f"127.0.0.1:{behind}"])
    routes = [Route(Match(prefix="/"), up)]
    if case.site == "limits":
        routes = [Route(Match(prefix="/"), up, actions=[Buffer(max_request=1000)])]
    elif case.site == "rewrites":
        routes.insert(0, Route(Match(regex=CAPTURED), up, actions=[Rewrite(to="/to/$1")]))
    elif case.site == "redirects":
        routes.insert(0, Route(Match(regex=CAPTURED), Redirect(to="/to/$1")))
    trusted = ["127.0.0.0/8"] if case.site == "trusts" else []
    listener = Listener("in", port=0, trusted=trusted)
    return Gateway(Mesh(clusters=[up], routes=routes, listeners=[listener]), connect=2.0, idle=2.0)


class Left:
    """What is left over when all is done, in words; and what was said meanwhile that nobody should have to say."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __repr__(self) -> str:
        return "; ".join(self.found)


class Watch(logging.Handler):
    """Hears of what goes wrong behind the back of a request: tracebacks, exceptions that nobody retrieved."""

    def __init__(self, left: Left) -> None:
        super().__init__(logging.ERROR)
        self.left = left

    def emit(self, record: logging.LogRecord) -> None:
        self.left.found.append(f"logged: {record.getMessage()} {record.exc_info and record.exc_info[1]!r}")

    def unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.left.found.append(f"unhandled: {context.get('message')} {context.get('exception')!r}")


@contextlib.asynccontextmanager
async def watched(gateways: list[Gateway], left: Left) -> AsyncIterator[None]:
    """Look at all that is said, and in the end at what they hold."""
    loop = asyncio.get_running_loop()
    watch = Watch(left)
    log = logging.getLogger("meshkit")
    log.addHandler(watch)
    loop.set_exception_handler(watch.unhandled)
    before = asyncio.all_tasks()
    try:
        yield
        await quiet(lambda: all(each.idle() for each in gateways) and asyncio.all_tasks() <= before)
        for each in gateways:
            if not each.idle():
                left.found.append(f"held: {each.snapshot()}")
            await each.aclose()
        left.found += [f"task: {task}" for task in asyncio.all_tasks() - before]
    finally:
        loop.set_exception_handler(None)
        log.removeHandler(watch)


async def quiet(true: Callable[[], bool], seconds: float = 5.0) -> None:
    """Give it a while; what is not over then is told."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110  # of hundreds
                await asyncio.sleep(0.02)


def on_uvicorn(parse: Any, left: Left) -> Front:
    """Each with a port of its own, as `uvicorn.Server` would open it."""

    @contextlib.asynccontextmanager
    async def front(lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
        loop = asyncio.get_running_loop()
        gateways = [gateway(*lane) for lane in lanes]
        state = ServerState()
        async with watched(gateways, left):
            servers = []
            for each in gateways:
                config = uvicorn.Config(each, log_config=None, lifespan="off", ws="none", proxy_headers=False)
                config.load()
                servers.append(await loop.create_server(connecting(config, state, parse), "127.0.0.1", 0))
            try:
                yield [(server.sockets[0].getsockname()[1], "127.0.0.1") for server in servers]
            finally:
                for server in servers:
                    server.close()
            await quiet(lambda: not (state.connections or state.tasks))
            left.found += [f"connection: {each}" for each in state.connections]
            left.found += [f"task: {each}" for each in state.tasks]

    return front


def connecting(config: uvicorn.Config, state: ServerState, parse: Any) -> Callable[[], asyncio.Protocol]:
    more = {} if parse is None else {"parse": parse}
    return lambda: HttpConnection(config, state, {}, limits=LIMITS, **more)


def llhttp(left: Left) -> Front:
    """Under uvicorn, with httptools."""
    return on_uvicorn(None, left)


def plain(left: Left) -> Front:
    """Under uvicorn, without."""
    return on_uvicorn(PlainParser, left)


def granian(left: Left) -> Front:
    """On one port for all of them: to which case a request belongs is said by the address it comes from, of 127/8."""

    @contextlib.asynccontextmanager
    async def front(lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
        from granian.http import HTTP1Settings
        from granian.server.embed import Server

        gateways = {
            f"127.0.{1 + number // 250}.{1 + number % 250}": gateway(*lane) for number, lane in enumerate(lanes)
        }

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "lifespan":
                client, port = scope["client"]
                scope["client"] = ("127.0.0.1", port)
                await gateways[client](scope, receive, send)

        (port,) = free(1)
        settings = HTTP1Settings(header_read_timeout=2000, max_buffer_size=65536)
        server = Server(app, "127.0.0.1", port, interface="asgi", http="1", http1_settings=settings, log_enabled=False)
        serving = asyncio.ensure_future(server.serve())
        await up(port, lambda: not serving.done())
        try:
            async with watched([*gateways.values()], left):
                yield [(port, address) for address in gateways]
        finally:
            server.stop()
            await serving

    return front
