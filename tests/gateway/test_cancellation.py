"""Cancelled anywhere, is everything given back? Requests with all that waits, cancelled after each of their steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from meshkit import CircuitBreaker, ConcurrencyLimit, Constant, Hedge, RateLimit, Retry, Timeout
from meshkit.gateway.body import Left
from meshkit.gateway.vigil import strike
from meshkit.route.bandwidth import Bandwidth
from meshkit.route.buffer import Buffer
from meshkit.route.compress import Compress
from meshkit.route.local import App

from ..asgi.stand_ins import Probe, http
from ..upstream.peer import Peer
from ..upstream.rogue import until
from ..upstream.stepping import Stepped, cancel
from .visiting import ASYNCIO, Visitor, answer, gate, part, visit

pytestmark = ASYNCIO
MOST = 200
"""Steps: more than any of these has."""
HEADERS = [
    (b"host", b"shop.example"),
    (b"content-length", b"40000"),
    (b"accept-encoding", b"gzip"),
    (b"x-request-deadline-ms", b"8000"),
]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
FAILS = answer(b"", status=500)


async def serves(peer: Peer) -> None:
    """In parts; at first it fails."""
    await peer.request()
    await peer.send(FAILS)
    while True:
        await peer.request()
        for each in (CHUNKED + b"2\r\nab\r\n", b"2\r\ncd\r\n", b"0\r\n\r\n"):
            await peer.send(each)
            await asyncio.sleep(0)


async def app(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ab", "more_body": True})
    await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": b"cd"})


class Slow(Visitor):
    """Each message takes a turn."""

    async def receive(self) -> Any:
        await asyncio.sleep(0)
        return await super().receive()

    async def send(self, message: Any) -> None:
        await asyncio.sleep(0)
        await super().send(message)


AGAIN = Retry("5xx", attempts=3, budget=None, backoff=Constant(0.001))
WAYS: dict[str, dict[str, Any]] = {
    "retry": {"policies": [AGAIN]},
    "queue": {"policies": [RateLimit("100/s", burst=1, wait=1.0), ConcurrencyLimit(1, queue=9), AGAIN]},
    "deadline": {"policies": [Timeout(9.0), AGAIN, CircuitBreaker(failures=99), Timeout(5.0)]},
    "hedge": {"policies": [Hedge(after=0.001, budget=None), AGAIN]},
    "actions": {
        "policies": [AGAIN],
        "actions": [Buffer(max_request=99_999, whole=True), Compress(["gzip"], least=0), Bandwidth("100MB/s")],
    },
    "app": {"to": lambda _: App(app), "policies": [Timeout(9.0)]},
}


def leaves(gateway: Any) -> Callable[[asyncio.Task[Any]], None]:
    """The client goes, and it is told of that."""

    def act(task: asyncio.Task[Any]) -> None:
        for vigil in gateway._vigils.values():
            for exchange in [*vigil._new, *vigil._old]:
                strike(exchange, Left(), gone=True)

    return act


@pytest.mark.parametrize("how", ["cancelled", "cancelled late", "left"])
@pytest.mark.parametrize("way", list(WAYS))
async def test_at_each_step(way: str, how: str) -> None:
    options = {**WAYS[way]}
    probe = Probe()
    options["outside"] = [probe]
    verdicts = set()
    for at in range(1, MOST):
        async with gate(*[serves] * 3, **options) as (gateway, _):
            if way == "queue":  # it has to wait
                await visit(gateway)
            visitor = Slow(part(b"a" * 20_000), part(b"b" * 20_000, more=False))
            scope = {**http("/a", method="PUT"), "headers": HEADERS}
            work = gateway(scope, visitor.receive, visitor.send)
            strikes = leaves(gateway) if how == "left" else cancel
            stepped = Stepped(work, at, strikes, late=how == "cancelled late")

            async def run(stepped: Any = stepped) -> None:
                await stepped

            task = asyncio.create_task(run())
            await asyncio.wait([task])
            if how == "left":
                assert not task.cancelled()
                assert task.exception() is None
            await until(lambda gateway=gateway: gateway.pool.idle())
            assert gateway.idle(), gateway.snapshot()
            assert probe.inside == 0
        verdicts.update(probe.verdicts)
        if not stepped.struck:
            break
    else:
        pytest.fail("it takes more steps than that")
    assert visitor.over
    assert visitor.status == 200
    assert probe.verdicts[-1] == "success"
    assert "failure" not in verdicts
    assert at > 5  # it has more places than that to be struck in
