"""How are a case's bytes sent, and what comes back? Over a bare socket, within a bound of time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable

import attrs

from .case import CLOSE, DEAF, HALF, NEXT, RESET, STALL, WAIT, Case, Drip
from .reading import Message, answers
from .upstream import Upstream, dripped, reset

__all__ = ["BOUND", "Talk", "talk"]

BOUND = 10.0
"""Seconds that a case may take; each gateway is told to give up much earlier, by itself."""
CLOSES = 4.0
"""Seconds in which a gateway closes that has said so."""


@attrs.define
class Talk:
    """What the client has got."""

    data: bytearray = attrs.field(factory=bytearray)
    ended: str = ""
    """How: ``"eof"``, ``"reset"``; or ``"left"``: by the client's script; empty: the connection was still open."""
    went_on: bool = False
    """Whether `NEXT` was sent."""
    hung: bool = False
    seconds: float = 0.0

    @property
    def http2(self) -> bool:
        """Whether it is spoken to us: the first frame is ``SETTINGS`` (RFC 9113, 3.4)."""
        return self.data[:1] == b"\0" and self.data[3:4] == b"\4"


class Client:
    def __init__(self, case: Case, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.case = case
        self.talk = Talk()
        self._whole: list[Message] = []
        """The final answers so far."""
        self._at = 0
        self._reader = reader
        self._writer = writer

    async def converse(self, upstream: Upstream) -> None:
        with contextlib.suppress(ConnectionError):
            for step in self.case.sent:
                if self.talk.ended:
                    break
                await self._step(step, upstream)
        if self.talk.ended == "left" or self.talk.http2:
            return
        await self._until(lambda: len(self.finals()) >= self.case.asks)
        if not self.talk.ended and not self._closes() and self.case.goes_on:
            self.talk.went_on = True
            with contextlib.suppress(ConnectionError):
                self._writer.write(NEXT)
                await self._writer.drain()
            await self._until(lambda: len(self.finals()) > self.case.asks or self.talk.data.endswith(b"next"))
        if self._closes():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSES):
                    await self._until(lambda: False)

    async def _step(self, step: object, upstream: Upstream) -> None:
        writer = self._writer
        if isinstance(step, bytes):
            writer.write(step)
            await writer.drain()
        elif isinstance(step, Drip):
            dripping = asyncio.ensure_future(dripped(writer, step))
            await self._until(dripping.done, at_once=True)
            dripping.cancel()
            await asyncio.gather(dripping, return_exceptions=True)
        elif step is WAIT:
            await self._until(lambda: b"\r\n\r\n" in self.talk.data)
        elif step is DEAF:
            await upstream.left()
        elif step is STALL:
            await self._until(lambda: False)
        elif step is HALF:
            writer.write_eof()
        elif step is CLOSE:
            writer.close()
            self.talk.ended = "left"
        elif step is RESET:
            reset(writer)
            self.talk.ended = "left"

    async def _until(self, true: Callable[[], bool], *, at_once: bool = False) -> None:
        """Read until that is so, or the connection has ended. ``at_once``: look every few milliseconds as well."""
        while not (self.talk.ended or self.talk.http2 or true()):
            try:
                async with asyncio.timeout(0.01 if at_once else None):
                    data = await self._reader.read(1_048_576)
            except TimeoutError:
                continue
            except ConnectionError:
                self.talk.ended = "reset"
            else:
                self.talk.data += data
                if not data:
                    self.talk.ended = "eof"

    def finals(self) -> list[Message]:
        """The final answers so far that are whole."""
        methods = [*self.case.methods[len(self._whole) :]]
        began = self._at
        for each in answers(bytes(self.talk.data[began:]), methods, closed=False):
            if each.whole:
                self._at = began + each.end
                if not 100 <= each.status < 200 or each.status == 101:
                    self._whole.append(each)
        return self._whole

    def _closes(self) -> bool:
        """Whether the gateway has said that it will close."""
        finals = self.finals()
        return bool(finals) and any(b"close" in each.lower() for each in finals[-1].all("connection"))


async def talk(case: Case, host: str, way: tuple[int, str], upstream: Upstream) -> Talk:
    """Play a case against the gateway at that port, from that address."""
    limit = 4096 if DEAF in case.sent else 1_048_576
    reader, writer = await asyncio.open_connection(host, way[0], limit=limit, local_addr=(way[1], 0))
    client = Client(case, reader, writer)
    began = time.monotonic()
    try:
        async with asyncio.timeout(BOUND):
            await client.converse(upstream)
    except TimeoutError:
        client.talk.hung = True
    finally:
        writer.transport.abort()
    client.talk.seconds = time.monotonic() - began
    return client.talk
