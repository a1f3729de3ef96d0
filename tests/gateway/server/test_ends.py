"""How does ``meshkit serve`` go on, and end? Reloads; what is under way when it is told to end, and for how long."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from websockets.sync.client import connect

from .served import SECONDS, Behind, behind, children, client, mesh_of, served

SERVERS = pytest.mark.parametrize("server", ["uvicorn", "granian"])
TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP


@pytest.fixture(name="upstream")
def an_upstream() -> Iterator[Behind]:
    with behind() as server:
        yield server


def asked(url: str, path: str) -> Queue[Any]:
    """What comes of asking in the background."""
    came: Queue[Any] = Queue()

    def ask() -> None:
        try:
            with client(url) as asking:
                came.put(asking.get(path))
        except Exception as error:
            came.put(error)

    threading.Thread(target=ask, daemon=True).start()
    return came


def cut(came: Queue[Any], server: str = "uvicorn") -> bool:
    """Whether an answer that had not begun was cut off; granian says so in an answer of its own."""
    found = came.get(timeout=SECONDS)
    return isinstance(found, Exception) or (server == "granian" and found[0] == 500)


def test_a_signal_has_the_file_read_again(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    good = file.read_text()
    with served(file, "--no-status", "--no-follow") as gateway:
        url = gateway.url()
        file.write_text(good.replace("prefix: /}", "prefix: /new}"))
        gateway.process.send_signal(HUP)
        gateway.line(r"INFO mesh shop: version 2: route all: match")
        with client(url) as asking:
            assert asking.get("/old")[0] == 404
            assert asking.get("/new")[0] == 200
            file.write_text(good.replace("prefix", "prefx"))
            gateway.process.send_signal(HUP)
            gateway.line(r"ERROR mesh shop stays at version 2: .*mesh.yaml:")
            assert asking.get("/new")[0] == 200
        assert gateway.end(TERM) == 0


def test_workers_read_it_too_and_one_of_them_tells(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--no-status", "--workers", 2) as gateway:
        url = gateway.url()
        file.write_text(file.read_text().replace("prefix: /}", "prefix: /new}"))
        gateway.process.send_signal(HUP)
        gateway.line(r"[0-9] INFO mesh shop: version 2")
        with client(url) as asking:
            assert asking.get("/new")[0] == 200
        assert gateway.end(TERM) == 0
    assert gateway.output.count("version 2") == 1


def test_a_worker_begins_with_the_version_in_force(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    good = file.read_text()
    with served(file, "--no-status", "--workers", 2) as gateway:
        url = gateway.url()
        file.write_text(good.replace("prefix: /}", "prefix: /new}"))
        gateway.line(r"[0-9] INFO mesh shop: version 2: route all: match$")  # its parent has seen it by itself
        file.write_text(good.replace("prefix", "prefx"))
        gateway.line(r"[0-9] ERROR mesh shop stays at version 2: ")
        for worker in children(gateway.process.pid):
            os.kill(worker, signal.SIGKILL)
            gateway.line(r"WARNING worker [12] begins with version 2, as the others$")
        with client(url) as asking:
            assert asking.get("/old")[0] == 404
            assert asking.get("/new")[0] == 200
        file.write_text(good.replace("prefix: /}", "prefix: /new}"))
        gateway.process.send_signal(HUP)
        gateway.line(r"[0-9] INFO mesh shop: its file is right again, and says what version 2 does$")
        assert gateway.end(TERM) == 0


@SERVERS
def test_what_is_under_way_is_finished(upstream: Behind, tmp_path: Path, server: str) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--server", server, "--no-status", "--grace", "60s") as gateway:
        url = gateway.url()
        with client(url) as idle:
            assert idle.get("/readyz") == (200, b"ok\n")
            slow = asked(url, "/slow")
            assert upstream.asked.get(timeout=SECONDS) == "/slow"
            gateway.process.send_signal(TERM)
            while (answer := idle.get("/readyz"))[0] == 200:  # until the signal has got there
                pass
            assert answer == (503, b"draining\n")
            assert idle.get("/x")[0] == 200  # in the grace
        upstream.go.set()
        assert slow.get(timeout=SECONDS)[0] == 200
        gateway.process.send_signal(TERM)  # enough of it
        assert gateway.end() == 0


@SERVERS
def test_there_is_a_bound_to_it(upstream: Behind, tmp_path: Path, server: str) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--server", server, "--no-status", "--drain", "300ms") as gateway:
        url = gateway.url()
        with client(url) as endless:
            endless.request("GET", "/endless")
            answer = endless.getresponse()
            assert answer.read(1) == b"x"
            slow = asked(url, "/slow")
            assert {upstream.asked.get(timeout=SECONDS) for _ in range(2)} == {"/endless", "/slow"}
            assert gateway.end(TERM) == 1
            assert cut(slow, server)
            with pytest.raises(Exception, match=r"IncompleteRead|reset"):
                answer.read()
    assert gateway.said[1:] == ["2 requests were cut off"]


def test_new_connections_are_refused_and_the_second_signal_ends_it(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--no-status") as gateway:
        url = gateway.url()
        slow = asked(url, "/slow")
        assert upstream.asked.get(timeout=SECONDS) == "/slow"
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), SECONDS) as idle:
            gateway.process.send_signal(TERM)
            assert idle.recv(1) == b""  # it has not begun with a request
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), SECONDS)
        assert gateway.process.poll() is None
        assert gateway.end(INT) == 1
        assert cut(slow)
    assert gateway.said[1:] == ["1 request was cut off"]


def test_workers_end_as_one(upstream: Behind, tmp_path: Path) -> None:
    file = mesh_of(tmp_path, upstream.port)
    with served(file, "--workers", 2, "--no-status") as gateway:
        url = gateway.url()
        slow = asked(url, "/slow")
        assert upstream.asked.get(timeout=SECONDS) == "/slow"
        gateway.process.send_signal(TERM)
        host, _, port = url.removeprefix("http://").partition(":")
        with contextlib.suppress(ConnectionError):
            while True:  # until both have heard
                socket.create_connection((host, int(port)), SECONDS).close()
        assert gateway.end(TERM) == 1
        assert cut(slow)
    assert gateway.said[1:] == ["1 request was cut off"]


@SERVERS
def test_a_websocket_is_told_that_the_server_goes_away(tmp_path: Path, server: str) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.server import serve

    def chat(socket: Any) -> None:
        for message in socket:
            socket.send(message)

    with serve(chat, "127.0.0.1", 0) as upstream:
        thread = threading.Thread(target=upstream.serve_forever, daemon=True)
        thread.start()
        file = mesh_of(tmp_path, upstream.socket.getsockname()[1])
        file.write_text(file.read_text().replace("  to: up", "  actions: [websocket: {}]\n  to: up"))
        with served(file, "--server", server, "--no-status", "--drain", "200ms") as gateway:
            with connect(gateway.url().replace("http", "ws") + "/chat", open_timeout=SECONDS) as talking:
                talking.send("hello")
                assert talking.recv(SECONDS) == "hello"
                gateway.process.send_signal(TERM)
                with pytest.raises(ConnectionClosed) as caught:
                    talking.recv(SECONDS)
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1001
            assert gateway.end() == 1
        upstream.shutdown()
        thread.join(SECONDS)
    assert gateway.said[1:] == ["1 request was cut off"]
