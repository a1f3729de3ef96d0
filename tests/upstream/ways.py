"""Which transports are asked, and what must be left when they are closed? Nothing: no task, no file descriptor.

The library's own transport takes the same tests: it shows that the servers do what they say, and that `PoolTransport`
raises what users of httpx know. Where it differs on purpose, the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import ssl
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import attrs
import pytest
import trustme

from .rogue import Rogue, Script, until

__all__ = [
    "AUTHORITY",
    "EACH_WAY",
    "OUR_WAYS",
    "Way",
    "each",
    "get",
    "left_since",
    "nothing_left",
    "now_open",
    "serving",
    "talking",
    "trusting",
]

T = TypeVar("T")
OPEN = Path("/proc/self/fd")
SOON = 5.0
"""Seconds for a whole test."""


@attrs.frozen
class Way:
    """A library, whose transport, on which loop and with which parser."""

    lib_name: str
    transport: str
    loop: str = "asyncio"
    parser: str = "any"

    def __str__(self) -> str:
        return f"{self.lib_name}-{self.transport}-{self.loop}-{self.parser}"

    @property
    def ours(self) -> bool:
        return self.transport == "pool"

    @property
    def lib(self) -> ModuleType:
        return importlib.import_module(self.lib_name)

    def open(self, **options: Any) -> Any:
        """A transport."""
        options.setdefault("verify", trusting())
        if self.ours:
            from meshkit.httpx import PoolTransport

            transport = PoolTransport(**options)
            transport.pool._parser = self._parser()
            return transport
        return self.lib.AsyncHTTPTransport(**options)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On a loop of this kind, outside of pytest."""
        if self.loop == "uvloop":
            import uvloop

            return uvloop.run(work)
        return asyncio.run(work)

    def _parser(self) -> Any:
        if self.parser == "httptools":
            from meshkit.upstream.llhttp import LlhttpParser

            return LlhttpParser
        from meshkit.upstream.pure import PureParser

        return PureParser


OWN = [Way("httpx", "own"), Way("httpx2", "own", "uvloop")]
POOL = [
    Way("httpx", "pool", "asyncio", "httptools"),
    Way("httpx", "pool", "uvloop", "h11"),
    Way("httpx2", "pool", "uvloop", "httptools"),
    Way("httpx2", "pool", "asyncio", "h11"),
]
"""Each pair of a library, a loop and a parser is there."""
PAIR = [POOL[0], Way("httpx2", "pool", "uvloop", "h11")]
"""Where two must do: each of all is there."""


def each(ways: list[Way]) -> pytest.MarkDecorator:
    """The test's arguments ``way`` and ``anyio_backend``."""
    loops = {"asyncio": False, "uvloop": True}
    params = [pytest.param(way, ("asyncio", {"use_uvloop": loops[way.loop]}), id=str(way)) for way in ways]
    return pytest.mark.parametrize(("way", "anyio_backend"), params)


EACH_WAY = each([*OWN, *POOL])
OUR_WAYS = each(POOL)

AUTHORITY = trustme.CA()
"""Of every certificate in these tests."""
_trusting: list[ssl.SSLContext] = []


def trusting() -> ssl.SSLContext:
    """A client's context: it takes long to make."""
    if not _trusting:
        context = ssl.create_default_context()
        AUTHORITY.configure_trust(context)
        _trusting.append(context)
    return _trusting[0]


def serving(*names: str) -> ssl.SSLContext:
    """A server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(*(names or ("127.0.0.1", "localhost"))).configure_cert(context)
    return context


def now_open() -> dict[str, str]:
    """The file descriptors of this process, and what they stand for."""
    found = {}
    for number in OPEN.iterdir() if OPEN.exists() else ():
        with contextlib.suppress(OSError):  # the one that lists
            found[number.name] = str(number.readlink())
    return {number: name for number, name in found.items() if name != os.devnull}  # libuv holds one in reserve


def left_since(tasks: set[asyncio.Task[Any]], descriptors: dict[str, str]) -> list[Any]:
    """What there is now, and was not then."""
    return [*(asyncio.all_tasks() - tasks), *(now_open().items() - descriptors.items())]


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """What was opened or started within is closed and over at the end, a turn or a farewell on the wire later."""
    tasks, descriptors = asyncio.all_tasks(), now_open()
    yield
    with contextlib.suppress(AssertionError):
        await until(lambda: not left_since(tasks, descriptors), 3.0)
    assert not left_since(tasks, descriptors), left_since(tasks, descriptors)


@contextlib.asynccontextmanager
async def talking(
    way: Way,
    *scripts: Script,
    tls: ssl.SSLContext | None = None,
    receive_buffer: int | None = None,
    timeout: Any = SOON,
    **options: Any,
) -> AsyncIterator[tuple[Rogue, Any]]:
    """A server that plays these, and a client with a transport of these options: what happens, happens soon.

    When the client is closed, no connection is open, and nothing is left.
    """
    async with nothing_left(), Rogue(*scripts, tls=tls, receive_buffer=receive_buffer) as server:
        transport = way.open(**options)
        async with way.lib.AsyncClient(transport=transport, timeout=timeout) as client, asyncio.timeout(SOON):
            yield server, client
            if way.ours:
                await until(transport.pool.idle, SOON)
        for peer in server.peers:
            peer.over.set()
        await server.quiet()


async def get(client: Any, url: str) -> None:
    """A request that is answered as it should be."""
    response = await client.get(url)
    assert (response.status_code, response.content) == (200, b"ok")
