"""How long does a ``Retry-After`` ask to wait?

``Retry-After = HTTP-date / 1*DIGIT`` (RFC 9110, 10.2.3), where a date has one of three forms (5.6.7)::

    Sun, 06 Nov 1994 08:49:37 GMT      the preferred one
    Sunday, 06-Nov-94 08:49:37 GMT     RFC 850: two digits of the year nearest to now, at most 50 years ahead
    Sun Nov  6 08:49:37 1994           C's asctime

Anything else is junk and asks for nothing. No clock is read: the doors know the time of day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["parse", "parse_ms"]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MOST = 40
"""Characters; the longest date has 33."""

_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_WEEKDAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = f"(?P<month>{'|'.join(MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DATES = tuple(
    re.compile(form)
    for form in (
        f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        f"{_WEEKDAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        f"{_DAY} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_SECONDS = re.compile("[0-9]+")
_MILLISECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse(value: str, now_wall: float) -> float | None:
    """Seconds from ``now_wall`` (seconds since 1970) on, 0 for a date that has passed; ``None`` for junk."""
    value = value.strip(" \t")
    if len(value) > MOST:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    at = _instant(value, now_wall)
    return None if at is None else max(0.0, at - now_wall)


def parse_ms(value: str) -> float | None:
    """Seconds asked for by a ``retry-after-ms`` field, which some APIs send as well; ``None`` for junk."""
    value = value.strip(" \t")
    return float(value) / 1000.0 if len(value) <= MOST and _MILLISECONDS.fullmatch(value) else None


def _instant(value: str, now_wall: float) -> float | None:
    for form in _DATES:
        if match := form.fullmatch(value):
            break
    else:
        return None
    month, (day, hour, minute, second) = match["month"], map(int, match.group("day", "hour", "minute", "second"))
    leap = second == 60  # allowed by the grammar, unknown to datetime
    try:
        year = int(match["year"])
        if len(match["year"]) == 2:
            this = datetime.fromtimestamp(now_wall, UTC).year
            year = this - 49 + (year - this + 49) % 100
        date = datetime(year, MONTHS.index(month) + 1, day, hour, minute, second - leap, tzinfo=UTC)
        return date.timestamp() + leap
    except (ValueError, OverflowError, OSError):
        return None
