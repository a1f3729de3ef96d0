"""Do the ways to say who one is hold over it? Each step of a flow is a request of its own.

Behaviours of httpx's page on authentication: basic, digest, a function, and flows that read what was answered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .sides import Side
from .stand_ins import OK, Origin, answered, site


async def test_basic(side: Side) -> None:
    async with Origin() as origin, side.client(auth=("user", "pass")) as client:
        await client.get(origin.url)
        await client.get(origin.url, auth=None)
        await client.get(origin.url, auth=side.lib.BasicAuth("other", ""))
        await client.get(origin.url, auth=lambda request: request.headers.update({"X-By": "function"}) or request)
    assert [asked.values(b"authorization") for asked in origin.asked] == [
        [b"Basic dXNlcjpwYXNz"],
        [],
        [b"Basic b3RoZXI6"],
        [],
    ]
    assert origin.asked[-1].values(b"x-by") == [b"function"]


@pytest.mark.parametrize("algorithm", [b"MD5", b"SHA-256"])
async def test_digest(side: Side, algorithm: bytes) -> None:
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=' + algorithm

    def private(asked: Any) -> bytes:
        return OK if asked.values(b"authorization") else answered(b"401 Who?", challenge, body=b"who?")

    async with Origin(site({b"/": private})) as origin, side.client(auth=side.lib.DigestAuth("u", "p")) as client:
        response = await client.post(origin.url, content=b"body")
        assert (response.status_code, len(response.history)) == (200, 1)
        assert (await client.get(origin.url)).status_code == 200
    assert [asked.body for asked in origin.asked] == [b"body", b"body", b""]
    assert b'username="u"' in origin.asked[1].values(b"authorization")[0]
    assert origin.connections == 1


async def test_digest_cannot_send_a_generator_again(side: Side) -> None:
    challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"'

    async def body() -> Any:
        yield b"once"

    async with Origin(site({b"/": answered(b"401 Who?", challenge)})) as origin, side.client() as client:
        with pytest.raises(side.lib.StreamConsumed):
            await client.post(origin.url, content=body(), auth=side.lib.DigestAuth("u", "p"))


async def test_a_flow_that_reads_the_body_of_answers(side: Side) -> None:
    class Refreshing(side.lib.Auth):  # type: ignore[name-defined, misc]
        requires_response_body = True
        requires_request_body = True

        def auth_flow(self, request: Any) -> Iterator[Any]:
            response = yield request
            if response.status_code == 401:
                fresh = yield side.lib.Request("POST", request.url.join("/token"), content=request.content)
                request.headers["X-Token"] = fresh.text
                yield request

    def private(asked: Any) -> bytes:
        return OK if asked.values(b"x-token") == [b"fresh"] else answered(b"401 Who?", body=b"?")

    pages = {b"/": private, b"/token": answered(b"200 OK", body=b"fresh")}
    async with Origin(site(pages)) as origin, side.client(auth=Refreshing()) as client:
        assert (await client.post(origin.url, content=b"body")).status_code == 200
    assert [(asked.target, asked.body) for asked in origin.asked] == [
        (b"/", b"body"),
        (b"/token", b"body"),
        (b"/", b"body"),
    ]
    assert origin.connections == 1
