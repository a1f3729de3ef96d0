"""What routes make of bodies behind the doors for httpx: counted, paced, replaced, in both colours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Self

import anyio
import anyio.lowlevel
import pytest

from meshkit import ConcurrencyLimit, DeadlineExceeded, Pipeline, Retry, Timeout
from meshkit.engine.back import survived
from meshkit.errors import Overlong, TooLarge
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.bandwidth import Bandwidth
from meshkit.route.buffer import Buffer
from meshkit.route.compress import Compress
from meshkit.route.cors import Cors
from meshkit.route.local import App, Function
from meshkit.route.match import Match
from meshkit.route.pages import Pages
from meshkit.route.route import Route
from meshkit.route.router import Router

from .stand_ins import Clock, Inner, Probe, Server, async_wire, streaming, wire

URL = "http://a/b"
SORRY = "<h1>sorry</h1>"


class Reading(Inner):
    """Reads what it is sent. ``read`` are the bytes, as they come."""

    def __init__(self, answer: Any) -> None:
        super().__init__(answer)
        self.read: list[bytes] = []

    def handle_request(self, request: Any) -> Any:
        for part in request.stream:
            self.read.append(part)
        return super().handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        async for part in request.stream:
            self.read.append(part)
        return await super().handle_async_request(request)


class Both:
    """A client of either colour behind a route with actions."""

    def __init__(
        self, lib: ModuleType, inner: Any, *actions: Any, to: Any = None, policies: Any = (), clock: Any = None
    ) -> None:
        self.lib = lib
        self.clock = clock or Clock()
        self.probe = Probe(lambda call: None)
        route = Route(Match(), to, policies=[*policies, self.probe], actions=actions)
        self.pipeline = Pipeline(Router([route]), clock=self.clock)
        self.inner = inner

    async def ask(self, asynchronous: bool, method: str = "GET", url: str = URL, **options: Any) -> Any:
        if asynchronous:
            async with self.lib.AsyncClient(transport=AsyncMeshTransport(self.pipeline, self.inner)) as client:
                return await client.request(method, url, **options)
        with self.lib.Client(transport=MeshTransport(self.pipeline, self.inner)) as client:
            return client.request(method, url, **options)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def chunks(asynchronous: bool, *parts: bytes) -> Any:
    """A body whose length is not told."""

    def plain() -> Iterator[bytes]:
        yield from parts

    class Awaited:
        """No generator: nobody would close it, and trio would mind."""

        def __aiter__(self) -> Self:
            self.left = [*parts]
            return self

        async def __anext__(self) -> bytes:
            await anyio.lowlevel.checkpoint()
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    return Awaited() if asynchronous else plain()


# Requests.


async def test_a_request_that_is_too_long_is_not_sent(lib: ModuleType, asynchronous: bool) -> None:
    both = Both(lib, inner := Inner(lambda request: lib.Response(200)), Buffer(max_request=10, whole=True))
    with pytest.raises(TooLarge, match="a request of 11 bytes, and 10 are let through") as raised:
        await both.ask(asynchronous, "POST", content=b"x" * 11)
    assert isinstance(raised.value, lib.TransportError)
    assert inner.requests == []
    assert both.probe.verdicts == []  # the route's policies were not asked
    assert (await both.ask(asynchronous, "POST", content=b"x" * 10)).status_code == 200
    assert both.pipeline.idle()


async def test_a_length_that_is_not_told_is_counted(lib: ModuleType, asynchronous: bool) -> None:
    both = Both(lib, inner := Reading(lambda request: lib.Response(200)), Buffer(max_request=10))
    with pytest.raises(TooLarge, match="a request of more than 10 bytes") as raised:
        await both.ask(asynchronous, "POST", content=chunks(asynchronous, b"123456", b"123456"))
    assert isinstance(raised.value, lib.TransportError)
    assert inner.read == [b"123456"]
    assert both.probe.verdicts == ["ignored"]
    assert (await both.ask(asynchronous, "POST", content=chunks(asynchronous, b"12345", b"12345"))).status_code == 200
    assert both.pipeline.idle()


async def test_it_is_so_on_the_wire(lib: ModuleType, asynchronous: bool) -> None:
    """The request is broken off: a server never sees its end."""
    over = threading.Event()
    with Server([over]) as server:
        for inner in [async_wire(lib), None] if asynchronous else [wire(lib)]:
            both = Both(lib, inner, Buffer(max_request=10))
            with pytest.raises(TooLarge):
                await both.ask(asynchronous, "POST", server.url, content=chunks(asynchronous, b"123456", b"123456"))
            assert both.pipeline.idle()
        over.set()


@pytest.mark.parametrize(("direction", "said"), [("request", "no answer within"), ("response", "was not complete")])
@pytest.mark.parametrize("seconds", [0.2, 0.256, 0.7])
def test_a_thread_waits_no_longer_than_its_deadline(lib: ModuleType, direction: str, said: str, seconds: float) -> None:
    inner = Reading(lambda request: lib.Response(200, stream=streaming(lib, [b"x" * 2000])))
    both = Both(lib, inner, Bandwidth(1000, direction=direction), policies=[Timeout(seconds)])
    with (
        lib.Client(transport=MeshTransport(both.pipeline, inner)) as client,
        pytest.raises(DeadlineExceeded, match=said) as raised,
    ):
        client.post(URL, content=b"x" * 2000)
    assert isinstance(raised.value, lib.TimeoutException)
    assert both.clock.now == pytest.approx(1000 + seconds)
    assert both.probe.verdicts == ["failure"]
    assert both.pipeline.idle()


async def test_a_request_is_paced(lib: ModuleType, asynchronous: bool) -> None:
    both = Both(lib, inner := Reading(lambda request: lib.Response(200)), Bandwidth(1000, burst=0, direction="request"))
    await both.ask(asynchronous, "POST", content=b"x" * 2000)
    assert both.clock.now == pytest.approx(1002.0)
    assert [len(part) for part in inner.read] == [256] * 7 + [208]
    await both.ask(asynchronous, "POST", content=chunks(asynchronous, b"x" * 100, b"y" * 100))
    assert both.clock.now == pytest.approx(1002.2)
    assert inner.read[-2:] == [b"x" * 100, b"y" * 100]


async def test_a_function_is_given_it_so(lib: ModuleType) -> None:
    def function(request: Any) -> Any:
        return lib.Response(200, content=b"".join(request.stream))

    both = Both(lib, Inner(lib.Response), Buffer(max_request=10), to=Function(function))
    assert (await both.ask(False, "POST", content=chunks(False, b"12345"))).content == b"12345"
    with pytest.raises(TooLarge):
        await both.ask(False, "POST", content=chunks(False, b"123456", b"123456"))


# Answers.


@pytest.mark.parametrize("told", [True, False])
async def test_an_answer_that_is_too_long_is_broken_off(lib: ModuleType, asynchronous: bool, told: bool) -> None:
    stream = streaming(lib, [b"123456", b"123456"])
    headers = {"content-length": "12"} if told else {}
    inner = Inner(lambda request: lib.Response(200, headers=headers, stream=stream))
    both = Both(lib, inner, Buffer(max_response=11), policies=[ConcurrencyLimit(1)])
    with pytest.raises(Overlong, match="longer than 11 bytes") as raised:
        await both.ask(asynchronous)
    assert isinstance(raised.value, lib.TransportError)
    assert raised.value.policy == "Buffer"
    assert stream.closed == 1
    assert stream.iterating == 0
    assert both.probe.verdicts == ["failure"]
    assert both.pipeline.idle()


async def test_one_in_memory_is_counted_too(lib: ModuleType, asynchronous: bool) -> None:
    inner = Inner(lambda request: lib.Response(200, content=b"123456"))
    with pytest.raises(Overlong):
        await Both(lib, inner, Buffer(max_response=5)).ask(asynchronous)
    assert (await Both(lib, inner, Buffer(max_response=6)).ask(asynchronous)).content == b"123456"


async def test_what_is_no_longer_arrives(lib: ModuleType, asynchronous: bool) -> None:
    stream = streaming(lib, [b"123456", b"123456"])
    both = Both(lib, Inner(lambda request: lib.Response(200, stream=stream)), Buffer(max_response=12))
    assert (await both.ask(asynchronous)).content == b"123456123456"
    head = Both(
        lib,
        Inner(lambda request: lib.Response(200, headers={"content-length": "99"}, stream=streaming(lib, []))),
        Buffer(max_response=12),
    )
    assert (await head.ask(asynchronous, "HEAD")).headers["content-length"] == "99"
    assert both.probe.verdicts == head.probe.verdicts == ["success"]


async def test_an_answer_is_paced(lib: ModuleType, asynchronous: bool) -> None:
    both = Both(
        lib,
        Inner(lambda request: lib.Response(200, stream=streaming(lib, [b"x" * 1500, b"y" * 500]))),
        Bandwidth("1kB/s", burst=0),
        Bandwidth("5kB/s"),
    )
    assert (await both.ask(asynchronous)).content == b"x" * 1500 + b"y" * 500
    assert both.clock.now == pytest.approx(1002.0)
    assert both.probe.verdicts == ["success"]


async def test_a_reader_that_goes_away_closes_all(lib: ModuleType) -> None:
    stream = streaming(lib, [b"x" * 1000, b"y"])
    both = Both(
        lib, Inner(lambda request: lib.Response(200, stream=stream)), Bandwidth(9000), Buffer(max_response=10**9)
    )
    transport = AsyncMeshTransport(both.pipeline, both.inner)
    response = await transport.handle_async_request(lib.Request("GET", URL))
    parts = response.stream.__aiter__()
    assert len(await anext(parts)) == 450
    await parts.aclose()
    assert stream.iterating == 0
    await response.aclose()
    assert stream.closed == 1
    assert both.probe.verdicts == ["success"]


async def test_cancelled_while_it_waits(lib: ModuleType) -> None:
    class Endless(Clock):
        async def asleep(self, seconds: float) -> None:
            await anyio.sleep_forever()

    stream = streaming(lib, [b"x" * 1000])
    inner = Inner(lambda request: lib.Response(200, stream=stream))
    both = Both(lib, inner, Bandwidth(1000, burst=0), clock=Endless())
    with anyio.move_on_after(0) as scope:
        await both.ask(True)
    assert scope.cancelled_caught
    assert both.pipeline.idle()
    assert stream.iterating == 0


# Pages.


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_page_takes_the_place_of_an_error(lib: ModuleType, asynchronous: bool, streamed: bool) -> None:
    stream = streaming(lib, [b"an error"])
    content = {"stream": stream} if streamed else {"content": b"an error"}
    headers = (
        {"retry-after": "7", "content-encoding": "br", "content-length": "8"} if streamed else {"retry-after": "7"}
    )
    inner = Inner(lambda request: lib.Response(503, headers=headers, extensions={"own": 1}, **content))
    both = Both(lib, inner, Pages({"5xx": SORRY}), policies=[ConcurrencyLimit(1)])
    response = await both.ask(asynchronous)
    assert (response.status_code, response.text, response.extensions["own"]) == (503, SORRY, 1)
    assert dict(response.headers) == {
        "retry-after": "7",
        "content-type": "text/html; charset=utf-8",
        "content-length": "14",
    }
    assert stream.closed == (1 if streamed else 0)
    assert stream.iterating == 0
    assert both.probe.verdicts == ["overloaded"]
    assert both.pipeline.idle()


async def test_a_page_that_nobody_reads_is_closed(lib: ModuleType) -> None:
    stream = streaming(lib, [b"an error"])
    both = Both(lib, Inner(lambda request: lib.Response(500, stream=stream)), Pages({"5xx": SORRY}))
    transport = AsyncMeshTransport(both.pipeline, both.inner)
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        assert response.status_code == 500
        assert both.probe.inside == 1
    assert stream.closed == 1
    assert both.probe.inside == 0


async def test_other_pages(lib: ModuleType, asynchronous: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        """For servers only."""

    inner = Inner(lambda request: lib.Response(404, content=b"none"))
    before = survived[0]
    for pages, status, text in (
        (Pages({404: lambda status, call: f"{status} {call.door.fact(call, 'path')}"}), 404, "404 /b"),
        (Pages({404: SORRY}, status=200), 200, SORRY),
        (Pages({404: lambda status, call: None}), 404, "none"),
        (Pages({404: lambda status, call: 1 // 0}), 404, "none"),
        (Pages({404: App(app)}), 404, "none"),
        (Pages({"5xx": SORRY}), 404, "none"),
    ):
        response = await Both(lib, inner, pages).ask(asynchronous)
        assert (response.status_code, response.text) == (status, text)
    assert survived[0] == before + 1
    head = await Both(lib, inner, Pages({404: SORRY})).ask(asynchronous, "HEAD")
    assert (head.content, head.headers["content-length"]) == (b"", "14")


async def test_a_retry_sees_the_error(lib: ModuleType, asynchronous: bool) -> None:
    answers = [lib.Response(503), lib.Response(200, content=b"there")]
    both = Both(lib, Inner(lambda request: answers.pop(0)), Pages({"5xx": SORRY}), policies=[Retry("5xx")])
    assert (await both.ask(asynchronous)).text == "there"


# What is for servers.


async def test_a_client_needs_neither_cors_nor_compression(lib: ModuleType, asynchronous: bool) -> None:
    answer = lib.Response(200, headers={"access-control-allow-origin": "*"}, content=b"x" * 9999)
    both = Both(lib, inner := Inner(lambda request: answer), Cors("https://a.example"), Compress())
    headers = {"origin": "https://a.example", "access-control-request-method": "PUT"}
    response = await both.ask(asynchronous, "OPTIONS", headers=headers)
    assert response is answer
    assert dict(response.headers) == {"access-control-allow-origin": "*", "content-length": "9999"}
    assert inner.requests[0].method == "OPTIONS"


async def test_without_any_of_it_it_is_the_very_request(lib: ModuleType) -> None:
    both = Both(lib, inner := Inner(lambda request: lib.Response(200)))
    request = lib.Request("POST", URL, content=b"x")
    MeshTransport(both.pipeline, inner).handle_request(request)
    assert inner.requests == [request]
    assert inner.requests[0] is request
