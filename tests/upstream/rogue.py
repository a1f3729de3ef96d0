"""How does a server misbehave on purpose? One script a connection, in the test's own loop.

Nothing here lets time pass: a script waits for its client, or for its test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Any, Self

from .peer import Gone, Peer

__all__ = ["CLOSE", "OK", "RESET", "Rogue", "Script", "answers", "sane", "until"]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSE = "close"
RESET = "reset"
SECONDS = 20.0
"""For something to be seen that comes at once, on a busy machine."""

Script = Callable[[Peer], Awaitable[None]]


def answers(*each: Any) -> Script:
    """A script that gives these answers in turn, each after a whole request.

    An answer is bytes, `CLOSE`, `RESET`, an `asyncio.Event` to wait for, or a tuple of these.
    """

    async def play(peer: Peer) -> None:
        for answer in each:
            await peer.request()
            for part in answer if isinstance(answer, tuple) else (answer,):
                if isinstance(part, bytes):
                    await peer.send(part)
                    await asyncio.sleep(0)  # the client reads it before more comes
                elif part is RESET:
                    peer.reset()
                    return
                elif part is CLOSE:
                    await peer.finish()
                    return
                else:
                    await part.wait()

    return play


async def sane(peer: Peer) -> None:
    """An answer to each request, for as long as the client likes."""
    while True:
        await peer.request()
        await peer.send(OK)


class Rogue:
    """A server that plays one script for each connection, and is sane on those that come after them.

    A connection whose script is over stays open until the client has closed it, so that one which the client keeps is
    seen: ``open``.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, receive_buffer: int | None = None) -> None:
        self.scripts = scripts
        self.tls = tls
        self.receive_buffer = receive_buffer
        self.peers: list[Peer] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        if self.receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self._tasks.append(asyncio.create_task(self._accept()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listener.close()
        for peer in self.peers:
            peer.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            wire, _ = await loop.sock_accept(self._listener)
            wire.setblocking(False)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(wire, len(self.peers), self.tls)
            script = self.scripts[peer.number] if peer.number < len(self.scripts) else sane
            self.peers.append(peer)
            self._tasks.append(asyncio.create_task(self._play(peer, script)))

    async def _play(self, peer: Peer, script: Script) -> None:
        with contextlib.suppress(Gone):
            await peer.handshake()
            try:
                await script(peer)
            except (AssertionError, LookupError, TypeError):  # the client need not wait for what does not come
                peer.reset()
                raise
            await peer.gone()
        if not peer.left:  # TLS is over, TCP is not yet
            await peer._pull_all()

    @property
    def open(self) -> list[Peer]:
        """The connections that the client has not closed."""
        return [peer for peer in self.peers if not peer.left]

    async def quiet(self, most: int = 0) -> None:
        """Wait until the client has closed all of them but so many."""
        await until(lambda: len(self.open) <= most)


async def until(true: Callable[[], object], seconds: float = SECONDS, pause: float = 0.0) -> None:
    """Let the others run until something holds. ``pause``: seconds between two looks, where looking costs something."""
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it does not come to that"
        await asyncio.sleep(pause)
