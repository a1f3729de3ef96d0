"""Why did this call end as it did? A decision record, told in plain language.

::

    GET http://orders/stock/7 failed after 1.23 s: the first attempt, on orders-a, found the connection refused; the
    second, on orders-b, was answered with status 503. The retry made no third: its budget was used up (2 retries ...).
    2026-11-27T04:42:43.123Z, pipeline orders, recorded because it failed
      +0.001 s  the first attempt goes, on orders-a (cluster orders)
      +0.003 s  the first attempt, on orders-a, found the connection refused
      ...

The headline says who, what came of it and why; then what the policies did about it; then all steps in order, with the
numbers there are. It is made of the JSON form alone, read back from a file perhaps: what is
missing or unknown (of a newer version) is left out, nothing raises, and all of it is safe to print.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .headline import TOLD, Headline
from .phrases import flag, number, part, parts, plain, seconds, text, whole
from .steps import line

__all__ = ["summary", "tell"]

LONGEST = 200
"""Characters of a summary."""
NEAR = 24
"""Characters that may be missing for a whole word."""
LEAST = 60
"""Characters of its first sentence."""
NOTED = re.compile(r" \([^()]*\)")
"""What stands in brackets."""
SHORT = 0.01
"""Seconds: what is over sooner is told in smaller units."""
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
    """The headline in at most 200 characters, for notes and logs. Where it is longer, attempts are left out, the first
    ones first, then what stands in brackets, and then the end of its first sentence: what the policies did about it
    stays. Never raises.
    """
    headline = Headline(_known(data))
    for attempts in range(TOLD, 0, -1):
        told = headline.told(attempts)
        if len(told) <= LONGEST:
            return told
    first, *afterwards = headline.sentences(1)
    rest = f" {afterwards[0]}" if afterwards else ""
    short = NOTED.sub("", rest)
    for told in (first + rest, first + short, NOTED.sub("", first) + short):
        if len(told) <= LONGEST:
            return told
    room = LONGEST - len(short) - 3
    told = _cut(first, room) + short if room >= LEAST else ""
    return told or _cut(f"{first}{rest}", LONGEST - 3)


def _cut(words: str, room: int) -> str:
    """The beginning, to the end of a word where there is one near."""
    whole = words[: room + 1].rpartition(" ")[0].rstrip(",;:")
    return f"{whole if len(whole) > room - NEAR else words[:room]}..."


def _known(data: Any) -> dict[str, Any]:
    known = plain(data)
    if not isinstance(known, dict):
        return {}
    if known.get("outcome") is not None:
        known["outcome"] = text(known, "outcome")  # it is looked up
    return known


def _lines(data: dict[str, Any]) -> Iterator[str]:
    name, at = text(data, "pipeline"), text(data, "at")
    because, trace = text(data, "because"), text(part(data, "trace"), "trace_id")
    about = [at, f"pipeline {name}" if name else "", f"trace {trace}" if trace else ""]
    about += [f"recorded because {REASONS.get(because, because)}"] if because else []
    yield ", ".join(each for each in about if each) or "recorded"
    steps = parts(data, "steps")
    while steps and data.get("outcome") is not None and text(steps[-1], "what") == "picked":
        steps.pop()  # whom the next attempt would have asked, had there been one
    rows = [(number(step, "at"), line(step, data)) for step in steps]
    fine = max((at or 0.0 for at, _ in rows), default=0.0) < SHORT
    told = [("" if at is None else f"+{seconds(at) if fine else f'{at:.3f} s'}", words) for at, words in rows if words]
    width = max((len(at) for at, _ in told), default=0)
    yield from (f"  {at:>{width}}  {words}" for at, words in told)
    deadline = part(data, "deadline")
    within, left = number(deadline, "seconds"), number(deadline, "left")
    if within is not None:
        rest = "" if left is None else f", {seconds(left)} left" if left > 0 else ", nothing left"
        came = "the deadline it came with" if flag(deadline, "inherited", True) else "deadline"
        yield f"  {came}: {seconds(within)}{rest}" if within > 0 else f"  {came}: passed before it began"
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
