"""What is written before a body? The head of a request, and nothing in it that could end it early or begin another.

Fields are sent as they come, in their order and case. Refused (`Misused`) are:

=========================================================  =========================
a name or a method that is no token                        RFC 9110, 5.6.2 and 9.1
a control character other than a tab in a value            RFC 9110, 5.5
white space around a value, which is no part of it         RFC 9110, 5.5
a target with a space, or worse                            RFC 9112, 3.2
no Host, or two                                            RFC 9112, 3.2
two lengths, two codings, or one that cannot be sent       RFC 9112, 6.1 and 6.2
=========================================================  =========================

A program sends the same few fields again and again. What a field is, and that it may be sent, is found out once.
"""

from __future__ import annotations

import re

from .errors import Misused
from .parser import Headers

__all__ = ["ASKS", "CHUNKED", "CLOSES", "FRAMED", "LENGTH", "NOTHING", "SWITCHES", "framing", "head"]

HOST, LENGTH, CODING, CLOSES, ASKS, SWITCHES = 1, 2, 4, 8, 16, 32
"""Facts about a field: it names the host, a length, a transfer coding; the connection is not kept; the body waits for a
``100 Continue``; another protocol is asked for."""
FRAMED = LENGTH | CODING
ONCE = HOST | FRAMED

NOTHING, CHUNKED = 0, -1

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
TARGET = re.compile(rb"[\x21-\x7e]+")
INSIDE = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), 0x09})
"""What may stand in a line."""
DIGITS = re.compile(rb"[0-9]{1,18}")
SECRET = frozenset({b"authorization", b"cookie", b"proxy-authorization"})
UNLIKE = SECRET | {b"sec-websocket-key", b"traceparent", b"x-request-id"}
"""Fields that are not remembered: secrets, and what is another each time."""
SPECIAL = UNLIKE | {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade"}

_methods: dict[bytes, bytes] = {}
_names: dict[bytes, bytes] = {}
"""Names that were found to be tokens; those that mean something here, in lower case."""
_fields: dict[tuple[bytes, bytes], tuple[bytes, int]] = {}
"""The lines of fields that were found to be good, and the facts."""
MANY, LONG = 1000, 100
"""So many are remembered, and none that is longer: a stranger may have chosen them."""


def head(method: bytes, target: bytes, headers: Headers) -> tuple[bytes, int]:
    """The bytes up to and including the empty line, and the facts about all fields. Raises `Misused`.

    Of a body that is chunked no length is sent as well: two servers could read two lengths (RFC 9112, 6.2).
    """
    if not TARGET.fullmatch(target):
        raise Misused(f"the target {target[:100]!r} cannot be sent")
    lines = [_methods.get(method) or _method(method), target, b" HTTP/1.1\r\n"]
    facts = 0
    for field in headers:
        line, fact = _fields.get(field) or _field(*field)
        lines.append(line)
        if fact:
            if fact & facts & ONCE:
                raise Misused(f"there are two fields {field[0].decode()}")
            facts |= fact
    if not facts & HOST:
        raise Misused("a request needs a Host field")
    if facts & FRAMED == FRAMED:
        return head(method, target, [field for field in headers if field[0].lower() != b"content-length"])
    lines.append(b"\r\n")
    return b"".join(lines), facts


def framing(headers: Headers) -> int:
    """How the body is framed: its declared length, `CHUNKED`, or `NOTHING`. Of fields that `head` has found good."""
    length = NOTHING
    for name, value in headers:
        lower = name.lower()
        if lower == b"content-length":
            length = int(value)
        elif lower == b"transfer-encoding":
            return CHUNKED
    return length


def _method(method: bytes) -> bytes:
    if not TOKEN.fullmatch(method):
        raise Misused(f"the method {method[:100]!r} is not a token")
    start = method + b" "
    if len(_methods) < MANY and len(start) <= LONG:
        _methods[method] = start
    return start


def _field(name: bytes, value: bytes) -> tuple[bytes, int]:
    special = _names.get(name)
    if special is None:
        special = _name(name)
    if value.translate(None, INSIDE):
        raise Misused(f"the value of the field {name[:100]!r} has a control character in it")
    if value != value.strip(b" \t"):
        raise Misused(f"the value of the field {name[:100]!r} begins or ends with white space")
    known = b"%b: %b\r\n" % (name, value), _facts(special, value.lower()) if special else 0
    if special not in UNLIKE and len(known[0]) <= LONG and not value.isdigit():  # a number is mostly another each time
        if len(_fields) >= MANY:
            _fields.clear()
        _fields[name, value] = known
    return known


def _name(name: bytes) -> bytes:
    if not TOKEN.fullmatch(name):
        raise Misused(f"the field name {name[:100]!r} is not a token")
    lower = name.lower()
    special = lower if lower in SPECIAL else b""
    if len(_names) < MANY and len(name) <= LONG:
        _names[name] = special
    return special


def _facts(name: bytes, value: bytes) -> int:
    if name == b"host":
        return HOST
    if name == b"content-length":
        if not DIGITS.fullmatch(value):
            raise Misused(f"Content-Length is no number: {value[:100]!r}")
        return LENGTH
    if name == b"transfer-encoding":
        if value != b"chunked":
            raise Misused(f"a body can be sent chunked, and in no other transfer coding: {value[:100]!r}")
        return CODING
    if name == b"connection":
        return CLOSES if b"close" in map(bytes.strip, value.split(b",")) else 0
    if name == b"expect":
        return ASKS if value == b"100-continue" else 0
    return SWITCHES if name == b"upgrade" else 0
