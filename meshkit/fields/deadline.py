"""How much time is left for this call, in words that another process reads?

===================================  ===============================================  ==============================
field                                value                                            where it comes from
===================================  ===============================================  ==============================
``grpc-timeout``                     ``1*8DIGIT`` and a unit, one of ``H M S m u n``  gRPC over HTTP/2, "Requests"
``x-envoy-expected-rq-timeout-ms``   whole milliseconds                               Envoy's router filter
any other (``x-request-deadline-ms``)  whole milliseconds                             no standard: meshkit's own
===================================  ===============================================  ==============================

All of them say what remains, never an instant: the clocks of two machines need not agree. What is malformed says
nothing. What is written is never longer than what is left: a deadline must not grow on its way.
"""

from __future__ import annotations

import re

__all__ = ["GRPC", "NAMES", "format_grpc", "format_ms", "formatted", "parse", "parse_grpc", "parse_ms", "shortest"]

GRPC = "grpc-timeout"
NAMES = (GRPC, "x-envoy-expected-rq-timeout-ms", "x-request-deadline-ms")
"""The fields that are looked for unless others are named."""

MOST = 40
"""Digits that are read; a longer number is junk, not patience."""
LONGEST = 1e11
"""Seconds that are written; three thousand years."""

_PER_SECOND = {"n": 1e9, "u": 1e6, "m": 1e3, "S": 1.0, "M": 1 / 60, "H": 1 / 3600}
_GRPC = re.compile("[0-9]{1,8}[HMSmun]")
_MILLISECONDS = re.compile(f"[0-9]{{1,{MOST}}}")


def parse_grpc(value: str) -> float | None:
    """Seconds; ``None`` for junk."""
    if not _GRPC.fullmatch(value):
        return None
    unit = value[-1]
    if unit == "H":
        return int(value[:-1]) * 3600.0
    if unit == "M":
        return int(value[:-1]) * 60.0
    return int(value[:-1]) / _PER_SECOND[unit]


def parse_ms(value: str) -> float | None:
    """Seconds; ``None`` for junk."""
    return int(value) / 1000.0 if _MILLISECONDS.fullmatch(value) else None


def parse(name: str, value: str) -> float | None:
    """Seconds by the field of that name, which is written in lower case; ``None`` for junk."""
    value = value.strip(" \t")
    return parse_grpc(value) if name == GRPC else parse_ms(value)


def shortest(fields: list[tuple[str, str]]) -> float | None:
    """The smallest of what several fields say; ``None``: none of them says anything."""
    return min((seconds for name, value in fields if (seconds := parse(name, value)) is not None), default=None)


def format_ms(seconds: float) -> str:
    """Whole milliseconds, none of them more than there is."""
    return str(_floor(seconds, 1e3))


def format_grpc(seconds: float) -> str:
    """The finest unit in which eight digits hold it."""
    for unit, per_second in _PER_SECOND.items():
        number = _floor(seconds, per_second)
        if number < 10**8:
            return f"{number}{unit}"
    return "99999999H"


def formatted(name: str, seconds: float) -> str:
    """The value of the field of that name."""
    return format_grpc(seconds) if name == GRPC else format_ms(seconds)


def _floor(seconds: float, per_second: float) -> int:
    if not seconds > 0:
        return 0
    if seconds > LONGEST:
        seconds = LONGEST
    number = int(seconds * per_second) + 1  # the product may have been rounded either way
    while number / per_second > seconds:
        number -= 1
    return number
