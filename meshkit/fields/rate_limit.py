"""What is left of a limit, and for how long? The ``RateLimit`` fields, written and read.

draft-ietf-httpapi-ratelimit-headers-11, in the syntax of RFC 9651::

    RateLimit-Policy: "burst";q=100;w=60, "daily";q=1000;w=86400      what is allowed: q in each w seconds
    RateLimit: "burst";r=50;t=30, "daily";r=400;t=1200                no more than r within the next t seconds

and what was used before, and still is:

=================  ===================================================================  ===========================
profile            fields                                                               reset
=================  ===================================================================  ===========================
``"draft-11"``     ``RateLimit-Policy``, ``RateLimit``                                  ``t``, seconds
``"draft-03"``     ``RateLimit-Limit``, ``-Remaining``, ``-Reset``                      seconds
``"x-ratelimit"``  ``X-RateLimit-Limit``, ``-Remaining``, ``-Reset``                    seconds
``"github"``       the same                                                             seconds since 1970
=================  ===================================================================  ===========================

The older profiles have room for one limit: the one of which the least is left. Reading takes time linear in what is
read, and never raises: a member that is malformed is left out, a list that cannot be taken apart is no list. No clock
is read: the doors know the time of day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigError
from ..section import numbered
from .members import LONGEST, members, quoted

__all__ = [
    "ABNORMAL_USAGE_DETECTED",
    "PROFILES",
    "QUOTA_EXCEEDED",
    "TEMPORARY_REDUCED_CAPACITY",
    "Announced",
    "read",
]

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""The problem type (RFC 9457) of a 429: these policies are used up. Members: ``violated-policies``, their names."""
TEMPORARY_REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
"""Of a 503: for the time being there is less to be had."""
ABNORMAL_USAGE_DETECTED = "https://iana.org/assignments/http-problem-types#abnormal-usage-detected"
"""Of a 429: this pattern of requests looks like a mistake or an attack."""

PROFILES = ("draft-11", "draft-03", "x-ratelimit", "github")
MOST = 999_999_999_999_999
"""The largest integer of RFC 9651."""
ALMOST = 1e-9
"""What floats lack of a whole number."""
_USUAL = re.compile(r'"[ !#-\[\]-~]*";r=([0-9]{1,15});t=([0-9]{1,15})')
"""One limit, and no more said of it than that: what `members` would make of it, in a tenth of the time."""
SINCE_1970 = 1_000_000_000.0
"""A reset from here on is an instant, not a duration of 31 years."""

Field = tuple[bytes, bytes]


class Announced:
    """What a server says of the limits among ``states``: those that have a ``quota`` and a ``quota_policy``.

    ``policies`` are the fields that are the same in every response; `fields` answers all of them. Several limits of one
    name are told apart as in snapshots: ``"RateLimit"``, ``"RateLimit 2"``. A `ConfigError` for a name that no field
    can carry, and for an unknown profile. False where there is nothing to say. No lock is needed: of each limit one
    value is read.
    """

    __slots__ = ("_limits", "_names", "fields", "names", "policies")

    def __init__(self, states: Iterable[Any], profile: str = "draft-11") -> None:
        if profile not in PROFILES:
            fix = "write one of " + ", ".join(map(repr, PROFILES))
            raise ConfigError.of("RateLimit fields", "profile", profile, fix)
        said = [(name, state) for name, state in numbered(states) if hasattr(state, "quota_policy")]
        self.names = tuple(name for name, _ in said)
        self.policies: tuple[Field, ...] = ()
        self._limits: tuple[Any, ...] = ()
        self._names: tuple[bytes, ...] = ()
        self.fields: Callable[..., list[Field]] = self._nothing
        """``(call, now, now_wall=0.0)``: the fields of one response; ``now_wall`` is seconds since 1970."""
        if not said:
            return
        items = [(quoted(name), state, *state.quota_policy) for name, state in said]
        if profile == "draft-11":
            value = b", ".join(b"%b;q=%d;w=%d" % (name, min(q, MOST), min(w, MOST)) for name, _, q, w in items)
            self.policies = ((b"ratelimit-policy", value),)
            self._limits = tuple(
                (state.quota, b"%b;r=%%d;t=%%d" % name.replace(b"%", b"%%")) for name, state, *_ in items
            )
            self.fields = self._lists if len(items) > 1 else _alone(self.policies[0], *self._limits[0])
        else:
            start = b"ratelimit-" if profile == "draft-03" else b"x-ratelimit-"
            self._names = (start + b"limit", start + b"remaining", start + b"reset")
            self._limits = tuple((state.quota, b"%d" % min(q, MOST)) for _, state, q, _ in items)
            self.fields = self._instants if profile == "github" else self._numbers

    def __bool__(self) -> bool:
        return bool(self._limits)

    def limits(self, call: Any, now: float) -> bytes:
        """The value of ``RateLimit``; empty where the call's keys are not known."""
        answers = [(form, quota(call, now)) for quota, form in self._limits]
        return b", ".join([form % _whole(answer) for form, answer in answers if answer is not None])

    def _nothing(self, call: Any, now: float, now_wall: float = 0.0) -> list[Field]:
        return []

    def _lists(self, call: Any, now: float, now_wall: float = 0.0) -> list[Field]:
        value = self.limits(call, now)
        return [*self.policies, (b"ratelimit", value)] if value else [*self.policies]

    def _numbers(self, call: Any, now: float, now_wall: float = 0.0) -> list[Field]:
        return self._one(call, now, 0)

    def _instants(self, call: Any, now: float, now_wall: float = 0.0) -> list[Field]:
        return self._one(call, now, math.floor(now_wall))

    def _one(self, call: Any, now: float, since: int) -> list[Field]:
        answers = [(answer, limit) for quota, limit in self._limits if (answer := quota(call, now)) is not None]
        if not answers:
            return []
        answer, limit = min(answers, key=lambda each: (each[0][0], -each[0][1]))
        remaining, seconds = _whole(answer)
        name, left, reset = self._names
        return [(name, limit), (left, b"%d" % remaining), (reset, b"%d" % (since + seconds))]


def _alone(policy: Field, quota: Callable[..., Any], form: bytes) -> Callable[..., list[Field]]:
    """The fields of ``"draft-11"`` where there is one limit, as nearly always; what was said last often holds."""
    said: tuple[tuple[int, int] | None, Field] = (None, policy)

    def fields(call: Any, now: float, now_wall: float = 0.0) -> list[Field]:
        nonlocal said
        answer = quota(call, now)
        if answer is None:
            return [policy]
        whole = _whole(answer)
        last, field = said
        if whole != last:
            field = b"ratelimit", form % whole
            said = whole, field
        return [policy, field]

    return fields


def _whole(answer: tuple[float, float]) -> tuple[int, int]:
    """Rounded to the side of caution: less is left, and for longer."""
    remaining, seconds = answer
    if remaining > MOST or seconds > MOST:
        remaining, seconds = min(remaining, MOST), min(seconds, MOST)
    return int(remaining + ALMOST), -int((ALMOST - seconds) // 1) or 1


def read(field: Callable[[str], str | None], now_wall: float) -> tuple[float, float] | None:
    """What a response says is left: (requests, seconds until more); ``None``: nothing that could be understood.

    ``field(name)`` answers the value of the field of that name, several lines joined with commas. Of several limits
    that count requests the one with the least left is answered, and of equals the longest. A member without ``t`` says
    nothing of time, and is passed over.
    """
    value = field("ratelimit")
    if value is not None:
        return _least(value, field("ratelimit-policy"))
    for start in ("ratelimit-", "x-ratelimit-"):
        remaining, reset = _number(field(start + "remaining")), _number(field(start + "reset"))
        if remaining is not None and reset is not None:
            return remaining, max(0.0, reset - now_wall) if reset >= SINCE_1970 else reset
    return None


def _least(value: str, policy: str | None) -> tuple[float, float] | None:
    others: set[str] = set()
    """Limits of something else than requests."""
    if policy is None or "qu=" not in policy:
        usual = _USUAL.fullmatch(value) if len(value) < LONGEST else None
        if usual is not None:
            return float(usual[1]), float(usual[2])
    else:
        others = {name for name, said in members(policy) if said.get("qu", "requests") != "requests"}
    left = [(_natural(said.get("r")), _natural(said.get("t"))) for name, said in members(value) if name not in others]
    known = [(r, t) for r, t in left if r is not None and t is not None]
    return min(known, key=lambda each: (each[0], -each[1]), default=None)


def _natural(value: Any) -> float | None:
    return float(value) if value.__class__ is int and value >= 0 else None


def _number(value: str | None) -> float | None:
    """A whole number in decimal digits, of 15 at most."""
    if value is None:
        return None
    value = value.strip(" \t")
    return float(value) if 0 < len(value) <= 15 and value.isascii() and value.isdigit() else None
