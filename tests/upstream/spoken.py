"""What do uvicorn and granian serve in these tests? An app that answers each request with what it was asked for.

``/seen`` tells which of them hang, and which were given up; ``/tick`` lets ``/events`` say one thing more.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from array import array
from typing import Any

LARGE = array("I", range(2_621_440)).tobytes()
"""Ten megabytes, no four bytes of them as any others."""
PART = 65536

ticks: asyncio.Queue[None] = asyncio.Queue()
seen: list[str] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await answer(scope, receive, send)
    elif scope["type"] == "websocket":
        await converse(receive, send)
    else:
        await live(receive, send)


async def answer(scope: Any, receive: Any, send: Any) -> None:
    match scope["path"].strip("/").split("/"):
        case ["small"]:
            await give(send, b"ok")
        case ["large"]:
            await begin(send, 200, (b"content-length", b"%d" % len(LARGE)))
            await parts(send)
        case ["chunked"]:
            await begin(send, 200)
            await parts(send)
        case ["status", status]:
            await begin(send, int(status))
            await send({"type": "http.response.body"})
        case ["echo", *_]:
            await give(send, await told(scope, receive))
        case ["events"]:
            await events(receive, send)
        case ["tick"]:
            ticks.put_nowait(None)
            await give(send, b"ok")
        case ["hangs"]:
            await until_gone("hangs", receive)
        case ["breaks"]:
            await begin(send, 200, (b"content-length", b"9"))
            await send({"type": "http.response.body", "body": b"ok", "more_body": True})
            await until_gone("breaks", receive)
        case ["seen"]:
            await give(send, json.dumps(seen).encode())
        case _:
            await begin(send, 404, (b"content-length", b"0"))
            await send({"type": "http.response.body"})


async def begin(send: Any, status: int, *fields: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields})


async def give(send: Any, body: bytes) -> None:
    await begin(send, 200, (b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.body", "body": body})


async def parts(send: Any) -> None:
    for start in range(0, len(LARGE), PART):
        await send({"type": "http.response.body", "body": LARGE[start : start + PART], "more_body": True})
    await send({"type": "http.response.body"})


async def told(scope: Any, receive: Any) -> bytes:
    """What the request was."""
    digest = hashlib.sha256()
    length, more = 0, True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        body = message.get("body", b"")
        digest.update(body)
        length += len(body)
        more = message.get("more_body", False)
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    return json.dumps(
        {
            "method": scope["method"],
            "path": scope["path"],
            "length": length,
            "sha256": digest.hexdigest(),
            "fields": fields,
        }
    ).encode()


async def until_gone(name: str, receive: Any) -> None:
    seen.append(f"{name} begins")
    while (await receive())["type"] != "http.disconnect":
        pass
    seen.append(f"{name} is over")


async def events(receive: Any, send: Any) -> None:
    await begin(send, 200, (b"content-type", b"text/event-stream"))
    await receive()
    gone = asyncio.ensure_future(until_gone("events", receive))
    number = 0
    while not gone.done():
        tick = asyncio.ensure_future(ticks.get())
        await asyncio.wait([tick, gone], return_when=asyncio.FIRST_COMPLETED)
        if tick.done():
            await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
            number += 1
        else:
            tick.cancel()


async def converse(receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        if message.get("text") is not None:
            await send({"type": "websocket.send", "text": message["text"].upper()})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"][::-1]})


async def live(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
