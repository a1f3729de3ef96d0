"""Do the two parsers agree on any bytes, and with h11 alone where it takes them? Made-up answers, damaged ones as well.

Known and named in `meshkit.upstream.pure`: h11 takes no chunk size of more than 20 digits. No such is made here.
"""

from __future__ import annotations

from typing import Any

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from .parsing import CHUNKED, EMPTY, OK, PARSERS, Notes, agree, cut, told

METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"CONNECT"])
NAMES = st.sampled_from([b"A", b"x-b", b"Content-Type", b"Upgrade", b"Trailer", b"0!"])
BLANKS = st.sampled_from([b" ", b" ", b" ", b"", b"\t", b"  "])
VALUES = st.text(st.sampled_from('ab0 ,;=:"\t\xe4'), max_size=8).map(lambda text: text.encode("latin-1"))
OPTIONS = ["close", "keep-alive", "Close", "upgrade, close", "close it", ",close", "closed", "a\t,\tclose", ""]
CONNECTION = st.tuples(st.sampled_from([b"Connection", b"CONNECTION", b"Proxy-Connection"]), st.sampled_from(OPTIONS))
STRANGE = [
    "Content-Length: 3",
    "content-length: +3",
    "Content-Length: 3, 3",
    "Content-Length: 03",
    "Content-Length:3\t",
]
STRANGE += ["Transfer-Encoding: chunked", "transfer-encoding: gzip, chunked", "Transfer-Encoding: Chunked\t", "A : b"]
STRANGE += ["Transfer-Encoding: identity", " folded", "A", ": b", "A: \x01", "A: b\rc", "A: b\nc", "Content-Length:3\t"]
EXTENSIONS = st.sampled_from(
    [b"", b"", b"", b"", b";a", b";a=b", b';a="b;\\"c"', b";;=", b"; a", b" ", b";", b";a=b=c"]
)
REASONS = st.sampled_from([b" OK", b" OK", b"", b" ", b" Not \xe4\tFound"])
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 6 + [b"HTTP/1.0"])
STATUSES = st.sampled_from([b"200"] * 6 + [b"204", b"304", b"404", b"205", b"999", b"101"])
BODIES = st.binary(max_size=20) | st.text(st.sampled_from("a0\r\n :"), max_size=20).map(str.encode)
TAILS = st.sampled_from([b""] * 12 + [b"\r\n", b"\n", b"H", b"\r\n\n\r\n\r\n", OK, EMPTY + b"\r\n"])
WRONG = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b"0",
    b"9",
    b",",
    b"-",
    b"\x7f",
    b"\x80",
    b"\r\n ",
    b'"',
]
WRONG += [b"\r\n\r\n", b"\n\n", b"\r\r\n", b"\x0b", b"a", b"("]


@st.composite
def heads(draw: st.DrawFn, status: bytes, *framing: bytes) -> bytes:
    lines = draw(st.lists(st.tuples(NAMES, BLANKS, VALUES, BLANKS), max_size=3))
    fields = [b"%b:%b%b%b" % line for line in lines]
    if draw(st.booleans()):
        name, options = draw(CONNECTION)
        fields.append(b"%b: %b" % (name, options.encode()))
    if draw(st.integers(0, 7)) == 0:
        fields.append(draw(st.sampled_from(STRANGE)).encode())
    fields = draw(st.permutations([*fields, *framing]))
    return b"\r\n".join([draw(VERSIONS) + b" " + status + draw(REASONS), *fields, b"", b""])


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    parts = []
    for chunk in draw(st.lists(BODIES.filter(bool), max_size=3)):
        size = draw(st.sampled_from([b"%x", b"%X", b"0%x"])) % len(chunk)
        parts.append(size + draw(EXTENSIONS) + b"\r\n" + chunk + b"\r\n")
    parts.append(draw(st.sampled_from([b"0", b"0", b"000"])) + draw(EXTENSIONS) + b"\r\n")
    parts += [b"%b:%b%b%b\r\n" % line for line in draw(st.lists(st.tuples(NAMES, BLANKS, VALUES, BLANKS), max_size=2))]
    if draw(st.integers(0, 9)) == 0:
        parts.append(draw(st.sampled_from(STRANGE)).encode() + b"\r\n")
    return b"".join([*parts, b"\r\n"])


@st.composite
def answers(draw: st.DrawFn, method: bytes) -> bytes:
    parts = [draw(heads(draw(st.sampled_from([b"100", b"103", b"199"])))) for _ in range(draw(st.integers(0, 9)) // 8)]
    status = draw(STATUSES)
    match draw(st.integers(0, 4)):
        case 0 | 1:
            body = draw(BODIES)
            head = draw(heads(status, b"Content-Length:" + draw(BLANKS) + b"%d" % len(body)))
        case 2 | 3:
            body = draw(chunks())
            head = draw(heads(status, b"Transfer-Encoding:" + draw(BLANKS) + b"chunked"))
        case _:
            body = draw(BODIES)
            head = draw(heads(status))
    without = method == b"HEAD" or status in (b"204", b"304")
    return b"".join([*parts, head, b"" if without else body, draw(TAILS)])


@st.composite
def damaged(draw: st.DrawFn, method: bytes) -> bytes:
    data = draw(answers(method))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(data)))
        if draw(st.booleans()):  # where it hurts most
            ends = [where for where, byte in enumerate(data) if byte in b"\r\n:;"]
            place = draw(st.sampled_from(ends)) + draw(st.integers(-1, 1)) if ends else place
            place = min(max(place, 0), len(data))
        match draw(st.integers(0, 4)):
            case 0:
                data = data[:place] + draw(st.sampled_from(WRONG)) + data[place:]
            case 1:
                data = data[:place] + data[place + draw(st.integers(1, 2)) :]
            case 2:
                data = data[:place] + draw(st.binary(min_size=1, max_size=1)) + data[place + 1 :]
            case 3:
                lines = data.split(b"\r\n")
                lines.insert(draw(st.integers(0, len(lines))), draw(st.sampled_from(lines)))
                data = b"\r\n".join(lines)
            case _:
                data = data[:place]
    return data


CASES = METHODS.flatmap(lambda method: st.tuples(st.just(method), answers(method) | damaged(method)))


@st.composite
def places(draw: st.DrawFn, data: bytes) -> list[int]:
    if draw(st.integers(0, 4)) == 0:
        return list(range(1, len(data)))
    return draw(st.lists(st.integers(0, len(data)), max_size=4))


@given(CASES, st.data())
def test_they_agree(case: tuple[bytes, bytes], data: st.DataObject) -> None:
    """On what they tell and on whether they refuse; and the quick one with itself, however the bytes are cut."""
    method, came = case
    pieces = list(cut(came, *data.draw(places(came))))
    one, other = (told(parser, pieces, method) for parser in PARSERS)
    assert agree(one, other), (one, other)
    for parser, said in zip(PARSERS, (one, other), strict=True):
        whole = told(parser, [came], method)
        if whole.error is None or said.error is None:
            assert whole == said
        elif "ended" in whole.names:  # what comes too much comes later, when it is cut off
            assert said.events[:-1] == whole.events[:-1]
            assert said.events[-1][:2] == whole.events[-1][:2]
        else:
            assert agree(whole, said)


def alone(came: bytes, method: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes] | None:
    """What h11 by itself makes of it: status, fields, body. Nothing when it refuses."""
    wire = h11.Connection(h11.CLIENT)
    wire.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    wire.send(h11.EndOfMessage())
    events: list[Any] = []
    try:
        wire.receive_data(came)
        while not events or not isinstance(events[-1], h11.EndOfMessage):
            event = wire.next_event()
            if event in (h11.NEED_DATA, h11.PAUSED):
                wire.receive_data(b"")
                event = wire.next_event()
            events.append(event)
    except h11.ProtocolError:
        return None
    (head,) = (event for event in events if isinstance(event, h11.Response))
    body = b"".join(event.data for event in events if isinstance(event, h11.Data))
    return head.status_code, head.headers.raw_items(), body


@given(CASES)
@example((b"GET", CHUNKED + b"1;a=b\r\nx\r\n0\r\n\r\n"))
def test_what_they_take_h11_takes_alike(case: tuple[bytes, bytes]) -> None:
    method, came = case
    for parser in PARSERS:
        said = told(parser, [came], method)
        if said.error is None and said.names[-1] == "ended":
            _, status, _, _, fields = next(event for event in said.events if event[0] == "began")
            coded = [(name, value.lower() if name.lower() == b"transfer-encoding" else value) for name, value in fields]
            assert alone(came, method) == (status, coded, said.body)


@given(st.data())
def test_exchanges_leave_nothing_behind(data: st.DataObject) -> None:
    """A parser that has served others says what a new one says."""
    for parser in PARSERS:
        notes = Notes()
        reads = parser(notes)
        for _ in range(4):
            method = data.draw(METHODS)
            came = data.draw(answers(method))
            alike = told(parser, [came], method)
            if alike.error is not None or alike.events[-1][0] != "ended" or not alike.events[-1][2]:
                continue
            notes.events = []
            reads.expect(method)
            for piece in cut(came, *data.draw(places(came))):
                reads.feed(piece)
            assert notes.events == alike.events
