"""How does meshkit's own gateway stand in front of the upstreams? One for each case; each is asked what it holds.

In the test's own loop under meshkit's HTTP/1.1 for uvicorn, once with llhttp and once without; and under granian, in a
process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from meshkit import Cluster
from meshkit.config import Listener, Mesh
from meshkit.gateway import Gateway
from meshkit.gateway.server import HttpConnection, Limits, Socket
from meshkit.gateway.server.plain import PlainParser
from meshkit.route import Buffer, Match, Redirect, Rewrite, Route

from .playing import CLIENT, HOST, LOOK, Front, Lane, Way, free, up

__all__ = ["Left", "Watch", "granian", "llhttp", "plain"]

ROOT = Path(__file__).parents[3]
LIMITS = Limits(head=2.0, body=2.0, idle=4.0, linger=1.0, stall=2.0)
CAPTURED = "/r/(.*)"


def gateway(site: str, behind: int, host: str = HOST) -> Gateway:
    """The one of a site, before its upstream."""
    up = Cluster("up", [f"{host}:{behind}"])
    routes = [Route(Match(prefix="/"), up)]
    if site == "limits":
        routes = [Route(Match(prefix="/"), up, actions=[Buffer(max_request=1000)])]
    elif site == "rewrites":
        routes.insert(0, Route(Match(regex=CAPTURED), up, actions=[Rewrite(to="/to/$1")]))
    elif site == "redirects":
        routes.insert(0, Route(Match(regex=CAPTURED), Redirect(to="/to/$1")))
    trusted = ["127.0.0.0/8"] if site == "trusts" else []
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
                await asyncio.sleep(LOOK)


def on_uvicorn(parse: Any, left: Left) -> Front:
    """Each with a port of its own, as `uvicorn.Server` would open it."""

    @contextlib.asynccontextmanager
    async def front(lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
        loop = asyncio.get_running_loop()
        gateways = [gateway(case.site, behind) for case, behind in lanes]
        state = ServerState()
        async with watched(gateways, left):
            servers = []
            for each in gateways:
                config = uvicorn.Config(each, log_config=None, lifespan="off", ws=Socket, proxy_headers=False)
                config.load()
                servers.append(await loop.create_server(connecting(config, state, parse), HOST, 0))
            try:
                yield [(server.sockets[0].getsockname()[1], CLIENT) for server in servers]
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
    """In a process of its own, see `on_granian`."""

    @contextlib.asynccontextmanager
    async def front(lanes: Sequence[Lane]) -> AsyncIterator[list[Way]]:
        from .on_granian import own

        (port,) = free(1)
        given = json.dumps([(case.site, behind) for case, behind in lanes]).encode()
        command = [sys.executable, "-m", "tests.gateway.corpus.on_granian", HOST, str(port)]
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=output, stderr=output
            )
            try:
                assert process.stdin is not None
                process.stdin.write(given)
                process.stdin.close()
                await up(port, lambda: process.returncode is None)
                yield [(port, own(number)) for number in range(len(lanes))]
                left.found += await asked(port)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()

    return front


async def asked(port: int, seconds: float = 5.0) -> list[str]:
    """What the gateways under granian hold, when they have had a while to let go of it."""
    last = asyncio.get_running_loop().time() + seconds
    while True:
        reader, writer = await asyncio.open_connection(HOST, port, local_addr=(CLIENT, 0))
        writer.write(b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
        found: list[str] = json.loads(said.partition(b"\r\n\r\n")[2])
        if not found or asyncio.get_running_loop().time() > last:
            return found
        await asyncio.sleep(LOOK)
