"""When was an answer made? As its field has it, made anew each second. (RFC 9110, 5.6.7 and 6.6.1)

Whoever has a clock is to say so in each answer, but for 1xx and 5xx, and to add it to one that is relayed without.
"""

from __future__ import annotations

from email.utils import formatdate
from time import time

__all__ = ["DATE", "date"]

DATE = b"\r\ndate: "
"""Where a head has one."""

_known = 0, b""


def date() -> bytes:
    """The field, with the end of its line."""
    global _known  # noqa: PLW0603  # one for the process, as the time is
    second = int(time())
    known = _known
    if known[0] != second:
        known = _known = second, b"date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
    return known[1]
