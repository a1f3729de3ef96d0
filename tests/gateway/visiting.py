"""How do tests call a gateway? As a server does, by its scope, `receive` and `send`; the upstreams are real sockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from meshkit import Cluster
from meshkit.config import Listener, Mesh
from meshkit.gateway import Gateway
from meshkit.route.match import Match
from meshkit.route.route import Route

from ..asgi.stand_ins import http
from ..upstream.peer import Peer
from ..upstream.rogue import OK, Rogue, until
from ..upstream.stepping import calm

__all__ = ["ASYNCIO", "Visitor", "answer", "begin", "echoing", "gate", "part", "said", "shop", "told", "visit"]

ASYNCIO = pytest.mark.parametrize("anyio_backend", ["asyncio"])
"""The pool knows no other."""
SOON = 30.0
"""Seconds for a whole test, on a busy machine."""
EMPTY = {"type": "http.request", "body": b"", "more_body": False}
HOST = ("host", "shop.example")


def part(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


class Visitor:
    """A client, as its server tells of it. What it sends is given by and by; it stays until it leaves."""

    def __init__(self, *script: dict[str, Any]) -> None:
        self.messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        for message in script or (EMPTY,):
            self.messages.put_nowait(message)
        self.sent: list[dict[str, Any]] = []
        self.asked = 0
        """How often the server was asked for more."""
        self.waiting = 0
        """How many wait for more just now."""
        self.takes = asyncio.Event()
        """Unset, it takes nothing."""
        self.takes.set()
        self.broken: int | None = None
        """After so many messages sending fails: ASGI 2.4, of a client that has gone."""
        self.left = False

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        self.waiting += 1
        try:
            if self.left and self.messages.empty():
                return {"type": "http.disconnect"}
            return await self.messages.get()
        finally:
            self.waiting -= 1

    async def send(self, message: dict[str, Any]) -> None:
        await self.takes.wait()
        if self.broken is not None and len(self.sent) >= self.broken:
            raise OSError("the client has gone")
        self.sent.append(message)

    def give(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.messages.put_nowait(message)

    def leave(self) -> None:
        self.left = True
        self.messages.put_nowait({"type": "http.disconnect"})

    @property
    def started(self) -> bool:
        return bool(self.sent)

    @property
    def over(self) -> bool:
        """Whether the end of the answer was sent."""
        return any(each["type"] == "http.response.body" and not each.get("more_body") for each in self.sent)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        fields: list[tuple[bytes, bytes]] = self.sent[0]["headers"]
        return fields

    def field(self, name: str) -> str | None:
        """Those of that name, joined."""
        found = [value.decode() for each, value in self.fields if each == name.encode()]
        return ", ".join(found) if found else None

    @property
    def body(self) -> bytes:
        return b"".join(each.get("body", b"") for each in self.sent if each["type"] == "http.response.body")


def shop(*upstreams: Any, name: str = "shop", **options: Any) -> Cluster:
    return Cluster(name, [f"127.0.0.1:{getattr(each, 'port', each)}" for each in upstreams], **options)


@contextlib.asynccontextmanager
async def gate(
    *scripts: Any,
    policies: Iterable[Any] = (),
    actions: Iterable[Any] = (),
    to: Any = None,
    match: Match | None = None,
    outside: Iterable[Any] = (),
    listener: dict[str, Any] = {},  # noqa: B006  # never changed
    **options: Any,
) -> AsyncIterator[tuple[Gateway, Rogue]]:
    """A gateway with one route to one upstream that plays these scripts. At its end nothing is held, open or left.

    ``to`` makes something else of the upstream; ``outside`` and ``listener`` are its listener's.
    """
    async with calm(), asyncio.timeout(SOON), Rogue(*scripts) as upstream:
        route = Route(
            match or Match(),
            shop(upstream) if to is None else to(upstream),
            policies=[*policies],
            actions=[*actions],
            name="only",
        )
        mesh = Mesh(routes=[route], listeners=[Listener("public", policies=[*outside], **listener)])
        gateway = Gateway(mesh, **options)
        yield gateway, upstream
        await until(lambda: gateway.under_way == 0)
        await gateway.aclose()
        assert gateway.idle()
        for peer in upstream.peers:
            peer.over.set()
        await upstream.quiet()


def begin(gateway: Any, visitor: Visitor, path: str = "/a", *fields: tuple[str, str], **scope: Any) -> Any:
    """The task that serves it. Without another one the ``Host`` is `HOST`."""
    if not any(name == "host" for name, _ in fields):
        fields = (HOST, *fields)
    return asyncio.create_task(gateway(http(path, headers=fields, **scope), visitor.receive, visitor.send))


async def visit(
    gateway: Any, path: str = "/a", *fields: tuple[str, str], visitor: Visitor | None = None, **scope: Any
) -> Visitor:
    visitor = Visitor() if visitor is None else visitor
    await begin(gateway, visitor, path, *fields, **scope)
    return visitor


def answer(body: bytes = b"ok", *fields: str, status: int = 200) -> bytes:
    lines = [f"HTTP/1.1 {status} X", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


class echoing:  # noqa: N801  # it is a script
    """Answers each request, and remembers what it was: its head and its body. The last answer is given on and on."""

    def __init__(self, *data: bytes) -> None:
        self.data = [*data] or [OK]
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        while True:
            head = await peer.request()
            self.heads.append(head)
            self.bodies.append(peer.body)
            await peer.send(self.data.pop(0) if len(self.data) > 1 else self.data[0])

    @property
    def line(self) -> str:
        return self.heads[-1].split(b"\r\n", 1)[0].decode()

    def field(self, name: str) -> str | None:
        found = [value for each, value in said(self.heads[-1]) if each == name]
        return ", ".join(found) if found else None


def said(head: bytes) -> list[tuple[str, str]]:
    """The fields of a head."""
    lines = [line.decode("latin-1").split(": ", 1) for line in head.split(b"\r\n")[1:-2]]
    return [(name.lower(), value) for name, value in lines]


def told(visitor: Visitor) -> tuple[int, str]:
    """The status of a refusal, and the word for it in ``Proxy-Status`` (RFC 9209, 2.3)."""
    name, _, word = (visitor.field("proxy-status") or "").partition("; error=")
    assert name == "meshkit"
    return visitor.status, word
