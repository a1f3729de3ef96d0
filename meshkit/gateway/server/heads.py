"""Which heads of requests are taken, and what is said of the others? (RFC 9112; RFC 9110, 7.2 and 15.5)

=======================================================  ======  ==================================================
refused                                                  status  because
=======================================================  ======  ==================================================
what llhttp refuses: folded fields, bare CR or LF, NUL,  400     9112, 2.2, 5.1, 5.2, 6.3: the next server may
blanks before a colon, two lengths, a length and chunks          understand something else
no Host in HTTP/1.1, two of them, one that is no host    400     9112, 3.2
an absolute target of another host than Host             400     9112, 3.2.2 has Host ignored: not by everybody
user information in an absolute target                   400     9110, 4.2.4
a fragment; a target that is neither path nor ``*``      400     9112, 3.2
a coding besides ``chunked``; any in HTTP/1.0            400     9112, 6.1: no other is decoded here
more fields than `FIELDS` or bytes than `SIZE`           431     6585, 5
a target of more bytes than `TARGET`                     414     9110, 15.5.15
an expectation that is not ``100-continue``              417     9110, 10.1.1
``CONNECT``, and methods that llhttp does not know       501     9110, 15.6.2
another version than HTTP/1.0 and 1.1                    505     9110, 15.6.6
a head that is not there after so many seconds           408     9110, 15.5.9
=======================================================  ======  ==================================================

Each closes the connection: where the next request begins is not known any more.
"""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Final

from ...fields.problem import MEDIA_TYPE, problem, proxy_status
from .date import date

__all__ = ["FIELDS", "LINE", "SIZE", "TARGET", "Refused", "absolute", "is_host", "odd", "refusing", "size"]

SIZE: Final = 65536
"""Bytes of a head."""
FIELDS: Final = 100
TARGET: Final = 8192
LONGEST: Final = 300
"""Bytes of a host and its port: a name has 253 of them at most (RFC 1035, 3.1)."""

LINE: Final = re.compile(rb"[!#-'*+\-.0-9A-Z^-z|~]+ [!-~]+ HTTP/1\.[01]\r\n")
"""How a request begins."""
HOST: Final = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
VERSION: Final = re.compile(rb"HTTP/([0-9.]+)")
ABSOLUTE: Final = re.compile(rb"(?i:(https?))://([^/?]*)(/[^?]*)?(?:\?(.*))?", re.DOTALL)
PORTS: Final = {b"http": b":80", b"https": b":443"}


class Refused(Exception):
    """A request that is not taken: the status to answer with, and why, in words for the client."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


def refusing(status: int, why: str) -> bytes:
    """The answer, as it goes over the wire."""
    line, rest = _refusing(status, why)
    return line + date() + rest


@lru_cache(256)
def _refusing(status: int, why: str) -> tuple[bytes, bytes]:
    """What stands before its date, and behind it."""
    body = problem(status, why)
    error = "http_response_timeout" if status == HTTPStatus.REQUEST_TIMEOUT else "http_request_error"
    lines = [
        b"content-type: " + MEDIA_TYPE,
        b"content-length: %d" % len(body),
        b"proxy-status: " + proxy_status("meshkit", error),
        b"connection: close",
        b"",
        body,
    ]
    return b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode()), b"\r\n".join(lines)


def is_host(value: bytes) -> bool:
    """Whether it is a host, perhaps with a port: a name or an address, without user information or a zone."""
    return len(value) <= LONGEST and _is_host(value)


@lru_cache(1024)
def _is_host(value: bytes) -> bool:
    return HOST.fullmatch(value) is not None


def absolute(target: bytes, host: bytes | None) -> tuple[bytes, bytes]:
    """Path and query of a target that is no path, ``http://shop.example/stock?of=7``. Raises `Refused`."""
    found = ABSOLUTE.fullmatch(target)
    if found is None:
        raise Refused(400, "The target of the request is neither a path nor a URL of HTTP.")
    scheme, authority, path, query = found.groups()
    if not is_host(authority):
        raise Refused(400, "The target of the request names no host.")
    port = PORTS[scheme.lower()]
    if host is not None and _plain(authority, port) != _plain(host, port):
        raise Refused(400, "The target of the request and its Host are not the same.")
    return path or b"/", query or b""


def _plain(authority: bytes, port: bytes) -> bytes:
    return authority.lower().removesuffix(port).removesuffix(b":")


def size(headers: list[tuple[bytes, bytes]]) -> int:
    """Bytes of the fields of a head."""
    return sum(len(name) + len(value) + 4 for name, value in headers)


def odd(data: bytes) -> None:
    """Where a head does not begin with `LINE`. Raises `Refused`, unless it may still become one."""
    line, end, _ = data.partition(b"\n")
    if not end or line == b"\r":
        return
    version = VERSION.fullmatch(line.rstrip(b"\r").split(b" ")[-1])
    if line.count(b" ") == 2 and version is not None and version[1] not in (b"1.0", b"1.1"):
        raise Refused(505, "Requests are taken in HTTP/1.1 and HTTP/1.0.")
    raise Refused(400, "The request does not begin with a line of HTTP/1.1.")
