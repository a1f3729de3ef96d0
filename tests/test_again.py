"""What happens when a call fails, and is made again, or is not?"""

from __future__ import annotations

import pytest

from meshkit import (
    CircuitOpen,
    ConcurrencyLimit,
    Constant,
    Failure,
    Overloaded,
    Pipeline,
    Retry,
    Verdict,
)
from meshkit.runtime.threads import bind
from meshkit.testing import ManualClock

from .scripted import Door, Gate, Sees, fails, pipeline, retry


def test_each_attempt_is_an_entry_of_what_stands_inside_the_retry():
    log = []
    stack = pipeline(Gate("out", log), retry(), Gate("in", log))
    assert stack.call(fails(ConnectionError(), ConnectionError())) == "done"
    assert log == [
        *("out enter", "in enter", "in exit failure", "in enter", "in exit failure", "in enter", "in exit success"),
        "out exit success",
    ]


def test_the_last_failure_passes_unchanged_with_a_note():
    errors = [ConnectionError(k) for k in range(3)]
    with pytest.raises(ConnectionError) as caught:
        pipeline(retry(backoff=0.25)).call(fails(*errors))
    assert caught.value is errors[2]
    assert caught.value.__notes__ == ["3 attempts in 0.5 s, stopped: attempts"]
    assert not any(hasattr(error, "__notes__") for error in errors[:2])


def test_what_a_retry_does_not_name_is_not_repeated_and_has_no_note():
    error = KeyError("not ours")
    with pytest.raises(KeyError) as caught:
        pipeline(retry()).call(fails(error))
    assert caught.value is error
    assert not hasattr(error, "__notes__")


def test_a_rejection_is_not_repeated():
    gate = Gate(does=[CircuitOpen()])
    with pytest.raises(CircuitOpen):
        pipeline(Retry(on=lambda failure: True, backoff=Constant(0.0)), gate).call(lambda: "done")
    assert gate.log == ["gate enter"]


def test_a_refused_further_attempt_ends_the_call_as_the_attempt_before_did():
    """It was sent: the caller must not be told otherwise. What was entered for the refused attempt learns nothing."""
    log = []
    stack = pipeline(Gate("out", log), retry(), Gate("a", log), Gate("b", log, [None, Overloaded(policy="b")]))
    error = ConnectionError()
    with pytest.raises(ConnectionError) as caught:
        stack.call(fails(error))
    assert caught.value is error
    assert caught.value.__notes__ == ["1 attempt in 0 s, stopped: b"]
    assert log == [
        *("out enter", "a enter", "b enter", "b exit failure", "a exit failure"),
        *("a enter", "b enter", "a exit ignored", "out exit failure"),
    ]
    assert stack.idle()


class Responses(Door):
    """A door whose results are judged, counted while open, and closed by whoever discards them."""

    judges_results = True

    def __init__(self):
        self.open = []

    def judge(self, call, result, error):
        return Verdict.SUCCESS if result == 200 else Verdict.FAILURE

    def failure(self, call, result, error):
        return Failure(error, status=result)

    def discard(self, result):
        self.open.remove(result)

    def sends(self, *answers):
        left = list(answers)

        def send():
            self.open.append(left.pop(0))
            return self.open[-1]

        return send


def test_a_result_that_is_repeated_is_discarded():
    door = Responses()
    assert bind(pipeline(retry(on="5xx")), door, door.sends(503, 502, 200))() == 200
    assert door.open == [200]


def test_a_result_that_is_not_repeated_is_the_callers():
    door = Responses()
    assert bind(pipeline(retry(2, on="5xx")), door, door.sends(503, 502))() == 502
    assert door.open == [502]


def test_a_result_after_which_a_further_attempt_was_refused_is_the_callers():
    door = Responses()
    stack = pipeline(retry(on="5xx"), Gate(does=[None, Overloaded()]))
    assert bind(stack, door, door.sends(503))() == 503
    assert door.open == [503]
    assert stack.idle()


def test_a_result_is_not_left_open_when_the_wait_for_a_further_attempt_is_interrupted():
    class InterruptedClock(ManualClock):
        def sleep(self, seconds):
            raise KeyboardInterrupt

    door = Responses()
    stack = Pipeline(retry(on="5xx", backoff=1.0), ConcurrencyLimit(1), clock=InterruptedClock())
    with pytest.raises(KeyboardInterrupt):
        bind(stack, door, door.sends(503))()
    assert door.open == []
    assert stack.idle()


def test_the_inner_retry_is_asked_first_and_begins_anew_for_each_attempt_of_the_outer():
    seen = []

    sees = Sees(lambda call, now: seen.append((now, call.attempt)))
    with pytest.raises(ConnectionError):
        pipeline(retry(2, 5.0), retry(3, 1.0), sees).call(fails(*[ConnectionError()] * 9))
    assert seen == [(0.0, 1), (1.0, 2), (2.0, 3), (7.0, 1), (8.0, 2), (9.0, 3)]


def test_an_outer_retry_repeats_what_the_inner_one_does_not_name():
    log = []
    stack = pipeline(retry(on=KeyError), Gate("between", log), retry(on=ConnectionError), Gate("in", log))
    assert stack.call(fails(ConnectionError(), KeyError(), ConnectionError())) == "done"
    assert log == [
        *("between enter", "in enter", "in exit failure", "in enter", "in exit failure", "between exit failure"),
        *("between enter", "in enter", "in exit failure", "in enter", "in exit success", "between exit success"),
    ]


def test_a_predicate_that_raises_repeats_nothing_and_does_not_hide_the_failure():
    def predicate(failure):
        raise ZeroDivisionError

    error = ConnectionError("the one that counts")
    with pytest.raises(ConnectionError) as caught:
        pipeline(Retry(on=predicate, backoff=Constant(0.0))).call(fails(error))
    assert caught.value is error
