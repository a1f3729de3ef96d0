"""What might an upstream do, how long might it take, and how might time go by? What hypothesis draws from.

======================  =========================================================================================
`outcomes`              one step of an `Upstream`: a success, a failure, "not now", a timeout
`latencies`             seconds, each list by one law: constant, exponential, bimodal or with a heavy tail
`scripts`               whole scripts: ``Upstream(*script)``
`clock_jumps`           steps of a clock: nothing, next to nothing, seconds, hours, a century
`traces`                calls that come, last and end, to play on the state of a policy
======================  =========================================================================================

The laws, by the inverse of their distribution function at a drawn u in [0, 1), cut off at ``least`` and ``most``::

    constant       a
    exponential    -a ln(1 - u)
    bimodal        a, and with a small probability a hundred times a
    heavy          a (1 - u) ** (-1 / 1.2)                            Pareto: the mean exists, the variance does not

All shrink towards quick successes. Nothing here is random by itself: a failing example is printed, and played again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..call import Verdict
from ..errors import ConfigError
from .outcomes import after, answer, hang

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import DrawFn, SearchStrategy
except ImportError:
    raise ConfigError("meshkit.testing.strategies needs hypothesis: install meshkit with its extra [testing]") from None

__all__ = ["KINDS", "LAWS", "Arrival", "clock_jumps", "latencies", "outcomes", "scripts", "traces"]

KINDS = ("success", "failure", "overloaded", "timeout")
LAWS = ("constant", "exponential", "bimodal", "heavy")
CENTURY = 3.2e9
SLOW_SHARE = 0.05
"""Of the slow ones among bimodal latencies."""


class Arrival(NamedTuple):
    """A call of a trace: when it comes, how long it lasts if it goes, and how it ends."""

    at: float
    lasts: float
    verdict: Verdict

    @property
    def ends_at(self) -> float:
        return self.at + self.lasts


def outcomes(*kinds: str, http: bool = True) -> SearchStrategy[Any]:
    """A step of the given ``kinds``, by default of any: ``"success"``, ``"failure"``, ``"overloaded"``, ``"timeout"``.

    They are those of an HTTP server, and exceptions of httpx (of httpx2 where only that is). ``http=False``: what plain
    functions do, values and builtin exceptions alone; they cannot be ``"overloaded"``. A ``"timeout"`` may be a `hang`:
    have a timeout outside.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError.of("outcomes", "kinds", kind, f"name some of {list(KINDS)}")
    slow: type[Exception]
    if http:
        from ..httpx.library import installed

        theirs = installed("outcomes").module
        slow = theirs.ReadTimeout
        steps = {
            "success": st.sampled_from([200, 204, 404]),
            "failure": st.sampled_from([500, 502, 504, theirs.ConnectError, theirs.ReadError]),
            "overloaded": st.one_of(
                st.sampled_from([0, 1, 7, 3600]).map(lambda asked: answer(503, retry_after=asked)),
                st.sampled_from([None, 1, 60]).map(lambda asked: answer(429, retry_after=asked)),
            ),
        }
    else:
        slow = TimeoutError
        steps = {
            "success": st.sampled_from(["done", None]),
            "failure": st.sampled_from([ConnectionError, ConnectionResetError, OSError]),
        }
    steps["timeout"] = st.one_of(st.just(slow), st.builds(hang))
    chosen = [steps[kind] for kind in kinds or KINDS if kind in steps]
    if not chosen:
        raise ConfigError.of("outcomes", "kinds", kinds, "a plain function cannot say that it is overloaded")
    return st.one_of(chosen)


@st.composite
def latencies(
    draw: DrawFn,
    *,
    laws: Sequence[str] = LAWS,
    least: float = 0.0,
    most: float = 60.0,
    min_size: int = 1,
    max_size: int = 20,
) -> list[float]:
    """Seconds from ``least`` to ``most``, all of one list by one of the ``laws``."""
    if not 0 <= least <= most < math.inf:
        raise ConfigError.of("latencies", "most", most, f"give finite seconds from least={least!r} on")
    for law in laws:
        if law not in LAWS:
            raise ConfigError.of("latencies", "laws", law, f"name some of {list(LAWS)}")
    law = draw(st.sampled_from(list(laws)))
    scale = draw(st.sampled_from([0.001, 0.01, 0.05, 0.3, 1.0, 10.0]))
    drawn = draw(st.lists(st.floats(0.0, 1.0, exclude_max=True), min_size=min_size, max_size=max_size))
    return [min(most, max(least, _latency(law, scale, u))) for u in drawn]


def _latency(law: str, scale: float, u: float) -> float:
    if law == "exponential":
        return -scale * math.log1p(-u)
    if law == "heavy":
        return float(scale * (1.0 - u) ** (-1.0 / 1.2))
    if law == "bimodal" and u >= 1.0 - SLOW_SHARE:
        return 100.0 * scale
    return scale


@st.composite
def scripts(
    draw: DrawFn,
    *kinds: str,
    http: bool = True,
    least: float = 0.0,
    most: float = 60.0,
    max_size: int = 10,
) -> tuple[Any, ...]:
    """A script for an `Upstream`: `outcomes` of the ``kinds``, most of them after one of the `latencies`."""
    steps = draw(st.lists(outcomes(*kinds, http=http), min_size=1, max_size=max_size))
    seconds = draw(latencies(least=least, most=most, min_size=len(steps), max_size=len(steps)))
    return tuple(after(each, step) if each else step for each, step in zip(seconds, steps, strict=True))


def clock_jumps(*, most: float = CENTURY, min_size: int = 0, max_size: int = 30) -> SearchStrategy[list[float]]:
    """How a clock goes on, for `ManualClock.advance`: never back, often not at all, and now and then very far."""
    ordinary = [0.0, 0.0, 1e-9, 1e-6, 0.001, 0.1, 1.0, 30.0, 3600.0, 86_400.0, CENTURY]
    usual = st.sampled_from([each for each in ordinary if each <= most])
    return st.lists(st.one_of(usual, st.floats(0.0, most)), min_size=min_size, max_size=max_size)


@st.composite
def traces(
    draw: DrawFn,
    *,
    verdicts: Sequence[Verdict] = (Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED),
    most: float = 60.0,
    max_size: int = 40,
) -> list[Arrival]:
    """Calls by the instant at which they come; neither the gaps between them nor what they last is over ``most``."""
    size = draw(st.integers(0, max_size))
    gaps = draw(clock_jumps(most=most, min_size=size, max_size=size))
    lasts = draw(latencies(most=most, min_size=size, max_size=size))
    ends = draw(st.lists(st.sampled_from(list(verdicts)), min_size=size, max_size=size))
    trace, now = [], 0.0
    for gap, last, verdict in zip(gaps, lasts, ends, strict=True):
        now += gap
        trace.append(Arrival(now, last, verdict))
    return trace
