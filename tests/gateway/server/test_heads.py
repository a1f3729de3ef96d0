"""Which requests are taken, and with which status are the others refused? Each by both parsers, whole and in pieces."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.gateway.server.heads import FIELDS, SIZE, TARGET, _is_host, is_host

from .spoken import PARSERS, spoken, status_of

BOTH = pytest.mark.parametrize("parse", PARSERS.values(), ids=PARSERS)

GET = b"GET / HTTP/1.1\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"

REFUSED = {
    "folded": GET + b"Host: a\r\nX: a\r\n b\r\n\r\n",
    "folded by a tab": GET + b"Host: a\r\nX: a\r\n\tb\r\n\r\n",
    "folded at once": GET + b" Host: a\r\n\r\n",
    "bare LF": b"GET / HTTP/1.1\nHost: a\n\n",
    "bare LF after the line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LF after a field": GET + b"Host: a\nX: b\r\n\r\n",
    "bare LF at the end": GET + b"Host: a\r\n\n",
    "bare LF before": b"\n" + GET + b"Host: a\r\n\r\n",
    "bare CR": GET + b"Host: a\r\nX: a\rb\r\n\r\n",
    "CR before CRLF": GET + b"Host: a\r\r\n\r\n",
    "NUL in a value": GET + b"Host: a\r\nX: a\0b\r\n\r\n",
    "NUL in a name": GET + b"Host: a\r\nX\0: b\r\n\r\n",
    "control character": GET + b"Host: a\r\nX: a\x01b\r\n\r\n",
    "blank before a colon": GET + b"Host: a\r\nX : b\r\n\r\n",
    "no name": GET + b"Host: a\r\n: b\r\n\r\n",
    "no colon": GET + b"Host: a\r\nXb\r\n\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "blank at the end": b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
    "tab": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "not ASCII": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "lower version": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "another protocol": b"GET / RTSP/1.0\r\nHost: a\r\n\r\n",
    "length and chunks": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "list of lengths": POST + b"Content-Length: 1, 1\r\n\r\nx",
    "length with a sign": POST + b"Content-Length: +1\r\n\r\nx",
    "length in hex": POST + b"Content-Length: 0x1\r\n\r\nx",
    "no length": POST + b"Content-Length:\r\n\r\n",
    "length without end": POST + b"Content-Length: 99999999999999999999\r\n\r\n",
    "two codings": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "another coding": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF after a size": CHUNKED + b"\r\n1\nx\r\n0\r\n\r\n",
    "bare LF after a chunk": CHUNKED + b"\r\n1\r\nx\n0\r\n\r\n",
    "bare LF in an extension": CHUNKED + b"\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
    "long chunk": CHUNKED + b"\r\n1\r\nxy\r\n0\r\n\r\n",
    "size in hex": CHUNKED + b"\r\n0x1\r\nx\r\n0\r\n\r\n",
    "size with a sign": CHUNKED + b"\r\n-1\r\nx\r\n0\r\n\r\n",
    "size without end": CHUNKED + b"\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "length as a trailer": CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
    "folded trailer": CHUNKED + b"\r\n0\r\nX: 5\r\n y\r\n\r\n",
    "no Host": GET + b"\r\n",
    "two Hosts": GET + b"Host: a\r\nHost: a\r\n\r\n",
    "empty Host": GET + b"Host:\r\n\r\n",
    "Host with a path": GET + b"Host: a/b\r\n\r\n",
    "Host with a user": GET + b"Host: u@a\r\n\r\n",
    "list of Hosts": GET + b"Host: a, b\r\n\r\n",
    "Host with a zone": GET + b"Host: [fe80::1%25eth0]\r\n\r\n",
    "another host": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "another port": b"GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "user in the target": b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "star": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "handshake with a body": GET
    + b"Host: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
}

OTHERWISE = {
    "long target": (414, b"GET /" + b"a" * TARGET + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    "many fields": (431, GET + b"Host: a\r\n" + b"X: y\r\n" * FIELDS + b"\r\n"),
    "long head": (431, GET + b"Host: a\r\n" + b"X: " + b"y" * SIZE + b"\r\n\r\n"),
    "head without end": (431, GET + b"Host: a\r\n" + b"X: " + b"y" * (SIZE + 1)),
    "expectation": (417, POST + b"Expect: a miracle\r\nContent-Length: 0\r\n\r\n"),
    "CONNECT": (501, b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    "HTTP/0.9": (505, b"GET / HTTP/0.9\r\n\r\n"),
    "HTTP/1.2": (505, b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
}

TAKEN = {
    "path": (GET + b"Host: a\r\n\r\n", b"GET /  "),
    "query": (b"GET /a%20b?c=%20d?e HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /a b c=%20d?e "),
    "empty line before": (b"\r\n" + GET + b"Host: a\r\n\r\n", b"GET /  "),
    "blanks around a value": (GET + b"Host: \t a \t\r\n\r\n", b"GET /  "),
    "HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", b"GET /  "),
    "absolute": (b"GET http://A:80/x?y HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /x y "),
    "absolute without a path": (b"GET HTTP://a?y HTTP/1.1\r\nHost: a:80\r\n\r\n", b"GET / y "),
    "star": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS *  "),
    "IPv6": (GET + b"Host: [::1]:8080\r\n\r\n", b"GET /  "),
    "length": (POST + b"Content-Length: 3\r\n\r\nabc", b"POST /  abc"),
    "chunks": (CHUNKED + b"\r\n1;a=b\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\n\r\n", b"POST /  abc"),
    "other upgrade": (GET + b"Host: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", b"GET /  "),
    "other upgrade with a body": (
        POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 7\r\n\r\nGET / H",
        b"POST /  GET / H",
    ),
    "other upgrade with chunks": (
        CHUNKED + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"POST /  abc",
    ),
}


@BOTH
@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_is_not_quite_http_is_refused(parse: Any, data: bytes) -> None:
    wire = spoken(data, parse=parse, config=_sockets())
    assert status_of(wire.written) == 400
    assert b"\r\nconnection: close\r\n" in wire.written
    assert b"proxy-status: meshkit; error=http_request_error\r\n" in wire.written
    assert wire.ended
    assert wire.written.count(b"HTTP/1.1 ") == 1


def _sockets() -> Any:
    """For an app that takes WebSockets."""
    from .spoken import Config, echo

    config = Config(echo)
    config.ws_protocol_class = object
    return config


@BOTH
@pytest.mark.parametrize(("status", "data"), OTHERWISE.values(), ids=OTHERWISE)
def test_what_is_beyond_a_limit_has_a_status_of_its_own(parse: Any, status: int, data: bytes) -> None:
    for parts in ([data], [data[:20], data[20:]], [data[at : at + 5000] for at in range(0, len(data), 5000)]):
        if status == 505 and len(parts[0]) < data.index(b"\r\n") + 2:
            continue  # a line in pieces is seen by the parser alone
        wire = spoken(*parts, parse=parse)
        assert status_of(wire.written) == status
        assert wire.ended


@BOTH
@pytest.mark.parametrize(("data", "said"), TAKEN.values(), ids=TAKEN)
def test_what_is_http_is_taken_in_pieces_of_any_size(parse: Any, data: bytes, said: bytes) -> None:
    for size in (len(data), 1, 7):
        wire = spoken(*[data[at : at + size] for at in range(0, len(data), size)], parse=parse)
        assert wire.written.endswith(b"\r\n\r\n" + said), size


def test_a_method_that_llhttp_does_not_know_is_not_implemented() -> None:
    assert status_of(spoken(b"FOO / HTTP/1.1\r\nHost: a\r\n\r\n").written) == 501


def test_long_hosts_are_not_kept() -> None:
    before = _is_host.cache_info().currsize
    assert not is_host(b"a" * 301)
    assert _is_host.cache_info().currsize == before
    assert is_host(b"a" * 253 + b":65535")
