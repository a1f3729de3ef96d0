"""Do the ways of a client hold over it? Redirects, cookies, hooks, base URLs, mounts, closing.

Behaviours of httpx's quickstart and of its pages on clients, event hooks and transports.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from .sides import Side
from .stand_ins import Origin, Peer, always, answered, site

# Redirects: each hop is a request of its own.


async def test_redirects_are_followed_if_wanted(side: Side) -> None:
    pages = {
        b"/a": answered(b"302 Found", b"Location: /b", body=b"elsewhere"),
        b"/b": answered(b"301 Moved", b"Location: /c?d=e"),
    }
    async with Origin(site(pages)) as origin, side.client() as client:
        first = await client.get(origin.url + "/a")
        assert (first.status_code, first.has_redirect_location, first.content) == (302, True, b"elsewhere")
        assert first.next_request.url.path == "/b"
        last = await client.get(origin.url + "/a", follow_redirects=True)
    assert (last.status_code, last.content, str(last.url)) == (200, b"ok", origin.url + "/c?d=e")
    assert [response.status_code for response in last.history] == [302, 301]
    assert [asked.target for asked in origin.asked] == [b"/a", b"/a", b"/b", b"/c?d=e"]
    assert origin.connections == 1


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (b"301 M", b"GET", b""),
        (b"302 F", b"GET", b""),
        (b"303 S", b"GET", b""),
        (b"307 T", b"POST", b"x"),
        (b"308 P", b"POST", b"x"),
    ],
)
async def test_what_a_redirect_makes_of_a_post(side: Side, status: bytes, method: bytes, body: bytes) -> None:
    pages = {b"/a": answered(status, b"Location: /b")}
    async with Origin(site(pages)) as origin, side.client(follow_redirects=True) as client:
        await client.post(origin.url + "/a", content=b"x")
    asked = origin.asked[-1]
    assert (asked.method, asked.target, asked.body) == (method, b"/b", body)


async def test_a_redirect_to_another_origin(side: Side) -> None:
    async with Origin() as other:
        pages = {b"/a": answered(b"302 Found", b"Location: " + other.url.encode() + b"/b")}
        async with Origin(site(pages)) as origin, side.client(follow_redirects=True) as client:
            response = await client.get(origin.url + "/a", headers={"Authorization": "secret", "X-Mine": "1"})
    assert str(response.url) == other.url + "/b"
    [asked] = other.asked
    assert asked.values(b"host") == [other.netloc.encode()]
    assert asked.values(b"x-mine") == [b"1"]
    assert asked.values(b"authorization") == []


async def test_redirects_without_end(side: Side) -> None:
    pages = {b"/a": answered(b"302 Found", b"Location: /a")}
    async with Origin(site(pages)) as origin, side.client(follow_redirects=True, max_redirects=3) as client:
        with pytest.raises(side.lib.TooManyRedirects) as raised:
            await client.get(origin.url + "/a")
        assert raised.value.request.url.path == "/a"
        assert (await client.get(origin.url)).content == b"ok"
    assert len(origin.asked) == 5
    assert origin.connections == 1


async def test_a_redirect_to_nowhere(side: Side) -> None:
    pages = {
        b"/a": answered(b"302 Found", b"Location: https://\xf0\x9f\x98\x87/"),
        b"/b": answered(b"302 Found", b"Location: ftp://a/"),
    }
    async with Origin(site(pages)) as origin, side.client(follow_redirects=True) as client:
        with pytest.raises(side.lib.RemoteProtocolError):
            await client.get(origin.url + "/a")
        with pytest.raises(side.lib.UnsupportedProtocol):
            await client.get(origin.url + "/b")


# Cookies.


async def test_cookies_are_kept_and_sent(side: Side) -> None:
    pages = {
        b"/set": answered(b"200 OK", b"Set-Cookie: a=1", b"Set-Cookie: b=2; Path=/deep", b"Set-Cookie: c=3; Max-Age=0")
    }
    async with Origin(site(pages)) as origin, side.client(cookies={"mine": "0"}) as client:
        response = await client.get(origin.url + "/set")
        assert dict(response.cookies)["a"] == "1"
        await client.get(origin.url)
        await client.get(origin.url + "/deep/er")
    sent = [sorted(b"".join(asked.values(b"cookie")).split(b"; ")) for asked in origin.asked]
    assert sent == [[b"mine=0"], [b"a=1", b"mine=0"], [b"a=1", b"b=2", b"mine=0"]]


async def test_cookies_set_by_a_redirect(side: Side) -> None:
    pages = {b"/login": answered(b"303 S", b"Location: /", b"Set-Cookie: session=x")}
    async with Origin(site(pages)) as origin, side.client(follow_redirects=True) as client:
        await client.post(origin.url + "/login")
    assert origin.asked[-1].values(b"cookie") == [b"session=x"]


# Hooks.


async def test_hooks_are_called_around_each_hop(side: Side) -> None:
    seen: list[str] = []

    async def before(request: Any) -> None:
        seen.append(f"> {request.url.path}")
        request.headers["X-Hook"] = "1"

    async def after(response: Any) -> None:
        seen.append(f"< {response.status_code} {'closed' if response.is_closed else 'open'}")

    async def reads(response: Any) -> None:
        seen.append((await response.aread()).decode())

    pages = {b"/a": answered(b"302 Found", b"Location: /b", body=b"moved")}
    hooks = {"request": [before], "response": [after, reads]}
    async with Origin(site(pages)) as origin, side.client(event_hooks=hooks, follow_redirects=True) as client:
        await client.get(origin.url + "/a")
    assert seen == ["> /a", "< 302 open", "moved", "> /b", "< 200 open", "ok"]
    assert all(asked.values(b"x-hook") == [b"1"] for asked in origin.asked)


async def test_a_hook_that_raises_gives_the_connection_back(side: Side) -> None:
    async def strict(response: Any) -> None:
        response.raise_for_status()

    limits = side.lib.Limits(max_connections=1)
    pages = {b"/bad": answered(b"500 Oh", body=b"no")}
    async with (
        Origin(site(pages)) as origin,
        side.client(side.transport(limits=limits), event_hooks={"response": [strict]}) as client,
    ):
        for _ in range(3):
            with pytest.raises(side.lib.HTTPStatusError):
                await client.get(origin.url + "/bad")
        assert (await client.get(origin.url, timeout=5)).content == b"ok"


# Base URLs and mounts.


async def test_base_url(side: Side) -> None:
    async with Origin() as origin, side.client(base_url=origin.url + "/v1") as client:
        await client.get("users?id=1")
        await client.get("/users")
        await client.get(origin.url + "/elsewhere")
    assert [asked.target for asked in origin.asked] == [b"/v1/users?id=1", b"/v1/users", b"/elsewhere"]


async def test_mounts(side: Side) -> None:
    def mocked(request: Any) -> Any:
        return side.lib.Response(200, text="mocked")

    default = side.lib.MockTransport(mocked)
    async with Origin() as origin:
        mounts = {f"http://127.0.0.1:{origin.port}": side.transport(), "all://mocked": default}
        async with side.client(default, mounts=mounts) as client:
            assert (await client.get(origin.url)).text == "ok"
            assert (await client.get("http://elsewhere/")).text == "mocked"
        await origin.quiet()


async def test_a_transport_wrapped_in_another(side: Side) -> None:
    class Wrapper(side.lib.AsyncBaseTransport):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.inside = side.transport()

        async def handle_async_request(self, request: Any) -> Any:
            request.headers["X-Wrapped"] = "1"
            return await self.inside.handle_async_request(request)

        async def aclose(self) -> None:
            await self.inside.aclose()

    async with Origin() as origin:
        async with side.client(Wrapper()) as client:
            assert (await client.get(origin.url)).text == "ok"
        await origin.quiet()
    assert origin.asked[0].values(b"x-wrapped") == [b"1"]


# Opening and closing.


async def test_a_client_closes_its_connections(side: Side) -> None:
    async with Origin() as origin:
        async with side.client() as client:
            assert not client.is_closed
            await client.get(origin.url)
            assert origin.open == 1
        assert client.is_closed
        await origin.quiet()
        with pytest.raises(RuntimeError):
            await client.get(origin.url)


async def test_a_client_without_a_block(side: Side) -> None:
    async with Origin() as origin:
        client = side.client()
        await client.get(origin.url)
        await client.aclose()
        await client.aclose()
        await origin.quiet()


async def test_a_client_closed_unused(side: Side) -> None:
    async with side.client():
        pass
    await side.transport().aclose()


async def test_a_transport_is_closed_as_often_as_one_likes(side: Side) -> None:
    async with Origin() as origin:
        async with side.transport() as transport:
            response = await transport.handle_async_request(side.lib.Request("GET", origin.url))
            await response.aread()
        await transport.aclose()
        await transport.aclose()
        await origin.quiet()


async def test_a_closed_transport_opens_again(side: Side) -> None:
    """Httpcore's pool forgets its connections and goes on; a transport that is shared depends on that."""
    async with Origin() as origin:
        transport = side.transport()
        for _ in range(2):
            response = await transport.handle_async_request(side.lib.Request("GET", origin.url))
            await response.aread()
            await transport.aclose()
        await origin.quiet()
    assert origin.connections == 2


async def silent(origin: Origin, peer: Peer) -> None:
    origin.asked.append(await peer.head())
    origin.changed()
    await peer.gone()


async def test_closing_while_calls_are_under_way(side: Side) -> None:
    """Their connections are closed under them, and they are told so."""
    async with Origin(silent) as origin:
        client = side.client()
        outcomes: list[str] = []

        async def call() -> None:
            try:
                await client.get(origin.url)
            except side.lib.TransportError as error:
                outcomes.append(type(error).__name__)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(call)
            await origin.until(lambda: len(origin.asked) == 3)
            await client.aclose()
        await origin.quiet()
    assert outcomes == ["ReadError"] * 3


async def test_closing_while_a_call_waits_for_its_turn(side: Side) -> None:
    """The library goes on and opens a connection that nobody closes any more; from the pool the call learns of it."""
    limits = side.lib.Limits(max_connections=1)
    async with Origin(silent, always()) as origin:
        client = side.client(side.transport(limits=limits))
        outcomes: dict[str, str] = {}

        async def call(name: str) -> None:
            try:
                outcomes[name] = (await client.get(origin.url)).text
            except side.lib.TransportError as error:
                outcomes[name] = type(error).__name__

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call, "first")
            await origin.until(lambda: len(origin.asked) == 1)
            tasks.start_soon(call, "second")
            await anyio.wait_all_tasks_blocked()
            await client.aclose()
        await client._transport.aclose()
        await origin.quiet()
    assert outcomes == {"first": "ReadError", "second": side.of("ok", "ConnectError")}


async def test_entering_gives_the_transport_itself(side: Side) -> None:
    transport = side.transport()
    async with transport as entered:
        assert entered is transport
