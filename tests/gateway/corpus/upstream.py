"""What does an upstream see of a case, and what does it do? It keeps all bytes, and answers as the case's script says.

Each case has one of its own for each gateway, so whatever comes to it belongs to the case. `NEXT` is answered as it
should be, so that is told from all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import attrs

from .case import CLOSE, FLOOD, FLOODED, HALF, RESET, STALL, STEPS, WAIT, Case, Drip
from .reading import CHUNKED, Message, requests

__all__ = ["Came", "Upstream", "dripped", "is_next", "reset"]

NEXT_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"


def is_next(message: Message) -> bool:
    return message.method == b"GET" and message.target.endswith(b"/next") and message.all("host") == [b"next.example"]


def reset(writer: asyncio.StreamWriter) -> None:
    """End the connection by RST."""
    wire: socket.socket = writer.get_extra_info("socket")
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def dripped(writer: asyncio.StreamWriter, drip: Drip) -> None:
    for each in drip.data:
        writer.write(bytes([each]))
        await writer.drain()
        await asyncio.sleep(drip.every)


@attrs.define
class Came:
    """A connection that came."""

    data: bytearray = attrs.field(factory=bytearray)
    ended: bool = False
    """By the gateway, or by us."""
    stalls: bool = False
    """Whether an answer is under way, or withheld."""

    _at: int = 0
    """Where the request begins whose turn it is."""
    _answered: bool = False
    """Whether it has been, before its end came."""

    def next(self) -> Message | None:
        """That request, as far as it is there."""
        found = requests(bytes(self.data[self._at :]))
        return found[0] if found else None

    def whole(self) -> bool:
        """Whether all of it is there."""
        message = self.next()
        return message is not None and message.whole

    def turn(self, *, head: bool) -> Message | None:
        """The request that can be answered now: one that is whole, or has its ``head``."""
        message = self.next()
        if self._answered and message is not None and message.whole:
            self._answered = False
            self._at += message.end
            message = self.next()
        if message is None or self._answered or not (message.whole or (head and message.headed)):
            return None
        return message

    def answered(self) -> None:
        """It is: the turn is that of the one behind it."""
        message = self.next()
        self._answered = message is not None and not message.whole
        if message is not None and message.whole:
            self._at += message.end

    def waits(self) -> bool:
        """Whether a request has begun, and neither it nor its answer has come to an end."""
        return not self.ended and (self.stalls or not all(each.whole for each in requests(bytes(self.data))))


class Upstream:
    """The one behind the gateway, for a case."""

    def __init__(self, case: Case, host: str) -> None:
        self.case = case
        self.came: list[Came] = []
        self.wire = socket.socket()
        self.wire.bind((host, 0))
        self.port: int = self.wire.getsockname()[1]
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """Listen, if somebody is to."""
        if self.case.site != "nobody":
            self._server = await asyncio.start_server(self._serve, sock=self.wire)

    async def left(self) -> None:
        """Wait until the gateway has closed all its connections."""
        while not self.came or not all(each.ended for each in self.came):
            self._moved.clear()
            await self._moved.wait()

    def waits(self) -> bool:
        """Whether the gateway holds on to it."""
        return any(came.waits() for came in self.came)

    async def stop(self) -> None:
        """End all that is under way. Twice is as good as once."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.wire.close()
        await self._end()

    async def renew(self) -> None:
        """Begin anew: what has come is forgotten, and so are those who came."""
        await self._end()
        self.came = []

    async def _end(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        came = Came()
        self.came.append(came)
        try:
            with contextlib.suppress(OSError):  # to say more to one that has left
                await self._converse(came, reader, writer)
            came.ended = True
        except asyncio.CancelledError:
            pass  # the gateway kept it, or held on to it: `ended` tells
        finally:
            self._moved.set()
            self._tasks.discard(task)
            writer.transport.abort()

    async def _converse(self, came: Came, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.case.at == "connection":
            await self._answer(came, reader, writer)
        chunking = False
        while data := await reader.read(65536):
            came.data += data
            if chunking and not came.data.endswith(b"\r\n\r\n"):
                continue  # thousands of chunks are not read anew for each of them
            chunking = False
            while message := came.turn(head=self.case.at == "head"):
                if is_next(message):
                    writer.write(NEXT_ANSWER)
                else:
                    await self._answer(came, reader, writer)
                came.answered()
            rest = came.next()
            chunking = rest is not None and rest.framed == CHUNKED

    async def _answer(self, came: Came, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = b""
        came.stalls = True
        for step in self.case.answer:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                last = step
            elif isinstance(step, Drip):
                await dripped(writer, step)
            elif step is WAIT:
                while not came.whole():
                    await self._more(came, reader)
            elif step is STALL:
                while True:
                    await self._more(came, reader)
            elif step is FLOOD:
                for _ in range(min(FLOODED // len(last), STEPS)):
                    writer.write(last)
                    await writer.drain()
            elif step is HALF:
                writer.write_eof()
            elif step is CLOSE:
                writer.close()
                await writer.wait_closed()
                raise ConnectionAbortedError
            elif step is RESET:
                reset(writer)
                raise ConnectionAbortedError
            await asyncio.sleep(0)  # what was written is a segment of its own
        came.stalls = False

    async def _more(self, came: Came, reader: asyncio.StreamReader) -> None:
        data = await reader.read(65536)
        came.data += data
        if not data:
            raise ConnectionAbortedError
