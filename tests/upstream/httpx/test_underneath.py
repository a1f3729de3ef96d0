"""Where the pool does not speak the language, does the library's own transport do it underneath?

Behaviours of httpx's pages on proxies and on HTTP/2: the arguments are handed on, and the answers handed back.
"""

from __future__ import annotations

from typing import Any

import anyio
import h2.config
import h2.connection
import h2.events
import pytest

from .authority import Authority
from .sides import Side
from .stand_ins import OK, Gone, Origin, Peer, says

# Proxies.


def forwarding(origin: Origin, peer: Peer) -> Any:
    """What a forward proxy does: absolute targets for http, tunnels by CONNECT."""
    return _forward(origin, peer)


async def _forward(origin: Origin, peer: Peer) -> None:
    while True:
        origin.asked.append(asked := await peer.head())
        if asked.method != b"CONNECT":
            await peer.send(OK)
            continue
        host, _, port = asked.target.decode().rpartition(":")
        async with await anyio.connect_tcp(host, int(port)) as through, anyio.create_task_group() as tasks:
            await peer.send(b"HTTP/1.1 200 Established\r\n\r\n")

            async def back() -> None:
                async for data in through:
                    await peer.send(data)

            tasks.start_soon(back)
            try:
                while True:
                    await peer.more()
                    data, peer.buffer = peer.buffer, b""
                    await through.send(data)
            except Gone:
                tasks.cancel_scope.cancel()
        return


@pytest.mark.parametrize("given", ["text", "object"])
async def test_http_through_a_proxy(side: Side, given: str) -> None:
    async with Origin(forwarding) as proxy:
        url = proxy.url.replace("http://", "http://user:pass@")
        async with side.client(side.transport(proxy=url if given == "text" else side.lib.Proxy(url))) as client:
            assert (await client.get("http://elsewhere.test/a?b=c")).content == b"ok"
    [asked] = proxy.asked
    assert asked.target == b"http://elsewhere.test/a?b=c"
    assert asked.values(b"host") == [b"elsewhere.test"]
    assert asked.values(b"proxy-authorization") == [b"Basic dXNlcjpwYXNz"]


async def test_https_through_a_proxy(side: Side, authority: Authority) -> None:
    server = authority.serving("127.0.0.1")
    trusting = authority.trusting()
    async with (
        Origin(tls=server) as origin,
        Origin(forwarding) as proxy,
        side.client(side.transport(proxy=proxy.url, verify=trusting)) as client,
    ):
        assert (await client.get(origin.url + "/a")).content == b"ok"
    assert proxy.asked[0].line == f"CONNECT {origin.netloc} HTTP/1.1".encode()
    assert origin.asked[0].target == b"/a"


async def test_a_proxy_that_says_no(side: Side) -> None:
    async with (
        Origin(says(b"HTTP/1.1 407 Who?\r\nContent-Length: 0\r\n\r\n")) as proxy,
        side.client(side.transport(proxy=proxy.url)) as client,
    ):
        with pytest.raises(side.lib.ProxyError, match="407"):
            await client.get("https://elsewhere.test/")


async def test_a_proxy_of_an_unknown_kind(side: Side) -> None:
    with pytest.raises(ValueError, match="scheme"):
        side.transport(proxy="ftp://127.0.0.1/")


async def test_a_proxy_from_the_environment(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client mounts the library's own transport for it; the pool stays for what goes past the proxy."""
    async with Origin(forwarding) as proxy, Origin() as origin:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with side.client(trust_env=True) as client:
            assert (await client.get(origin.url)).content == b"ok"
    assert (proxy.connections, origin.connections) == (0, 1)


# HTTP/2.


async def test_http_2_where_the_server_speaks_none(side: Side, authority: Authority) -> None:
    server = authority.serving("127.0.0.1")
    server.set_alpn_protocols(["http/1.1"])
    trusting = authority.trusting()
    async with Origin(tls=server) as origin, side.client(side.transport(http2=True, verify=trusting)) as client:
        response = await client.get(origin.url)
    assert (response.http_version, response.content) == ("HTTP/1.1", b"ok")


async def test_http_2(side: Side, authority: Authority) -> None:
    server = authority.serving("127.0.0.1")
    server.set_alpn_protocols(["h2"])
    trusting = authority.trusting()

    async def play(origin: Origin, peer: Peer) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        while True:
            await peer.send(state.data_to_send())
            await peer.more()
            data, peer.buffer = peer.buffer, b""
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    state.send_headers(event.stream_id, [(":status", "200")])
                    state.send_data(event.stream_id, b"two", end_stream=True)

    async with (
        Origin(play, tls=server) as origin,
        side.client(side.transport(http2=True, verify=trusting)) as client,
    ):
        response = await client.get(origin.url)
    assert (response.http_version, response.content) == ("HTTP/2", b"two")
    assert response.extensions["stream_id"] == 1
