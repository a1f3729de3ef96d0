"""Who serves several loops, one after the other and at once? A server that has none itself."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from meshkit.upstream import Origin, Pool

from .calls import get
from .rogue import OK

__all__ = ["RUNS", "SOON", "Run", "Threaded", "descriptors", "some", "threaded"]

Run = Callable[[Coroutine[Any, Any, Any]], Any]
OPEN = Path("/proc/self/fd")
RUNS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
SOON = 20.0


class Threaded:
    """A server that no loop runs: a thread for each connection."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.origin = Origin("127.0.0.1", 0)
        self.opened = 0
        self.threads: list[threading.Thread] = []

    def accept(self, listener: socket.socket) -> None:
        while True:
            try:
                wire, _ = listener.accept()
            except OSError:
                return
            self.opened += 1
            self.threads.append(threading.Thread(target=self.serve, args=(wire,)))
            self.threads[-1].start()

    def serve(self, wire: socket.socket) -> None:
        with wire, contextlib.suppress(ConnectionError):
            while data := wire.recv(65536):
                wire.sendall(self.answer * data.count(b"\r\n\r\n"))

    def quiet(self) -> None:
        """Until the other side has closed all of them."""
        for thread in self.threads:
            thread.join(SOON)
            assert not thread.is_alive()


@contextlib.contextmanager
def threaded(answer: bytes = OK) -> Iterator[Threaded]:
    server = Threaded(answer)
    with socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        server.origin = Origin("127.0.0.1", listener.getsockname()[1])
        accepting = threading.Thread(target=server.accept, args=(listener,))
        accepting.start()
        try:
            yield server
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join(SOON)
            server.quiet()
    gc.collect()


def descriptors() -> int:
    return len([*OPEN.iterdir()]) if OPEN.exists() else 0


async def some(pool: Pool, origin: Origin, number: int) -> None:
    assert await asyncio.gather(*(get(pool, origin) for _ in range(number))) == [b"ok"] * number
