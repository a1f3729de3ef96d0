"""Fallback: among retries and deadlines; and nothing is left over."""

from __future__ import annotations

import gc
from contextlib import suppress
from random import Random

import anyio
import pytest

from meshkit import (
    AttemptTimedOut,
    Call,
    Cluster,
    ConcurrencyLimit,
    Constant,
    DeadlineExceeded,
    Fallback,
    FellBack,
    Overloaded,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    Timeout,
)
from meshkit.testing import run, virtual_clock

from ..scripted import Branches, Gate, fails, fails_async, pipeline, retry, told_to
from .ways import refuses, through

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep
ONCE = RateLimit("1/s", burst=1)


# Retries.


def test_inside_a_retry_it_answers_for_each_attempt_and_outside_for_the_last():
    sent = []

    def fn():
        sent.append(1)
        raise ConnectionError

    assert pipeline(retry(3), Fallback(value="stale")).call(fn) == "stale"
    assert len(sent) == 1
    assert pipeline(Fallback(value="stale"), retry(3)).call(fn) == "stale"
    assert len(sent) == 4


def test_a_retry_outside_repeats_what_the_fallback_could_not_mend():
    stack = pipeline(retry(3), Fallback(fails(ConnectionError())))
    assert stack.call(fails(ConnectionError(), ConnectionError())) == "done"
    assert stack.snapshot()["Fallback"]["taken"] == 2


@pytest.mark.parametrize("more", [{}, {"on": ConnectionError, "refused": False}], ids=["all", "some"])
async def test_when_a_further_attempt_is_refused_the_call_has_failed_as_the_one_before(more):
    """And so everybody is told who stands outside the retry."""
    spec = Fallback(value=7, **more)
    for call, fn in ((None, fails), (1, fails_async)):
        outer, inner = Gate("outer"), Gate("inner")
        stack = pipeline(spec, outer, retry(3), inner, Gate("limit", does=[None, Overloaded(policy="limit")]))
        reasons = []
        stack.listen(told_to(reasons), direct=True)
        error = ConnectionError()
        result = stack.call(fn(error))
        assert (result if call is None else await result) == 7
        assert outer.log == ["outer enter", "outer exit failure"]
        assert inner.log == ["inner enter", "inner exit failure", "inner enter", "inner exit ignored"]
        assert reasons[-1].reason.error is error
        assert stack.idle()


def test_when_a_further_attempt_is_refused_and_the_failure_is_not_ours():
    """What the fallback is for is a refusal, then."""
    spec = Fallback(value=7, on=KeyError)
    stack = pipeline(spec, retry(3), Gate("limit", does=[None, Overloaded(policy="limit")]))
    assert stack.call(fails(ConnectionError())) == 7
    nothing = Fallback(value=7, on=KeyError, refused=False)
    stack = pipeline(nothing, retry(3), Gate("limit", does=[None, Overloaded(policy="limit")]))
    with pytest.raises(ConnectionError) as caught:
        stack.call(fails(ConnectionError()))
    assert caught.value.__notes__ == ["1 attempt in 0 s, stopped: limit"]


def test_when_the_fallback_of_a_second_attempt_is_refused():
    """The note counts what was sent."""
    stack = pipeline(Fallback([refuses(), lambda: 1]), retry(2))
    with pytest.raises(ConnectionError) as caught:
        stack.call(fails(ConnectionError(), ConnectionError()))
    assert caught.value.__notes__ == ["2 attempts in 0 s, stopped: limit"]


def test_a_choice_is_not_gone_back_to_once_something_was_sent():
    """Where what stands instead is refused, the failure stands: no other branch is asked, for no retry was declared."""
    sent = []

    def fn(endpoint):
        sent.append(endpoint)
        raise ConnectionError

    own = [Fallback([refuses(), lambda **_: "stale"]).start(Random(0)), Gate("inside")]
    stack = pipeline(Branches(a=own, b=[]))
    with pytest.raises(ConnectionError):
        stack.call(fn)
    assert sent == ["a"]
    assert stack.idle()


def test_a_choice_is_gone_back_to_where_nothing_was_sent():
    own = [Fallback([refuses(), lambda: "stale"]).start(Random(0)), refuses()]
    assert pipeline(Branches(a=own, b=[])).call(fails()) == "done"


@pytest.mark.parametrize("more", [{}, {"on": ConnectionError, "refused": False}], ids=["all", "some"])
def test_where_the_inner_one_is_refused_the_outer_one_is_told_of_the_failure(more):
    gate = Gate("between")
    stack = pipeline(Fallback(value=7, **more), gate, Fallback([refuses(), lambda: 1]))
    events = []
    stack.listen(told_to(events), direct=True)
    error = ConnectionError()
    assert stack.call(fails(error)) == 7
    assert gate.log == ["between enter", "between exit failure"]
    assert [event.reason.error for event in events if isinstance(event, FellBack)] == [error, error]


# Deadlines.


@BACKENDS
def test_a_timeout_inside_it_is_a_failure(backend):
    async def main():
        stack = Pipeline(Fallback(value="stale"), Timeout(1.0), ConcurrencyLimit(1), clock=virtual_clock)
        began = virtual_clock()
        assert await stack.call(pause, 9.0) == "stale"
        assert virtual_clock() - began == pytest.approx(1.0)
        assert stack.idle()

    run(main, backend=backend)


@BACKENDS
def test_within_a_timeout_that_has_passed_it_is_not_taken(backend):
    async def main():
        stack = Pipeline(Timeout(1.0), Fallback(value="stale"), clock=virtual_clock)
        events = []
        stack.listen(told_to(events), direct=True)
        with pytest.raises(DeadlineExceeded):
            await stack.call(pause, 9.0)
        assert not any(isinstance(event, FellBack) for event in events)
        return stack.snapshot()["Fallback"]["taken"]

    assert run(main, backend=backend) == 0


@BACKENDS
def test_what_stands_instead_has_what_is_left(backend):
    async def main():
        async def slow(seconds):
            await pause(seconds)

        outer = Pipeline(Timeout(3.0), Fallback(slow), Timeout(1.0), clock=virtual_clock)
        began = virtual_clock()
        with pytest.raises(DeadlineExceeded):
            await outer.call(pause, 9.0)
        assert virtual_clock() - began == pytest.approx(3.0)
        own = Pipeline(Fallback([Timeout(0.5), Cluster("c", ["a:1"])]), Timeout(1.0), clock=virtual_clock)
        began = virtual_clock()
        with pytest.raises(DeadlineExceeded):
            await own.call(pause, 9.0)
        assert virtual_clock() - began == pytest.approx(1.5)

    run(main, backend=backend)


@BACKENDS
def test_inside_a_retry_with_an_attempt_timeout(backend):
    async def main():
        again = Retry(on=TimeoutError, attempts=2, backoff=Constant(0.1), budget=None)
        stack = Pipeline(Fallback(value="stale", on=AttemptTimedOut), again, Timeout(1.0), clock=virtual_clock)
        began = virtual_clock()
        assert await stack.call(pause, 9.0) == "stale"
        return virtual_clock() - began

    assert run(main, backend=backend) == pytest.approx(2.1)


# Nothing is left over.


class Refuses:
    """Every time, or each second time; without a frame that holds what it raises."""

    exit = None

    def __init__(self, every=1):
        self.every, self.turn = every, 0

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.turn += 1
        if self.turn % self.every == 0:
            raise Overloaded(policy="limit")


def raises():
    raise ConnectionError


LEAVE = [
    lambda: (Fallback(value=1), ConcurrencyLimit(1)),
    lambda: (Fallback(value=1), Refuses()),
    lambda: (Fallback(value=1), through, Refuses()),
    lambda: (Fallback(value=1), ConcurrencyLimit(1), through, ConcurrencyLimit(1)),
    lambda: (Fallback([Refuses(), lambda: 1]), Refuses()),
    lambda: (Fallback([Refuses(), lambda: 1]),),
    lambda: (Fallback(value=1), retry(3), Refuses(2)),
    lambda: (Fallback(raises),),
    lambda: (Fallback(raises), Refuses()),
    lambda: (Fallback(raises), Fallback(raises), retry(3), Refuses(2)),
    lambda: (Fallback([through, raises]), through),
    lambda: (retry(3), Fallback(raises)),
]


@pytest.mark.parametrize("k", range(len(LEAVE)))
def test_no_cycle_is_left(k):
    stack = pipeline(*LEAVE[k]())

    async def main():
        for _ in range(20):
            with suppress(ConnectionError, Rejected):
                await stack.call(always_fails)

    async def always_fails():
        raise ConnectionError

    run(main)
    gc.collect()
    gc.disable()
    try:
        run(main)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, BaseException | Call)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []
