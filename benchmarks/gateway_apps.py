"""What stands between client and upstream in Python? Each app as its own page tells one to write it, and the floors.

    python -m benchmarks.gateway_apps APP PORT

runs one under uvicorn, with one configuration for all: uvloop, httptools, no access log. The plan is in the
environment, as JSON; the endpoints are asked in turns, which costs least, and the sink for what is posted.

floor: ``alone``    answers by itself, without any upstream: what the server and ASGI take
floor: ``pool``     hands requests to `meshkit.upstream.Pool` and answers back, and does nothing else at all
floor: ``echo``     takes WebSockets, and says again what it is told
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

from .gateway_plan import Plan
from .nginx import SMALL

__all__ = ["APPS", "PLAN"]

PLAN = "MESHKIT_BENCH_PLAN"
TIMES = {"connect": 5.0, "read": 15.0}
HOP_BY_HOP = frozenset((b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"))


def target_of(scope: Any) -> bytes:
    query = scope["query_string"]
    return scope["raw_path"] + b"?" + query if query else scope["raw_path"]  # type: ignore[no-any-return]


async def body_of(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


def alone(plan: Plan) -> Any:
    body = b"x" * SMALL
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % SMALL)],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send(start)
            await send({"type": "http.response.body", "body": body})

    return app


def pool(plan: Plan) -> Any:
    from meshkit.upstream import Limits, Origin, Pool

    def origin(address: str) -> Origin:
        at, _, port = address.rpartition(":")
        return Origin(at, int(port))

    turns = itertools.cycle([origin(each) for each in plan.endpoints])
    sink = origin(plan.sink or plan.endpoints[0])
    ours = Pool(Limits(connections=None, idle_for=3600.0))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        method, fields = scope["method"].encode(), scope["headers"]
        at, body = (next(turns), b"") if method == b"GET" else (sink, body_of(receive))
        answer = await ours.send(at, method, target_of(scope), fields, body, times=TIMES)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        whole = answer.whole
        if whole is None:
            async for chunk in answer:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": whole or b""})

    return app


def httpx(plan: Plan) -> Any:
    import httpx

    client = httpx.AsyncClient(trust_env=False)
    turns = itertools.cycle(plan.endpoints)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        at, body = (next(turns), None) if scope["method"] == "GET" else (plan.sink, body_of(receive))
        url = f"http://{at}{target_of(scope).decode()}"
        request = client.build_request(scope["method"], url, headers=scope["headers"], content=body)
        answer = await client.send(request, stream=True)
        try:
            fields = [(name.lower(), value) for name, value in answer.headers.raw if name.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status_code, "headers": fields})
            async for chunk in answer.aiter_raw():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            await answer.aclose()

    return app


def aiohttp(plan: Plan) -> Any:
    import aiohttp

    sessions: list[Any] = []  # made in the loop it is for
    turns = itertools.cycle(plan.endpoints)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if not sessions:
            sessions.append(aiohttp.ClientSession(auto_decompress=False))
        at, body = (next(turns), None) if scope["method"] == "GET" else (plan.sink, body_of(receive))
        url = f"http://{at}{target_of(scope).decode()}"
        asked = [(name.decode(), value.decode("latin-1")) for name, value in scope["headers"]]
        async with sessions[0].request(scope["method"], url, headers=asked, data=body, allow_redirects=False) as answer:
            fields = [(name.lower(), value) for name, value in answer.raw_headers if name.lower() not in HOP_BY_HOP]
            await send({"type": "http.response.start", "status": answer.status, "headers": fields})
            async for chunk in answer.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})

    return app


def fastapi_proxy_lib(plan: Plan) -> Any:
    import httpx
    from fastapi_proxy_lib.fastapi.app import reverse_http_app

    return reverse_http_app(client=httpx.AsyncClient(trust_env=False), base_url=f"http://{plan.endpoints[0]}/")


def echo(plan: Plan) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":  # asked whether it is up
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body"})
            return
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            said = {name: message[name] for name in ("bytes", "text") if message.get(name) is not None}
            await send({"type": "websocket.send", **said})

    return app


APPS: dict[str, Callable[[Plan], Any]] = {
    "alone": alone,
    "pool": pool,
    "httpx": httpx,
    "aiohttp": aiohttp,
    "fastapi-proxy-lib": fastapi_proxy_lib,
    "echo": echo,
}


def main(name: str, port: str) -> None:
    import uvicorn

    plan = Plan(**json.loads(os.environ[PLAN]))
    uvicorn.run(
        APPS[name](plan),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=3600,
        timeout_graceful_shutdown=1,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
