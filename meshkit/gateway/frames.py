"""What is said on a WebSocket, byte by byte? A client's side of it (RFC 6455), for an upstream; no I/O.

=====================================================  ================================================================
an upstream's                                          comes to
=====================================================  ================================================================
consent that does not fit what was asked (4.1)         `Malformed`
text, binary, in one frame or in several               one message
ping                                                   an answer to be sent; pongs are left out
close                                                  an answer to be sent, and the end; no code is 1000
mask, reserved bit, opcode or code that must not be    1002 to be sent, and the end: 1014
text that is not UTF-8                                 1007 to be sent, and the end: 1014
message of more than ``most`` bytes                    1009 to be sent, and the end: 1009
=====================================================  ================================================================

Frames are known to ``websockets``, and that to this file alone. No extension is asked for, so nothing is kept for one.
"""

from __future__ import annotations

from typing import Any

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, PayloadTooBig
from websockets.frames import EXTERNAL_CLOSE_CODES, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI

from ..upstream.errors import Malformed

__all__ = ["BAD_GATEWAY", "GOING_AWAY", "NONE_GIVEN", "TOO_BIG", "Frames", "Message", "sendable"]

Message = str | bytes

NORMAL, GOING_AWAY, NONE_GIVEN, INVALID, TOO_BIG, BAD_GATEWAY = 1000, 1001, 1005, 1007, 1009, 1014
ANYWHERE = WebSocketURI(False, "", 80, "/", "")
"""The library would make a request of it; ours is made elsewhere."""


class Frames:
    """A client's side. ``over``: the code and reason of the end, as another client is to hear of it."""

    __slots__ = ("_parts", "_text", "_wire", "most", "over")

    def __init__(self, subprotocols: list[str], most: int) -> None:
        offered: Any = subprotocols or None
        self._wire = ClientProtocol(ANYWHERE, subprotocols=offered, state=State.OPEN, max_size=most)
        self._parts: bytearray | None = None
        """Of a message that comes in several frames."""
        self._text = False
        self.most = most
        self.over: tuple[int, str] | None = None

    def asks(self) -> list[tuple[bytes, bytes]]:
        """The fields that ask for a WebSocket."""
        wire = self._wire
        fields = [(b"Connection", b"Upgrade"), (b"Upgrade", b"websocket"), (b"Sec-WebSocket-Version", b"13")]
        fields.append((b"Sec-WebSocket-Key", wire.key.encode("ascii")))
        if wire.available_subprotocols:
            fields.append((b"Sec-WebSocket-Protocol", ", ".join(wire.available_subprotocols).encode("ascii")))
        return fields

    def check(self, headers: list[tuple[bytes, bytes]]) -> None:
        """That the fields of a 101 are a consent to what was asked. Raises `Malformed`."""
        told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        try:
            self._wire.process_response(Response(101, "", Headers(told)))
        except InvalidHandshake as error:
            raise Malformed(f"the upstream's consent to a WebSocket is none: {error}") from error

    @property
    def subprotocol(self) -> str | None:
        """The one that was agreed on."""
        return self._wire.subprotocol

    @property
    def open(self) -> bool:
        """Whether neither side has taken its leave."""
        return self._wire.state is State.OPEN

    def feed(self, data: bytes) -> tuple[list[Message], int, bool]:
        """What came: the messages that are whole now, how many frames, and whether they were pongs alone."""
        wire = self._wire
        wire.receive_data(data)
        frames: list[Any] = wire.events_received()
        messages: list[Message] = []
        pongs = bool(frames)
        for frame in frames:
            pongs = pongs and frame.opcode is Opcode.PONG
            if self.over is None:
                self._take(frame, messages)
        if wire.parser_exc is not None and self.over is None:
            if isinstance(wire.parser_exc, PayloadTooBig):
                self.over = TOO_BIG, "the upstream's message is too big"
            else:
                self.over = BAD_GATEWAY, "the upstream does not keep to the protocol"
        return messages, len(frames), pongs

    def _take(self, frame: Any, messages: list[Message]) -> None:
        opcode, data = frame.opcode, frame.data
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._text = opcode is Opcode.TEXT
            if not frame.fin:
                self._parts = bytearray(data)
                return
        elif opcode is Opcode.CONT and self._parts is not None:
            self._parts += data
            if not frame.fin:
                return
            data, self._parts = self._parts, None
        else:
            if opcode is Opcode.CLOSE:
                close: Any = self._wire.close_rcvd
                self.over = (NORMAL if close.code == NONE_GIVEN else int(close.code)), close.reason
            return
        try:
            messages.append(data.decode() if self._text else bytes(data))
        except UnicodeDecodeError:
            self._wire.fail(INVALID, "a text that is not UTF-8")
            self.over = BAD_GATEWAY, "the upstream's text is not UTF-8"

    def say(self, message: Message) -> None:
        """To be sent while it is open."""
        if isinstance(message, str):
            self._wire.send_text(message.encode())
        else:
            self._wire.send_binary(message)

    def ping(self) -> None:
        self._wire.send_ping(b"")

    def leave(self, code: int | None, reason: str) -> None:
        """A goodbye is to be sent; to be asked while it is open."""
        self._wire.send_close(code, reason)

    def writes(self) -> list[bytes]:
        """What is to be sent, whole frames."""
        return self._wire.data_to_send()


def sendable(code: int) -> bool:
    """Whether a frame may carry this code: those that say that there was none, or no goodbye at all, stay here."""
    return code in EXTERNAL_CLOSE_CODES or 3000 <= code < 5000
