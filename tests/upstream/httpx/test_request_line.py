"""Where does a request go, and what does its first line say?

Behaviours of httpx's quickstart (methods, parameters in URLs), of its page on extensions (``target``) and of
RFC 9112, section 3, as its published tests hold them.
"""

from __future__ import annotations

import socket

import pytest

from .sides import Side, named
from .stand_ins import Origin

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE", "M-SEARCH"]


async def test_the_method_is_the_callers(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for method in METHODS:
            assert (await client.request(method, origin.url + "/a")).status_code == 200
    assert [asked.line for asked in origin.asked] == [f"{method} /a HTTP/1.1".encode() for method in METHODS]


async def test_the_shortcuts_of_a_client(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for name in ["get", "options", "head", "post", "put", "patch", "delete"]:
            await getattr(client, name)(origin.url)
    methods = [asked.method for asked in origin.asked]
    assert methods == [b"GET", b"OPTIONS", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE"]


async def test_a_method_in_small_letters_is_sent_in_capitals(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.request("get", origin.url)
    assert origin.asked[0].method == b"GET"


TARGETS = [
    ("", b"/"),
    ("/", b"/"),
    ("/a/b", b"/a/b"),
    ("/a?b=c", b"/a?b=c"),
    ("?b=c", b"/?b=c"),
    ("/a?", b"/a?"),
    ("/a?b=c&b=d", b"/a?b=c&b=d"),
    ("/a#part", b"/a"),
    ("/with space", b"/with%20space"),
    ("/%2Fa%20b", b"/%2Fa%20b"),
    ("/\u00fc?\u00fc=\u00fc", b"/%C3%BC?%C3%BC=%C3%BC"),
    ("/a/../b/./c", b"/b/c"),
    ("//a", b"//a"),
    ("/a;b=c,d", b"/a;b=c,d"),
    ("/test^path", b"/test^path"),  # the page on extensions says %5E; neither library does
    ("/" + "x" * 20_000, b"/" + b"x" * 20_000),
]


async def test_the_target_is_the_path_and_the_query(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for given, _ in TARGETS:
            await client.get(origin.url + given)
    assert [asked.target for asked in origin.asked] == [sent for _, sent in TARGETS]


async def test_params_become_the_query(side: Side) -> None:
    async with Origin() as origin, side.client(params={"of": "client"}) as client:
        await client.get(origin.url + "/a", params={"one": 1, "two": ["x", "y z"]})
    assert origin.asked[0].target == b"/a?of=client&one=1&two=x&two=y+z"


async def test_the_extension_target_is_sent_as_it_is(side: Side) -> None:
    targets = [b"/test^path", b"*", b"http://elsewhere/absolute", b"/a%zz"]
    async with Origin() as origin, side.client() as client:
        for target in targets:
            await client.get(origin.url + "/a?b=c", extensions={"target": target})
    assert [asked.line for asked in origin.asked] == [b"GET " + target + b" HTTP/1.1" for target in targets]
    assert {asked.values(b"host")[0] for asked in origin.asked} == {origin.netloc.encode()}


async def test_a_target_given_as_text(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.get(origin.url, extensions={"target": "/text"})
    assert origin.asked[0].target == b"/text"


async def test_connect_may_name_a_target(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.request("CONNECT", origin.url, extensions={"target": b"elsewhere:443"})
    assert origin.asked[0].line == b"CONNECT elsewhere:443 HTTP/1.1"


async def test_a_target_that_would_break_the_line_is_refused(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for target in [b"/with space", b"/a\r\nX: y", b"/nul\x00", b"/\x7f", b""]:
            with pytest.raises(side.lib.LocalProtocolError) as raised:
                await client.get(origin.url, extensions={"target": target})
            assert str(raised.value.request.url) == origin.url
    assert origin.asked == []


# The field Host.


async def test_host_names_host_and_port(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.get(origin.url)
        await client.get(f"http://localhost:{origin.port}")
    assert [asked.values(b"host") for asked in origin.asked] == [
        [origin.netloc.encode()],
        [f"localhost:{origin.port}".encode()],
    ]


async def test_host_is_the_callers_if_given(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for name in ["Host", "host", "HOST"]:
            await client.get(origin.url, headers={name: "elsewhere.example"})
    assert [asked.values(b"host") for asked in origin.asked] == [[b"elsewhere.example"]] * 3


async def test_hosts_of_other_names_do_not_share_connections(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for host in ["127.0.0.1", "localhost", "127.0.0.1", "localhost"]:
            await client.get(f"http://{host}:{origin.port}")
    assert origin.connections == 2


async def test_host_names_are_alike_in_small_and_capital_letters(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.get(f"http://localhost:{origin.port}")
        await client.get(f"http://LOCALHOST:{origin.port}")
    assert [asked.values(b"host") for asked in origin.asked] == [[f"localhost:{origin.port}".encode()]] * 2
    assert origin.connections == 1


async def test_the_default_ports(side: Side) -> None:
    """Who knows whether somebody listens there: it is asked where the client would go."""

    class Stopped(Exception):
        pass

    going = []

    async def trace(name: str, info: dict[str, object]) -> None:
        going.append((name, info["host"], info["port"]))
        raise Stopped

    async with side.client() as client:
        for url in ["http://localhost/", "http://localhost:80/", "https://localhost/", "https://localhost:443"]:
            assert client.build_request("GET", url).headers["host"] == "localhost"
            with pytest.raises(Stopped):
                await client.get(url, extensions={"trace": trace})
    started = "connection.connect_tcp.started"
    assert going == [(started, "localhost", 80)] * 2 + [(started, "localhost", 443)] * 2


def ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_a_literal_of_ipv6(side: Side) -> None:
    if not ipv6():
        pytest.xfail("no loopback of IPv6 here")
    async with Origin(host="::1") as origin, side.client() as client:
        response = await client.get(origin.url)
        assert response.status_code == 200
    assert origin.asked[0].values(b"host") == [f"[::1]:{origin.port}".encode()]


async def test_a_name_beyond_ascii(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []

    async def lookup(name: str, port: int) -> list[str]:
        looked_up.append(name)
        return ["127.0.0.1"]

    named(lookup, monkeypatch)
    async with Origin() as origin, side.client() as client:
        await client.get(f"http://b\u00fccher.test:{origin.port}/")
    assert looked_up == ["xn--bcher-kva.test"]
    assert origin.asked[0].values(b"host") == [f"xn--bcher-kva.test:{origin.port}".encode()]


async def test_a_user_in_the_url_becomes_basic_authentication(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.get(f"http://user%40a:pass@{origin.netloc}/")
    [asked] = origin.asked
    assert asked.target == b"/"
    assert asked.values(b"host") == [origin.netloc.encode()]
    assert asked.values(b"authorization") == [b"Basic dXNlckBhOnBhc3M="]


# What cannot be sent anywhere.


async def test_an_url_without_a_scheme_or_a_host(side: Side) -> None:
    """A client joins what is relative to its ``base_url``, here to nothing."""
    shown = {
        "ftp://127.0.0.1/": "ftp://127.0.0.1/",
        "invalid://127.0.0.1": "invalid://127.0.0.1",
        "://127.0.0.1": "/",
        "127.0.0.1": "/127.0.0.1",
        "/only/a/path": "/only/a/path",
        "http://": "/",
        "https://": "/",
    }
    async with side.client() as client:
        for url, said in shown.items():
            with pytest.raises(side.lib.UnsupportedProtocol) as raised:
                await client.get(url)
            assert str(raised.value.request.url) == said


async def test_an_url_without_a_host_given_to_the_transport_itself(side: Side) -> None:
    async with side.transport() as transport:
        for url in ["http://", "https:///path", "http:/path"]:
            request = side.lib.Request("GET", url)
            with pytest.raises(side.lib.TransportError) as raised:
                await transport.handle_async_request(request)
            assert type(raised.value) is side.lib.ConnectError


async def test_an_url_that_is_none(side: Side) -> None:
    async with side.client() as client:
        for url in ["http://a:b", "http://[::1", "http://\x00"]:
            with pytest.raises(side.lib.InvalidURL):
                await client.get(url)


async def test_a_port_that_no_socket_has(side: Side) -> None:
    """The library lets an `OverflowError` of the socket out, in a group; nobody would expect that."""
    async with side.client() as client:
        with pytest.raises(side.of(ExceptionGroup, side.lib.ConnectError)):
            await client.get("http://127.0.0.1:65537")


async def test_the_scheme_of_websockets_is_http(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        response = await client.get(f"ws://{origin.netloc}/chat")
    assert (response.status_code, origin.asked[0].target) == (200, b"/chat")
