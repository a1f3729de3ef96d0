"""A deadline of 800 ms is seen, spent and obeyed two hops down: in virtual time to the bit, and once over the wire."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from examples.two_services import serve, shop_service, stock_service
from meshkit import Pipeline, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import CURRENT
from meshkit.httpx import AsyncMeshTransport
from meshkit.testing import run, virtual_clock

ROOT = Path(__file__).parents[1]
SECONDS = 30.0
"""For something to be seen that takes one, on a busy machine."""


class Wire(httpx.AsyncBaseTransport):
    """A transport that notes the deadline on each request that passes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.told: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.told.append(request.headers.get("x-request-deadline-ms"))
        response: httpx.Response = await self.inner.handle_async_request(request)
        return response


class Street:
    """Both services in this process, on virtual time, and a caller who has so many seconds."""

    def __init__(self, seconds: float | None = 0.8) -> None:
        self.stock = stock_service(virtual_clock)
        self.to_stock = Wire(httpx.ASGITransport(self.stock))
        self.shop = shop_service("http://stock", self.to_stock, virtual_clock)
        self.to_shop = Wire(httpx.ASGITransport(self.shop))
        policies = () if seconds is None else (Timeout(seconds),)
        self.pipeline = Pipeline(*policies, clock=virtual_clock)
        transport = AsyncMeshTransport(self.pipeline, self.to_shop)
        self.caller = httpx.AsyncClient(transport=transport, base_url="http://shop")

    async def ask(self, path: str, **headers: str) -> httpx.Response:
        return await self.caller.get(path, headers={"x-customer": "ann", **headers})

    def idle(self) -> bool:
        doors = [each for app in (self.shop, self.stock) for each in app.user_middleware]
        assert [each.cls for each in doors] == [MeshMiddleware] * 2
        return self.pipeline.idle() and all(each.kwargs["pipeline"].idle() for each in doors)


def on_the_street(story: Callable[[Street], Awaitable[None]], seconds: float | None = 0.8) -> None:
    async def main() -> None:
        street = Street(seconds)
        async with street.caller:
            await story(street)
        assert street.idle()
        assert CURRENT.get() is None

    run(main)


def test_it_is_seen_and_spent() -> None:
    async def story(street: Street) -> None:
        answer = await street.ask("/apples")
        assert virtual_clock() == 0.2  # 0.1 in the shop, 0.1 in the stock
        assert street.to_shop.told == ["800"]
        assert street.to_stock.told == ["400"]  # less 0.1 spent, less 0.3 in reserve
        assert answer.status_code == 200
        assert answer.json() == {
            "count": 12,
            "had": {"shop": 0.5, "stock": 0.4},
            "spent": ["GET /apples: 0.100 s, success", "stock: 0.100 s, success"],  # in one process: one ledger
        }

    on_the_street(story)


@pytest.mark.parametrize("seconds", [0.8, 2.0])
def test_it_is_obeyed_by_the_last_in_the_row(seconds: float) -> None:
    """The caller would have waited longer: it is the shop's reserve that leaves time for an answer."""

    async def story(street: Street) -> None:
        answer = await street.ask("/pears")
        assert answer.status_code == 504
        assert virtual_clock() == pytest.approx(seconds - 0.3, abs=0.001)  # whole milliseconds go over the wire
        assert street.stock.state.asked == street.stock.state.given_up == ["pears"]

    on_the_street(story, seconds)


def test_what_cannot_finish_is_not_begun() -> None:
    async def story(street: Street) -> None:
        answer = await street.ask("/apples?thinking=0.6")
        assert virtual_clock() == 0.6
        assert (answer.status_code, answer.headers["content-type"]) == (504, "application/problem+json")
        assert answer.headers["proxy-status"] == "meshkit; error=http_response_timeout"
        assert street.to_stock.told == []
        assert street.stock.state.asked == []

    on_the_street(story)


def test_a_request_that_comes_too_late_is_not_begun() -> None:
    async def story(street: Street) -> None:
        answer = await street.ask("/apples", **{"x-request-deadline-ms": "0"})
        assert answer.status_code == 504
        assert street.to_stock.told == []
        assert virtual_clock() == 0.0

    on_the_street(story, seconds=None)


def test_a_shop_that_only_thinks_is_stopped_by_its_own_door() -> None:
    async def story(street: Street) -> None:
        answer = await street.ask("/apples?thinking=60", **{"x-request-deadline-ms": "800"})
        assert (answer.status_code, answer.json()["detail"]) == (504, "The answer was not ready in time.")
        assert virtual_clock() == 0.8
        assert street.to_stock.told == []

    on_the_street(story, seconds=None)


def test_without_a_caller_in_a_hurry_each_has_its_own() -> None:
    async def story(street: Street) -> None:
        answer = await street.ask("/apples")
        assert street.to_shop.told == [None]
        assert street.to_stock.told == ["4600"]  # the shop's 5 s, less what was spent and kept back
        assert answer.json()["had"] == {"shop": pytest.approx(4.7), "stock": pytest.approx(4.6)}

    on_the_street(story, seconds=None)


def test_three_a_minute_for_each_customer() -> None:
    async def story(street: Street) -> None:
        fields = []
        for customer in ("ann", "ann", "ann", "ann", "bob"):
            answer = await street.ask("/apples?thinking=0", **{"x-customer": customer})
            fields.append((answer.status_code, answer.headers["ratelimit"], answer.headers.get("retry-after")))
        assert fields == [
            (200, '"customer";r=2;t=20', None),
            (200, '"customer";r=1;t=20', None),
            (200, '"customer";r=0;t=20', None),
            (429, '"customer";r=0;t=20', "20"),
            (200, '"customer";r=2;t=20', None),
        ]
        assert answer.headers["ratelimit-policy"] == '"customer";q=3;w=60'
        assert street.stock.state.asked == ["apples"] * 4

    on_the_street(story)


def test_the_tutorial_shows_the_very_code() -> None:
    page = (ROOT / "docs/tutorial/two-services.md").read_text("utf-8")
    for each in (stock_service, shop_service, serve):
        assert inspect.getsource(each) in page


# Once over the wire, each service in a process of its own.

SERVED = """
import socket, sys, uvicorn
from examples.two_services import shop_service, stock_service

if len(sys.argv) > 1:
    app = shop_service(sys.argv[1])
else:
    app = stock_service()
    app.get("/-/seen")(lambda: {"asked": app.state.asked, "given_up": app.state.given_up})
listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listening])
"""


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-W", "error", "-c", SERVED, *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def test_over_the_wire() -> None:
    with served() as stock, served(stock) as shop:
        asyncio.run(over_the_wire(stock, shop))


async def over_the_wire(stock: str, shop: str) -> None:
    transport = AsyncMeshTransport(Pipeline(Timeout(0.8)))
    async with httpx.AsyncClient(transport=transport) as caller, httpx.AsyncClient(timeout=SECONDS) as patient:
        for url in (stock, shop):
            assert (await patient.get(f"{url}/openapi.json")).status_code == 200

        answer = await caller.get(f"{shop}/apples", headers={"x-customer": "ann"})
        assert answer.status_code == 200
        had = answer.json()["had"]
        assert 0 < had["stock"] <= had["shop"] - 0.1 < 0.4
        [line] = answer.json()["spent"]
        assert line.startswith("stock: 0.")
        assert line.endswith(" s, success")

        began = time.monotonic()
        try:
            answer = await caller.get(f"{shop}/pears", headers={"x-customer": "ann"})
        except httpx.TimeoutException:  # a machine that stood still for as long as the shop's reserve
            assert time.monotonic() - began >= 0.8
        else:
            assert answer.status_code == 504
        until = time.monotonic() + SECONDS
        while (seen := (await patient.get(f"{stock}/-/seen")).json())["given_up"] != ["pears"]:
            assert time.monotonic() < until, seen
        assert seen["asked"] == ["apples", "pears"]
