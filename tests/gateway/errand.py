"""What does a client of the soak do? One request of some kind, and it looks closely at what comes back.

Now and then it leaves: with half of the request sent, before the answer, or in the midst of it. And now and then one is
planted that must not be: so it is seen that the ledger would find it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from random import Random
from time import monotonic
from typing import Any

from .ledger import KINDS, PATIENCE, Kind, Record
from .line import Broken, Line
from .soaked import body_of, event_of, said_of

__all__ = ["PLANTS", "Client"]

LEAVES = 0.06
"""The part of all requests whose client does not wait for the end."""
SHORT = 6_000
"""The most bytes of a body that the gateway keeps to send it again."""
LONG = 400_000
EVENTS = 12
MESSAGES = 5
IDLE = 2.0
"""Seconds after which a connection is not used again: the server closes it after five."""
SOON = 0.03
"""Seconds in which one who leaves has left."""
PLANTS = ("lost", "duplicated", "wrong")


class Wrong(Exception):
    """Another answer than there must be."""


class Left(Exception):
    """The client did not wait."""


class Client:
    """One after the other, on a connection that is kept."""

    def __init__(self, host: str, port: int, number: Callable[[], int], seed: str) -> None:
        self._at = host, port
        self._number = number
        self._random = Random(seed)
        self._line: Line | None = None
        self._used = 0.0
        self._turns = {kind.name: getattr(self, f"_{kind.name}") for kind in KINDS}

    async def one(self, note: Callable[[Record], None], kind: Kind | None = None) -> None:
        """One request, which is noted before anything is sent."""
        random = self._random
        kind = kind or random.choices(KINDS, [kind.share for kind in KINDS])[0]
        record = Record(self._number(), kind, monotonic())
        note(record)
        turn: Callable[[Record, bool], Awaitable[None]] = self._turns[kind.name]
        await self._noted(record, turn(record, random.random() < LEAVES))

    async def plant(self, note: Callable[[Record], None], what: str) -> None:
        """One that must be found: a PUT that is refused, a POST that is sent twice, an answer that is another's."""
        kind = {kind.name: kind for kind in KINDS}[{"lost": "put", "duplicated": "post", "wrong": "get"}[what]]
        record = Record(self._number(), kind, monotonic())
        note(record)
        match what:
            case "lost":
                await self._noted(record, self._ask(record, "PUT", f"/nowhere/{record.number}/0", b"", b""))
            case "duplicated":
                await self._noted(record, self._post(record, False))
                await self._noted(record, self._post(record, False))
            case "wrong":
                await self._noted(record, self._ask(record, "GET", f"/get/{record.number}/9", b"", b"another"))

    async def _noted(self, record: Record, asked: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await asked
            record.outcome = "right"
        except Left:
            record.outcome = "left"
        except Wrong as error:
            record.outcome, record.what = "wrong", str(error)
        except (Broken, ConnectionError) as error:
            record.outcome, record.what = "broken", str(error) or repr(error)
        except TimeoutError:
            record.outcome, record.what = "hung", f"{PATIENCE:g} s"
        except Refused as error:
            record.outcome, record.what = error.args
        finally:
            self._used = record.ended = monotonic()
        line = self._line
        if line is not None and (record.outcome != "right" or not line.kept):
            line.leave()
            self._line = None

    async def _open(self) -> Line:
        if self._line is not None and monotonic() - self._used > IDLE:
            await self.close()
        if self._line is None:
            self._line = await Line.open(*self._at)
        return self._line

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()
            self._line = None

    # Each kind.

    async def _get(self, record: Record, leaves: bool) -> None:
        size = self._random.randrange(SHORT)
        target = f"/get/{record.number}/{size}"
        await self._ask(record, "GET", target, b"", body_of(record.number, size), leaves=leaves)

    async def _put(self, record: Record, leaves: bool) -> None:
        body = self._random.randbytes(self._random.randrange(SHORT))
        said = said_of(record.number, hashlib.sha256(body), len(body))
        await self._ask(record, "PUT", f"/put/{record.number}/0", body, said, leaves=leaves)

    async def _post(self, record: Record, leaves: bool) -> None:
        body = self._random.randbytes(self._random.randrange(SHORT))
        said = said_of(record.number, hashlib.sha256(body), len(body))
        await self._ask(record, "POST", f"/post/{record.number}/0", body, said, leaves=leaves)

    async def _download(self, record: Record, leaves: bool) -> None:
        size = self._random.randrange(LONG)
        target = f"/download/{record.number}/{size}"
        await self._ask(record, "GET", target, b"", body_of(record.number, size), leaves=leaves)

    async def _upload(self, record: Record, leaves: bool) -> None:
        body = self._random.randbytes(self._random.randrange(LONG))
        said = said_of(record.number, hashlib.sha256(body), len(body))
        method = self._random.choice(["PUT", "POST"])
        await self._ask(record, method, f"/upload/{record.number}/0", body, said, leaves=leaves)

    async def _events(self, record: Record, leaves: bool) -> None:
        turns = self._random.randrange(EVENTS)
        whole = b"".join(event_of(record.number, turn) for turn in range(turns))
        await self._ask(record, "GET", f"/events/{record.number}/{turns}", b"", whole, leaves=leaves)

    async def _ask(
        self, record: Record, method: str, target: str, body: bytes, expected: bytes, *, leaves: bool = False
    ) -> None:
        """Raises what has come of it, unless that is ``expected``."""
        line = await self._open()
        point = self._random.choice(["request", "silence", "answer"]) if leaves else ""
        chunked = len(body) > SHORT and self._random.random() < 0.5
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        record.once = method == "POST"
        line.begin(method, target, *([framing] if method != "GET" else []))
        if point == "request" and body:
            await line.send(halves(body), chunked=False)
            raise Left
        answering = asyncio.ensure_future(line.head())
        try:
            await self._sent(line, body, chunked, answering)
            if point in ("request", "silence"):
                await asyncio.sleep(self._random.random() * SOON)
                raise Left
            status = await answering
        finally:
            answering.cancel()
            if answering.done() and not answering.cancelled():
                answering.exception()  # it was seen, or nobody waits for it
        record.server, record.version = line.fields.get("x-server", ""), line.fields.get("x-version", "")
        if status != 200:
            told = line.fields.get("proxy-status", "")
            why = (await line.whole())[-100:].decode("utf-8", "replace")
            raise Refused("refused" if told else "bare", f"{status} {told}: {why}")
        parts = []
        async for part in line.body():
            parts.append(part)
            if point == "answer":
                raise Left
        if b"".join(parts) != expected:
            raise Wrong(f"{len(b''.join(parts))} bytes that are not the {len(expected)} expected")

    async def _sent(self, line: Line, body: bytes, chunked: bool, answering: asyncio.Future[int]) -> None:
        """Send a body; an answer that is there before its end is as good."""
        if not body:
            return
        sending = asyncio.ensure_future(line.send(pieces(body), chunked=chunked))
        try:
            either: list[asyncio.Future[Any]] = [sending, answering]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                line.kept = False
        finally:
            sending.cancel()

    async def _chat(self, record: Record, leaves: bool) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

        host, port = self._at
        try:
            async with connect(f"ws://{host}:{port}/chat/{record.number}/0", ping_interval=None, proxy=None) as socket:
                record.server = socket.response.headers.get("x-server", "") if socket.response else ""
                for turn in range(self._random.randrange(1, MESSAGES)):
                    message: str | bytes = f"{record.number}: {turn}"
                    if turn % 2:
                        message = body_of(record.number, self._random.randrange(SHORT))
                    await socket.send(message)
                    if leaves:
                        socket.transport.abort()
                        raise Left
                    if await socket.recv() != message:
                        raise Wrong("another message came back")
        except InvalidStatus as error:
            told = error.response.headers.get("proxy-status", "")
            raise Refused("refused" if told else "bare", f"{error.response.status_code} {told}") from error
        except (ConnectionClosed, InvalidMessage, EOFError) as error:
            raise Broken(repr(error)) from error
        except InvalidHandshake as error:
            raise Wrong(repr(error)) from error


class Refused(Exception):
    """The outcome that this is, and what was said."""


def halves(body: bytes) -> Iterator[bytes]:
    yield body[: len(body) // 2]


def pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 32_768):
        yield body[start : start + 32_768]
