"""What do windows, settling and pacing cost a call that goes? And what does being refused cost?

limits has both windows, with a lock around each count; no peer here settles, or paces by what an answer says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .floors import work
from .limit import PLENTY
from .measure import Trial
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS"]


def allowing(spec: Any) -> Callable[[], Any]:
    """A plain function behind one gate."""
    from meshkit import Pipeline

    return Pipeline(spec)(nothing)


def nothing() -> None:
    return None


@Subject.of("meshkit")
def fixed() -> Callable[[], Any]:
    from meshkit.limit.window import FixedWindow

    return allowing(FixedWindow(f"{PLENTY}/s"))


@Subject.of("meshkit")
def sliding() -> Callable[[], Any]:
    from meshkit.limit.window import SlidingWindow

    return allowing(SlidingWindow(f"{PLENTY}/s"))


@Subject.of("limits")
def limits_fixed() -> Callable[[], Any]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import FixedWindowRateLimiter

    return partial(FixedWindowRateLimiter(MemoryStorage()).hit, RateLimitItemPerSecond(PLENTY))


@Subject.of("limits")
def limits_sliding() -> Callable[[], Any]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import SlidingWindowCounterRateLimiter

    return partial(SlidingWindowCounterRateLimiter(MemoryStorage()).hit, RateLimitItemPerSecond(PLENTY))


@Subject.of("meshkit")
def sliding_around() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit.window import SlidingWindow

    return Pipeline(SlidingWindow(f"{PLENTY}/s"))(work)


@Subject.of("meshkit")
def settling() -> Callable[[], Any]:
    from meshkit import Pipeline, RateLimit

    return Pipeline(RateLimit(f"{PLENTY}/s", cost=10, settle=True))(spent=lambda result: 5)(work)


@Subject.of("meshkit")
def pacing() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit.pace import Pace

    return Pipeline(Pace())(work)


@Subject.of("meshkit")
def refused() -> Trial:
    from meshkit import Pipeline, RateLimited
    from meshkit.limit.window import SlidingWindow

    pipeline = Pipeline(SlidingWindow("1/day"))
    pipeline.call(nothing)
    return Trial(pipeline(work), raises=(RateLimited,))


ROWS = (
    Row(
        group="window",
        path="fixed window around a function",
        unit=CALLS,
        ours=fixed,
        peers=(limits_fixed,),
        usual="limits",
        notes=("limits is asked by itself: it stands around nothing.",),
    ),
    Row(
        group="window",
        path="sliding window around a function",
        unit=CALLS,
        ours=sliding,
        peers=(limits_sliding,),
        usual="limits",
    ),
    Row(group="window", path="sliding window around an async function", unit=AWAITS, ours=sliding_around),
    Row(group="window", path="rate limit that settles, async", unit=AWAITS, ours=settling),
    Row(group="window", path="pace that was told nothing, async", unit=AWAITS, ours=pacing),
    Row(group="window", path="refused by a sliding window, async", unit=AWAITS, ours=refused),
)
