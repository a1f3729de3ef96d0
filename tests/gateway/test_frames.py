"""What do the bytes of an upstream come to, and what is it told? No I/O: the other side is the library's server."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode
from websockets.utils import accept_key

from meshkit.gateway.frames import Frames, sendable
from meshkit.upstream.errors import Malformed

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


def frame(opcode: Opcode, data: bytes = b"", fin: bool = True, **more: Any) -> bytes:
    return Frame(opcode, data, fin, **more).serialize(mask=False)


def close(code: int, reason: str = "") -> bytes:
    return frame(Opcode.CLOSE, struct.pack("!H", code) + reason.encode())


def told(frames: Frames) -> list[tuple[str, bytes]]:
    """What is sent, unmasked."""
    data = bytearray(b"".join(frames.writes()))
    found = []
    while data:
        assert data[1] & 0x80, "a client masks"
        size, mask = data[1] & 0x7F, data[2:6]
        body = bytes(each ^ mask[at % 4] for at, each in enumerate(data[6 : 6 + size]))
        found.append((Opcode(data[0] & 15).name, body))
        del data[: 6 + size]
    return found


def fed(data: bytes, most: int = 1000) -> tuple[list[Any], Frames]:
    frames = Frames([], most)
    return frames.feed(data)[0], frames


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        (frame(TEXT, b"a\xc3\xa4"), ["aä"]),
        (frame(BINARY, b"\xff"), [b"\xff"]),
        (frame(TEXT) + frame(BINARY), ["", b""]),
        (frame(TEXT, b"\xc3", False) + frame(CONT, b"\xa4", False) + frame(CONT), ["ä"]),
        (frame(BINARY, b"a", False) + frame(Opcode.PING, b"!") + frame(CONT, b"b") + frame(TEXT, b"c"), [b"ab", "c"]),
        (frame(TEXT, b"a" * 1000), ["a" * 1000]),
        (frame(TEXT, b"a" * 500, False) + frame(CONT, b"a" * 500), ["a" * 1000]),
        (frame(TEXT, b"whole") + frame(TEXT, b"half")[:-1], ["whole"]),
    ],
)
def test_messages(data: bytes, messages: list[Any]) -> None:
    found, frames = fed(data)
    assert found == messages
    assert all(isinstance(each, str | bytes) for each in found)
    assert (frames.over, frames.open) == (None, True)


@given(st.lists(st.text(max_size=9) | st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_however_they_come(messages: list[str | bytes], size: int) -> None:
    data = b"".join(frame(TEXT, m.encode()) if isinstance(m, str) else frame(BINARY, m) for m in messages)
    frames = Frames([], 1000)
    found: list[Any] = []
    for at in range(0, len(data), size):
        found += frames.feed(data[at : at + size])[0]
    assert found == messages


@pytest.mark.parametrize(
    ("data", "answer", "over"),
    [
        (close(1000, "bye"), [("CLOSE", b"\x03\xe8bye")], (1000, "bye")),
        (close(4321), [("CLOSE", b"\x10\xe1")], (4321, "")),
        (frame(Opcode.CLOSE), [("CLOSE", b"")], (1000, "")),
        (close(1005), 1002, 1014),
        (close(1006), 1002, 1014),
        (close(999), 1002, 1014),
        (frame(Opcode.CLOSE, b"\x03"), 1002, 1014),
        (close(1000, "x")[:-1] + b"\xff", 1007, 1014),
        (frame(TEXT, b"\xff"), 1007, 1014),
        (frame(TEXT, b"\xc3", False) + frame(CONT, b"("), 1007, 1014),
        (frame(TEXT, b"a" * 1001), 1009, 1009),
        (frame(TEXT, b"a" * 500, False) + frame(CONT, b"a" * 501), 1009, 1009),
        (frame(CONT, b"a"), 1002, 1014),
        (frame(TEXT, b"a", False) + frame(TEXT, b"b"), 1002, 1014),
        (frame(TEXT, b"a", False) + close(1000), 1002, 1014),
        (b"\xc1\x00", 1002, 1014),  # compressed, which nobody has agreed on
        (b"\x83\x00", 1002, 1014),  # an opcode that there is not
        (b"\x89\x7e\x00\x7e" + b"a" * 126, 1002, 1014),  # a ping of more than 125 bytes
        (b"\x09\x00", 1002, 1014),  # a ping in several frames
        (b"\x81\x81\x00\x00\x00\x00a", 1002, 1014),  # a server that masks
    ],
)
def test_ends(data: bytes, answer: Any, over: Any) -> None:
    """Whatever comes before it counts, what comes after it does not."""
    messages, frames = fed(frame(TEXT, b"first") + data + frame(TEXT, b"more"))
    assert messages == ["first"]
    assert not frames.open
    if isinstance(answer, int):
        [(name, body)] = told(frames)
        assert (name, struct.unpack("!H", body[:2])) == ("CLOSE", (answer,))
        assert frames.over is not None
        assert frames.over[0] == over
        assert sendable(over)
    else:
        assert (told(frames), frames.over) == (answer, over)
    assert frames.feed(frame(TEXT, b"more"))[0] == []


def test_a_message_that_is_announced_too_big_is_not_waited_for() -> None:
    messages, frames = fed(b"\x82\x7f" + struct.pack("!Q", 2**62))
    assert (messages, frames.over) == ([], (1009, "the upstream's message is too big"))


def test_pings_and_pongs() -> None:
    frames = Frames([], 1000)
    assert frames.feed(frame(Opcode.PING, b"here?") + frame(Opcode.PING)) == ([], 2, False)
    assert told(frames) == [("PONG", b"here?"), ("PONG", b"")]
    assert frames.feed(frame(Opcode.PONG) * 3) == ([], 3, True)
    assert frames.feed(frame(Opcode.PONG)[:1]) == ([], 0, False)
    assert frames.feed(frame(Opcode.PONG)[1:]) == ([], 1, True)
    assert told(frames) == []


def test_what_is_said() -> None:
    frames = Frames([], 1000)
    frames.say("ä")
    frames.say(b"\xff")
    frames.ping()
    assert frames.open
    frames.leave(4000, "enough")
    assert told(frames) == [
        ("TEXT", b"\xc3\xa4"),
        ("BINARY", b"\xff"),
        ("PING", b""),
        ("CLOSE", b"\x0f\xa0enough"),
    ]
    assert not frames.open
    frames = Frames([], 1000)
    frames.leave(None, "")
    assert told(frames) == [("CLOSE", b"")]


# The handshake.


def consent(frames: Frames, **fields: str) -> list[tuple[bytes, bytes]]:
    """The fields of a good one, some of them otherwise, or left out (empty)."""
    key = dict(frames.asks())[b"Sec-WebSocket-Key"].decode()
    good = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-accept": accept_key(key)}
    found = {**good, **{name.replace("_", "-"): value for name, value in fields.items()}}
    return [(name.encode(), value.encode()) for name, value in found.items() if value]


def test_asks() -> None:
    fields = dict(Frames([], 9).asks())
    assert fields.keys() == {b"Connection", b"Upgrade", b"Sec-WebSocket-Key", b"Sec-WebSocket-Version"}
    assert fields[b"Sec-WebSocket-Version"] == b"13"
    assert fields[b"Sec-WebSocket-Key"] != dict(Frames([], 9).asks())[b"Sec-WebSocket-Key"]
    assert dict(Frames(["a", "b"], 9).asks())[b"Sec-WebSocket-Protocol"] == b"a, b"


@pytest.mark.parametrize(
    ("offered", "fields", "agreed"),
    [
        ([], {}, None),
        ([], {"connection": "keep-alive, UPGRADE", "upgrade": "WebSocket"}, None),
        (["a", "b"], {}, None),
        (["a", "b"], {"sec_websocket_protocol": "b"}, "b"),
    ],
)
def test_a_consent(offered: list[str], fields: dict[str, str], agreed: str | None) -> None:
    frames = Frames(offered, 9)
    frames.check(consent(frames, **fields))
    assert frames.subprotocol == agreed


@pytest.mark.parametrize(
    "fields",
    [
        {"connection": ""},
        {"connection": "close"},
        {"upgrade": ""},
        {"upgrade": "h2c"},
        {"upgrade": "websocket, h2c"},
        {"sec_websocket_accept": ""},
        {"sec_websocket_accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
        {"sec_websocket_protocol": "c"},
        {"sec_websocket_protocol": "a, b"},
        {"sec_websocket_extensions": "permessage-deflate"},
    ],
)
def test_no_consent(fields: dict[str, str]) -> None:
    frames = Frames(["a", "b"], 9)
    with pytest.raises(Malformed):
        frames.check(consent(frames, **fields))


def test_two_accepts_are_none() -> None:
    frames = Frames([], 9)
    good = consent(frames)
    with pytest.raises(Malformed):
        frames.check([*good, good[-1]])


def test_a_subprotocol_that_nobody_offered() -> None:
    frames = Frames([], 9)
    with pytest.raises(Malformed):
        frames.check(consent(frames, sec_websocket_protocol="a"))


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 1014, 3000, 4999])
def test_codes_that_are_sent(code: int) -> None:
    assert sendable(code)
    Close(code, "").check()


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_codes_that_are_not(code: int) -> None:
    assert not sendable(code)
