"""What do shedding, throttling and an inert fault cost a call that goes? And what does turning one away cost?

aioresilience sheds by a limit, and has a level that may go up to it. No peer here throttles by what was accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .floors import work
from .measure import Trial
from .rows import AWAITS, CALLS, Row, Subject

__all__ = ["ROWS"]


@Subject.of("meshkit")
def limit() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit.shed import LoadShed

    return Pipeline(LoadShed(100))(work)


@Subject.of("meshkit")
def by_priority() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit.shed import LoadShed
    from meshkit.runtime.lag import loop_lag

    return Pipeline(LoadShed(100, signal=loop_lag, threshold=10.0, priority=lambda call: 3))(work)


@Subject.of("meshkit")
def refused() -> Trial:
    from meshkit import Overloaded, Pipeline
    from meshkit.limit.shed import LoadShed

    pipeline = Pipeline(LoadShed(1, priority=lambda call: "sheddable", signal=lambda: 2.0))
    return Trial(pipeline(work), raises=(Overloaded,))


@Subject.of("meshkit")
def throttle() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.limit.throttle import Throttle

    return Pipeline(Throttle())(work)


@Subject.of("meshkit")
def inert() -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.fault import FaultInjection

    return Pipeline(FaultInjection(abort=503, share=0.0, expires=86400.0))(work)


@Subject.of("meshkit")
def lag() -> Callable[[], Any]:
    from meshkit.runtime.lag import loop_lag

    return loop_lag


@Subject.of("aioresilience")
def aioresilience() -> Callable[[], Any]:
    from aioresilience import BasicLoadShedder, LoadSheddingConfig, with_load_shedding

    return with_load_shedding(BasicLoadShedder(LoadSheddingConfig(max_requests=100)))(work)


ROWS = (
    Row(
        group="shed",
        path="load shedding around an async function, a limit",
        unit=AWAITS,
        ours=limit,
        peers=(aioresilience,),
    ),
    Row(
        group="shed",
        path="load shedding around an async function, by priority and loop lag",
        unit=AWAITS,
        ours=by_priority,
    ),
    Row(group="shed", path="a call that is shed", unit=AWAITS, ours=refused),
    Row(group="shed", path="throttle around an async function", unit=AWAITS, ours=throttle),
    Row(group="shed", path="fault injection that strikes nobody", unit=AWAITS, ours=inert),
    Row(group="shed", path="loop_lag()", unit=CALLS, ours=lag),
)
