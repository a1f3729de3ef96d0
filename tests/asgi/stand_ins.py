"""What stands around an ASGI app in these tests: a client that calls it, a gate that writes down, a clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

import anyio
import anyio.lowlevel

from meshkit import Call, Verdict

Headers = list[tuple[bytes, bytes]]


class Probe:
    """A gate, its own spec, that lets all pass and remembers the verdicts, the latencies and the durations."""

    name = "probe"

    def __init__(self) -> None:
        self.verdicts: list[str] = []
        self.latencies: list[float] = []
        self.inside = 0

    def start(self, rng: Any) -> Self:
        return self

    def enter(self, call: Call, now: float) -> None:
        self.inside += 1

    def exit(self, call: Call, began: float, now: float, verdict: Verdict) -> None:
        self.inside -= 1
        self.verdicts.append(verdict.value)
        self.latencies.append(-1.0 if call.answered_at is None else call.answered_at - began)

    def idle(self) -> bool:
        return self.inside == 0


class Clock:
    """Time passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def http(path: str = "/", *, headers: Iterable[tuple[str, str]] = (), **others: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
        "client": ("192.0.2.7", 41234),
        "server": ("127.0.0.1", 8000),
        **others,
    }


def websocket(path: str = "/", **others: Any) -> dict[str, Any]:
    scope = http(path, **{"type": "websocket", "scheme": "ws", "subprotocols": [], "extensions": {}, **others})
    del scope["method"]
    return scope


class Client:
    """The server's side of one ASGI call: gives what ``script`` holds, then waits; writes down what is sent."""

    def __init__(self, *script: dict[str, Any], broken: int | None = None) -> None:
        self.script = list(script) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.sent: list[dict[str, Any]] = []
        self.broken = broken
        """After so many messages sending fails, as it does once a client has gone."""
        self.on_send: Callable[[dict[str, Any]], None] | None = None

    async def receive(self) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        if self.script:
            return self.script.pop(0)
        await anyio.sleep_forever()
        raise AssertionError

    async def send(self, message: dict[str, Any]) -> None:
        await anyio.lowlevel.checkpoint()
        if self.broken is not None and len(self.sent) >= self.broken:
            raise OSError("the client has gone")
        self.sent.append(message)
        if self.on_send is not None:
            self.on_send(message)

    @property
    def status(self) -> int:
        [start] = [message for message in self.sent if message["type"].endswith("response.start")]
        status: int = start["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        [start] = [message for message in self.sent if message["type"].endswith("response.start")]
        return {name.decode(): value.decode() for name, value in start["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def ask(app: Any, scope: dict[str, Any] | None = None, *script: dict[str, Any]) -> Client:
    """One call; what the app raises is raised."""
    client = Client(*script)
    await app(http() if scope is None else scope, client.receive, client.send)
    return client


def answering(status: int = 200, headers: Headers = [], body: bytes = b"ok") -> Any:  # noqa: B006  # never changed
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


START = {"type": "http.response.start", "status": 200, "headers": []}
LAST = {"type": "http.response.body", "body": b"."}
MORE = {"type": "http.response.body", "body": b",", "more_body": True}
GONE = {"type": "http.disconnect"}
