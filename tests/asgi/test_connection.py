"""One websocket: the handshake is the answer, the permit lasts as long as the connection, a refusal is a denial."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from meshkit import ConcurrencyLimit, Pipeline, RateLimit, Timeout, Verdict
from meshkit.asgi import MeshMiddleware
from meshkit.route.edit import ResponseHeaders

from .routes import behind
from .stand_ins import Client, Probe, ask, http, websocket

CONNECT = {"type": "websocket.connect"}
ACCEPT = {"type": "websocket.accept"}
TEXT = {"type": "websocket.send", "text": "hello"}
LEFT = {"type": "websocket.disconnect", "code": 1001}
DENY = {"type": "websocket.http.response.start", "status": 401, "headers": []}
DENIED = {"type": "websocket.http.response.body", "body": b"no"}


class Broken(Exception):
    pass


def close(code: int = 1000) -> dict[str, Any]:
    return {"type": "websocket.close", "code": code}


@pytest.mark.parametrize(
    ("steps", "verdict", "held"),
    [
        ([ACCEPT, TEXT, close()], "success", 0),
        ([ACCEPT, {"type": "websocket.close"}], "success", 0),
        ([ACCEPT, close(4001)], "success", 0),
        ([ACCEPT, close(1011)], "failure", 0),
        ([ACCEPT, close(1014)], "failure", 0),
        ([ACCEPT, close(1012)], "overloaded", 0),
        ([ACCEPT, close(1013)], "overloaded", 0),
        ([ACCEPT, TEXT], "success", 1),  # the server closes for it
        ([close()], "success", 0),
        ([close(1011)], "success", 0),  # a no is a no: the code never leaves the server
        ([DENY, DENIED], "success", 0),
        ([{**DENY, "status": 500}, DENIED], "failure", 0),
        ([{**DENY, "status": 429}, {**DENIED, "more_body": True}, DENIED], "ignored", 0),
        ([DENY, {**DENIED, "more_body": True}], "failure", 1),
        ([], "failure", 1),
    ],
)
async def test_how_a_connection_ends(steps: list[dict[str, Any]], verdict: str, held: int) -> None:
    pipeline = Pipeline(Timeout(60.0), probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == CONNECT
        for step in steps:
            assert probe.inside == 1
            await send(step)
        assert probe.inside == held

    client = await ask(MeshMiddleware(app, pipeline), websocket(), CONNECT)
    assert client.sent == steps
    assert probe.verdicts == [verdict]
    assert pipeline.idle()


async def test_clients_go_and_that_is_no_failure() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        assert await receive() == LEFT
        assert probe.inside == 0  # what is left to do is the app's own affair
        raise Broken

    with pytest.raises(Broken):
        await ask(MeshMiddleware(app, pipeline), websocket(), CONNECT, LEFT)
    assert probe.verdicts == ["success"]


async def test_a_client_that_goes_before_it_was_let_in_teaches_nothing() -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    await ask(MeshMiddleware(app, pipeline), websocket(), CONNECT, LEFT)
    assert probe.verdicts == ["ignored"]


@pytest.mark.parametrize(("broken", "verdict"), [(0, "ignored"), (1, "success"), (2, "success")])
async def test_a_send_that_fails(broken: int, verdict: str) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await send(TEXT)
        await send(close(1011))

    client = Client(CONNECT, broken=broken)
    with pytest.raises(OSError, match="has gone"):
        await MeshMiddleware(app, pipeline)(websocket(), client.receive, client.send)
    assert probe.verdicts == [verdict]
    assert pipeline.idle()


@pytest.mark.parametrize("accepts", [True, False])
async def test_an_app_that_raises(accepts: bool) -> None:
    pipeline = Pipeline(probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if accepts:
            await send(ACCEPT)
        raise Broken

    with pytest.raises(Broken):
        await ask(MeshMiddleware(app, pipeline), websocket(), CONNECT)
    assert probe.verdicts == ["failure"]


async def test_a_permit_is_held_as_long_as_the_connection() -> None:
    pipeline = Pipeline(ConcurrencyLimit(1))
    inner: list[Client] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        inner.append(await ask(guarded, websocket(), CONNECT))
        await send(close())
        if scope["path"] == "/first":
            inner.append(await ask(guarded, websocket("/second"), CONNECT))

    guarded = MeshMiddleware(app, pipeline)
    await ask(guarded, websocket("/first"), CONNECT)
    refused, again, let_in = inner
    assert refused.sent == again.sent == [{"type": "websocket.close", "code": 1013, "reason": "refused"}]
    assert let_in.sent == [ACCEPT, close()]
    assert pipeline.idle()


async def test_a_refusal_is_an_answer_where_the_server_can_send_one() -> None:
    pipeline = Pipeline(RateLimit("1/h", key="client"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)
        await send(close())

    guarded = MeshMiddleware(app, pipeline)
    can = websocket(extensions={"websocket.http.response": {}})
    let_in = await ask(guarded, can, CONNECT)
    assert [name for name, _ in let_in.sent[0]["headers"]] == [b"ratelimit-policy", b"ratelimit"]
    client = await ask(guarded, can, CONNECT)
    assert client.types == ["websocket.http.response.start", "websocket.http.response.body"]
    assert client.status == 429
    assert client.headers["ratelimit-policy"] == '"RateLimit";q=1;w=3600'
    assert 3590 <= int(client.headers["retry-after"]) <= 3600
    assert b"quota-exceeded" in client.body


async def test_the_deadline_bounds_the_handshake() -> None:
    pipeline = Pipeline(Timeout(0.01), probe := Probe())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/hangs":
            await anyio.sleep_forever()
        await send(ACCEPT)
        until = anyio.current_time() + 0.02
        while anyio.current_time() < until:
            await anyio.lowlevel.checkpoint()
        await send(close())

    guarded = MeshMiddleware(app, pipeline)
    client = await ask(guarded, websocket("/stays"), CONNECT)
    assert client.sent == [ACCEPT, close()]
    client = await ask(guarded, websocket("/hangs", extensions={"websocket.http.response": {}}), CONNECT)
    assert client.status == 504
    assert probe.verdicts == ["success", "failure"]


async def test_a_judge_is_shown_the_connection() -> None:
    seen: list[Any] = []

    def judge(connection: Any, error: BaseException | None) -> Verdict | None:
        seen.append((connection.scope["type"], connection.status))
        return Verdict.FAILURE

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    pipeline = Pipeline(probe := Probe())
    await ask(MeshMiddleware(app, pipeline, judge=judge), websocket(), CONNECT)
    assert seen == [("websocket", 101)]
    assert probe.verdicts == ["failure"]


async def test_requests_and_websockets_share_the_pipeline() -> None:
    pipeline = Pipeline(RateLimit("1/h", key="method"))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(ACCEPT)

    guarded = MeshMiddleware(app, pipeline)
    await ask(guarded, websocket(), CONNECT)
    assert (await ask(guarded, http())).status == 429


@pytest.mark.parametrize(
    ("steps", "policies"),
    [
        ([{**ACCEPT, "headers": [(b"server", b"secret")]}, close()], ()),
        ([DENY, DENIED], ()),
        ([], [RateLimit("1/h", burst=1)]),
    ],
)
async def test_an_answer_has_the_fields_that_its_route_has_for_it(steps: list[Any], policies: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for step in steps or [DENY, DENIED]:
            await send(step)

    edit = ResponseHeaders(set={"x-frame-options": "DENY"}, remove=["server"])
    mesh = behind(app, edit, policies=policies)
    for _ in range(2):
        client = await ask(mesh, websocket(extensions={"websocket.http.response": {}}), CONNECT)
        [first, *_] = client.sent
        assert dict(first["headers"])[b"x-frame-options"] == b"DENY"
        assert b"server" not in dict(first["headers"])
    assert first.get("status") == (401 if DENY in steps else None if steps else 429)
    bare = await ask(behind(app, edit), websocket(), CONNECT)
    assert all("headers" not in message for message in bare.sent if message["type"] == "websocket.close")
