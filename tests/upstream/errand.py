"""What does one request of the soak do, and is the answer that comes the one to it? All of it drawn from its number."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import AsyncIterator
from typing import Any

from .soaked import body_of

__all__ = ["HASTY", "KINDS", "PATIENT", "Errand", "Wrong"]

PATIENT, HASTY = 20.0, 0.05
"""Seconds for a call, by two pipelines over the same pool. The one is enough for all that has an end."""
KINDS = {
    "plain": 300, "head": 60, "echo": 80, "chunked": 60, "busy": 15, "informed": 20, "dribbled": 10, "early": 15,
    "farewell": 30, "silent": 30, "unsized": 20, "extra": 20,
    "gone": 10, "half": 15, "reset": 10, "cut": 15, "stall": 4, "stuck": 4,
}  # fmt: skip
"""What is asked for, and how often. `soaked` says what each is."""
METHODS = {"head": "HEAD", "echo": "POST", "early": "POST"}
BROKEN = {"gone", "half", "reset", "cut", "stall", "stuck"}
"""These break off, or never come; the others have an end."""
WAITS = {"stall", "stuck"}
SIZES = (0, 1, 10, 300, 300, 2000, 2000, 2000, 70_000, 700_000)
TURNS = (1, 2, 3, 5, 8, 13, 21, 34, 55)


class Wrong(Exception):
    """An answer that is not that of its request, or one that should have been an error."""


class Errand:
    def __init__(self, number: int, seed: int) -> None:
        rng = random.Random(seed * 1_000_003 + number)
        self.number = number
        [self.kind] = kind, *_ = rng.choices([*KINDS], KINDS.values())
        self.method = METHODS.get(kind, "GET")
        self.size = rng.choice(SIZES)
        if kind == "early":
            self.size = 0
        elif kind in BROKEN:
            self.size = max(self.size, 10)  # so that a half of it is not the whole
        elif kind in {"extra", "dribbled"}:
            self.size = min(self.size, 2000)
        self.sent = b""
        self.pieces = 0
        self.asks = False
        if self.method == "POST":
            self.sent = body_of(number, rng.choice([0, 10, 5000, 100_000, 600_000]))
            self.pieces = rng.choice([0, 0, 700, 7000, 100_000])
            self.asks = rng.random() < 0.2
        short = kind in WAITS or rng.random() < 0.03
        self.hasty = short and rng.random() < 0.5
        self.read = rng.choice([0.005, 0.02, HASTY]) if short and not self.hasty else PATIENT
        self.leaves = rng.random() < 0.05
        self.forgets = rng.random() < 0.01
        """To close the answer: it is left to the garbage collector."""
        self.turns = rng.choice(TURNS) if rng.random() < 0.06 else 0
        """Of the loop, after which it is cancelled."""

    async def run(self, patient: Any, hasty: Any) -> str:
        """How it ended. Raises what the client does, and `Wrong`."""
        ask = self.ask(hasty if self.hasty else patient)
        if not self.turns:
            return await ask
        task = asyncio.create_task(ask)
        for _ in range(self.turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return "cancelled"

    async def ask(self, client: Any) -> str:
        more: dict[str, Any] = {"timeout": (PATIENT, self.read, PATIENT, PATIENT)}  # connect, read, write, pool
        if self.method == "POST":
            more["content"] = self.in_pieces() if self.pieces else self.sent
        if self.asks:
            more["headers"] = {"expect": "100-continue"}
        url = f"http://soak.test/{self.kind}/{self.number}/{self.size}"
        request = client.build_request(self.method, url, **more)
        response = await client.send(request, stream=True)
        if self.forgets:
            self.recognise(response)
            return "forgotten"
        expected = self.expected()
        body = bytearray()
        try:
            self.recognise(response)
            async for chunk in response.aiter_raw():
                body += chunk
                if self.leaves:
                    break
        finally:
            await response.aclose()
        if not expected.startswith(body):
            raise Wrong(f"the body begins with {bytes(body[:40])!r}")
        if self.leaves:
            return "left early"
        if len(body) < len(expected):
            raise Wrong(f"{len(body)} bytes instead of {len(expected)}, and no error")
        if self.kind in BROKEN:
            raise Wrong("an answer that has no end was taken for whole")
        return str(response.status_code)

    def recognise(self, response: Any) -> None:
        number = response.headers.get("x-number")
        if number != str(self.number):
            raise Wrong(f"the head is of {number}")

    def expected(self) -> bytes:
        """The body of the answer."""
        if self.kind == "echo":
            return b"%d %d" % (zlib.crc32(self.sent), len(self.sent))
        return b"" if self.kind in {"head", "early"} else body_of(self.number, self.size)

    async def in_pieces(self) -> AsyncIterator[bytes]:
        size = max(self.pieces, len(self.sent) // 100)
        for start in range(0, len(self.sent), size):
            yield self.sent[start : start + size]
