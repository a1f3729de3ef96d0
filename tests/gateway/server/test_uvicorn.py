"""Who is still answered when a server ends? Whoever had been let in by the system, at least."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from meshkit.config import Listener
from meshkit.gateway.server import uvicorn
from meshkit.gateway.server.addresses import opened
from meshkit.gateway.server.options import Serve
from meshkit.gateway.server.uvicorn import UvicornService

from .served import SECONDS
from .spoken import echo

GET = b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n"
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, pytest.param(None, id="uvloop")])


def ended(first: bytes, second: bytes, loop: Callable[[], asyncio.AbstractEventLoop] | None) -> list[bytes]:
    """What two connections hear: one that was taken before the server ended, one that stands in the queue then. Either
    has sent so much.
    """
    if loop is None:
        loop = pytest.importorskip("uvloop").new_event_loop
    bound = opened(Listener("public"), "127.0.0.1:0", 16)
    address: Any = bound.server

    async def run() -> list[bytes]:
        service = UvicornService(echo, [bound], Serve(status=None), None, {})
        await service.start()
        state: Any = service._state
        with (
            socket.create_connection(address, SECONDS) as taken,
            socket.socket() as queued,
        ):
            while not state.connections:  # noqa: ASYNC110  # it is uvicorn's own set
                await asyncio.sleep(0)
            taken.sendall(first)
            queued.settimeout(SECONDS)
            queued.connect(address)
            queued.sendall(second)
            await service.stop()
            await service.finished()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, SECONDS)
            return [each.makefile("rb").read() for each in (taken, queued)]

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(run())


@LOOPS
def test_those_who_were_let_in_are_answered(loop: Any) -> None:
    for said, path in zip(ended(GET % b"1", GET % b"2", loop), (b"/1", b"/2"), strict=True):
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nconnection: close\r\n" in said
        assert said.endswith(b"GET %b  " % path)


@LOOPS
def test_for_those_who_say_nothing_nobody_waits(loop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uvicorn, "FIRST", 0.05)
    assert ended(b"", b"", loop) == [b"", b""]
