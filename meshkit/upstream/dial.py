"""How is a connection made? A name is looked up, its addresses tried in turns, and TLS spoken on top.

Of several addresses each is tried 250 ms after the one before, or as soon as that has failed, IPv6 and IPv4 in turns;
the first that answers wins, and the others are given up (RFC 8305, 4, 5 and 8: "happy eyeballs").
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Awaitable, Iterable, Iterator
from functools import partial
from itertools import zip_longest
from time import monotonic
from typing import Any, TypeVar

import attrs

from .connection import Connection
from .errors import ConnectFailed, ConnectTimedOut
from .origin import Origin
from .trace import Step, Trace

__all__ = ["Dial"]

HEAD_START = 0.25
FIRST_PAUSE, FACTOR = 0.5, 2.0
"""Seconds before the second further try, and by how much each is longer; the first comes at once (as httpcore's)."""

Made = TypeVar("Made")
Address = tuple[Any, ...]
"""What ``getaddrinfo`` answers: family, type, protocol, canonical name, and the address itself."""


@attrs.frozen
class Dial:
    """How to connect: over which Unix socket, from which address, with which socket options, how often anew."""

    path: str | None = None
    local: str | None = None
    options: tuple[tuple[Any, ...], ...] = ()
    retries: int = 0

    async def __call__(
        self,
        connection: Connection,
        tls: ssl.SSLContext | None,
        seconds: float | None,
        trace: Trace | None,
        until: float | None = None,
    ) -> None:
        """Connect ``connection``, within ``seconds`` a try, and none later than ``until`` of the monotonic clock.

        Raises `ConnectFailed` and `ConnectTimedOut`.
        """
        pause = 0.0
        for left in range(self.retries, -1, -1):
            if until is not None:
                rest = until - monotonic()
                seconds = rest if seconds is None or rest < seconds else seconds
            try:
                await self._connect(connection, tls, seconds, trace)
                return
            except (ConnectFailed, ConnectTimedOut):
                if not left or (until is not None and monotonic() + pause >= until):
                    raise
            async with Step(trace, "connection.retry"):
                await asyncio.sleep(pause)
            pause = pause * FACTOR or FIRST_PAUSE

    async def _connect(
        self, connection: Connection, tls: ssl.SSLContext | None, seconds: float | None, trace: Trace | None
    ) -> None:
        origin = connection.origin
        due = None if seconds is None else asyncio.get_running_loop().time() + seconds
        options = {"timeout": seconds, "socket_options": self.options or None}
        if self.path is not None:
            where = Step(trace, "connection.connect_unix_socket", path=self.path, **options)
            opening = partial(self._open, (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", self.path))
        else:
            told = {"host": origin.host, "port": origin.port, "local_address": self.local}
            where = Step(trace, "connection.connect_tcp", **told, **options)
            opening = partial(self._first, origin)
        sock: socket.socket | None = None
        number = None
        try:
            async with where:
                sock = await bounded(opening(), due, self.path or origin)
                number = inode(sock)
                where.value = Connected(sock)
            if tls is None:
                await bounded(attach(connection, sock), due, origin)
                self._set(sock)  # the loop has its own idea of TCP_NODELAY
                return
            name = (origin.name or origin.host).rstrip(".")  # certificates are written without the root's dot
            told = {"ssl_context": tls, "server_hostname": name, "timeout": seconds}
            async with Step(trace, "connection.start_tls", **told) as step:
                await bounded(attach(connection, sock, ssl=tls, server_hostname=name), due, origin)
                self._set(sock)
                step.value = connection.transport
        except BaseException:
            # uvloop may have closed the descriptor, and not told the socket: then it may be somebody else's by now.
            if sock is not None and inode(sock) == number:
                sock.close()
            elif sock is not None:
                sock.detach()
            raise

    async def _first(self, origin: Origin) -> socket.socket:
        """The first address of a host that answers."""
        addresses = [*in_turns(await resolved(origin.host, origin.port))]
        if len(addresses) == 1:
            return await self._open(addresses[0])
        return await self._race(addresses)

    async def _race(self, addresses: list[Address]) -> socket.socket:
        errors: list[BaseException] = []
        tries: list[asyncio.Task[socket.socket]] = []
        winner: asyncio.Task[socket.socket] | None = None
        left = iter(addresses)
        running: set[asyncio.Task[socket.socket]] = set()
        more = True
        try:
            while winner is None:
                address = next(left, None)
                more = address is not None
                if address is not None:
                    tries.append(asyncio.create_task(self._open(address)))
                    running.add(tries[-1])
                if not running:
                    break
                ended, running = await asyncio.wait(
                    running, timeout=HEAD_START if more else None, return_when=asyncio.FIRST_COMPLETED
                )
                for each in ended:
                    error = each.exception()
                    if error is None:
                        winner = winner or each
                    else:
                        errors.append(error)
        finally:
            for each in tries:
                if each is not winner:
                    each.cancel()
                    each.add_done_callback(given_up)
            try:
                await asyncio.gather(*tries, return_exceptions=True)
            except asyncio.CancelledError:
                if winner is not None:
                    given_up(winner)
                raise
        if winner is not None:
            return winner.result()
        raise OSError("; ".join(dict.fromkeys(str(error) for error in errors)))

    def _set(self, sock: socket.socket) -> None:
        for option in self.options:
            sock.setsockopt(*option)

    async def _open(self, address: Address) -> socket.socket:
        family, kind, protocol, _, where = address
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            if family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.local is not None:
                    sock.bind((self.local, 0))
            self._set(sock)
            await asyncio.get_running_loop().sock_connect(sock, where)
        except BaseException:
            sock.close()
            raise
        return sock


class Connected:
    """What a trace is shown of a new connection: httpcore's words for what there is to know."""

    def __init__(self, sock: socket.socket) -> None:
        self._told = {"socket": lambda: sock, "client_addr": sock.getsockname, "server_addr": sock.getpeername}

    def get_extra_info(self, info: str) -> Any:
        told = self._told.get(info)
        try:
            return None if told is None else told()
        except OSError:  # the peer has gone meanwhile
            return None


async def bounded(work: Awaitable[Made], due: float | None, where: Origin | str) -> Made:
    try:
        async with asyncio.timeout_at(due):
            return await work
    except TimeoutError as error:
        raise ConnectTimedOut(f"no connection to {where} in time") from error
    except (OSError, ValueError, OverflowError) as error:  # SSLError is one; a name and a port that cannot be
        raise ConnectFailed(str(error) or "All connection attempts failed") from error


def inode(sock: socket.socket) -> int | None:
    """What tells a socket from another that has the same descriptor later."""
    try:
        return os.fstat(sock.fileno()).st_ino
    except OSError:  # closed; Windows does not say
        return None


def given_up(connecting: asyncio.Task[socket.socket]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def attach(connection: Connection, sock: socket.socket, **tls: Any) -> None:
    await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock, **tls)


async def resolved(host: str, port: int) -> list[Address]:
    """The addresses of a host. One that is an address itself costs no thread."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, UnicodeError):
            continue
        return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]
    found: list[Address] = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return found


def in_turns(addresses: Iterable[Address]) -> Iterator[Address]:
    """Those of the family that comes first, and the others, one of each in turn."""
    listed = [*addresses]
    first = [each for each in listed if each[0] == listed[0][0]]
    others = [each for each in listed if each[0] != listed[0][0]]
    for pair in zip_longest(first, others):
        yield from (each for each in pair if each is not None)
