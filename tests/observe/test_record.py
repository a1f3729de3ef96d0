"""The record of a call: its form, its bounds, what is not in it, and that it keeps nobody."""

from __future__ import annotations

import gc
import json
import math
import os
import re
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from meshkit import CircuitOpen, Endpoint, Fallback, Pipeline, RateLimited, Retry, StaleIfError, Timeout, Verdict
from meshkit.call import Call, Failure
from meshkit.deadline import CURRENT, Scope, opened, spend
from meshkit.observe.events import (
    AttemptBegan,
    AttemptEnded,
    Bounded,
    CallEnded,
    FaultInjected,
    FellBack,
    GaveUp,
    Hedged,
    Passed,
    Picked,
    RejectedCall,
    Retried,
    StateChanged,
    Step,
    WouldReject,
)
from meshkit.observe.record import record as module
from meshkit.observe.record.record import LARGEST, STEPS, Record

CANARY = "hunter2-canary"
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED
NAMED = Pipeline(Timeout(2.0), Retry(on=ConnectionError), Timeout(0.5), name="orders")
A = Endpoint("10.0.0.7:80", name="orders-a")


class Door:
    """What a record asks of a door."""

    def __init__(self, **about: Any) -> None:
        self.told = {"kind": "client", "method": "GET", **about}

    def about(self, call: Call) -> dict[str, Any]:
        return self.told


def recorded(*events: Any, pipeline: Pipeline = NAMED, door: Any = None, began_at: float = 100.0) -> Record:
    record = Record(pipeline, Call(door or Door(path="/stock"), None, began_at), "always")
    for event in events:
        record(event)
    return record


def refused() -> Failure:
    return Failure(ConnectionRefusedError(111, CANARY), kind=ConnectionError, sent=False)


SAID = {
    "error": "ConnectionRefusedError",
    "says": "connection refused",
    "kind": "connection",
    "status": None,
    "sent": False,
    "stale": False,
    "retry_after": None,
}


def test_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: 1795754563.1234))
    record = recorded(
        AttemptBegan(100.0, 1, 1, A, "orders"),
        AttemptEnded(100.5, 1, A, FAILURE, 0.5, 0.5, refused(), 1, "orders"),
        CallEnded(101.23, 100.0, FAILURE, 1, refused()),
        door=Door(path="/reset/0123456789abcdef01234567", port=None),
    )
    data = record.data()
    assert re.fullmatch(rf"{os.getpid():x}-[0-9a-f]{{8}}-[0-9a-f]+", data.pop("id"))
    assert data == {
        "meshkit": 1,
        "at": "2026-11-27T04:42:43.123Z",
        "within": None,
        "trace": None,
        "pipeline": "orders",
        "call": {"kind": "client", "method": "GET", "path": "/reset/*", "port": None},
        "because": "always",
        "complete": True,
        "outcome": "failure",
        "duration": 1.23,
        "attempts": 1,
        "failure": {**SAID, "own": True},
        "answer": None,
        "retries": True,
        "deadline": None,
        "steps": [
            {"at": 0.0, "what": "attempt-began", "number": 1, "attempt": 1, "endpoint": "orders-a",
             "cluster": "orders"},
            {"at": 0.5, "what": "attempt-ended", "number": 1, "attempt": 1, "endpoint": "orders-a",
             "cluster": "orders", "verdict": "failure", "latency": 0.5, "duration": 0.5, "failure": SAID},
        ],
        "dropped": 0,
    }  # fmt: skip
    assert json.loads(record.json()) == record.data()
    assert "\n" not in record.json()


LIMITED = RateLimited("limit of %s reached", "10/s", policy="burst", retry_after=0.5)


@pytest.mark.parametrize(
    ("event", "step"),
    [
        (RejectedCall(100.1, "burst", A, LIMITED),
         {"what": "rejected", "policy": "burst", "endpoint": "orders-a", "error": "RateLimited",
          "says": "burst: limit of 10/s reached; try again in 0.5 s", "retry_after": 0.5}),
        (RejectedCall(100.1, "burst", None, LIMITED, {"tokens": 0.1}),
         {"what": "rejected", "policy": "burst", "endpoint": None, "error": "RateLimited",
          "says": "burst: limit of 10/s reached; try again in 0.5 s", "retry_after": 0.5, "numbers": {"tokens": 0.1}}),
        (Retried(100.1, "Retry", 1, 0.25, refused(), {"balance": 9}),
         {"what": "retried", "policy": "Retry", "attempt": 1, "delay": 0.25, "numbers": {"balance": 9},
          "failure": SAID}),
        (Retried(100.1, "Retry", 1, 0.25, None, {}),
         {"what": "retried", "policy": "Retry", "attempt": 1, "delay": 0.25, "numbers": {}}),
        (GaveUp(100.1, "Retry", 2, "budget", refused(), {"balance": 0}),
         {"what": "gave-up", "policy": "Retry", "attempt": 2, "reason": "budget", "numbers": {"balance": 0}}),
        (FellBack(100.1, "Fallback", refused()), {"what": "fell-back", "policy": "Fallback", "failure": SAID}),
        (Hedged(100.1, "Hedge", 2), {"what": "hedged", "policy": "Hedge", "attempt": 2}),
        (FaultInjected(100.1, "Fault", A), {"what": "fault", "policy": "Fault", "endpoint": "orders-a"}),
        (WouldReject(100.1, "burst", None, LIMITED),
         {"what": "would-reject", "policy": "burst", "endpoint": None,
          "says": "burst: limit of 10/s reached; try again in 0.5 s"}),
        (StateChanged(100.1, "payments", A, "closed", "open"),
         {"what": "changed", "policy": "payments", "endpoint": "orders-a", "before": "closed", "after": "open"}),
        (Passed(100.1, "burst", None, {"tokens": float("inf")}),
         {"what": "passed", "policy": "burst", "endpoint": None, "numbers": {"tokens": None}}),
        (Passed(100.1, "limit", A, {}, 0.5, True),
         {"what": "passed", "policy": "limit", "endpoint": "orders-a", "numbers": {}, "wait": 0.5, "queued": True}),
        (Bounded(100.1, "Timeout", 102.1), {"what": "bounded", "policy": "Timeout", "seconds": 2.0}),
        (Picked(100.1, "orders", A, (("orders-a", {"up": True}), ("orders-b", {"up": False})), 7),
         {"what": "picked", "policy": "orders", "endpoint": "orders-a", "of": 7,
          "candidates": [["orders-a", {"up": True}], ["orders-b", {"up": False}]]}),
        (Step(100.1, 1, "connect", 0.1), {"what": "step", "number": 1, "name": "connect", "seconds": 0.1}),
        (AttemptEnded(100.1, 1, None, SUCCESS, 0.1, 0.1, None, 1),
         {"what": "attempt-ended", "number": 1, "attempt": 1, "endpoint": None, "cluster": "", "verdict": "success",
          "latency": 0.1, "duration": 0.1, "failure": None}),
    ],
)  # fmt: skip
def test_each_step(event: Any, step: dict[str, Any]) -> None:
    assert recorded(event).data()["steps"] == [{"at": 0.1, **step}]


def test_what_is_unknown_is_no_step() -> None:
    assert recorded("what", object()).data()["steps"] == []


def test_it_is_live() -> None:
    record = recorded()
    began, ended = AttemptBegan(100.0, 1, 1, None, ""), AttemptEnded(100.5, 1, None, SUCCESS, 0.5, 0.5, None, 1)
    assert (record.complete, record.outcome, record.duration, record.attempts) == (False, None, None, 0)
    record(began)
    data = record.data()
    assert (data["complete"], data["outcome"], data["duration"], data["attempts"]) == (False, None, None, 1)
    assert [step["what"] for step in data["steps"]] == ["attempt-began"]
    assert "under way" in repr(record)
    record(ended)
    record(CallEnded(100.5, 100.0, SUCCESS, 1, None))
    assert (record.complete, record.outcome, record.duration, record.attempts) == (True, "success", 0.5, 1)
    assert data["steps"] == [data["steps"][0]]  # what was read stays as it was
    assert str(record) == record.text
    assert "GET" in record.text


@pytest.mark.parametrize(
    ("failure", "verdict", "outcome"),
    [
        (None, SUCCESS, "success"),
        (Failure(LIMITED), IGNORED, "rejected"),
        (Failure(status=503), Verdict.OVERLOADED, "overloaded"),
        (Failure(KeyboardInterrupt()), IGNORED, "cancelled"),
    ],
)
def test_outcomes(failure: Failure | None, verdict: Verdict, outcome: str) -> None:
    record = recorded(CallEnded(100.5, 100.0, verdict, 0, failure))
    assert record.data()["outcome"] == outcome
    assert (record.data()["failure"] is None) is (failure is None)


# The deadline, and the ledger.


def test_the_deadline_is_the_outermost_bound() -> None:
    bounds = Bounded(100.0, "Timeout", 102.0), Bounded(100.0, "Timeout", 100.5), Bounded(100.6, "Timeout", 101.1)
    record = recorded(*bounds)
    assert record.data()["deadline"] == {"seconds": 2.0, "left": None, "inherited": False}
    record(CallEnded(101.25, 100.0, SUCCESS, 1, None))
    assert record.data()["deadline"] == {"seconds": 2.0, "left": 0.75, "inherited": False}


def test_an_attempts_timeout_is_none() -> None:
    within = Pipeline(Retry(on=ConnectionError), Timeout(0.5))
    assert recorded(Bounded(100.0, "Timeout", 100.5), pipeline=within).data()["deadline"] is None


@pytest.mark.parametrize(
    ("around", "seconds"),
    [([], None), ([Timeout(2.0)], 2.0)],
    ids=["none", "around"],
)
def test_what_stands_instead_has_its_own_time(around: list[Any], seconds: float | None) -> None:
    pipeline = Pipeline(*around, Fallback(value="none"), Timeout(0.3))
    bounds = [Bounded(100.0, "Timeout", 102.0)] if around else []
    record = recorded(*bounds, Bounded(100.0, "Timeout", 100.3), pipeline=pipeline)
    deadline = record.data()["deadline"]
    assert (deadline and deadline["seconds"]) == seconds


def test_who_had_another_answer_has_its_own_time() -> None:
    pipeline = Pipeline(Timeout(2.0), StaleIfError(60), Timeout(0.3))
    bounds = Bounded(100.0, "Timeout", 102.0), Bounded(100.0, "Timeout", 100.3)
    record = recorded(*bounds, pipeline=pipeline)
    assert record.data()["deadline"]["seconds"] == 0.3
    record(FellBack(100.3, "StaleIfError", refused()))
    assert record.data()["deadline"]["seconds"] == 2.0


def test_a_deadline_that_came_with_the_call() -> None:
    clock: Callable[[], float] = lambda: 100.0  # noqa: E731
    pipeline = Pipeline(Timeout(2.0), clock=clock)
    with opened(0.8, clock):
        record = recorded(Bounded(100.0, "Timeout", 102.0), pipeline=pipeline)
    assert record.data()["deadline"] == {"seconds": 0.8, "left": None, "inherited": True}
    with opened(None, clock):
        assert recorded(pipeline=pipeline).data()["deadline"] is None


def test_the_ledger_of_a_server() -> None:
    call = Call(Door(kind="server", path="/"), None, 100.0)
    call.clock = lambda: 101.0
    record = Record(NAMED, call)
    assert record.data()["ledger"] == []
    spend(call, "GET /reset/0123456789abcdef01234567", 0.25, 2, "failure")
    line = {"who": "GET /reset/*", "at": 0.75, "seconds": 0.25, "attempts": 2, "verdict": "failure", "depth": 0}
    assert record.data()["ledger"] == [line]
    assert "ledger" not in recorded().data()  # of a client


def test_the_ledger_of_a_server_within_a_deadline() -> None:
    """Others may have written into it before; and the deadline that came with the request is not the app's call."""
    now = [100.0]
    scope = Scope(110.0, lambda: now[0])
    spend(scope, "before", 0.0, 1, "success")
    token = CURRENT.set(scope)
    try:
        now[0] = 101.0
        call = Call(Door(kind="server"), None, 55.0)
        record = Record(NAMED, call)
        call.scope = scope
        now[0] = 103.0
        spend(call, "below", 1.5, 1, "success")
    finally:
        CURRENT.reset(token)
    lines = record.data()["ledger"]
    assert [(line["who"], line["at"], line["depth"]) for line in lines] == [("below", 0.5, 0)]


def test_what_the_door_knows_when_it_answers() -> None:
    door = Door(kind="server", path="/orders/17")
    call = Call(door, None, 100.0)
    record = Record(NAMED, call)
    door.told = {**door.told, "route": "/orders/{a_parameter_of_many_characters}", "status": 404}
    assert record.answering(call, 404) == ()
    assert record.data()["call"]["status"] == 404
    assert record.data()["call"]["route"] == "/orders/{a_parameter_of_many_characters}"


# Bounds.


def test_a_thousand_events() -> None:
    record = recorded(*(Hedged(100.0 + k, "Hedge", k) for k in range(1000)))
    data = record.data()
    assert [step["attempt"] for step in data["steps"]] == [*range(50), *range(950, 1000)]
    assert data["dropped"] == 900
    assert len(data["steps"]) == STEPS
    assert len(record._steps) == STEPS  # nor are they kept in memory


def test_a_large_one() -> None:
    many = {f"\u00e4{k}" * 50: "\u00e4" * 300 for k in range(100)}
    door = Door(path="/\u00e4" * 300, **{f"x{k}" * 99: "\U0001f600" * 300 for k in range(50)})
    record = recorded(*(Passed(100.0 + k, "p" * 300, "e" * 300, many) for k in range(100)), door=door)
    data = record.data()
    assert len(record.json().encode()) <= LARGEST
    assert data["dropped"] == 100 - len(data["steps"]) > 0
    assert data["steps"][0]["at"] == 0.0
    assert data["steps"][-1]["at"] == 99.0 or len(data["steps"]) == 1
    assert all(len(each) <= 200 for each in strings(data))


def test_a_long_ledger() -> None:
    call = Call(Door(kind="server"), None, 100.0)
    call.clock = lambda: 101.0
    record = Record(NAMED, call)
    for _ in range(100):
        spend(call, "\U0001f600" * 300, 0.1, 1, "success")
    assert len(record.json().encode()) <= LARGEST
    assert 10 < len(record.data()["ledger"]) <= 50


def strings(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for name, value in data.items():
            yield name
            yield from strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value)


words, instants = st.text(max_size=300), st.floats() | st.floats(0, 1e9)
counts = st.integers(0, 2**40)
endpoints = st.none() | st.just(A) | words
known = st.dictionaries(words, words | instants | st.none() | st.builds(object) | st.integers(), max_size=20)
errors = st.builds(ValueError, words) | st.builds(OSError, counts, words) | st.builds(RateLimited, words)
errors |= st.builds(CircuitOpen, words, words, policy=words, endpoint=endpoints, retry_after=st.none() | instants)
failures = st.builds(Failure, st.none() | errors, status=st.none() | counts, retry_after=st.none() | instants)
maybe = st.none() | failures
candidates = st.lists(st.tuples(words, known), max_size=12).map(tuple)
events = st.one_of(
    st.builds(AttemptBegan, instants, counts, counts, endpoints, words),
    st.builds(
        AttemptEnded, instants, counts, endpoints, st.sampled_from(Verdict), instants, instants, maybe, counts, words
    ),
    st.builds(Bounded, instants, words, instants),
    st.builds(CallEnded, instants, instants, st.sampled_from(Verdict), counts, maybe),
    st.builds(FaultInjected, instants, words, endpoints),
    st.builds(FellBack, instants, words, failures),
    st.builds(GaveUp, instants, words, counts, words, maybe, known),
    st.builds(Hedged, instants, words, counts),
    st.builds(Passed, instants, words, endpoints, known, instants, st.booleans()),
    st.builds(Picked, instants, words, endpoints, candidates, counts),
    st.builds(RejectedCall, instants, words, endpoints, errors, st.none() | known),
    st.builds(Retried, instants, words, counts, instants, maybe, known),
    st.builds(StateChanged, instants, words, endpoints, words, words),
    st.builds(Step, instants, counts, words, instants),
    st.builds(WouldReject, instants, words, endpoints, errors),
)


@settings(max_examples=25)
@given(st.lists(events, max_size=30), st.integers(1, 5), known)
def test_whatever_comes_is_valid_json_within_bounds(several: list[Any], times: int, about: dict[str, Any]) -> None:
    record = recorded(*several * times, door=Door(**about))
    line = record.json()
    assert len(line.encode()) <= LARGEST
    data = json.loads(line)
    assert data == record.data()
    assert len(data["steps"]) <= STEPS
    told = [event for event in several if not isinstance(event, CallEnded)]
    assert len(data["steps"]) + data["dropped"] == len(told) * times
    assert all(len(each) <= 200 and each.isprintable() for each in strings(data))


# Whom it keeps.


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector: what is gone here was in no cycle."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("of somebody's own")

    __repr__ = __str__


def test_what_has_no_text_harms_no_record() -> None:
    mute, odd = Mute(), {Mute(): 1, "cost": Mute(), 3: math.nan, "left": 2}
    record = recorded(
        Picked(100.0, "orders", mute, ((mute, odd),), 1),
        Passed(100.0, "Limit", mute, odd),
        AttemptBegan(100.0, 1, 1, mute, "orders"),
        Retried(100.0, "Retry", 1, 0.1, None, odd),
        GaveUp(100.0, "Retry", 1, "budget", None, odd),
        RejectedCall(100.1, "Limit", mute, RateLimited("Limit"), odd),
        StateChanged(100.1, "Breaker", mute, mute, mute),  # type: ignore[arg-type]
    )
    record.trace = {mute: mute}
    assert json.loads(record.json()) == record.data()
    assert [step["endpoint"] for step in record.data()["steps"] if "endpoint" in step] == ["Mute"] * 5
    assert "Limit on Mute lets it go (Mute 1, left 2)" in record.text
    assert record.summary


def test_no_text_of_others_is_in_it() -> None:
    error = ValueError(CANARY)
    failure = Failure(error)
    record = recorded(
        AttemptEnded(100.5, 1, None, FAILURE, 0.5, 0.5, failure, 1),
        Retried(100.5, "Retry", 1, 0.0, failure, {}),
        GaveUp(100.5, "Retry", 1, "attempts", failure, {}),
        FellBack(100.5, "Fallback", failure),
        RejectedCall(100.5, "user", None, error),
        WouldReject(100.5, "user", None, error),
        CallEnded(100.5, 100.0, FAILURE, 1, failure),
    )
    assert len(record.data()["steps"]) == 6
    assert CANARY not in record.json() + record.text + repr(record)


class Request:
    """Something that can be seen to be gone."""


class Error(Exception):
    """The same."""


def test_it_keeps_neither_call_nor_request_nor_exception() -> None:
    with uncollected():
        request, error = Request(), Error(CANARY)
        call = Call(Door(), request, 100.0)
        record = Record(NAMED, call)
        failure = Failure(error)
        for event in (
            AttemptEnded(100.5, 1, None, FAILURE, 0.5, 0.5, failure, 1),
            Retried(100.5, "Retry", 1, 0.0, failure, {}),
            GaveUp(100.5, "Retry", 1, "attempts", failure, {}),
            FellBack(100.5, "Fallback", failure),
            RejectedCall(100.5, "user", None, error),
            WouldReject(100.5, "user", None, error),
            CallEnded(100.5, 100.0, FAILURE, 1, failure),
        ):
            record(event)
        gone = weakref.ref(request), weakref.ref(error)
        del request, error, call, failure, event
        assert [each() for each in gone] == [None, None]
        gone_too = weakref.ref(record)
        del record
        assert gone_too() is None
