"""How are durations, sizes and shares written? With a unit, exactly.

==========  ==========================================  =========================================================
what        written                                     is
==========  ==========================================  =========================================================
duration    ``2s`` ``500ms`` ``1h30m`` ``1.5s``         float seconds; units h, m, s, ms, us, in any order, added
size        ``64KiB`` ``10MB`` ``512``                  whole bytes; kB, MB, GB, TB are powers of 1000
share       ``0.05`` ``5%``                             0..1
==========  ==========================================  =========================================================

Durations are those of the Gateway API (GEP-2257), with fractions and microseconds besides, and with up to 15 digits
where it has 5. A text is taken for the double next to it: ``100ms`` is ``0.1``. What is written for a value reads back
as the same value; whole milliseconds are written in the canonical form of the GEP: ``1h30m10s``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

__all__ = [
    "DURATION",
    "PERCENT",
    "SIZE",
    "duration",
    "duration_meant",
    "duration_text",
    "percent",
    "size",
    "size_meant",
    "size_text",
]

_NUMBER = r"[0-9]{1,15}(\.[0-9]{1,20})?"
DURATION = rf"({_NUMBER}(h|ms|m|s|us)){{1,8}}"
SIZE = rf"{_NUMBER}([kKMGT]B|[KMGT]iB|B)"
PERCENT = rf"{_NUMBER}%"

_DURATION = re.compile(DURATION)
_PARTS = re.compile(r"([0-9]+)(?:\.([0-9]+))?(h|ms|m|s|us)")
_SIZE = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,20}))?([kKMGT]B|[KMGT]iB|B)")
_SIZE_MEANT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,20})?)\s*([kmgt]?)(i?|i?b|bytes?)", re.IGNORECASE | re.ASCII)
_PERCENT = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,20}))?%")

PLACES = 20
"""Digits behind a point."""
WHOLE = 100_000_000_000_000_000_000
MICROSECONDS = {"h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000, "us": 1}
MOST = 10**18
"""Seconds that have too many digits in any unit."""
BYTES = {
    "TiB": 2**40, "TB": 10**12, "GiB": 2**30, "GB": 10**9, "MiB": 2**20, "MB": 10**6, "KiB": 2**10, "kB": 10**3,
    "KB": 10**3, "B": 1,
}  # fmt: skip


def _scaled(whole: str, places: str | None) -> int:
    """``1.5`` as a whole number of 10 ** -20."""
    return int(whole) * WHOLE + int((places or "").ljust(PLACES, "0"))


@lru_cache(4096)
def duration(text: str) -> float | None:
    """Seconds; ``None``: it is no duration."""
    if _DURATION.fullmatch(text) is None:
        return None
    parts = _PARTS.findall(text)
    # A quotient of whole numbers is the double next to it.
    total: int = sum(_scaled(whole, places) * MICROSECONDS[unit] for whole, places, unit in parts)
    return total / (WHOLE * 1_000_000)


_SPELLED = (
    (r"milliseconds?|millis?|msecs?", "ms"),
    (r"microseconds?|micros?|usecs?|µs|μs", "us"),
    (r"seconds?|secs?", "s"),
    (r"minutes?|mins?", "m"),
    (r"hours?|hrs?", "h"),
)


def duration_meant(text: str) -> str | None:
    """The duration that was meant by a text that is none: ``5 sec``, ``2Min``, ``1d``."""
    if len(text) > 40:
        return None
    meant = re.sub(r"[\s,]+|and", "", text.lower())
    days = re.fullmatch(r"([0-9]{1,6})d(?:ays?)?", meant)
    for spelled, unit in _SPELLED:
        meant = re.sub(rf"(?<=[0-9])({spelled})(?![a-zµμ])", unit, meant)
    if days is not None:
        meant = f"{int(days[1]) * 24}h"
    return meant if duration(meant) is not None else None


def duration_text(seconds: float) -> str | None:
    """The shortest canonical text that is read as these seconds; ``None``: there is none."""
    exact = Decimal(repr(seconds))
    return next((text for text in _texts(exact) if duration(text) == seconds), None)


def _texts(exact: Decimal) -> Iterator[str]:
    milliseconds = exact.scaleb(3)
    if 0 <= exact < MOST and milliseconds % 1 == 0:
        rest, parts = int(milliseconds), []
        for unit, size in (("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{unit}")
        yield "".join(parts) or "0s"
    for unit, places in (("s", 0), ("ms", 3), ("us", 6)):
        if places or exact >= 1:
            yield f"{exact.scaleb(places).normalize():f}{unit}"


def size(text: str) -> int | None:
    """Bytes; ``None``: it is no size, or no whole number of bytes."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    total = _scaled(match[1], match[2]) * BYTES[match[3]]
    return None if total % WHOLE else total // WHOLE


def size_meant(text: str) -> str | None:
    """The size that was meant by a text that is none: ``10 MiB``, ``64k``, ``1M``, ``10 mb``."""
    match = _SIZE_MEANT.fullmatch(text[:40])
    if match is None:
        return None
    number, unit, rest = match[1], match[2].upper(), match[3].lower()
    unit = "k" if unit == "K" and "i" not in rest else unit
    told = f"{number}{unit}iB" if "i" in rest else f"{number}{unit}B"
    if size(told) is None:
        return None
    return told if "b" in rest or not unit else f"{told} or {number}{unit.upper()}iB"


def size_text(count: int) -> str | int:
    """With the largest unit of which it is a whole number."""
    return next(
        (f"{count // each}{unit}" for unit, each in BYTES.items() if each > 1 and count and not count % each), count
    )


def percent(text: str) -> float | None:
    """A share of 1; ``None``: it is no percentage."""
    match = _PERCENT.fullmatch(text)
    return None if match is None else _scaled(match[1], match[2]) / (WHOLE * 100)
