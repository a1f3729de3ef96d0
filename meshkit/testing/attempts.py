"""How often was the upstream asked, when, and how did each attempt end? What `Upstream` writes down.

An assertion that fails tells the story::

    3 attempts expected, 2 made:
      1  at 0.000 s             503
      2  at 1.000 s  (+1.000)   200 after 30 s: given up at 3.000 s
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

__all__ = ["Attempt", "assert_attempts", "told"]

ROUNDING = 1e-6
"""Seconds by which two instants that are the same may differ: sums of floats."""

Gap = float | tuple[float, float]


class Attempt:
    """One time an upstream was asked.

    ``at`` and ``ended_at`` are on the upstream's clock; ``request`` is what came: an HTTP request, an ASGI scope, or a
    function's ``(args, kwargs)``; ``outcome`` the step it met. ``cancelled``: whoever asked gave up before the answer.
    ``closed``: the body was closed. ``where``: which of the `Upstreams` it was; ``None``: there is one only.
    """

    __slots__ = ("at", "cancelled", "closed", "ended_at", "number", "outcome", "request", "where")

    def __init__(self, number: int, at: float, request: Any, outcome: Any) -> None:
        self.number = number
        self.at = at
        self.request = request
        self.outcome = outcome
        self.ended_at: float | None = None
        """``None``: still under way."""
        self.cancelled = False
        self.closed = False
        self.where: str | None = None

    def __repr__(self) -> str:
        how = "" if self.ended_at is not None else ": under way"
        if self.cancelled:
            how = f": given up at {self.ended_at:.3f} s"
        where = "" if self.where is None else f" of {self.where}"
        return f"Attempt({self.number}{where} at {self.at:.3f} s, {self.outcome}{how})"


def told(attempts: Sequence[Attempt]) -> str:
    """A line for each attempt."""
    lines, last = [], None
    width = max((len(attempt.where) + 2 for attempt in attempts if attempt.where), default=0)
    for number, attempt in enumerate(attempts, start=1):
        gap = "" if last is None else f"(+{attempt.at - last:.3f})"
        if attempt.cancelled:
            how = f": given up at {attempt.ended_at:.3f} s"
        else:
            how = ": under way" if attempt.ended_at is None else ""
        where = f"{attempt.where or '':<{width}}" if width else ""
        lines.append(f"  {number:<2} at {attempt.at:.3f} s  {gap:<10}  {where}{attempt.outcome}{how}")
        last = attempt.at
    return "\n".join(lines) or "  none"


def assert_attempts(
    upstream: Any, count: int, *, gaps: Sequence[Gap] | None = None, within: float | None = None
) -> None:
    """The upstream was asked ``count`` times; raises an `AssertionError` that tells of each attempt.

    ``gaps``: the seconds between the beginnings of one attempt and the next, each a number or ``(least, most)``.
    ``within``: the seconds from the first beginning to the last end.
    """
    attempts: Sequence[Attempt] = upstream.attempts
    if len(attempts) != count:
        raise AssertionError(f"{_many(count)} expected, {len(attempts)} made:\n{told(attempts)}")
    if gaps is not None:
        if len(gaps) != max(0, count - 1):
            raise AssertionError(f"{_many(count)} have {max(0, count - 1)} gaps between them, not {len(gaps)}")
        for number, (gap, before, attempt) in enumerate(zip(gaps, attempts, attempts[1:], strict=False), start=1):
            least, most = gap if isinstance(gap, tuple) else (gap, gap)
            seen = attempt.at - before.at
            if not least - ROUNDING <= seen <= most + ROUNDING:
                wanted = f"{least:g} s" if least == most else f"{least:g} to {most:g} s"
                text = f"gap {number}, between attempts {number} and {number + 1}, is {seen:.3f} s, not {wanted}"
                raise AssertionError(f"{text}:\n{told(attempts)}")
    if within is not None and attempts:
        ends = [math.inf if attempt.ended_at is None else attempt.ended_at for attempt in attempts]
        took = max(ends) - attempts[0].at
        if took > within + ROUNDING:
            text = "are not over" if took == math.inf else f"took {took:.3f} s"
            raise AssertionError(f"{_many(count)} {text}, not within {within:g} s:\n{told(attempts)}")


def _many(count: int) -> str:
    return f"{count} attempt{'s' if count != 1 else ''}"
