"""What does a gateway refuse by itself, under any server? Servers differ in what they let through."""

from __future__ import annotations

import pytest

from ..upstream.rogue import answers
from .visiting import ASYNCIO, Visitor, begin, echoing, gate, part, said, told, visit

pytestmark = ASYNCIO


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("CONNECT", "/", 400),  # hyper passes it, and an upstream that agrees would make a tunnel of the connection
        ("GET", "*", 400),  # RFC 9112, 3.2.4
        ("OPTIONS", "*", 200),
    ],
)
async def test_a_target_of_no_resource(method: str, path: str, status: int) -> None:
    async with gate(echoing()) as (gateway, upstream):
        visitor = await visit(gateway, path, method=method)
        assert visitor.status == status
        assert len(upstream.peers) == (status == 200)


async def test_a_proxy_that_the_client_names() -> None:
    script = echoing()
    async with gate(script) as (gateway, _):
        await visit(gateway, "/a", ("proxy", "http://192.0.2.1/"))
    assert "proxy" not in dict(said(script.heads[-1]))


async def test_a_status_that_there_is_none_of() -> None:
    """Servers take 100 to 599 from an app."""
    odd = b"HTTP/1.1 600 Odd\r\nContent-Length: 2\r\n\r\nok"
    async with gate(answers(odd)) as (gateway, _):
        visitor = await visit(gateway, "/a")
        assert told(visitor) == (502, "http_protocol_error")
        assert gateway.pool.snapshot()["busy"] == 0


async def test_a_client_that_stops_in_its_body_is_told() -> None:
    """Of a server that would wait for ever."""
    async with gate(echoing(), idle=0.1) as (gateway, _):
        visitor = Visitor(part(b"abc"))
        await begin(gateway, visitor, "/a", ("content-length", "100000"), method="POST")
        assert visitor.status == 408
        assert visitor.over
