"""Which transport is under test? The library's own, which says what is right, or the pool in its place."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest

from meshkit.httpx import PoolTransport

CONTEXT = ssl.create_default_context()
"""One for all that do not ask for another: to make one costs 20 ms."""
NAMES = ["library", "pool", "uvloop"]
"""The last is the pool on uvloop, which does much in ways of its own."""


Lookup = Callable[[str, int], Awaitable[list[str]]]


def named(lookup: Lookup, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names under ``.test`` lead to the addresses that ``lookup`` gives; all others as ever."""
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if not str(name).endswith(".test"):
            return await real(host, port, **options)
        addresses = await lookup(name, port)
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (each, port)) for each in addresses]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


class Side:
    """A transport of this side, and a client over it."""

    def __init__(self, name: str, lib: ModuleType) -> None:
        self.lib = lib
        self.ours = name != "library"

    def transport(self, **options: Any) -> Any:
        options.setdefault("verify", CONTEXT)
        if self.ours:
            return PoolTransport(**options)
        return self.lib.AsyncHTTPTransport(**options)

    def client(self, transport: Any = None, **options: Any) -> Any:
        """Options of the client; those of the transport are given to `transport`."""
        options.setdefault("trust_env", False)
        options.setdefault("timeout", None)
        return self.lib.AsyncClient(transport=transport or self.transport(), **options)

    def of(self, library: Any, pool: Any) -> Any:
        """What is expected where the two differ on purpose."""
        return pool if self.ours else library

    def by(self, httpx: Any, httpx2: Any) -> Any:
        """What is expected where the two libraries differ."""
        return httpx if self.lib.__name__ == "httpx" else httpx2
