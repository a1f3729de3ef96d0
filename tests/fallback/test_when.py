"""Fallback: what may be written, and when it is taken."""

from __future__ import annotations

from random import Random

import anyio
import pytest

from meshkit import (
    CircuitOpen,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    DeadlineExceeded,
    Fallback,
    Hedge,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Timeout,
    Verdict,
)
from meshkit.testing import run, virtual_clock

from ..scripted import Branches, Gate, fails, fails_async, pipeline
from .ways import refuses

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep
ONCE = RateLimit("1/s", burst=1)


# What may be written.


WRONG = [
    (Fallback, "give one of the two"),
    (lambda: Fallback(int, value=3), "give one of the two"),
    (lambda: Fallback(None), "give a function, a cluster or a pipeline"),
    (lambda: Fallback("stale"), "write value=... for an answer as it is"),
    (lambda: Fallback([]), "give a function"),
    (lambda: Fallback([1]), "give a function"),
    (lambda: Fallback([lambda: 1, ONCE]), "give a function"),
    (lambda: Fallback([RateLimit]), "give a function"),
    (lambda: Fallback(Cluster), "give a function"),
    (lambda: Fallback(int), "give a function"),  # a class is hardly ever meant
    (lambda: Fallback(value=1, on=[]), "Fallback: on="),
    (lambda: Fallback(value=1, on="5x"), "did you mean '5xx'"),
    (lambda: Fallback(value=1, on=KeyboardInterrupt), "name subclasses of Exception"),
    (lambda: Fallback(value=1, refused=1), "write True or False"),
]


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_what_cannot_be_written(k):
    make, said = WRONG[k]
    with pytest.raises(ConfigError, match=said):
        make()


def test_a_spec_is_a_value():
    assert Fallback(value=None) == Fallback(value=None, on=None, refused=True)
    assert Fallback(value=None, on=[KeyError, 503]) == Fallback(value=None, on=(KeyError, 503))
    assert Fallback([ONCE, Cluster("c", ["a:1"])]) == Fallback(Pipeline(ONCE, Cluster("c", ["a:1"])))
    assert "value=3" in repr(Fallback(value=3))


# When.


ENDS = [
    (Fallback(value="stale"), None, False),
    (Fallback(value="stale"), KeyError(), True),
    (Fallback(value="stale", on=KeyError), KeyError(), True),
    (Fallback(value="stale", on=LookupError), KeyError(), True),
    (Fallback(value="stale", on=OSError), KeyError(), False),
    (Fallback(value="stale", on=(OSError, KeyError)), KeyError(), True),
    (Fallback(value="stale", on=lambda failure: failure.error.args == (7,)), KeyError(7), True),
    (Fallback(value="stale", on=lambda failure: failure.error.args == (7,)), KeyError(8), False),
    (Fallback(value="stale"), CircuitOpen(), True),  # one that comes out of the function
    (Fallback(value="stale", refused=False), CircuitOpen(), False),
    (Fallback(value="stale", on=OSError), CircuitOpen(), True),  # ``on`` says nothing of refusals
    (Fallback(value="stale"), DeadlineExceeded(), True),
    (Fallback(value="stale", on=TimeoutError), DeadlineExceeded(), True),
]


@pytest.mark.parametrize("k", range(len(ENDS)))
async def test_which_ends_it_takes(k):
    spec, error, taken = ENDS[k]
    errors = () if error is None else (error,)
    sync, tasks = pipeline(spec), pipeline(spec)
    if error is not None and not taken:
        with pytest.raises(type(error)) as caught:
            sync.call(fails(error))
        assert caught.value is error
        with pytest.raises(type(error)) as caught:
            await tasks.call(fails_async(error))
        assert caught.value is error
    else:
        assert sync.call(fails(*errors)) == await tasks.call(fails_async(*errors)) == ("stale" if taken else "done")
    assert sync.snapshot() == tasks.snapshot() == {"Fallback": {"taken": taken}}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_is_not_a_failure(error):
    stack = pipeline(Fallback(value="stale"))
    with pytest.raises(error):
        stack.call(fails(error()))
    assert stack.snapshot()["Fallback"]["taken"] == 0


@BACKENDS
def test_a_cancellation_is_not_a_failure(backend):
    async def main():
        stack = Pipeline(Fallback(value="stale"), clock=virtual_clock)
        with anyio.move_on_after(1.0) as scope:
            await stack.call(pause, 9.0)
        return scope.cancelled_caught, stack.snapshot()["Fallback"]["taken"]

    assert run(main, backend=backend) == (True, 0)


def test_a_predicate_that_raises_takes_nothing_and_hides_nothing():
    def broken(failure):
        raise ZeroDivisionError

    error = KeyError("mine")
    stack = pipeline(Fallback(value="stale", on=broken))
    with pytest.raises(KeyError) as caught:
        stack.call(fails(error))
    assert caught.value is error
    assert caught.value.__notes__ == ["Fallback: its predicate raised ZeroDivisionError"]


def test_an_answer_that_the_door_judges_a_failure():
    stack = pipeline(Fallback(value="stale"))
    judge = lambda result, error: Verdict.FAILURE if result == "bad" else None  # noqa: E731
    assert stack(judge=judge)(lambda: "bad")() == "stale"
    assert stack(judge=judge)(lambda: "good")() == "good"


def test_an_error_that_the_door_judges_a_success_or_ignores_passes():
    stack = pipeline(Fallback(value="stale"))
    for verdict in (Verdict.SUCCESS, Verdict.IGNORED):
        with pytest.raises(KeyError):
            stack(judge=lambda result, error, verdict=verdict: verdict)(fails(KeyError()))()


# Refusals, wherever they come from.


@pytest.mark.parametrize("error", [Overloaded, RateLimited, CircuitOpen])
def test_a_refusal_directly_inside(error):
    gate, inside = Gate("around"), refuses(1, error)
    stack = pipeline(Fallback(value="stale"), gate, inside)
    assert stack.call(fails()) == "stale"
    assert gate.log == ["around enter", "around exit ignored"]
    assert stack.idle()


def test_a_refusal_that_nobody_is_to_stand_in_for():
    with pytest.raises(Overloaded):
        pipeline(Fallback(value="stale", refused=False), refuses()).call(fails())


async def test_a_refusal_behind_a_middleware():
    """The middleware sees it first, and may deal with it."""
    seen = []

    async def sees(call, call_next):
        try:
            return await call_next()
        except Overloaded as error:
            seen.append(error)
            raise

    stack = pipeline(Fallback(value="stale"), Gate("around"), sees, refuses(1))
    assert await stack.call(fails_async()) == "stale"
    assert len(seen) == 1
    assert stack.idle()


async def test_a_refusal_behind_a_hedge():
    stack = pipeline(Fallback(value="stale"), Hedge(9.0), refuses(1))
    assert await stack.call(fails_async()) == "stale"
    assert stack.idle()


async def test_a_refusal_by_a_pipeline_inside_the_function():
    inner = pipeline(refuses())
    assert pipeline(Fallback(value="stale")).call(inner(fails())) == "stale"
    assert await pipeline(Fallback(value="stale")).call(pipeline(refuses())(fails_async())) == "stale"


def test_a_choice_is_asked_before_a_fallback_outside_it_and_after_one_inside_it():
    sent = []
    branches = Branches(a=[refuses()], b=[])
    assert pipeline(Fallback(value="stale"), branches).call(lambda: sent.append(1) or "b") == "b"
    inside = Branches(a=[Fallback(value="stale").start(Random(0)), refuses()], b=[])
    assert pipeline(inside).call(fails()) == "stale"
    assert sent == [1]


def test_a_choice_with_nobody_left():
    stack = pipeline(Fallback(value="stale"), Branches(a=[refuses()], b=[refuses()]))
    assert stack.call(fails()) == "stale"
    assert stack.idle()


@BACKENDS
def test_a_place_in_a_queue_that_ran_out(backend):
    async def main():
        limit = ConcurrencyLimit(1, queue=1, wait=0.5)
        stack = Pipeline(Fallback(value="stale"), Timeout(9.0), limit, clock=virtual_clock)
        async with anyio.create_task_group() as group:
            group.start_soon(stack.call, pause, 5.0)
            await pause(0.1)
            assert await stack.call(pause, 5.0) == "stale"
            assert virtual_clock() == pytest.approx(began + 0.6)
        assert stack.idle()

    began = 0.0
    run(main, backend=backend)
