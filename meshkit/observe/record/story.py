"""Why did this call end as it did? A decision record, told in plain language.

::

    GET http://orders/stock/7 failed after 1.23 s: the second attempt, on orders-b, was answered with status 503; the
    first, on orders-a, found the connection refused. The retry made no third: its budget was used up (balance 0, ...).
    2026-11-27T04:42:43.123Z, pipeline orders, recorded because it failed
      +0.001 s  the first attempt goes, on orders-a (cluster orders)
      +0.003 s  the first attempt, on orders-a, found the connection refused
      ...

The headline says who, what came of it and why, the last attempt first; then what the policies did about it; then all
steps in order, with the numbers there are. It is made of the JSON form alone, read back from a file perhaps: what is
missing or unknown (of a newer version) is left out, nothing raises, and all of it is safe to print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .headline import Headline
from .phrases import number, part, parts, plain, seconds, text, whole
from .steps import line

__all__ = ["summary", "tell"]

LONGEST = 200
"""Characters of a summary."""
SHORT = 0.01
"""Seconds: what is over sooner is told to the microsecond."""
REASONS = {
    "error": "it failed",
    "slow": "it was slow",
    "sampled": "it was drawn as a sample",
    "asked": "it was asked for",
    "always": "all are",
}


def tell(data: Mapping[str, Any]) -> str:
    """The whole story of a record in its JSON form: the headline, then line by line. Never raises."""
    known = _known(data)
    return "\n".join([str(Headline(known)), *_lines(known)])


def summary(data: Mapping[str, Any]) -> str:
    """The headline in at most 200 characters, for notes and logs. Never raises."""
    told = str(Headline(_known(data)))
    return told if len(told) <= LONGEST else told[: LONGEST - 3] + "..."


def _known(data: Any) -> dict[str, Any]:
    known = plain(data)
    return known if isinstance(known, dict) else {}


def _lines(data: dict[str, Any]) -> Iterator[str]:
    name, at = text(data, "pipeline"), text(data, "at")
    because = text(data, "because")
    about = [at, f"pipeline {name}" if name else "", f"recorded because {REASONS.get(because, because)}"]
    yield ", ".join(each for each in (about if because else about[:2]) if each) or "recorded"
    rows = [(number(step, "at"), line(step)) for step in parts(data, "steps")]
    digits = 3 if max((at or 0.0 for at, _ in rows), default=0.0) >= SHORT else 6
    told = [("" if at is None else f"+{at:.{digits}f} s", words) for at, words in rows if words]
    width = max((len(at) for at, _ in told), default=0)
    yield from (f"  {at:>{width}}  {words}" for at, words in told)
    deadline = part(data, "deadline")
    within, left = number(deadline, "seconds"), number(deadline, "left")
    if within is not None:
        rest = "" if left is None else f", {seconds(left)} left" if left > 0 else ", nothing left"
        yield f"  deadline: {seconds(within)}{rest}" if within > 0 else "  deadline: passed before it began"
    for each in parts(data, "ledger"):
        spent = number(each, "seconds")
        count = whole(each, "attempts")
        took = [] if spent is None else [seconds(spent)]
        took += [] if count is None else [f"{count} attempt{'' if count == 1 else 's'}"]
        began = number(each, "at")
        indent = "  " * min(8, max(0, whole(each, "depth") or 0))
        since = "" if began is None else f", from +{seconds(began)}"
        yield f"  {indent}below: {text(each, 'who')}: {', '.join([*took, text(each, 'verdict')])}{since}"
    if dropped := whole(data, "dropped"):
        yield f"  {dropped} more step{'' if dropped == 1 else 's'} {'was' if dropped == 1 else 'were'} not kept"
