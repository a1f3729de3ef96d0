"""Can anything be written into a request's head that a server reads as something else? As h11 reads it, no.

Whatever is given is refused, or comes out at the other end as it went in: one request, the same method, the same
target, the same fields in their order, and nothing after it.
"""

from __future__ import annotations

import re
from typing import Any

import h11
import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from meshkit.upstream import head as room
from meshkit.upstream.errors import Misused
from meshkit.upstream.head import ASKS, CHUNKED, CLOSES, LENGTH, NOTHING, SWITCHES, framing, head
from meshkit.upstream.parser import Headers

HOST = (b"Host", b"example")
TCHAR = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
EVIL = [b"\r", b"\n", b"\r\n", b"\0", b":", b" ", b"\t", b"\x0b", b"\x0c", b"\x1c", b"\x7f", b"\x80", b"\xff", b"\x85"]
ENDS = [b"\r", b"\n", b"\r\n", b"\0", b"\x0b", b"\x0c", b"\x1c", b"\x7f"]
"""What some reader may take for the end of a line, or of all."""
SPLIT = b"x\r\nEvil: 1"

tokens = st.text([chr(byte) for byte in TCHAR], min_size=1, max_size=12).map(str.encode)
visible = st.binary(max_size=20).map(lambda text: bytes(byte for byte in text if 0x20 <= byte != 0x7F).strip())
evil = st.lists(st.one_of(st.sampled_from(EVIL), tokens), max_size=4).map(b"".join)
names = st.one_of(
    tokens,
    st.sampled_from([b"Content-Length", b"transfer-encoding", b"Connection", b"Host", b"HOST", b"Expect", b"Upgrade"]),
    evil,
)
values = st.one_of(visible, st.sampled_from([b"", b"chunked", b"5", b"close", b"5, 5", b"100-continue"]), evil)
fields = st.lists(st.tuples(names, values), max_size=6)


def read(written: bytes) -> tuple[bytes, bytes, Headers]:
    """What a server sees. Raises `h11.RemoteProtocolError`."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(written)
    request: Any = server.next_event()
    assert isinstance(request, h11.Request), request
    assert server.trailing_data[0] == b""
    end = server.next_event()
    assert end is h11.NEED_DATA or isinstance(end, h11.EndOfMessage)
    assert server.trailing_data[0] == b""
    return request.method, request.target, request.headers.raw_items()


def sent(headers: Headers) -> Headers:
    """What is to be sent: of a body in chunks no length. Two words of h11's own: it lowers a coding, and puts together
    the same length told twice.
    """
    chunked = any(name.lower() == b"transfer-encoding" for name, _ in headers)
    kept = [field for field in headers if not (chunked and field[0].lower() == b"content-length")]
    return [(name, value.lower() if name.lower() == b"transfer-encoding" else value) for name, value in kept]


@given(
    method=st.one_of(tokens, evil), target=st.one_of(visible, st.just(b"/"), evil), given_=fields, host=st.booleans()
)
@example(method=b"GET", target=b"/ HTTP/1.1\r\nEvil: 1", given_=[], host=True)
@example(method=b"GET", target=b"/", given_=[(b"A", SPLIT)], host=True)
@example(method=b"GET", target=b"/", given_=[(b"A", b"\r"), (b"B", b"\n")], host=True)
@example(method=b"GET", target=b"/\r", given_=[(b"A", b"\n")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"A", b"1"), (b"", b"2")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"A ", b"1")], host=True)
@example(method=b"GET", target=b"/", given_=[(b" A", b"1")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"A:B", b"1")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"Host", b"other")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"hOST", b"example")], host=True)
@example(method=b"GET", target=b"/", given_=[(b"Content-Length", b"5"), (b"Transfer-Encoding", b"chunked")], host=True)
@example(method=b"", target=b"/", given_=[], host=True)
@example(method=b"GET", target=b"", given_=[], host=True)
def test_as_it_was_meant_or_not_at_all(method: bytes, target: bytes, given_: Headers, host: bool) -> None:
    headers = [HOST, *given_] if host else given_
    try:
        written, _ = head(method, target, headers)
    except Misused:
        return
    assert read(written) == (method, target, sent(headers))


@given(
    method=tokens,
    target=st.text([chr(byte) for byte in range(0x21, 0x7F)], min_size=1).map(str.encode),
    given_=st.lists(st.tuples(tokens.map(lambda name: b"X-" + name), visible), max_size=6),
)
def test_what_is_good_is_not_refused(method: bytes, target: bytes, given_: Headers) -> None:
    written, _ = head(method, target, [*given_, HOST])
    lines = [b"%b %b HTTP/1.1" % (method, target), *(b"%b: %b" % field for field in [*given_, HOST]), b"", b""]
    assert written == b"\r\n".join(lines)
    assert read(written)[2] == [*given_, HOST]


@given(place=st.integers(0, 5), worm=st.sampled_from(ENDS), around=visible)
def test_nothing_that_ends_a_line(place: int, worm: bytes, around: bytes) -> None:
    """Wherever it stands: in the first field or the last, at the beginning or at the end."""
    values = [b"a"] * 6
    values[place] = around + worm + around
    with pytest.raises(Misused):
        head(b"GET", b"/", [HOST, *((b"X-%d" % number, value) for number, value in enumerate(values))])


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "needs a Host field"),
        ([HOST, HOST], "two fields Host"),
        ([HOST, (b"A", b""), (b"hosT", b"")], "two fields hosT"),
        ([HOST, (b"A", b"b\0")], "'A'"),
        ([HOST, (b"A\n", b"b")], "token"),
        ([HOST, (b"A", b" b")], "'A'"),
        ([HOST, (b"A", b"b\t")], "'A'"),
        ([HOST, (b"A", b" ")], "'A'"),
        ([HOST, (b"A b", b"c")], "'A b'"),
        ([HOST, (b"", b"c")], "token"),
        ([HOST, (b"\xe4", b"c")], "token"),
        ([(b"X", b"Host: a")], "needs a Host field"),
    ],
)
def test_the_error_says_which(headers: Headers, said: str) -> None:
    with pytest.raises(Misused, match=said):
        head(b"GET", b"/", headers)


def test_what_is_in_an_error_is_short() -> None:
    for headers in ([HOST, (b"a" * 10_000 + b" ", b"")], [HOST, (b"A" * 10_000, b"\n")]):
        with pytest.raises(Misused) as caught:
            head(b"GET", b"/", headers)
        assert len(str(caught.value)) < 300
    with pytest.raises(Misused) as caught:
        head(b"GET", b" " * 10_000, [HOST])
    assert len(str(caught.value)) < 300


def test_large_fields_are_sent() -> None:
    """How much is too much is the server's to say."""
    headers = [
        HOST,
        (b"Cookie", b"a=b; " * 20_000 + b"c"),
        *((b"X-%d" % number, b"\xff" * 100) for number in range(500)),
    ]
    written, _ = head(b"GET", b"/" + b"a" * 100_000, headers)
    assert read(written)[2] == headers


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered."""
    monkeypatch.setattr(room, "_fields", {})
    monkeypatch.setattr(room, "_methods", {})
    monkeypatch.setattr(room, "_names", {})


@pytest.mark.usefixtures("fresh")
def test_strangers_do_not_fill_the_memory() -> None:
    for number in range(3000):
        head(b"M%d" % number, b"/", [HOST, (b"X-%d" % number, b"a"), (b"X", b"v%d" % number)])
    head(b"A" * 10_000, b"/", [HOST, (b"a" * 10_000, b""), (b"a", b"b" * 10_000)])
    assert len(room._fields) <= room.MANY
    assert len(room._methods) <= room.MANY
    assert len(room._names) <= room.MANY
    assert max(len(line) for line, _ in room._fields.values()) <= room.LONG + 4
    assert max(map(len, room._methods)) <= room.LONG
    assert (b"X", b"v2999") in room._fields  # what is used now is remembered, whatever was before


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    "name", [b"Authorization", b"COOKIE", b"proxy-authorization", b"Sec-WebSocket-Key", b"traceparent", b"X-Request-Id"]
)
def test_secrets_and_what_is_unlike_are_not_remembered(name: bytes) -> None:
    head(b"GET", b"/", [HOST, (name, b"secret")])
    assert not any(b"secret" in value for _, value in room._fields)


@pytest.mark.usefixtures("fresh")
def test_what_was_refused_is_refused_once_more() -> None:
    for _ in range(3):
        with pytest.raises(Misused):
            head(b"GET", b"/", [HOST, (b"A", b"b\n")])
        with pytest.raises(Misused):
            head(b"G T", b"/", [HOST])
        with pytest.raises(Misused):
            head(b"GET", b"/", [HOST, HOST])


# The framing of a body.


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], NOTHING),
        ([(b"A", b"1")], NOTHING),
        ([(b"content-length", b"0")], 0),
        ([(b"Content-Length", b"10")], 10),
        ([(b"CONTENT-LENGTH", b"0010")], 10),
        ([(b"Content-Length", b"9" * 18)], 10**18 - 1),
        ([(b"Transfer-Encoding", b"chunked")], CHUNKED),
        ([(b"transfer-encoding", b"Chunked")], CHUNKED),
        ([(b"Content-Length", b"10"), (b"Transfer-Encoding", b"chunked")], CHUNKED),
        ([(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"10")], CHUNKED),
    ],
)
def test_framing(headers: Headers, length: int) -> None:
    _, facts = head(b"POST", b"/", [*headers, HOST])
    assert framing(headers) == length
    assert bool(facts & room.FRAMED) == any(name.lower() != b"a" for name, _ in headers)


LENGTHS = b"", b"-1", b"+1", b"1.0", b"0x10", b"1 0", b"1_0", b"1,1", b"1, 1", b"a", b"\xb2", b"9" * 19, b"1\t"
CODINGS = b"", b"identity", b"gzip", b"gzip, chunked", b"chunked, chunked", b"xchunked", b"chunked;q=1", b"chunked "


@pytest.mark.parametrize(
    "headers",
    [
        *([(b"Content-Length", length)] for length in LENGTHS),
        *([(b"Transfer-Encoding", coding)] for coding in CODINGS),
        [(b"Content-Length", b"1"), (b"content-length", b"1")],
        [(b"Content-Length", b"1"), (b"content-length", b"2")],
        [(b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
        [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"a")],
        [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"1"), (b"Content-Length", b"2")],
        [(b"Transfer-Encoding", b"gzip"), (b"Content-Length", b"1")],
    ],
    ids=str,
)
def test_no_framing(headers: Headers) -> None:
    with pytest.raises(Misused):
        head(b"POST", b"/", [HOST, *headers])


@pytest.mark.parametrize("length", [b"Content-Length", b"content-length", b"CONTENT-length"])
@pytest.mark.parametrize("coding", [b"Transfer-Encoding", b"TRANSFER-encoding"])
def test_of_two_lengths_one_is_sent(length: bytes, coding: bytes) -> None:
    headers = [(length, b"5"), HOST, (coding, b"chunked")]
    for given_ in (headers, headers[::-1]):
        written, facts = head(b"POST", b"/", given_)
        assert not facts & LENGTH
        assert read(written)[2] == sent(given_)


# Whether a connection is kept.

options = st.one_of(
    st.sampled_from([b"close", b"Close", b"CLOSE", b"keep-alive", b"upgrade", b"closed", b"disclose"]), tokens
)
lists = st.lists(options, max_size=3).flatmap(
    lambda each: st.sampled_from([b", ", b",", b" ,", b",\t", b", , "]).map(lambda between: between.join(each))
)


@given(connection=st.lists(lists, max_size=3), other=lists)
def test_closes(connection: list[bytes], other: bytes) -> None:
    """RFC 9110, 7.6.1: a list of tokens, in whatever case, over any number of fields of that name."""
    headers = [HOST, (b"X-Connection", other), (b"Connection-X", other)]
    headers += [(b"Connection", value) for value in connection]
    _, facts = head(b"GET", b"/close", [*headers, (b"X", b"connection: close")])
    plain = {option.strip(b" \t").lower() for value in connection for option in value.split(b",")}
    assert bool(facts & CLOSES) == (b"close" in plain)


@pytest.mark.parametrize(
    ("field", "fact"),
    [
        ((b"expect", b"100-Continue"), ASKS),
        ((b"Expect", b"100-continue, x"), 0),
        ((b"X-Expect", b"100-continue"), 0),
        ((b"UPGRADE", b"websocket"), SWITCHES),
        ((b"X", b"Upgrade"), 0),
    ],
)
def test_other_facts(field: tuple[bytes, bytes], fact: int) -> None:
    for _ in range(2):  # also when it is remembered
        assert head(b"GET", b"/", [HOST, field])[1] & (ASKS | SWITCHES) == fact


def test_every_byte_has_been_thought_of() -> None:
    """RFC 9110, 5.5 and 5.6.2; RFC 9112, 3.2: which bytes may stand where."""
    for byte in range(256):
        one = bytes([byte])
        cases = {
            "value": (b"GET", b"/", b"X", b"a" + one + b"b", byte in {0x09, 0x20} or (byte > 0x20 and byte != 0x7F)),
            "name": (b"GET", b"/", b"X" + one, b"a", one in TCHAR),
            "method": (b"G" + one, b"/", b"X", b"a", one in TCHAR),
            "target": (b"GET", b"/" + one, b"X", b"a", 0x21 <= byte <= 0x7E),
        }
        for what, (method, target, name, value, good) in cases.items():
            try:
                head(method, target, [HOST, (name, value)])
            except Misused:
                assert not good, (what, one)
            else:
                assert good, (what, one)
    assert re.fullmatch(room.TOKEN, TCHAR)
