"""Served for real, on loopback: uvicorn, granian, and hypercorn on asyncio and on trio."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

HERE = Path(__file__).parent
SECONDS = 30.0
"""For a server to come up, or something to be seen; they take one, on a busy machine."""

COMMANDS = {
    "uvicorn": ["uvicorn", "served:app", "--host=127.0.0.1", "--port={port}"],
    "granian": ["granian", "--interface=asgi", "--host=127.0.0.1", "--port={port}", "served:app"],
    "hypercorn": ["hypercorn", "--bind=127.0.0.1:{port}", "served:app"],
    "hypercorn on trio": ["hypercorn", "--worker-class=trio", "--bind=127.0.0.1:{port}", "served:app"],
}


class Server:
    """A server in a process of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        command = [sys.executable, "-m", *(part.format(port=self.port) for part in COMMANDS[name])]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
        self.process = subprocess.Popen(command, env=env, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self.port}"

    def wait(self) -> None:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            try:
                if httpx.get(f"{self.url}/seen").status_code == 200:
                    return
            except httpx.TransportError:
                os.sched_yield()
        raise AssertionError("it does not come up")

    def seen(self) -> Any:
        return httpx.get(f"{self.url}/seen").json()

    def until_judged(self, path: str, count: int = 1) -> list[str]:
        """The verdicts of a path, once there are so many."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            found = [verdict for each, verdict in self.seen()["verdicts"] if each == path]
            if len(found) >= count:
                return found
        raise AssertionError(f"{path} is not judged")

    def stop(self) -> str:
        self.process.send_signal(signal.SIGINT)
        try:
            _, stderr = self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, stderr = self.process.communicate()
            raise AssertionError(f"it does not go down: {stderr.decode()}") from None
        return stderr.decode()


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    try:
        server.wait()
        yield server
    finally:
        server.stop()


def test_the_lifespan(server: Server) -> None:
    assert server.seen()["started"].count("lifespan") == 1


def test_what_the_server_calls_its_client(server: Server) -> None:
    """Uvicorn trusts a proxy on loopback by itself, and leaves a port of 0: that mark is relied on."""
    client = httpx.get(f"{server.url}/seen", headers={"x-forwarded-for": "203.0.113.9"}).json()["client"]
    if server.name == "uvicorn":
        assert client == ["203.0.113.9", 0]
    else:
        assert client[0] == "127.0.0.1"
        assert int(client[1]) > 0  # granian writes a string


def test_let_in(server: Server) -> None:
    answer = httpx.get(f"{server.url}/ok")
    assert (answer.status_code, answer.text) == (200, "abcdef")
    assert answer.headers["ratelimit-policy"] == '"RateLimit";q=2;w=3600'
    assert server.until_judged("/ok") == ["success"]
    assert server.seen()["idle"]


def test_refused(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        answers = [client.get("/limited") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["content-type"] == "application/problem+json"
        assert int(answers[2].headers["retry-after"]) > 1000
        assert answers[2].json()["status"] == 429
        head = client.head("/limited")
        assert (head.status_code, head.content) == (429, b"")
        assert client.get("/seen").status_code == 200  # on the same connection
    # A body that nobody reads may cost the connection: this one has no other request to carry.
    assert httpx.post(f"{server.url}/limited", content=b"apples").status_code == 429


def test_too_slow(server: Server) -> None:
    answer = httpx.get(f"{server.url}/hangs")
    assert (answer.status_code, answer.headers["proxy-status"]) == (504, "meshkit; error=http_response_timeout")
    assert server.until_judged("/hangs") == ["failure"]
    assert server.seen()["idle"]


def test_no_time_at_all(server: Server) -> None:
    answer = httpx.get(f"{server.url}/late", headers={"grpc-timeout": "0m"})
    assert answer.status_code == 504
    assert "/late" not in server.seen()["started"]


def test_raises(server: Server) -> None:
    assert httpx.get(f"{server.url}/raises").status_code == 500  # the server's own
    assert server.until_judged("/raises") == ["failure"]


def test_a_stream_that_outlives_the_deadline_is_broken_off(server: Server) -> None:
    """It is never taken for a complete one."""
    with httpx.stream("GET", f"{server.url}/breaks") as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    assert server.until_judged("/breaks") == ["failure"]
    assert server.seen()["idle"]


def test_a_client_that_goes_away(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as wire:
        wire.sendall(b"GET /waits HTTP/1.1\r\nhost: shop\r\n\r\n")
        until = time.monotonic() + SECONDS
        while "/waits" not in server.seen()["started"]:
            assert time.monotonic() < until
    assert server.until_judged("/waits") == ["ignored"]
    assert server.seen()["idle"]


def test_a_websocket(server: Server) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    url = f"ws://127.0.0.1:{server.port}/ws"
    with connect(url) as first:
        first.send("hello")
        assert first.recv() == "HELLO"
        with pytest.raises(InvalidStatus) as refused:  # there is one permit, and it is held
            connect(url)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["content-type"] == "application/problem+json"
        answered_at = time.monotonic()
        while time.monotonic() < answered_at + 0.35:  # beyond the deadline, which was the handshake's
            first.send("still")
            assert first.recv() == "STILL"
    assert server.until_judged("/ws") == ["success"]
    assert server.seen()["idle"]
