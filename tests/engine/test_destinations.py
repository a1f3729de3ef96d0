"""Gates that step aside, and gates that send a call elsewhere: nothing taken, nothing to settle."""

from __future__ import annotations

import pytest

from meshkit import Cluster, ConfigError, Overloaded
from meshkit.policy import PASS
from meshkit.section import LEAF, Section

from ..scripted import Branches, Gate, Sees, fails, fails_async, pipeline, retry


class Answers(Gate):
    """Enters only where it is let go."""

    def enter(self, call, now):
        answer = super().enter(call, now)
        if answer is PASS or answer.__class__ is Section:
            self.inside -= 1
        return answer


def elsewhere(answer="elsewhere", error=None):
    def destination(call):
        if error is not None:
            raise error
        return answer, *call.request

    return Section(LEAF, destination)


async def through(call, call_next):
    return await call_next()


async def test_a_gate_that_steps_aside_is_not_settled_and_the_others_are():
    for fn, colour in ((fails, False), (fails_async, True)):
        log = []
        stack = pipeline(Gate("a", log), Answers("b", log, [PASS]), Gate("c", log), *([through] if colour else []))
        result = stack.call(fn())
        assert (await result if colour else result) == "done"
        assert log == ["a enter", "b enter", "c enter", "c exit success", "a exit success"]
        assert stack.idle()


def test_one_after_the_other():
    log = []
    stack = pipeline(*(Answers(name, log, [PASS]) for name in "abc"), Gate("d", log))
    stack.call(fails())
    assert log == ["a enter", "b enter", "c enter", "d enter", "d exit success"]


def test_behind_one_that_steps_aside_a_refusal_settles_what_was_entered():
    log = []
    with pytest.raises(Overloaded):
        pipeline(Gate("a", log), Answers("b", log, [PASS]), Gate("c", log, [Overloaded()])).call(fails())
    assert log == ["a enter", "b enter", "c enter", "a exit ignored"]


def test_one_that_waits_and_one_that_steps_aside():
    log = []
    stack = pipeline(Gate("a", log, [2.0]), Answers("b", log, [PASS]), Gate("c", log, [1.0]))
    stack.call(fails())
    assert stack.clock() == 3.0
    assert log == ["a enter", "b enter", "c enter", "c exit success", "a exit success"]


async def test_a_destination_is_a_function_of_the_call():
    def fn(order, endpoint=None, *, user):
        raise AssertionError

    async def fn_async(order, endpoint=None, *, user):
        raise AssertionError

    cluster = Cluster("c", ["a:1"], pipeline=[Answers("g", does=[elsewhere()] * 2)])
    assert pipeline(cluster).call(fn, 7, user="ada") == ("elsewhere", (7,), {"user": "ada"})
    cluster = Cluster("c", ["a:1"], pipeline=[Answers("g", does=[elsewhere()] * 2)])
    assert await pipeline(through, cluster).call(fn_async, 7, user="ada") == ("elsewhere", (7,), {"user": "ada"})


async def test_what_is_behind_the_gate_is_passed_by_and_what_is_outside_judges():
    log = []
    stack = pipeline(Gate("a", log), Answers("b", log, [elsewhere(error=ConnectionError())]), Gate("c", log))
    with pytest.raises(ConnectionError):
        stack.call(fails())
    assert log == ["a enter", "b enter", "a exit failure"]
    assert stack.idle()


def test_a_retry_outside_repeats_it():
    gate = Answers("g", does=[elsewhere(error=ConnectionError()), None])
    assert pipeline(retry(3), gate).call(fails()) == "done"


def test_within_a_branch_it_is_the_branchs_answer():
    choice = Branches(a=[Answers("g", does=[elsewhere()])], b=[])
    assert pipeline(choice).call(lambda: "sent") == ("elsewhere", (), {})


def test_a_destination_ends_a_pipeline():
    class End:
        name = "end"

        def start(self, rng):
            return self

        def destination(self, call):
            return "the end"

    assert pipeline(Gate("g"), End()).call(fails()) == "the end"
    with pytest.raises(ConfigError, match="Sees stands behind it, but a choice ends a pipeline"):
        pipeline(End(), Sees(lambda call, now: None))
