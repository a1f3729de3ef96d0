"""What a call turned out to cost, from the door that knows it to the limit that charged an estimate."""

from __future__ import annotations

import httpx
import pytest

from meshkit import Constant, Pipeline, RateLimit, Retry
from meshkit.httpx import MeshTransport
from meshkit.limit.window import FixedWindow, SlidingWindow

LIMITS = pytest.mark.parametrize("limit", [RateLimit, FixedWindow, SlidingWindow])


def remaining(pipeline):
    (state,) = [state for state in pipeline.states if hasattr(state, "quota_policy")]
    return state.snapshot(5.0)["remaining"]


@LIMITS
def test_a_function_says_what_it_cost(limit):
    pipeline = Pipeline(limit("1000/min", cost=100, settle=True), clock=lambda: 5.0)
    ask = pipeline(spent=len)(lambda words: words)
    assert ask("forty two") == "forty two"
    assert remaining(pipeline) == 991
    assert ask(42) == 42  # nobody knows what it cost: the estimate stands
    assert remaining(pipeline) == 891
    assert pipeline.idle()


@LIMITS
def test_one_that_fails_keeps_its_estimate_and_each_attempt_is_settled_by_itself(limit):
    answers = iter([ConnectionError(), "three"])

    def fn():
        answer = next(answers)
        if isinstance(answer, str):
            return answer
        raise answer

    pipeline = Pipeline(
        Retry(on=ConnectionError, backoff=Constant(0.0)), limit("1000/min", cost=100, settle=True), clock=lambda: 5.0
    )
    assert pipeline(spent=len)(fn)() == "three"
    assert remaining(pipeline) == 1000 - 100 - 5


@LIMITS
def test_the_bytes_of_a_body(limit):
    pipeline = Pipeline(limit("1000/min", cost=100, settle=True), clock=lambda: 5.0)
    inner = httpx.MockTransport(lambda request: httpx.Response(200, content=iter([b"a" * 200, b"b" * 150])))
    with httpx.Client(transport=MeshTransport(pipeline, inner, spent="bytes")) as client:
        assert len(client.get("http://a").content) == 350
        assert remaining(pipeline) == 650
        with client.stream("GET", "http://a") as response:
            assert remaining(pipeline) == 550  # the estimate, until its end
            next(response.iter_raw())
        assert remaining(pipeline) == 450  # broken off: what had come by then
    assert pipeline.idle()


@LIMITS
def test_what_nobody_said_is_counted(limit):
    """Nonsense is nothing said; a call that failed, or that was charged nothing else to begin with, owes no word."""
    pipeline = Pipeline(limit("1000/min", cost=100, settle=True, name="tokens"), clock=lambda: 5.0)

    def ask(answer):
        if isinstance(answer, Exception):
            raise answer
        return answer

    guarded = pipeline(spent=lambda answer: answer)(ask)
    for answer in (5, None, -1, "five", True, float("nan")):
        assert guarded(answer) is answer
    with pytest.raises(KeyError):
        guarded(KeyError())
    assert pipeline.snapshot()["tokens"]["unsettled"] == 5
    assert "unsettled" not in Pipeline(limit("1/s", name="tokens")).snapshot()["tokens"]


@LIMITS
def test_without_spent_nothing_is_settled_and_the_snapshot_says_so(limit):
    pipeline = Pipeline(limit("1000/min", cost=100, settle=True, name="tokens"), clock=lambda: 5.0)
    guarded = pipeline(len)
    guarded("a")
    guarded("b")
    assert pipeline.snapshot()["tokens"]["unsettled"] == 2
