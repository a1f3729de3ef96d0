"""WebSockets from a library's client through uvicorn and a gateway to a library's server."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed, InvalidStatus

from meshkit import Cluster, ConcurrencyLimit, Mesh, Retry, Timeout
from meshkit.balance import Sticky
from meshkit.gateway import Gateway
from meshkit.route import Branch, Match, Rollout, Route, Split, WebSocket

from ..upstream.calls import closed_port
from ..upstream.rogue import until
from .socketing import gateway, serving, upstream

LOOP = pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
pytestmark = LOOP


def joined(url: str, **more: Any) -> connect:
    return connect(url, **{"compression": None, "ping_interval": None, "close_timeout": 1.0, "max_size": None, **more})


async def ended(connection: ClientConnection | ServerConnection) -> tuple[int, str]:
    """The code and reason with which the other side has closed."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in connection:
            pass
    return connection.close_code or 0, connection.close_reason or ""


async def test_echo() -> None:
    async with upstream() as port, gateway(port) as (served, url), joined(f"{url}/a?b") as client:
        for message in ("a", "", "ä€😀", b"\x00\xff", b"", "a" * 100_000, b"b" * 1_048_576):
            await client.send(message)
            assert await client.recv() == message
        await client.send(["in ", "several ", "pieces"])
        assert await client.recv() == "in several pieces"
        await client.send([b"a" * 70_000, b"b"])
        assert await client.recv() == b"a" * 70_000 + b"b"
        await (await client.ping())
        assert served.under_way == 1
        assert served.snapshot()["pool"]["busy"] == 1


async def test_what_the_upstream_is_told() -> None:
    requests = []

    async def look(connection: ServerConnection) -> None:
        requests.append(connection.request)

    async with upstream(look, subprotocols=["soap"]) as port, gateway(port) as (_, url):
        offered: Any = ["chat", "soap"]
        cookie = {"Cookie": "a=b"}
        async with joined(
            f"{url}/a/b?c=d", compression="deflate", subprotocols=offered, additional_headers=cookie
        ) as client:
            assert client.subprotocol == "soap"
            assert client.protocol.extensions == []
            await ended(client)
        assert client.response is not None
        names = [name.lower() for name, _ in client.response.headers.raw_items()]
        assert names.count("upgrade") == names.count("connection") == names.count("sec-websocket-accept") == 1
    [request] = requests
    assert request is not None
    assert request.path == "/a/b?c=d"
    assert request.headers["cookie"] == "a=b"
    assert request.headers["x-forwarded-for"] == "127.0.0.1"
    assert "sec-websocket-extensions" not in request.headers
    assert request.headers.get_all("connection") == ["Upgrade"]


async def test_a_chat() -> None:
    """What one says all hear, in the same order."""
    present: set[ServerConnection] = set()

    async def chat(connection: ServerConnection) -> None:
        present.add(connection)
        async for message in connection:
            broadcast(present, message)
        present.discard(connection)

    async with upstream(chat) as port, gateway(port) as (_, url), contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(joined(url)) for _ in range(5)]
        await until(lambda: len(present) == 5)
        for at, client in enumerate(clients):
            for word in range(10):
                await client.send(f"{at} says {word}")
        heard = [[await client.recv() for _ in range(50)] for client in clients]
        assert all(each == heard[0] for each in heard)
        assert [each for each in heard[0] if each.startswith("3")] == [f"3 says {word}" for word in range(10)]  # type: ignore[arg-type]
        await clients[0].close()
        await until(lambda: len(present) == 4)


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1011, "broken"), (4001, "ä" * 61)])
async def test_the_upstream_closes(code: int, reason: str) -> None:
    async def closes(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.close(code, reason)

    async with upstream(closes) as port, gateway(port) as (_, url), joined(url) as client:
        assert await client.recv() == "last words"
        assert await ended(client) == (code, reason)


@pytest.mark.parametrize(
    ("said", "heard"), [((1000, ""), (1000, "")), ((4001, "ä" * 61), (4001, "ä" * 61)), (None, (1001, ""))]
)
async def test_the_client_closes(said: tuple[int, str] | None, heard: tuple[int, str]) -> None:
    """Or is killed."""
    ends = []

    async def listens(connection: ServerConnection) -> None:
        ends.append(await ended(connection))

    async with upstream(listens) as port, gateway(port) as (_, url), joined(url) as client:
        await client.send("a")
        if said is None:
            client.transport.abort()
        else:
            await client.close(*said)
        await until(lambda: ends)
    assert ends == [heard]


async def test_the_upstream_is_killed() -> None:
    async def dies(connection: ServerConnection) -> None:
        await connection.send("last words")
        await connection.recv()
        connection.transport.abort()

    async with upstream(dies) as port, gateway(port) as (_, url), joined(url) as client:
        assert await client.recv() == "last words"
        await client.send("a")
        assert await ended(client) == (1014, "the upstream has gone")


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_refused(status: int) -> None:
    def no(connection: ServerConnection, request: Any) -> Any:
        answer = connection.respond(HTTPStatus(status), "not for you\n")
        answer.headers["WWW-Authenticate"] = "Basic"
        return answer

    async with upstream(process_request=no) as port, gateway(port) as (served, url):
        with pytest.raises(InvalidStatus) as raised:
            await joined(url)
        answer = raised.value.response
        assert (answer.status_code, answer.body) == (status, b"not for you\n")
        assert answer.headers["www-authenticate"] == "Basic"
        assert answer.headers.get_all("content-length") == ["12"]
        assert served.under_way == 0


async def test_there_is_none_here() -> None:
    async def never(connection: ServerConnection) -> None:
        raise AssertionError

    async with upstream(never) as port, gateway(port, actions=[WebSocket(allowed=False)]) as (_, url):
        with pytest.raises(InvalidStatus) as raised:
            await joined(url)
        assert raised.value.response.status_code == 403


async def test_too_big() -> None:
    ends = []

    async def says(connection: ServerConnection) -> None:
        if await connection.recv() == "say too much":
            await connection.send(["a" * 600, "a" * 600])
        ends.append(await ended(connection))

    async with upstream(says) as port, gateway(port, actions=[WebSocket(max_message=1000)]) as (_, url):
        async with joined(url) as client:
            await client.send("say too much")
            assert await ended(client) == (1009, "the upstream's message is too big")
        async with joined(url) as client:
            await client.send("a" * 1000)
            await client.send(["a" * 600, "a" * 600])
            assert await ended(client) == (1009, "the message is too big")
        await until(lambda: len(ends) == 2)
    assert ends == [(1009, ends[0][1]), (1001, "the message is too big")]


async def test_idle() -> None:
    async with upstream() as port, gateway(port, actions=[WebSocket(idle=0.05)]) as (_, url), joined(url) as client:
        assert await ended(client) == (1001, "idle for 0.05 s")


async def test_a_slow_reader() -> None:
    """What an upstream has to say stops in the end, and comes as soon as it is read."""
    said = []

    async def says(connection: ServerConnection) -> None:
        for at in range(1000):
            await connection.send(b"%05d" % at * 10_000)
            said.append(at)
        await connection.close()

    async with upstream(says) as port, gateway(port) as (_, url), joined(url, max_queue=1) as client:
        before = -1
        while len(said) > before:
            before = len(said)
            for _ in range(500):
                await asyncio.sleep(0)
        assert 0 < len(said) < 1000
        for at in range(1000):
            assert await client.recv() == b"%05d" % at * 10_000
        assert await ended(client) == (1000, "")


# Policies.


async def test_so_many_at_once() -> None:
    """A WebSocket holds its permit as long as it lives, and no longer."""
    async with upstream() as port, gateway(port, policies=[ConcurrencyLimit(2)]) as (served, url):
        first, second = await joined(url), await joined(url)
        with pytest.raises(InvalidStatus) as raised:
            await joined(url)
        assert raised.value.response.status_code == 503
        assert "retry-after" in raised.value.response.headers
        await first.close()
        await until(lambda: served.under_way == 1)
        async with joined(url) as third:
            await third.send("a")
            assert await third.recv() == "a"
        second.transport.abort()
        await until(lambda: served.under_way == 0)
        async with joined(url), joined(url):
            pass


async def test_a_deadline_is_for_the_handshake() -> None:
    go = asyncio.Event()

    async def slow(connection: ServerConnection, request: Any) -> None:
        if request.path == "/slow":
            await go.wait()

    loop = asyncio.get_running_loop()
    async with upstream(process_request=slow) as port, gateway(port, policies=[Timeout(0.2)]) as (_, url):
        async with joined(url) as client:
            began = loop.time()
            with pytest.raises(InvalidStatus) as raised:
                await joined(f"{url}/slow")
            assert raised.value.response.status_code == 504
            assert loop.time() - began >= 0.19
            await client.send("still here")
            assert await client.recv() == "still here"
        go.set()


async def test_an_endpoint_that_refuses() -> None:
    """It is another one's turn, whichever was asked first."""
    retry = Retry(on=["reset"], attempts=2)
    async with upstream() as port, gateway(closed_port(), port, policies=[retry]) as (_, url):
        for _ in range(4):
            async with joined(url) as client:
                await client.send("a")
                assert await client.recv() == "a"


async def test_nobody_is_there() -> None:
    async with gateway(closed_port()) as (_, url):
        with pytest.raises(InvalidStatus) as raised:
            await joined(url)
        answer = raised.value.response
        assert answer.status_code == 502
        assert "connection_refused" in answer.headers["proxy-status"]


@pytest.mark.parametrize("by", ["split", "rollout", "balancer"])
async def test_a_cookie_that_is_set_when_it_is_let_in(by: str) -> None:
    """It leads to the same upstream the next time."""

    def names(name: str) -> Any:
        async def says(connection: ServerConnection) -> None:
            await connection.send(name)
            await connection.wait_closed()

        return says

    async with upstream(names("one")) as first, upstream(names("two")) as second:
        one, two = Cluster("one", [f"127.0.0.1:{first}"]), Cluster("two", [f"127.0.0.1:{second}"])
        both = Cluster("both", [*one.endpoints, *two.endpoints], balancer=Sticky(cookie="session"))
        to: Any = both
        if by == "split":
            to = Split(Branch(one, 50), Branch(two, 50), cookie="session")
        elif by == "rollout":
            to = Rollout(one, two, steps=[0.5], cookie="session")
        mesh = Mesh(clusters=[one, two, both], routes=[Route(Match(), to)])
        async with serving(Gateway(mesh)) as (_, url):
            async with joined(url) as client:
                name = await client.recv()
                assert client.response is not None
                [line] = client.response.headers.get_all("set-cookie")
            for _ in range(6):
                async with joined(url, additional_headers={"Cookie": line.partition(";")[0]}) as client:
                    assert await client.recv() == name
