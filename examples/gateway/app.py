"""What does one server say? A plain ASGI app, that tells its name and what it was asked for.

=========================  =========================================================================================
what is asked              what is done
=========================  =========================================================================================
any other path             answers with its name, and the path
``PUT``                    takes the body in, keeps nothing of it, and says how long it was, and its SHA-256
``/told``                  answers with the header fields that it was sent
``/slow?seconds=2``        takes so long
``/events?count=3``        sends so many events, one each half second
``/chat``, a websocket     sends what anybody says to everybody, and to who comes later what was said before
``/asked``                 says what it was asked for, and how often; what is a copy has a star
``/fail``, ``/mend``       from now on every other answer is 500; is what it was
=========================  =========================================================================================
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from typing import Any
from urllib.parse import parse_qs

__all__ = ["Shop"]

REMEMBERED = 100
"""Lines of the chat."""


class Shop:
    """One server. Its name is what it is known by."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.broken = False
        self.asked: Counter[str] = Counter()
        self.said: deque[str] = deque(maxlen=REMEMBERED)
        self.there: set[Any] = set()
        """The ``send`` of each who is in the chat."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.chat(receive, send)
            return
        path = scope["path"]
        options = {name: float(values[-1]) for name, values in parse_qs(scope["query_string"].decode()).items()}
        if scope["method"] == "PUT":
            await answer(send, await self.take_in(receive))
        elif path in {"/fail", "/mend"}:
            self.broken = path == "/fail"
            await answer(send, f"{self.name} is {'broken' if self.broken else 'well'}")
        elif path == "/asked":
            await answer(send, "\n".join(f"{number} x {what}" for what, number in sorted(self.asked.items())))
        elif self.broken:
            await answer(send, f"{self.name} is broken", status=500)
        elif path == "/events":
            await self.tell(send, int(options.get("count", 3)))
        else:
            fields = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
            self.asked[f"{path} *" if "x-meshkit-mirror" in fields else path] += 1
            await asyncio.sleep(options.get("seconds", 0))
            told = "\n".join(f"{name}: {value}" for name, value in sorted(fields.items()))
            await answer(send, told if path == "/told" else f"{self.name} has {path}")

    async def take_in(self, receive: Any) -> str:
        length, digest = 0, hashlib.sha256()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return "broken off"  # nobody will read it
            part = message.get("body", b"")
            length += len(part)
            digest.update(part)
            if not message.get("more_body", False):
                return f"{self.name} took {length} bytes, SHA-256 {digest.hexdigest()[:16]}..."

    async def tell(self, send: Any, count: int) -> None:
        head = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for number in range(1, count + 1):
            event = f"id: {number}\ndata: {self.name} has news\n\n".encode()
            await send({"type": "http.response.body", "body": event, "more_body": True})
            if number < count:
                await asyncio.sleep(0.5)
        await send({"type": "http.response.body"})

    async def chat(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for line in self.said:
            await send({"type": "websocket.send", "text": line})
        self.there.add(send)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                line = message.get("text") or "..."
                self.said.append(line)
                for each in list(self.there):
                    await each({"type": "websocket.send", "text": line})
        finally:
            self.there.discard(send)


async def answer(send: Any, text: str, status: int = 200) -> None:
    body = f"{text}\n".encode()
    head = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
