"""Middleware: what does I/O of its own stands among the policies, and may call on as often as it likes."""

from __future__ import annotations

import anyio
import pytest

from meshkit import (
    CircuitOpen,
    Cluster,
    ConfigError,
    Constant,
    DeadlineExceeded,
    NoEndpoint,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    RoundRobin,
    Timeout,
)
from meshkit.testing import run, virtual_clock

from ..scripted import Branches, Gate, Sees, fails_async, pipeline, retry

pause = anyio.sleep
SECOND = 1.0


def noting(log, name="mw"):
    async def middleware(call, call_next):
        log.append(f"{name} in")
        try:
            return await call_next()
        finally:
            log.append(f"{name} out")

    return middleware


async def twice(call, call_next):
    """Calls on a second time if the first one failed."""
    try:
        return await call_next()
    except Exception:
        return await call_next()


async def instead(call, call_next):
    try:
        return await call_next()
    except ConnectionError:
        return "instead"


async def test_it_stands_where_it_is_written():
    log = []
    stack = pipeline(Gate("a", log), noting(log, "1"), Gate("b", log), noting(log, "2"), Gate("c", log))
    assert await stack.call(fails_async()) == "done"
    assert log == [
        *("a enter", "1 in", "b enter", "2 in", "c enter"),
        *("c exit success", "2 out", "b exit success", "1 out", "a exit success"),
    ]
    assert stack.idle()


async def test_arguments_pass_through():
    async def fn(*args, **kwargs):
        return args, kwargs

    assert await pipeline(noting([]), noting([])).call(fn, 1, two=2) == ((1,), {"two": 2})


async def test_it_sees_the_call():
    seen = []

    async def middleware(call, call_next):
        seen.append((call.request, call.attempt))
        return await call_next()

    async def fn(order):
        return order

    await pipeline(middleware).call(fn, "an order")
    assert seen == [((("an order",), {}), 1)]


async def test_around_a_retry_it_runs_once_and_inside_for_each_attempt():
    log = []
    stack = pipeline(noting(log, "out"), retry(), noting(log, "in"))
    assert await stack.call(fails_async(ConnectionError(), ConnectionError())) == "done"
    assert log == ["out in", *["in in", "in out"] * 3, "out out"]


async def test_short_circuit():
    log = []

    async def cached(call, call_next):
        return "cached"

    outer, inner = Gate("outer", log), Gate("inner", log)
    assert await pipeline(outer, cached, inner).call(fails_async(KeyError())) == "cached"
    assert log == ["outer enter", "outer exit success"]


async def test_a_rejection_of_its_own_is_ignored_by_those_outside():
    async def denies(call, call_next):
        raise Overloaded("not today")

    gate = Gate()
    with pytest.raises(Overloaded, match="not today"):
        await pipeline(Retry(on=lambda failure: True), gate, denies).call(fails_async())
    assert gate.log == ["gate enter", "gate exit ignored"]


async def test_a_failure_made_a_success_is_a_failure_inside_and_a_success_outside():
    log = []
    stack = pipeline(Gate("outer", log), retry(), Gate("around", log), instead, Gate("inner", log))
    assert await stack.call(fails_async(ConnectionError())) == "instead"
    assert log[-3:] == ["inner exit failure", "around exit success", "outer exit success"]
    assert log.count("inner enter") == 1


async def test_a_success_made_a_failure_is_repeated_from_outside():
    log = []

    async def doubts(call, call_next):
        result = await call_next()
        if call.attempt == 1:
            raise ConnectionError("I do not believe it")
        return result

    assert await pipeline(retry(), Gate("a", log), doubts, Gate("b", log)).call(fails_async()) == "done"
    assert log == [
        *("a enter", "b enter", "b exit success", "a exit failure"),
        *("a enter", "b enter", "b exit success", "a exit success"),
    ]


async def test_called_on_twice_each_time_is_a_walk_of_its_own():
    log = []
    stack = pipeline(Gate("a", log), twice, Gate("b", log), retry(1), Gate("c", log))
    assert await stack.call(fails_async(ConnectionError())) == "done"
    assert log == [
        *("a enter", "b enter", "c enter", "c exit failure", "b exit failure"),
        *("b enter", "c enter", "c exit success", "b exit success", "a exit success"),
    ]


async def test_called_on_twice_a_limit_counts_twice_and_cannot_be_walked_around():
    """Nothing of the first walk is left that the second could come back to: not its choice either."""
    sent = []

    async def fn(endpoint):
        sent.append(endpoint)
        raise ConnectionError

    stack = pipeline(twice, RateLimit("1/s"), Cluster("c", ["a:1", "b:1"], balancer=RoundRobin()))
    with pytest.raises(RateLimited):
        await stack.call(fn)
    assert len(sent) == 1
    assert stack.idle()


async def test_after_a_rejection_inside_it_the_next_walk_is_a_new_one():
    log = []
    stack = pipeline(twice, Gate("a", log), Branches(x=[Gate("x", log, [CircuitOpen()])]))
    assert await stack.call(fails_async()) == "done"
    assert log == [
        *("a enter", "x enter", "a exit ignored"),
        *("a enter", "x enter", "x exit success", "a exit success"),
    ]


async def test_after_a_rejection_inside_it_nobody_is_walked_around():
    """The first walk was refused at its choice; the second, before it, has no choice to go back to."""
    choice = Branches(x=[Gate(does=[CircuitOpen()])], y=[Gate(does=[CircuitOpen()])])
    stack = pipeline(twice, Gate(does=[None, RateLimited("by a")]), choice)
    with pytest.raises(RateLimited, match="by a"):
        await stack.call(fails_async())
    assert stack.idle()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_called_on_twice_each_walk_has_its_own_timeout(backend):
    async def main():
        async def slow_at_first():
            tries.append(virtual_clock() - began)
            await pause(5.0 if len(tries) == 1 else 0.9)
            return "done"

        tries, began = [], virtual_clock()
        deadlines = []
        stack = Pipeline(
            Timeout(9.0),
            Sees(lambda call, now: deadlines.append(call.deadline - began)),
            twice,
            Sees(lambda call, now: deadlines.append(call.deadline - began)),
            Timeout(1.0),
            clock=virtual_clock,
        )
        assert await stack.call(slow_at_first) == "done"
        return tries, deadlines

    tries, deadlines = run(main, backend=backend)
    assert tries == pytest.approx([0.0, 1.0])
    assert deadlines == pytest.approx([9.0, 9.0, 9.0])


def test_its_own_waits_are_within_the_deadline():
    async def main():
        async def dawdles(call, call_next):
            await pause(5.0)
            return await call_next()

        with pytest.raises(DeadlineExceeded, match="no answer within 2 s"):
            await Pipeline(Timeout(2.0), dawdles, clock=virtual_clock).call(fails_async())
        return virtual_clock()

    assert run(main) == 2.0


def test_after_a_timeout_inside_it_may_still_answer():
    async def main():
        async def falls_back(call, call_next):
            try:
                return await call_next()
            except DeadlineExceeded:
                return "fallback"

        async def hang():
            await pause(9.0)

        stack = Pipeline(Timeout(5.0), falls_back, Timeout(1.0), clock=virtual_clock)
        return await stack.call(hang), virtual_clock()

    assert run(main) == ("fallback", 1.0)


async def test_an_inner_retry_is_not_asked_again_by_the_walk_outside():
    """When its attempts are used up the failure passes the middleware, with one note."""
    tries = []

    async def fn():
        tries.append(1)
        raise ConnectionError

    with pytest.raises(ConnectionError) as caught:
        await pipeline(noting([]), retry(3), noting([], "inner")).call(fn)
    assert len(tries) == 3
    assert caught.value.__notes__ == ["3 attempts in 0 s, stopped: attempts"]


async def test_retries_on_both_sides():
    log = []
    stack = pipeline(retry(2, on=ConnectionError), noting(log), retry(3, on=ConnectionError))
    with pytest.raises(ConnectionError) as caught:
        await stack.call(fails_async(*(ConnectionError() for _ in range(6))))
    assert log == ["mw in", "mw out"] * 2
    assert caught.value.__notes__ == [
        "3 attempts in 0 s, stopped: attempts",
        "2 attempts in 0 s, stopped: attempts",
    ]


async def test_a_delay_behind_it_is_slept_there():
    log = []
    stack = pipeline(noting(log), Gate("a", log, [2.0]), noting(log, "inner"))
    await stack.call(fails_async())
    assert log == ["mw in", "a enter", "inner in", "inner out", "a exit success", "mw out"]
    assert stack.clock() == 2.0


async def test_in_a_branch_its_rejections_stand():
    """Something was done already: the call does not go to another branch."""
    log = []
    choice = Branches(a=[Gate("a", log), noting(log), Gate("b", log, [Overloaded()])], c=[Gate("c", log)])
    with pytest.raises(Overloaded):
        await pipeline(choice).call(fails_async())
    assert log == ["a enter", "mw in", "b enter", "mw out", "a exit ignored"]


async def test_in_a_branch_a_limit_with_a_key_before_it_is_asked():
    """The branch's facts are gathered by the shell, which must not take the middleware's section for the middleware."""

    async def fn(user):
        return user

    stack = pipeline(Cluster("c", ["a:1"], pipeline=[RateLimit("1/min", key="user"), noting([])]))
    assert await stack.call(fn, "ann") == "ann"
    with pytest.raises(RateLimited):
        await stack.call(fn, "ann")
    assert await stack.call(fn, "bob") == "bob"


async def test_its_error_passes_and_everything_is_given_back():
    async def breaks(call, call_next):
        await call_next()
        raise ZeroDivisionError

    inner, outer = Gate("inner"), Gate("outer")
    stack = pipeline(outer, breaks, inner)
    with pytest.raises(ZeroDivisionError):
        await stack.call(fails_async())
    assert inner.log[-1] == "inner exit success"
    assert outer.log[-1] == "outer exit failure"


async def test_no_endpoint_behind_it():
    class Nobody(Branches):
        def pick(self, call, now):
            raise NoEndpoint("none")

    with pytest.raises(NoEndpoint):
        await pipeline(twice, Gate(), Nobody()).call(fails_async())


def test_before_a_sync_function_it_is_refused():
    with pytest.raises(ConfigError, match="make the function it guards async"):
        pipeline(noting([])).call(lambda: None)
    with pytest.raises(ConfigError, match="make the function it guards async"):
        pipeline(Cluster("c", ["a:1"], pipeline=[noting([])])).call(lambda: None)


async def test_objects_and_partials_may_be_middleware():
    class Counts:
        calls = 0

        async def __call__(self, call, call_next):
            self.calls += 1
            return await call_next()

    counts = Counts()
    await pipeline(counts, Retry(on=KeyError, backoff=Constant(0.0))).call(fails_async(KeyError()))
    assert counts.calls == 1
