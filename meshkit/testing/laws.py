"""Does a policy keep the laws? Random traces of calls, played again and again, and compared.

::

    from meshkit.testing import check

    def test_the_laws():
        check(lambda: MyPolicy(limit=2))

Each trace (calls that come with and without deadlines, end with any verdict, wait, are given up anywhere, also in the
instant in which their turn in a queue came) is played several times:

===================  =================================================================================
once                 what is answered makes sense, and at the end ``idle()`` is true
at another time      same seed, while clocks and global randomness say something else: same decisions
while being read     ``repr`` and ``snapshot`` before and after each decision: same decisions
without a refusal    a call that was refused on the spot never comes: same decisions for others
===================  =================================================================================

The last one is left out for policies that draw random numbers, repeat or choose: there a refusal may move what follows.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..call import Verdict
from ..errors import ConfigError
from .script import Script, Step
from .witness import Broken

__all__ = ["check"]

CLOCKS = (time.time, time.monotonic, time.perf_counter, time.process_time)
CENTURY = 3.2e9
OTHERWISE = "law 1: same spec, seed and trace, and other decisions: a clock, global randomness, shared state?"


def check(
    spec: Callable[[], Any],
    *,
    requests: Sequence[Any] = (0, 1, 2),
    counts_rejections: bool = False,
    examples: int = 100,
) -> None:
    """Play random traces on the spec that ``spec()`` makes; raises an `AssertionError` that names the law.

    ``requests`` are what calls bring, for keys and costs: mappings and objects are asked by name, and the default ones
    answer a small number for every name. ``counts_rejections=True`` says that a refusal is meant to leave a trace in
    the policy's state. ``examples``: how many traces. A `ConfigError` where hypothesis is missing.
    """
    try:
        from hypothesis import given, settings
        from hypothesis import strategies as st
    except ImportError:
        raise ConfigError("meshkit.testing: the law suite needs hypothesis: pip install 'meshkit[testing]'") from None

    if not hasattr(spec(), "start"):
        raise ConfigError.of("check", "spec", spec(), "give a policy, as in check(lambda: RateLimit('10/s'))")
    steps = st.builds(
        Step,
        verb=st.sampled_from(["call", "call", "call", "end", "end", "cancel", "race"]),
        after=st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.05, 0.1, 0.3, 1.0, 4.0, 31.0]),
        which=st.integers(0, 5),
        verdict=st.sampled_from([Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED]),
        within=st.sampled_from([None, None, 0.0, 0.2, 1.0, 10.0]),
        asked=st.sampled_from([None, None, 0.0, 0.5, 100.0]),
    )

    traces = st.sampled_from([5, 15, 45]).flatmap(lambda size: st.lists(steps, min_size=size, max_size=size))

    # What is remembered of failures is kept by function, and this one serves every policy: remember none.
    @settings(max_examples=examples, deadline=None, database=None, report_multiple_bugs=False)
    @given(trace=traces, seed=st.integers(0, 3))
    def holds(trace: list[Step], seed: int) -> None:
        _compare(spec, requests, counts_rejections, trace, seed)

    holds()


def _compare(
    spec: Callable[[], Any], requests: Sequence[Any], counts_rejections: bool, trace: list[Step], seed: int
) -> None:
    def script(reading: bool = False) -> Script:
        return Script(spec(), seed, requests, reading=reading, counting=counts_rejections)

    once = script()
    before = once.rng.getstate()
    log = once.play(trace)
    with _another_time(spec()):
        if script().play(trace) != log:
            raise Broken(OTHERWISE)
    if script(reading=True).play(trace) != log:
        read = script().play(trace) == log
        raise Broken("law 3: reading the state changed a decision" if read else OTHERWISE)
    drew = once.rng.getstate() != before
    if not (counts_rejections or drew or hasattr(once.state, "pick") or hasattr(once.state, "again")):
        skip = set(sorted(once.rejected)[:1])
        if script().play(trace, skip) != [each for each in log if each[0] not in skip]:
            raise Broken("law 2: a call that was refused changed what others were told: it had taken something")


@contextmanager
def _another_time(spec: Any) -> Iterator[None]:
    """A century later, with other luck: for who asks the clocks of ``time`` by way of that module or of its own."""
    places = [
        (module, name, value)
        for module in (time, sys.modules[type(spec).__module__])
        for name, value in list(vars(module).items())
        if any(value is clock for clock in CLOCKS)
    ]
    luck = random.getstate()
    random.seed(CENTURY)
    for module, name, clock in places:
        setattr(module, name, _later(clock))
    try:
        yield
    finally:
        for module, name, clock in places:
            setattr(module, name, clock)
        random.setstate(luck)


def _later(clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: clock() + CENTURY
