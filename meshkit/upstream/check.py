"""Is an endpoint well? One question over HTTP/1.1 or TCP, on a connection made for it and closed after it.

::

    HTTP   connect, (TLS,) send the request, read the head ── status expected ── read the body until it has the words
    TCP    connect ── send ── read until it has the words

All of it within the check's timeout, whatever the peer does; no more than 64 KB of what it says are looked at, and what
it goes on to say is not waited for. What is wrong is told in a few words for people.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

from ..errors import MeshError
from .errors import Malformed
from .origin import Origin
from .places import Limits
from .pool import Pool

if TYPE_CHECKING:
    from ..cluster.checks import HttpCheck, TcpCheck
    from ..cluster.endpoint import Endpoint

__all__ = ["Prober"]

MOST = 65_536
"""Bytes of an answer that are looked at."""


class Prober:
    """Asks endpoints whether they are well.

    ``tls`` makes the context for those that are asked over TLS; by default it is that of `ssl.create_default_context`.
    """

    __slots__ = ("_pool",)

    def __init__(self, tls: Callable[[], ssl.SSLContext] | None = None) -> None:
        self._pool = Pool(Limits(connections=None, idle=0), tls=tls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def ask(self, check: HttpCheck | TcpCheck, endpoint: Endpoint) -> str:
        """What is wrong with the endpoint; empty: nothing. Raises nothing but cancellation."""
        try:
            async with asyncio.timeout(check.timeout):
                if check.protocol == "http":
                    return await self._http(check, endpoint)  # type: ignore[arg-type]  # that is what it says
                return await _tcp(check, endpoint)  # type: ignore[arg-type]
        except TimeoutError:
            return f"no answer within {check.timeout:g} s"
        except (Malformed, ValueError) as error:
            return type(error).__name__  # its text quotes the answer
        except (MeshError, OSError) as error:
            return f"{type(error).__name__}: {error}"

    async def _http(self, check: HttpCheck, endpoint: Endpoint) -> str:
        tls = endpoint.scheme == "https" if check.tls is None else check.tls
        port = endpoint.port if check.port is None else check.port
        origin = Origin(endpoint.host, port, tls, _name(check.host) if tls and check.host else None)
        host = check.host or str(origin).partition("://")[2].removesuffix(":443" if tls else ":80")
        fields = {"Host": host, "User-Agent": "meshkit", "Accept": "*/*", "Connection": "close"}
        given = {name.lower() for name, _ in check.headers}
        headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in fields.items() if k.lower() not in given]
        headers += [(k.encode("latin-1"), v.encode("latin-1")) for k, v in check.headers]
        answer = await self._pool.send(origin, check.method.encode(), check.path.encode(), headers)
        try:
            if not any(least <= answer.status <= most for least, most in check.expect):
                return f"status {answer.status}"
            if check.body and not await _says(lambda: anext(answer, b""), check.body):
                return f"no {check.body[:64]!r} in the body"
            return ""
        finally:
            answer.close()


async def _tcp(check: TcpCheck, endpoint: Endpoint) -> str:
    reader, writer = await asyncio.open_connection(endpoint.host, check.port or endpoint.port)
    try:
        if check.send:
            writer.write(check.send)
            await writer.drain()
        if check.receive and not await _says(lambda: reader.read(MOST), check.receive):
            return f"no {check.receive[:64]!r} in what it said"
        return ""
    finally:
        writer.transport.abort()


async def _says(more: Callable[[], Awaitable[bytes]], words: bytes) -> bool:
    """Whether the words are in the first 64 KB."""
    said = bytearray()
    while len(said) < MOST:
        part = await more()
        if not part:
            break
        before = max(0, len(said) + 1 - len(words))
        said += part[: MOST - len(said)]
        if said.find(words, before) >= 0:
            return True
    return False


def _name(host: str) -> str:
    """The host without its port and brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
