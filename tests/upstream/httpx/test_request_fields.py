"""Which header fields does a request carry? Those of the caller as they are, and those that the library adds.

Behaviours of httpx's quickstart (custom headers), of its tests of header merging, and of RFC 9110, section 5, and
RFC 9112, section 6, for what must not be sent.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from .sides import Side
from .stand_ins import Origin


async def asked_with(side: Side, method: str = "GET", **options: Any) -> list[tuple[bytes, bytes]]:
    async with Origin() as origin, side.client() as client:
        await client.request(method, origin.url, **options)
    [asked] = origin.asked
    return [(name, value) for name, value in asked.fields if name.lower() != b"host"]


async def test_what_the_library_adds_and_in_which_order(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        await client.get(origin.url)
        await client.post(origin.url, content=b"x")
    first, second = (asked.fields for asked in origin.asked)
    agent = f"python-{side.lib.__name__}/{side.lib.__version__}".encode()
    encodings = first[2][1]
    assert encodings.startswith(b"gzip, deflate")
    assert first == [
        (b"Host", origin.netloc.encode()),
        (b"Accept", b"*/*"),
        (b"Accept-Encoding", encodings),
        (b"Connection", b"keep-alive"),
        (b"User-Agent", agent),
    ]
    assert second == [*first, (b"Content-Length", b"1")]


async def test_fields_keep_their_case_their_order_and_their_number(side: Side) -> None:
    mine = [("X-One", "1"), ("x-two", "2"), ("X-ONE", "3"), ("x-Two", "4,5"), ("Accept", "a/b")]
    fields = await asked_with(side, headers=mine)
    assert [each for each in fields if each[0].lower().startswith(b"x-")] == [
        (b"X-One", b"1"),
        (b"x-two", b"2"),
        (b"X-ONE", b"3"),
        (b"x-Two", b"4,5"),
    ]
    assert [value for name, value in fields if name == b"Accept"] == [b"a/b"]


async def test_a_value_is_sent_as_it_is(side: Side) -> None:
    values = [
        b"value",
        b"",
        b"a\tb",
        b"a  b",
        b'"quoted, list"; q=0.5',
        b"\xff\xfe",
        "\u00fc".encode(),
        b"x" * 60_000,
    ]
    async with Origin() as origin, side.client() as client:
        for value in values:
            await client.get(origin.url, headers=[(b"X-Mine", value)])
    assert [asked.values(b"x-mine") for asked in origin.asked] == [[value] for value in values]


async def test_a_name_may_be_any_token(side: Side) -> None:
    names = ["!#$%&'*+-.^_`|~09azAZ", "x", "_"]
    fields = await asked_with(side, headers=dict.fromkeys(names, "1"))
    assert [each for each in fields if each[1] == b"1"] == [(name.encode(), b"1") for name in names]


async def test_many_fields(side: Side) -> None:
    mine = [(f"X-{number}", str(number)) for number in range(300)]
    fields = await asked_with(side, headers=mine)
    assert [each for each in fields if each[0].startswith(b"X-")] == [(n.encode(), v.encode()) for n, v in mine]


async def test_fields_of_the_client_and_of_the_request_are_merged(side: Side) -> None:
    async with Origin() as origin, side.client(headers={"X-Of": "client", "X-Kept": "1"}) as client:
        del client.headers["user-agent"]
        await client.get(origin.url, headers={"x-of": "request"})
    [asked] = origin.asked
    assert asked.values(b"x-of") == [b"request"]
    assert asked.values(b"x-kept") == [b"1"]
    assert asked.values(b"user-agent") == []


async def test_a_request_built_and_changed_before_it_is_sent(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        request = client.build_request("GET", origin.url)
        request.headers["X-Late"] = "1"
        response = await client.send(request)
    assert origin.asked[0].values(b"x-late") == [b"1"]
    assert response.request is request


async def test_methods_that_foresee_a_body_say_that_there_is_none(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT", "PATCH"]:
            await client.request(method, origin.url)
    lengths = {asked.method: asked.values(b"content-length") for asked in origin.asked}
    assert {method for method, values in lengths.items() if values} == {b"POST", b"PUT", b"PATCH"}
    assert all(values in ([], [b"0"]) for values in lengths.values())
    assert not any(asked.values(b"transfer-encoding") for asked in origin.asked)


# What must not be sent: it could begin another field, or another request.


VALUES = [
    b"a\r\nX-Other: b",
    b"a\r\n b",
    b"a\nb",
    b"a\rb",
    b"a\x00b",
    b"\r\n",
    b"a\n",
    b"a\r\n\r\nGET / HTTP/1.1",
    b"a\x0bb",
    b"a\x0cb",
    b" before",
    b"after ",
    b" ",
]
NAMES = [b"", b"a b", b"a:", b"a\r\nb", b"a\n", b" a", b"a\x00", b"(a)", b"a/b", b"a\x7f", b"a\tb", b"{a}"]


async def test_a_field_that_would_break_out_is_refused(side: Side) -> None:
    fields = [(b"X-Mine", value) for value in VALUES] + [(name, b"1") for name in NAMES]
    sent = []
    async with Origin() as origin, side.client() as client:
        for field in fields:
            try:
                await client.get(origin.url, headers=[field])
                sent.append(field)
            except side.lib.LocalProtocolError:
                pass
        assert sent == []
        assert (await client.get(origin.url)).status_code == 200
    assert len(origin.asked) == 1


@pytest.mark.parametrize("value", [b"a\x01b", b"a\x1fb", b"\x7f"])
async def test_other_control_characters(side: Side, value: bytes) -> None:
    """RFC 9110, 5.5: they are invalid, though not dangerous. The library sends them, the pool does not."""
    async with Origin() as origin, side.client() as client:
        with contextlib.suppress(side.lib.LocalProtocolError):
            await client.get(origin.url, headers=[(b"X-Mine", value)])
    assert [asked.values(b"x-mine") for asked in origin.asked] == side.of([[value]], [])


async def test_a_request_without_a_host(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        request = client.build_request("GET", origin.url)
        del request.headers["host"]
        with pytest.raises(side.lib.LocalProtocolError, match="Host"):
            await client.send(request)
        await client.get(origin.url, headers={"Host": ""})
    assert [asked.values(b"host") for asked in origin.asked] == [[b""]]


async def test_a_host_that_would_break_out_is_refused(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for host in ["\x00", "a\r\nb", "a\nX: y"]:
            with pytest.raises(side.lib.LocalProtocolError):
                await client.get(origin.url, headers={"Host": host})
    assert origin.asked == []


async def test_a_method_that_is_no_token_is_refused(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for method in ["", "GET /", "G\r\nET", "\x00", "G(T", "G\tT"]:
            with pytest.raises(side.lib.LocalProtocolError):
                await client.request(method, origin.url)
    assert origin.asked == []


FRAMINGS = [
    [("Host", "a"), ("Host", "b")],
    [("Content-Length", "1"), ("Content-Length", "2")],
    [("Content-Length", "x")],
    [("Content-Length", "-1")],
    [("Content-Length", "+1")],
    [("Content-Length", "1, 2")],
    [("Transfer-Encoding", "gzip")],
    [("Transfer-Encoding", "xchunked")],
    [("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")],
]


async def test_framing_that_could_be_read_in_two_ways_is_refused(side: Side) -> None:
    async with Origin() as origin, side.client() as client:
        for fields in FRAMINGS:
            with pytest.raises(side.lib.LocalProtocolError):
                await client.post(origin.url, headers=fields, content=b"x")
    assert origin.asked == []
