"""Which fields go on, and which come back? As the upstream has them on its socket, and a client its answer."""

from __future__ import annotations

import re
from typing import Any

import pytest

from meshkit import RateLimit
from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite

from ..upstream.rogue import OK, answers
from .visiting import ASYNCIO, EMPTY, Visitor, answer, echoing, gate, part, said, visit

pytestmark = ASYNCIO
PROXY = {"trusted": ["192.0.2.0/24"]}
"""The client's own address is 192.0.2.7."""
RFC = {**PROXY, "forwarded": "forwarded"}


async def sent(*fields: tuple[str, str], listener: dict[str, Any] = {}, **more: Any) -> dict[str, list[str]]:  # noqa: B006
    """What a request with these fields is sent on with."""
    options = more.pop("options", {})
    script = echoing()
    async with gate(script, listener=listener, **options) as (gateway, _):
        visitor = await visit(gateway, "/a", *fields, **more)
        assert visitor.status == 200, visitor.sent
    found: dict[str, list[str]] = {}
    for name, value in said(script.heads[-1]):
        found.setdefault(name, []).append(value)
    return found


async def refused(*fields: tuple[str, str], **more: Any) -> int:
    async with gate(**more) as (gateway, upstream):
        visitor = await visit(gateway, "/a", *fields)
        assert upstream.peers == []
    return visitor.status


# Hop by hop.


async def test_what_is_of_one_connection_goes_no_further() -> None:
    found = await sent(
        ("connection", "keep-alive, X-Mine ,close"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("proxy-authorization", "Basic eDp5"),
        ("proxy-authenticate", "Basic"),
        ("upgrade", "h2c"),
        ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("trailer", "x-sum"),
        ("te", "gzip"),
        ("x-mine", "1"),
        ("x-other", "2"),
        ("x-other", "3"),
    )
    assert found.pop("x-request-id")
    assert found == {
        "host": ["shop.example"],
        "x-other": ["2", "3"],
        "x-forwarded-for": ["192.0.2.7"],
        "x-forwarded-proto": ["http"],
        "x-forwarded-host": ["shop.example"],
        "via": ["1.1 meshkit"],
    }


async def test_what_connection_names_is_no_other_kind_of_field_from_then_on() -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        for _ in range(2):
            await visit(gateway, "/a", ("connection", "te, keep-alive, upgrade, x-user"), ("te", "x"), ("x-user", "a"))
    assert not {name for name, _ in said(script.heads[-1])} & {"te", "keep-alive", "upgrade", "x-user"}


async def test_te_trailers_is_said_anew() -> None:
    found = await sent(("te", "Trailers, deflate;q=0.5"), ("connection", "TE"))
    assert (found["te"], found["connection"]) == (["trailers"], ["te"])


@pytest.mark.parametrize(
    ("name", "value"),
    [("authorization", "Bearer x"), ("cookie", "a=b"), ("x-request-id", "mine"), ("cache-control", "no-store")],
)
async def test_connection_names_nothing_away_that_others_rely_on(name: str, value: str) -> None:
    found = await sent(("connection", f"close, {name.title()}, host, via, x-forwarded-for"), (name, value))
    assert found[name] == [value]
    assert (found["host"], found["x-forwarded-for"], found["via"]) == (["shop.example"], ["192.0.2.7"], ["1.1 meshkit"])


async def test_the_answers_own_connection_is_not_the_clients() -> None:
    script = answers(
        answer(
            b"ok",
            "Connection: Keep-Alive, X-Hop, set-cookie, Cache-Control",
            "Keep-Alive: timeout=5",
            "Proxy-Authenticate: Basic",
            "Proxy-Connection: keep-alive",
            "Trailer: x-sum",
            "Upgrade: h2c",
            "X-Hop: 1",
            "Set-Cookie: a=1",
            "Set-Cookie: b=2",
            "Cache-Control: private",
            "X-Kept: 1",
        )
    )
    async with gate(script) as (gateway, _):
        visitor = await visit(gateway)
    assert visitor.fields == [
        (b"cache-control", b"private"),
        (b"x-kept", b"1"),
        (b"content-length", b"2"),
    ]


async def test_every_cookie_of_an_answer_comes_back_in_a_field_of_its_own() -> None:
    async with gate(answers(answer(b"ok", "Set-Cookie: a=1", "SET-COOKIE: b=2"))) as (gateway, _):
        visitor = await visit(gateway)
    assert visitor.fields[:2] == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]


# Who the client is.


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("testclient", "unknown"),
    ],
)
async def test_a_strangers_word_on_itself_is_thrown_away(peer: str, address: str) -> None:
    said = [
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", "203.0.113.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1"),
        ("x-forwarded-scheme", "https"),
        ("x-forwarded", "for=1.2.3.4"),
        ("x-real-ip", "203.0.113.3"),
        ("forwarded", "for=203.0.113.4"),
    ]
    found = await sent(*said, client=(peer, 1))
    assert found["x-forwarded-for"] == [address]
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == (["http"], ["shop.example"])
    assert not found.keys() & {"x-real-ip", "forwarded", "x-forwarded", "x-forwarded-port", "x-forwarded-scheme"}


async def test_a_trusted_peers_word_is_continued() -> None:
    found = await sent(
        ("x-forwarded-for", "203.0.113.1"),
        ("x-forwarded-for", " 203.0.113.2:80"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example"),
        ("x-real-ip", "203.0.113.3"),
        ("forwarded", "for=203.0.113.4"),
        listener=PROXY,
    )
    assert found["x-forwarded-for"] == ["203.0.113.1,  203.0.113.2:80, 192.0.2.7"]
    assert (found["x-forwarded-proto"], found["x-forwarded-host"]) == (["https"], ["www.example"])
    assert not found.keys() & {"forwarded", "x-real-ip"}


@pytest.mark.parametrize(
    ("peer", "before", "after"),
    [
        ("192.0.2.7", ["for=203.0.113.1"], "for=203.0.113.1, for=192.0.2.7;host=shop.example;proto=http"),
        ("192.0.2.7", [], "for=192.0.2.7;host=shop.example;proto=http"),
        ("192.0.2.7", ["for=a", "for=b"], "for=a, for=b, for=192.0.2.7;host=shop.example;proto=http"),
        ("2001:db8::7", ["for=203.0.113.1"], 'for="[2001:db8::7]";host=shop.example;proto=http'),
        ("testclient", ["for=203.0.113.1"], "for=unknown;host=shop.example;proto=http"),
    ],
)
async def test_forwarded_instead(peer: str, before: list[str], after: str) -> None:
    fields = [("forwarded", each) for each in before]
    found = await sent(*fields, ("x-forwarded-for", "203.0.113.9"), listener=RFC, client=(peer, 1))
    assert found["forwarded"] == [after]
    assert not [name for name in found if name.startswith("x-forwarded")]


async def test_a_port_of_the_host_is_quoted_in_forwarded() -> None:
    found = await sent(("host", "[2001:DB8::1]:8080"), listener=RFC)
    assert found["forwarded"] == ['for=192.0.2.7;host="[2001:db8::1]:8080";proto=http']


@pytest.mark.parametrize("trusted", [["unix"], ["10.0.0.0/8"]])
async def test_behind_a_unix_socket_there_is_no_peer(trusted: list[str]) -> None:
    found = await sent(("x-forwarded-for", "203.0.113.1"), listener={"trusted": trusted}, client=None)
    assert found.get("x-forwarded-for") == (["203.0.113.1"] if trusted == ["unix"] else None)


async def test_the_key_of_a_limit_is_the_client_behind_the_proxies() -> None:
    """Read from the right, as everywhere: whoever stands left of the first stranger is anybody's invention."""
    async with gate(answers(OK, OK), outside=[RateLimit("1/h", key="client")], listener=PROXY) as (gateway, _):
        statuses = [
            (await visit(gateway, "/a", ("x-forwarded-for", line))).status
            for line in ("198.51.100.1, 203.0.113.1, 192.0.2.9", "198.51.100.2, 203.0.113.1", "203.0.113.2")
        ]
    assert statuses == [200, 429, 200]


async def test_identity_is_a_trusted_peers_to_say() -> None:
    said = [
        ("x-forwarded-client-cert", "Hash=1"),
        ("x-envoy-internal", "true"),
        ("X-User".lower(), "admin"),
        ("x-auth-request-email", "a@b"),
        ("x_user", "admin"),
        ("x-forwarded_client-cert", "Hash=1"),
        ("x-mine", "1"),
    ]
    names = {name for name, _ in said} - {"x-mine"}
    found = await sent(*said)
    assert found["x-mine"] == ["1"]
    assert not found.keys() & names
    found = await sent(*said, listener=PROXY)
    assert found.keys() & names == names - {"x_user", "x-forwarded_client-cert"}


async def test_whose_identity_it_is_may_be_said() -> None:
    listener = {"identity": ["x-team", "x-sso-*"]}
    found = await sent(("x-team", "a"), ("x-sso-user", "b"), ("x_sso_user", "b"), ("x-user", "c"), listener=listener)
    assert not found.keys() & {"x-team", "x-sso-user", "x_sso_user"}
    assert found["x-user"] == ["c"]


async def test_connection_names_no_identity_away_however_many_names_there_were() -> None:
    script = echoing()
    async with gate(script, listener=PROXY) as (gateway, _):
        for k in range(20):
            await visit(gateway, "/a", *((f"x-{k}-{n}", "1") for n in range(80)))
        await visit(gateway, "/a", ("connection", "x-user, x-mine"), ("x-user", "anna"), ("x-mine", "1"))
    assert (script.field("x-user"), script.field("x-mine")) == ("anna", None)


@pytest.mark.parametrize("before", [(), ("content-language",)])
async def test_a_name_with_underscores_is_let_through_whatever_came_before(before: tuple[str, ...]) -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        await visit(gateway, "/a", *((name, "1") for name in before))
        await visit(
            gateway, "/a", ("content_language", "de"), ("transfer_encoding", "chunked"), ("content_length", "1")
        )
    assert script.field("content_language") == "de"
    assert script.field("transfer_encoding") is None
    assert script.field("content_length") is None


# What is said on the way.


async def test_via_is_continued() -> None:
    found = await sent(("via", "1.0 fred"), ("via", "2 p.example.net"), http_version="1.0")
    assert found["via"] == ["1.0 fred, 2 p.example.net, 1.0 meshkit"]
    found = await sent(("via", "1.0 fred"), options={"via": None})
    assert found["via"] == ["1.0 fred"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["a1-B2._~+/=:@"], True),
        (["x" * 128], True),
        (["x" * 129], False),
        (['a"b'], False),
        (["a b"], False),
        ([""], False),
        (["a", "b"], False),
        ([], False),
    ],
)
async def test_a_request_has_an_id(given: list[str], kept: bool) -> None:
    found = await sent(*(("x-request-id", each) for each in given))
    [id_] = found["x-request-id"]
    assert (id_ == given[0]) if kept else re.fullmatch("[0-9a-f]{32}", id_)


async def test_the_id_has_the_name_one_likes_or_none() -> None:
    found = await sent(options={"request_id": "X-Trace"})
    assert "x-trace" in found
    assert "x-request-id" not in found
    assert "x-request-id" not in await sent(options={"request_id": None})


async def test_a_trace_goes_on_as_it_came() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    found = await sent(("traceparent", trace), ("tracestate", "a=1"), ("baggage", "k=v"))
    assert (found["traceparent"], found["tracestate"], found["baggage"]) == ([trace], ["a=1"], ["k=v"])


async def test_what_is_left_of_a_deadline_is_said() -> None:
    found = await sent(("x-request-deadline-ms", "5000"), ("grpc-timeout", "9S"))
    [left] = found["x-request-deadline-ms"]
    assert 1000 < int(left) <= 5000
    assert "grpc-timeout" not in found
    assert "x-request-deadline-ms" not in await sent()


# The host.


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("Shop.Example", "shop.example"),
        ("SHOP.example:8080", "shop.example:8080"),
        ("shop.example.", "shop.example"),
        ("shop.example:", "shop.example"),
        ("[2001:DB8:0::1]:80", "[2001:db8::1]:80"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
async def test_the_host_is_in_one_form_in_which_it_was_routed(host: str, form: str) -> None:
    bare = form if form.endswith("]") else re.sub(":[0-9]+$", "", form)
    script = echoing()
    async with gate(script, match=Match(host=bare)) as (gateway, _):
        assert (await visit(gateway, "/a", ("host", host))).status == 200
    assert script.field("host") == form
    assert said(script.heads[-1])[0] == ("host", form)


@pytest.mark.parametrize(
    "host", ["", "a b", "a/b", "a@b", "a\\b", "shop:99999", "shop:x", "[::1", "x" * 300, "sh\xf6p", "a,b", "a..b"]
)
async def test_a_host_that_is_none_is_refused(host: str) -> None:
    assert await refused(("host", host)) == 400


async def test_two_hosts_are_refused() -> None:
    assert await refused(("host", "shop.example"), ("host", "shop.example")) == 400


async def test_none_is_refused() -> None:
    async with gate() as (gateway, upstream):
        visitor = Visitor()
        scope = {
            "type": "http",
            "http_version": "1.0",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "client": None,
            "server": None,
        }
        await gateway(scope, visitor.receive, visitor.send)
        assert upstream.peers == []
    assert visitor.status == 400
    assert visitor.field("proxy-status") == "meshkit; error=http_request_error"


async def test_the_host_of_a_rewrite_takes_its_place() -> None:
    script = echoing()
    async with gate(script, actions=[Rewrite(host="inner.example")]) as (gateway, _):
        await visit(gateway)
    assert said(script.heads[-1])[0] == ("host", "inner.example")
    assert script.field("x-forwarded-host") == "shop.example"


# How the body is framed.


@pytest.mark.parametrize(
    "fields",
    [
        [("content-length", "2"), ("content-length", "2")],
        [("content-length", "+2")],
        [("content-length", "2,2")],
        [("content-length", "")],
        [("content-length", "2"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "identity")],
    ],
    ids=lambda fields: " ".join(f"{name[0]}={value}" for name, value in fields),
)
async def test_a_framing_that_could_be_read_in_two_ways_is_refused(fields: list[tuple[str, str]]) -> None:
    assert await refused(*fields) == 400


@pytest.mark.parametrize(
    ("fields", "parts", "framed"),
    [
        ([("content-length", "3")], [part(b"abc", more=False)], {"content-length": "3"}),
        ([("content-length", "003")], [part(b"a"), part(b"bc"), part(b"", more=False)], {"content-length": "3"}),
        ([("transfer-encoding", "Chunked")], [part(b"a"), part(b"bc", more=False)], {"transfer-encoding": "chunked"}),
        ([("content-length", "0")], [EMPTY], {"content-length": "0"}),
        ([], [EMPTY], {}),
    ],
)
async def test_one_framing_goes_on(fields: Any, parts: Any, framed: dict[str, str]) -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        visitor = await visit(gateway, "/a", *fields, visitor=Visitor(*parts), method="POST")
        assert visitor.status == 200
    found = {name: value for name, value in said(script.heads[-1]) if name in ("content-length", "transfer-encoding")}
    assert found == framed
    body = b"".join(each["body"] for each in parts)
    assert script.bodies[-1] == (
        body if "content-length" in framed else b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n" if framed else b""
    )


async def test_http_2_frames_bodies_itself() -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        await visit(gateway, visitor=Visitor(part(b"ab", more=False)), method="POST", http_version="2")
        assert script.field("transfer-encoding") == "chunked"
        assert script.field("via") == "2 meshkit"
        await visit(gateway, http_version="2")
    assert script.field("transfer-encoding") is None
