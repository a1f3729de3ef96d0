"""Which trace is a request part of, and may what it says of that be sent on unchanged?

===========================  ==========================================================  ===============================
field                        value                                                       where it comes from
===========================  ==========================================================  ===============================
``traceparent``              ``00-{32 hex}-{16 hex}-{2 hex}``, longer in later versions  W3C Trace Context, 3.2
``tracestate``               1 to 32 members ``key=value``, 4096 bytes in all            W3C Trace Context, 3.3
``b3``                       ``{trace}-{span}[-{0 1 d}[-{parent}]]``, or ``0 1 d``       B3, the single headers
``x-b3-traceid``             32 or 16 hex                                                B3, the multiple headers
``x-b3-spanid``              16 hex                                                      the same
``x-b3-parentspanid``        16 hex, only with the two above                             the same
``x-b3-sampled``             ``0 1 true false``                                          the same
``x-b3-flags``               ``0 1``                                                     the same
``x-amzn-trace-id``          ``Root=1-{8 hex}-{24 hex}`` and other pairs, 512 bytes      AWS X-Ray, tracing header
===========================  ==========================================================  ===============================

Hexadecimal digits are in lower case, and an identifier of zeros is none. What is malformed or too long is left out, and
so is a field that comes twice, for nobody knows which one is meant; only ``tracestate`` may, and is then joined in
order. It is taken along with a valid ``traceparent`` only. Reading takes time linear in what is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["NAMES", "ids", "taken"]

PARENT, STATE = b"traceparent", b"tracestate"
B3, TRACE, SPAN, ABOVE = b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid"
SAMPLED, FLAGS, AMAZON = b"x-b3-sampled", b"x-b3-flags", b"x-amzn-trace-id"

NAMES = frozenset({PARENT, STATE, B3, TRACE, SPAN, ABOVE, SAMPLED, FLAGS, AMAZON})
"""In lower case."""

LONGEST = {STATE: 4096}
USUAL = 512
"""Bytes of any other value; a longer one is no context."""
MEMBERS = 32
"""Of a ``tracestate``; an empty one does not count."""

_PARENT = re.compile(
    rb"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})-[0-9a-f]{2}"
    rb"(?P<more>-[!-~]*)?"
)
_MEMBER = re.compile(rb"[a-z0-9][a-z0-9_*/@-]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_TRACE = rb"(?!0{16,32}(?![0-9a-f]))(?P<trace>[0-9a-f]{32}|[0-9a-f]{16})"
_SPAN = rb"(?!0{16})(?P<span>[0-9a-f]{16})"
_B3 = re.compile(rb"[01d]|" + _TRACE + b"-" + _SPAN + rb"(?:-[01d](?:-[0-9a-f]{16})?)?")
_ROOT = re.compile(rb"1-(?!0{8}-0{24})[0-9a-f]{8}-[0-9a-f]{24}")
_PAIRS = {
    b"Root": _ROOT,
    b"Self": _ROOT,
    b"Parent": re.compile(_SPAN),
    b"Sampled": re.compile(rb"[01?]"),
}
_KEY = re.compile(rb"[A-Za-z][A-Za-z0-9_-]*")
_OTHER = re.compile(rb"[!-:<>-~]*")

_PATTERNS = {
    PARENT: _PARENT,
    B3: _B3,
    TRACE: re.compile(_TRACE),
    SPAN: re.compile(_SPAN),
    ABOVE: re.compile(_SPAN),
    SAMPLED: re.compile(rb"[01]|true|false"),
    FLAGS: re.compile(rb"[01]"),
}


def taken(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    """The fields of a request, their names in any case, that carry a valid context. Names in the answer are in lower
    case, values as they came but for the blanks around them.
    """
    found: dict[bytes, bytes] = {}
    twice: set[bytes] = set()
    for each, value in headers:
        name = each.lower()
        if name not in NAMES:
            continue
        value = value.strip(b" \t")  # noqa: PLW2901  # as it is meant
        if name not in found:
            found[name] = value
        elif name == STATE:
            found[name] += b"," + value
        else:
            twice.add(name)
    if not found:
        return ()
    valid = {name: value for name, value in found.items() if name not in twice and _is_valid(name, value)}
    if PARENT not in valid:
        valid.pop(STATE, None)
    if TRACE not in valid or SPAN not in valid:
        for name in (TRACE, SPAN, ABOVE):
            valid.pop(name, None)
    return tuple(valid.items())


def ids(fields: Iterable[tuple[bytes, bytes]]) -> dict[str, str] | None:
    """``"trace_id"``, 32 or 16 hexadecimal digits, and ``"span_id"``, 16, of what `taken` answered: the caller's.
    A load balancer of AWS says no ``"span_id"``. ``None``: there is no trace, or merely a word on sampling.
    """
    said = dict(fields)
    for name, pattern in ((PARENT, _PARENT), (B3, _B3)):
        match = pattern.fullmatch(said.get(name, b""))
        if match is not None and match["trace"] is not None:
            return {"trace_id": match["trace"].decode("ascii"), "span_id": match["span"].decode("ascii")}
    if TRACE in said and SPAN in said:
        return {"trace_id": said[TRACE].decode("ascii"), "span_id": said[SPAN].decode("ascii")}
    pairs = _pairs(said.get(AMAZON, b""))
    if pairs is None:
        return None
    trace = {"trace_id": pairs[b"Root"][2:].replace(b"-", b"").decode("ascii")}
    return {**trace, "span_id": pairs[b"Parent"].decode("ascii")} if b"Parent" in pairs else trace


def _is_valid(name: bytes, value: bytes) -> bool:
    if not 0 < len(value) <= LONGEST.get(name, USUAL):
        return False
    if name == STATE:
        return _is_state(value)
    if name == AMAZON:
        return _pairs(value) is not None
    match = _PATTERNS[name].fullmatch(value)
    if match is None:
        return False
    return name != PARENT or match["more"] is None or match["version"] != b"00"


def _is_state(value: bytes) -> bool:
    keys: set[bytes] = set()
    for each in value.split(b","):
        member = each.strip(b" \t")
        if not member:
            continue
        if not _MEMBER.fullmatch(member):
            return False
        key = member.partition(b"=")[0]
        if key in keys or len(keys) >= MEMBERS:
            return False
        keys.add(key)
    return bool(keys)


def _pairs(value: bytes) -> dict[bytes, bytes] | None:
    """Of X-Ray's field; ``None``: malformed, or without a trace."""
    pairs: dict[bytes, bytes] = {}
    for pair in value.removesuffix(b";").split(b";"):
        key, equals, said = pair.strip(b" ").partition(b"=")
        if not equals or key in pairs or not _KEY.fullmatch(key) or not _PAIRS.get(key, _OTHER).fullmatch(said):
            return None
        pairs[key] = said
    return pairs if b"Root" in pairs else None
