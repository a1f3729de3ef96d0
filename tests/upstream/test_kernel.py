"""Is what the system knows of a socket seen before the loop says it?"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from meshkit.upstream.kernel import last_words, nothing, took_leave, watched

from .ways import serving, trusting


class Transport:
    """What it is asked for."""

    def __init__(self, **info: Any) -> None:
        self.get_extra_info = info.get


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of TCP: over it a reset is possible."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def seen(sock: socket.socket) -> bool:
    """At the latest after a second: the two ends need no loop, but the kernel some time."""
    return bool(watched(Transport(socket=sock))(1000))


def test_nothing_is_to_be_read(pair: tuple[socket.socket, socket.socket]) -> None:
    ask = watched(Transport(socket=pair[0]))
    assert not ask(0)
    assert not ask(0)


def test_bytes(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    ask = watched(Transport(socket=ours))
    theirs.send(b"ab")
    assert seen(ours)
    assert ask(0)
    assert ours.recv(1) == b"a"
    assert ask(0)
    assert ours.recv(1) == b"b"
    assert not ask(0)


@pytest.mark.parametrize("how", ["closed", "half closed", "reset"])
def test_an_end(pair: tuple[socket.socket, socket.socket], how: str) -> None:
    ours, theirs = pair
    if how == "reset":
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.shutdown(socket.SHUT_WR) if how == "half closed" else theirs.close()
    assert seen(ours)
    assert watched(Transport(socket=ours))(0)


def test_one_that_is_closed_here(pair: tuple[socket.socket, socket.socket]) -> None:
    """Its number is nobody's: there is something to hear of it."""
    ours, _ = pair
    ask = watched(Transport(socket=ours))
    ours.close()
    assert ask(0)


def test_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, pair: tuple[socket.socket, socket.socket]) -> None:
    assert watched(Transport()) is nothing
    monkeypatch.delattr(select, "poll")
    assert watched(Transport(socket=pair[0])) is nothing
    assert not nothing(0)


def test_more_descriptors_than_select_can(pair: tuple[socket.socket, socket.socket]) -> None:
    resource = pytest.importorskip("resource") if sys.platform != "win32" else None
    assert resource is not None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft <= 1100:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    kept = [socket.socket() for _ in range(1050)]
    try:
        high = pair[0].dup()
        assert high.fileno() > 1024
        pair[1].send(b"a")
        assert seen(high)
        high.close()
    finally:
        for each in kept:
            each.close()


def test_last_words(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    assert last_words(Transport(socket=ours)) == b""
    theirs.send(b"HTTP/1.1 413 Too Large\r\n\r\n")
    assert seen(ours)
    assert last_words(Transport(socket=ours)) == b"HTTP/1.1 413 Too Large\r\n\r\n"
    ours.close()
    assert last_words(Transport(socket=ours)) == b""
    assert last_words(Transport()) == b""


class Wire:
    """TLS between two in memory, after their handshake."""

    def __init__(self, version: ssl.TLSVersion) -> None:
        context = serving("example")
        context.minimum_version = context.maximum_version = version
        to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = trusting().wrap_bio(to_client, to_server, server_hostname="example")
        self.server = context.wrap_bio(to_server, to_client, server_side=True)
        left: list[Any] = [self.client, self.server]
        while left:
            side = left.pop(0)
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                left.append(side)
        self.to_client = to_client


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_leave(version: ssl.TLSVersion) -> None:
    assert took_leave(Transport())
    polite = Wire(version)
    assert not took_leave(Transport(ssl_object=polite.client))
    with pytest.raises(ssl.SSLError):
        polite.server.unwrap()  # says so, and would wait for the other
    assert took_leave(Transport(ssl_object=polite.client))
    cut = Wire(version)
    cut.to_client.write_eof()
    assert not took_leave(Transport(ssl_object=cut.client))
    broken = Wire(version)
    broken.to_client.write(b"rubbish" * 10)
    assert not took_leave(Transport(ssl_object=broken.client))
