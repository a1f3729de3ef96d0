"""Who is asked to fetch? How to make each client, with its own defaults or with room for many connections.

httpx's ceiling is httpx over a transport that hands out, without any I/O, the very answer nginx gives: its status,
header fields and body. "With I/O" it lets meshkit's pool make the same exchange before, and does nothing with what came
of it. httpx's own code takes longer where the system's runs in between, and no transport can change that.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from .stack import six_policies
from .wire_through import Client, PlainSockets, Servers, ThroughAiohttp, ThroughHttpx, ThroughPool

__all__ = [
    "AIOHTTP",
    "CEILING",
    "CEILING_WITH_IO",
    "HTTPX",
    "HTTPX2",
    "NO_CLIENT",
    "OURS",
    "OVER_AIOHTTP",
    "POLICIES",
    "POOL",
    "SUBJECTS",
    "UNDER_HTTPX2",
    "WITHOUT_SNIFFIO",
]

CEILING, HTTPX, HTTPX2, OVER_AIOHTTP, AIOHTTP = "httpx's ceiling", "httpx", "httpx2", "httpx-aiohttp", "aiohttp"
OURS, POLICIES, UNDER_HTTPX2, POOL = "meshkit", "meshkit, six policies", "meshkit under httpx2", "meshkit's pool alone"
CEILING_WITH_IO, WITHOUT_SNIFFIO = "httpx's ceiling, with I/O", "httpx without sniffio"
NO_CLIENT = "plain sockets"


def limited(library: ModuleType, roomy: bool) -> dict[str, Any]:
    """A transport's arguments: its own defaults, or room for many idle connections. No certificate is looked at."""
    limits = library.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=3600.0)
    return {"verify": False, "limits": limits} if roomy else {"verify": False}


def ceiling(servers: Servers, roomy: bool, before: Client | None = None) -> Client:
    import httpx

    parts = urlsplit(servers.endpoints[0])
    asked = http.client.HTTPConnection(parts.hostname or "", parts.port)
    asked.request("GET", "/small")
    with asked.getresponse() as answer:
        status, body = answer.status, answer.read()
        fields = [(name.encode(), value.encode()) for name, value in answer.getheaders()]
        reason = answer.reason.encode()
    asked.close()

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield body

        async def aclose(self) -> None:
            pass

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if before is not None:
                await before.get(str(request.url))
            extensions = {"http_version": b"HTTP/1.1", "reason_phrase": reason}
            return httpx.Response(status, headers=fields, stream=Body(), extensions=extensions)

        async def aclose(self) -> None:
            if before is not None:
                await before.aclose()

    return ThroughHttpx(httpx, Transport())


def ceiling_with_io(servers: Servers, roomy: bool) -> Client:
    return ceiling(servers, roomy, pool_alone(servers, roomy))


def plain_httpx(servers: Servers, roomy: bool) -> Client:
    import httpx

    return ThroughHttpx(httpx, httpx.AsyncHTTPTransport(**limited(httpx, roomy)))


def httpx_without_sniffio(servers: Servers, roomy: bool) -> Client:
    """As where it is not installed: each ``import sniffio`` is looked for all along the path, and fails."""

    class Blind(PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
            found = super().find_spec(fullname, path, target)
            return None if fullname == "sniffio" else found

    if PathFinder in sys.meta_path:
        if "sniffio" in sys.modules:
            raise RuntimeError("sniffio is imported already")
        sys.meta_path[sys.meta_path.index(PathFinder)] = Blind
    return plain_httpx(servers, roomy)


def plain_httpx2(servers: Servers, roomy: bool) -> Client:
    import httpx2

    return ThroughHttpx(httpx2, httpx2.AsyncHTTPTransport(**limited(httpx2, roomy)))


def httpx_over_aiohttp(servers: Servers, roomy: bool) -> Client:
    import httpx
    from httpx_aiohttp import AiohttpTransport

    return ThroughHttpx(httpx, AiohttpTransport(**limited(httpx, roomy)))


def plain_aiohttp(servers: Servers, roomy: bool) -> Client:
    import aiohttp

    limits = {"limit": 0, "keepalive_timeout": 3600.0} if roomy else {}
    return ThroughAiohttp(aiohttp.TCPConnector(**limits))


def under(name: str) -> Callable[[Servers, bool], Client]:
    def pool_transport(servers: Servers, roomy: bool) -> Client:
        from meshkit.httpx import PoolTransport

        library = __import__(name)
        return ThroughHttpx(library, PoolTransport(**limited(library, roomy)))

    return pool_transport


def with_policies(servers: Servers, roomy: bool) -> Client:
    import httpx

    from meshkit import Cluster, Pipeline
    from meshkit.httpx import AsyncMeshTransport, PoolTransport

    policies: Iterable[Any] = six_policies().specs
    changed = [Cluster("nginx", servers.endpoints) if isinstance(each, Cluster) else each for each in policies]
    inner = PoolTransport(**limited(httpx, roomy))
    return ThroughHttpx(httpx, AsyncMeshTransport(Pipeline(*changed, seed=1), inner))


def pool_alone(servers: Servers, roomy: bool) -> Client:
    from meshkit.upstream import Limits, Pool

    return ThroughPool(Pool(Limits(connections=None, idle=None, idle_for=3600.0) if roomy else None))


def no_client(servers: Servers, roomy: bool) -> Client:
    return PlainSockets()


SUBJECTS: dict[str, Callable[[Servers, bool], Client]] = {
    CEILING: ceiling,
    CEILING_WITH_IO: ceiling_with_io,
    HTTPX: plain_httpx,
    HTTPX2: plain_httpx2,
    OVER_AIOHTTP: httpx_over_aiohttp,
    AIOHTTP: plain_aiohttp,
    OURS: under("httpx"),
    POLICIES: with_policies,
    UNDER_HTTPX2: under("httpx2"),
    POOL: pool_alone,
    NO_CLIENT: no_client,
    WITHOUT_SNIFFIO: httpx_without_sniffio,
}
"""How to make each: for which servers, and whether with ``roomy`` limits."""
