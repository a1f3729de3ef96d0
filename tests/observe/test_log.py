"""Log: what is said, at which level, how often; with the standard library's logger and with structlog's."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import sys
import threading
import weakref
from contextlib import suppress
from types import SimpleNamespace

import anyio
import httpx
import pytest
import structlog
from structlog.testing import CapturingLoggerFactory, capture_logs

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConfigError,
    Constant,
    Pipeline,
    RateLimit,
    Retry,
    RoundRobin,
    StateChanged,
    Timeout,
    Verdict,
)
from meshkit.asgi import MeshMiddleware
from meshkit.call import Failure
from meshkit.cluster import OutlierDetection
from meshkit.deadline import opened
from meshkit.errors import AttemptTimedOut, CircuitOpen, DeadlineExceeded, RateLimited
from meshkit.httpx import MeshTransport
from meshkit.observe.events import AttemptBegan, CallEnded
from meshkit.observe.log import sparing
from meshkit.observe.log.log import Log
from meshkit.observe.log.sparing import Sparing
from meshkit.observe.passing import PASSING
from meshkit.observe.trail import Follows
from meshkit.testing import ManualClock, run, virtual_clock

INFO, WARNING = logging.INFO, logging.WARNING
WAIT = 10.0
"""Seconds after which a test has failed; none of them waits for it."""
RECORD = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}


class Kept(logging.Handler):
    """Keeps the records, and what they say."""

    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)

    @property
    def lines(self):
        return [(record.levelno, record.getMessage()) for record in self.records]

    @property
    def texts(self):
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept():
    logger = logging.getLogger("tests.observe.log")
    logger.setLevel(INFO)
    logger.propagate = False
    logger.handlers = [handler := Kept()]
    handler.logger = logger
    return handler


class Named:
    """As much of a pipeline as is asked."""

    def __init__(self, name, clock=None):
        self.name = name
        self.clock = clock


class Door:
    def __init__(self, about):
        self._about = about

    def about(self, call):
        assert call.request == "request"
        return self._about


CHARGE = {"kind": "function", "name": "charge"}
GET = {"kind": "client", "method": "GET", "scheme": "https", "host": "shop", "port": None, "path": "/orders"}


def follower(log, about=CHARGE, name="orders"):
    return log.follow(Named(name) if isinstance(name, str) else name, call_of(about))


def call_of(about, began_at=0.0):
    return SimpleNamespace(door=Door(about), request="request", began_at=began_at)


def ended(at=1.0, verdict=Verdict.FAILURE, attempts=1, *, error=None, status=None, began=None):
    failure = None if verdict is Verdict.SUCCESS else Failure(error, status=status)
    return CallEnded(at, at - 1.0 if began is None else began, verdict, attempts, failure)


ORDERS = Named("orders")


def state(log, at, before, after, *, policy="payments", endpoint=None, pipeline=ORDERS):
    log.follow(pipeline, call_of(CHARGE))(StateChanged(at, policy, endpoint, before, after))


# What is said.


@pytest.mark.parametrize(
    ("about", "event", "level", "line"),
    [
        (CHARGE, ended(error=ValueError("hush")), WARNING, "orders: charge failed after 1 attempt in 1 s: ValueError"),
        (
            GET,
            ended(2.5, attempts=3, error=ConnectionRefusedError(111, "hush"), began=0.68),
            WARNING,
            "orders: GET https://shop/orders failed after 3 attempts in 1.82 s: connection refused",
        ),
        (
            {**GET, "port": 8443, "host": "::1", "path": "/users/ann@example.com/x?y"},
            ended(status=502),
            WARNING,
            "orders: GET https://[::1]:8443/users/*/x failed after 1 attempt in 1 s: status 502",
        ),
        (
            {"kind": "server", "method": "POST", "path": "/o/77", "route": "/o/{id}", "type": "http", "status": 500},
            ended(status=500),
            WARNING,
            "orders: POST /o/{id} failed with 500 in 1 s",
        ),
        (
            GET,
            ended(verdict=Verdict.OVERLOADED, status=429),
            WARNING,
            "orders: GET https://shop/orders failed after 1 attempt in 1 s: status 429",
        ),
        (
            CHARGE,
            ended(attempts=2, error=AttemptTimedOut("took longer than 2 s", policy="Timeout")),
            WARNING,
            "orders: charge timed out after 2 attempts in 1 s: took longer than 2 s",
        ),
        (
            CHARGE,
            ended(
                1.0,
                Verdict.IGNORED,
                0,
                error=CircuitOpen("open after %d failures", 5, policy="payments", retry_after=3.2),
                began=1.0,
            ),
            INFO,
            "orders: charge was rejected in 0 s, not made: payments: open after 5 failures; next probe in 3.2 s",
        ),
    ],
)
def test_a_failed_call_is_a_line(kept, about, event, level, line):
    follower(Log(kept.logger), about)(event)
    assert kept.lines == [(level, line)]


@pytest.mark.parametrize(
    ("duration", "said"),
    [(0.0, "0 s"), (67.3e-6, "67.3 \u00b5s"), (0.00123, "1.23 ms"), (0.169, "0.169 s"), (12.0, "12 s")],
)
def test_seconds_are_readable(kept, duration, said):
    follower(Log(kept.logger))(ended(duration, error=ValueError(), began=0.0))
    assert kept.texts == [f"orders: charge failed after 1 attempt in {said}: ValueError"]
    assert kept.records[0].meshkit_duration == round(duration, 6)


def test_a_refusal_from_further_in_is_a_failure(kept):
    """Who let it out has refused nobody; and it is no policy of theirs."""
    following = follower(Log(kept.logger))
    following(AttemptBegan(0.0, 1, 1, "shop-1", "shop"))
    error = CircuitOpen("open after %d failures", 5, policy="stock", endpoint="10.0.0.7:80")
    following(CallEnded(1.0, 0.0, Verdict.IGNORED, 1, Failure(error), own=False))
    assert kept.lines == [
        (WARNING, "orders: charge failed after 1 attempt in 1 s: stock/10.0.0.7:80: open after 5 failures")
    ]
    (record,) = kept.records
    assert (record.meshkit_outcome, record.meshkit_error) == ("failure", "CircuitOpen")
    assert (record.meshkit_policy, record.meshkit_endpoint) == (None, "shop-1")


@pytest.mark.parametrize(("at", "late"), [(0.5, False), (1.9, False), (1.999, True), (2.1, True)])
def test_a_call_that_its_callers_deadline_has_cancelled_has_timed_out(kept, at, late):
    clock = ManualClock()
    with opened(2.0, clock):
        following = Log(kept.logger).follow(Named("stock", clock), call_of(CHARGE, clock()))
    began = clock()
    following(CallEnded(began + at, began, Verdict.FAILURE, 1, Failure(asyncio.CancelledError())))
    took = f"{at:.3g}"
    assert kept.lines == (
        [(WARNING, f"stock: charge timed out after 1 attempt in {took} s: its caller's deadline passed")]
        if late
        else []
    )
    if late:
        (record,) = kept.records
        assert (record.meshkit_event, record.meshkit_outcome) == ("call timed out", "cancelled")
        assert record.meshkit_cause == "its caller's deadline passed"


def test_nothing_is_kept_of_a_request_that_is_over(kept):
    following = follower(Log(kept.logger))
    following(ended(verdict=Verdict.SUCCESS))
    assert following.request is None


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (ended(verdict=Verdict.SUCCESS), "orders: charge succeeded after 1 attempt in 1 s"),
        (
            ended(verdict=Verdict.IGNORED, error=KeyboardInterrupt()),
            "orders: charge was cancelled after 1 attempt in 1 s",
        ),
        (
            ended(verdict=Verdict.IGNORED, error=ValueError("hush")),
            "orders: charge ended after 1 attempt in 1 s, which counts against nobody: ValueError",
        ),
    ],
)
def test_any_other_only_where_all_are_wanted(kept, event, line):
    follower(Log(kept.logger))(event)
    follower(Log(kept.logger, calls="none"))(event)
    assert kept.lines == []
    follower(Log(kept.logger, calls="all"))(event)
    assert kept.lines == [(INFO, line)]


def test_where_all_are_wanted_none_is_kept_back(kept):
    log = Log(kept.logger, calls="all", burst=1)
    for _ in range(50):
        follower(log)(ended(error=ValueError()))
    assert len(kept.lines) == 50
    assert log.suppressed == 0


def test_none_means_states_only(kept):
    log = Log(kept.logger, calls="none")
    follower(log)(ended(error=ValueError()))
    state(log, 0.0, "closed", "open")
    assert kept.texts == ["orders, payments: circuit opened"]


@pytest.mark.parametrize(
    ("before", "after", "level", "line"),
    [
        ("closed", "open", WARNING, "orders, payments, 10.0.0.7:80: circuit opened"),
        ("closed", "isolated", WARNING, "orders, payments, 10.0.0.7:80: circuit isolated"),
        ("half-open", "closed", INFO, "orders, payments, 10.0.0.7:80: circuit closed again"),
        ("in", "ejected", WARNING, "orders, payments, 10.0.0.7:80: endpoint ejected"),
        ("in", "out", WARNING, "orders, payments, 10.0.0.7:80: endpoint out of the balance"),
        ("out", "in", INFO, "orders, payments, 10.0.0.7:80: endpoint back in the balance"),
    ],
)
def test_a_change_of_state_is_a_line(kept, before, after, level, line):
    state(Log(kept.logger), 0.0, before, after, endpoint="10.0.0.7:80")
    assert kept.lines == [(level, line)]


def test_half_open_is_no_news_and_neither_is_open_after_it(kept):
    log = Log(kept.logger)
    for at in range(100):
        state(log, 10.0 * at, "closed" if at == 0 else "half-open", "open")
        state(log, 10.0 * at + 9, "open", "half-open")
    state(log, 1000.0, "half-open", "closed")
    assert kept.texts == ["orders, payments: circuit opened", "orders, payments: circuit closed again"]
    assert log.suppressed == 0


def test_what_happens_outside_any_call(kept):
    Log(kept.logger).aside(ORDERS, StateChanged(0.0, "payments", None, "closed", "isolated"))
    Log(kept.logger).aside(ORDERS, ended())
    assert kept.texts == ["orders, payments: circuit isolated"]


def test_names_and_hosts_cannot_begin_a_line(kept):
    log = Log(kept.logger)
    follower(log, {**GET, "method": "GET\nERROR", "path": "/a\r\nb\x1b[2J"}, name="or\nders")(ended(status=500))
    state(log, 0.0, "closed", "open", policy="pay\nments", endpoint="ten\n")
    assert len(kept.texts) == 2
    assert all(text.isprintable() for text in kept.texts)


# How often.


@pytest.mark.parametrize(
    ("instants", "said"),
    [
        ([0, 0, 0, 0], [0, 0, None, None]),
        ([0, 0, 9.9, 10], [0, 0, None, 1]),
        ([0, 0, 5, 10, 15, 20], [0, 0, None, 1, None, 1]),
        ([0, 0, 1, 2, 3, 1000, 1000, 1000], [0, 0, None, None, None, 3, 0, None]),
        ([0, 0, 10.000_000_000_1, 20], [0, 0, 0, 0]),
        ([5, 5, 4, 5.5, 14, 15], [0, 0, None, None, None, 3]),  # a neighbour was quicker: nothing is gained by it
        ([1e9, 1e9, 5, 5, 15], [0, 0, None, None, 2]),  # another clock
    ],
)
def test_some_lines_at_once_then_one_in_ten_seconds(instants, said):
    lines = Sparing(10.0, 2)
    assert [lines.allowed(ORDERS, ("x",), ended(at)) for at in instants] == said
    assert lines.kept_back == said.count(None)


@pytest.mark.parametrize("every", [0.1, 0.3, 1.0, 7.0])
def test_over_a_long_time_it_is_the_rate(every):
    lines = Sparing(every, 3)
    said = sum(lines.allowed(ORDERS, ("x",), ended(0.01 * at)) is not None for at in range(10_001))
    assert said == pytest.approx(3 + 100 / every, abs=1)


def test_what_was_kept_back_is_told_with_the_next_line(kept):
    log = Log(kept.logger, every=10.0, burst=1)
    for at in (0.0, 1.0, 2.0, 3.0, 10.0, 20.0):
        follower(log, GET, ORDERS)(ended(at, status=500))
    line = "orders: GET https://shop/orders failed after 1 attempt in 1 s: status 500"
    assert kept.texts == [line, f"{line} (and 3 more like it)", line]
    assert [record.meshkit_suppressed for record in kept.records] == [0, 3, 0]
    assert log.suppressed == 3


def test_each_kind_has_its_own(kept):
    log = Log(kept.logger, burst=1)
    other = Named("other")
    for _ in range(3):
        follower(log, GET, ORDERS)(ended(status=500))
        follower(log, GET, ORDERS)(ended(status=502))
        follower(log, {**GET, "host": "bank"}, ORDERS)(ended(status=500))
        follower(log, GET, other)(ended(status=500))
        follower(log, GET, ORDERS)(ended(error=OSError()))
        follower(log, GET, ORDERS)(ended(error=CircuitOpen(policy="a", endpoint="1")))
        follower(log, GET, ORDERS)(ended(error=CircuitOpen(policy="a", endpoint="2")))
        state(log, 1.0, "closed", "open", endpoint="1")
        state(log, 1.0, "closed", "open", endpoint="2")
    assert len(kept.texts) == len(set(kept.texts)) == 9


def test_paths_and_texts_make_no_kinds_of_their_own(kept):
    log = Log(kept.logger, burst=2)
    for number in range(100):
        server = {"kind": "server", "method": "GET", "path": f"/{number}", "type": "http"}
        follower(log, server, ORDERS)(ended(error=ValueError(f"number {number}")))
    assert len(kept.texts) == 2
    assert log.suppressed == 98


def test_a_circuit_that_flaps_does_not_fill_the_disk(kept):
    log = Log(kept.logger, every=10.0, burst=4)
    for at in range(1000):
        state(log, at / 100, "closed", "open")
        state(log, at / 100, "open", "closed")
    assert len(kept.texts) == 4
    assert log.suppressed == 1996


def test_the_log_ends_with_the_state_it_is_in(kept):
    """Two flaps use up the tokens; then it opens for good, and nothing but calls is told of it any more."""
    log = Log(kept.logger, every=10.0, burst=4)
    for at in (0.0, 1.0):
        state(log, at, "closed", "open")
        state(log, at, "open", "closed")
    state(log, 2.0, "closed", "open")
    assert kept.texts[-1] == "orders, payments: circuit closed again"
    for at in (3.0, 9.0):
        follower(log, CHARGE, ORDERS)(ended(at, Verdict.SUCCESS))
    assert len(kept.texts) == 4
    for at in (10.0, 11.0, 100.0):
        follower(log, CHARGE, ORDERS)(ended(at, Verdict.SUCCESS))
    assert kept.texts[4:] == ["orders, payments: circuit opened"]


def test_what_has_come_back_to_what_was_said_is_not_said_again(kept):
    log = Log(kept.logger, every=10.0, burst=1)
    state(log, 0.0, "closed", "open")
    state(log, 1.0, "open", "closed")
    state(log, 2.0, "closed", "open")
    follower(log, CHARGE, ORDERS)(ended(50.0, Verdict.SUCCESS))
    assert kept.texts == ["orders, payments: circuit opened"]
    state(log, 60.0, "half-open", "closed")
    assert kept.texts[1:] == ["orders, payments: circuit closed again (and 2 more like it)"]


def test_what_was_kept_back_is_not_said_when_it_is_no_longer_so(kept):
    log = Log(kept.logger, every=10.0, burst=1)
    state(log, 0.0, "closed", "open")
    state(log, 1.0, "open", "closed")
    state(log, 20.0, "closed", "open")
    follower(log, CHARGE, ORDERS)(ended(50.0, Verdict.SUCCESS))
    assert kept.texts == ["orders, payments: circuit opened", "orders, payments: circuit opened (and 1 more like it)"]


def test_each_state_that_was_kept_back_has_its_turn(kept):
    log = Log(kept.logger, every=10.0, burst=1)
    for endpoint in "ab":
        state(log, 0.0, "closed", "open", endpoint=endpoint)
        for _ in range(3):
            state(log, 1.0, "open", "closed", endpoint=endpoint)
    for at in (11.0, 12.0, 13.0):
        follower(log, CHARGE, ORDERS)(ended(at, Verdict.SUCCESS))
    assert kept.texts[2:] == [
        f"orders, payments, {endpoint}: circuit closed again (and 2 more like it)" for endpoint in "ab"
    ]


def test_another_pipelines_calls_say_nothing_of_it(kept):
    log = Log(kept.logger, every=10.0, burst=1)
    state(log, 0.0, "closed", "open")
    state(log, 1.0, "open", "closed")
    follower(log, CHARGE, Named("other"))(ended(50.0, Verdict.SUCCESS))
    assert len(kept.texts) == 1


@pytest.fixture
def few(monkeypatch):
    """Room for three keys."""
    monkeypatch.setattr(sparing, "MOST", 3)
    return 3


def test_for_more_than_there_is_room_for_there_is_a_limit_as_well(kept, few):
    """As a crawler would fill the log, whose hosts come round again when the first ones have been forgotten."""
    log = Log(kept.logger, every=10.0, burst=1)
    for _ in range(5):
        for host in range(few + 4):
            follower(log, {**GET, "host": f"h{host}"}, ORDERS)(ended(1.0, status=500))
    assert len(kept.texts) == few + 1
    assert log.suppressed == 5 * (few + 4) - few - 1
    follower(log, {**GET, "host": "h0"}, ORDERS)(ended(1.0, status=500))
    assert len(kept.texts) == few + 1  # those that had room have their own bucket still


def test_newcomers_share_with_those_of_the_same_outcome(few):
    lines = Sparing(10.0, 1)
    for key in range(few):
        assert lines.allowed(ORDERS, ("failure", key), ended(0.0)) == 0
    assert [lines.allowed(ORDERS, ("failure", key), ended(1.0)) for key in "abc"] == [0, None, None]
    assert [lines.allowed(ORDERS, ("timeout", key), ended(1.0)) for key in "abc"] == [0, None, None]
    assert lines.allowed(ORDERS, ("failure", 0), ended(9.0)) is None
    assert lines.allowed(Named("other"), ("failure", "a"), ended(9.0)) == 0


def test_who_has_all_its_tokens_again_makes_room(few):
    lines = Sparing(10.0, 1)
    for key in range(few):
        lines.allowed(ORDERS, ("failure", key), ended(0.0))
    lines.allowed(ORDERS, ("failure", 0), ended(5.0))  # is asked for again, and so is not the oldest any more
    assert lines.allowed(ORDERS, ("failure", "new"), ended(10.0)) == 0
    assert lines.allowed(ORDERS, ("failure", 0), ended(10.0)) == 1
    assert lines.allowed(ORDERS, ("failure", 1), ended(10.0)) == 0
    owner = lines._owners[ORDERS]
    assert [key for _, key in owner.calls] == ["new", 0, 1]
    assert len(owner.others) == 0


def test_memory_is_bounded(few):
    lines = Sparing(10.0, 1)
    for number in range(1000):
        at = 7.0 * number
        lines.allowed(ORDERS, ("failure", number), ended(at))
        for after in ("open", "closed", "open"):
            lines.allowed(ORDERS, ("state", number, "None"), StateChanged(at, "p", number, "?", after))
    owner = lines._owners[ORDERS]
    assert len(owner.calls) == len(owner.states) == few
    assert len(owner.unsaid) <= few
    assert owner.others.keys() <= {"failure", "open", "closed"}


def test_many_targets_do_not_crowd_out_a_circuit(kept, few):
    log = Log(kept.logger, every=10.0, burst=1)
    for host in range(few + 4):
        follower(log, {**GET, "host": f"h{host}"}, ORDERS)(ended(1.0, status=500))
    state(log, 1.0, "closed", "open")
    state(log, 1.0, "open", "closed")
    assert kept.texts[few + 1 :] == ["orders, payments: circuit opened"]
    follower(log, CHARGE, ORDERS)(ended(11.0, Verdict.SUCCESS))
    assert kept.texts[few + 2 :] == ["orders, payments: circuit closed again"]


def test_a_state_that_is_to_be_said_keeps_its_place(few):
    lines = Sparing(10.0, 1)
    for name in range(few):
        for after in ("open", "closed"):
            lines.allowed(ORDERS, ("state", name), StateChanged(0.0, "p", name, "?", after))
    lines.allowed(ORDERS, ("state", "new"), StateChanged(50.0, "p", "new", "?", "open"))
    assert [lines.due(ORDERS, 50.0)[0].endpoint for _ in range(few)] == [*range(few)]
    assert lines.due(ORDERS, 50.0) is None


def test_what_was_forgotten_stands_in_nobodys_way():
    lines = Sparing(10.0, 1)
    for name in "ab":
        for after in ("open", "closed"):
            lines.allowed(ORDERS, ("state", name), StateChanged(0.0, "p", name, "?", after))
    del lines._owners[ORDERS].states["state", "a"]
    assert [lines.due(ORDERS, 50.0) for _ in range(2)] == [None, (StateChanged(0.0, "p", "b", "?", "closed"), 0)]


def test_of_newcomers_no_state_is_said_that_was_anothers(few):
    lines = Sparing(10.0, 1)
    for name in range(few):
        lines.allowed(ORDERS, ("state", name), StateChanged(0.0, "p", name, "closed", "open"))
    for name in "ab":
        lines.allowed(ORDERS, ("state", name), StateChanged(0.0, "p", name, "closed", "open"))
    assert lines.due(ORDERS, 100.0) is None
    assert lines.allowed(ORDERS, ("state", 0), StateChanged(100.0, "p", 0, "half-open", "open")) is None


def test_of_a_pipeline_that_is_gone_nothing_is_said(kept):
    """Whatever has its address afterwards, which CPython gives away at once."""
    log = Log(kept.logger, every=60.0, burst=1)
    places = set()
    for number in range(50):
        tenant = Named(f"tenant-{number}")
        places.add(id(tenant))
        follower(log, CHARGE, tenant)(ended(100.0 * number, Verdict.SUCCESS))
        state(log, 100.0 * number, "closed", "open", pipeline=tenant)
        state(log, 100.0 * number, "open", "closed", pipeline=tenant)
        del tenant
        assert len(log._sparing._owners) == 0
    assert len(places) < 50
    assert kept.texts == [f"tenant-{number}, payments: circuit opened" for number in range(50)]


def test_a_pipeline_is_not_kept():
    log = Log()
    servers = Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80"], outliers=OutlierDetection(consecutive_5xx=1))
    orders = Pipeline(CircuitBreaker(name="payments", failures=1), servers, name="orders")
    orders.listen(log)

    @orders
    def ask(endpoint=None):
        raise ConnectionError

    with suppress(ConnectionError):
        ask()
    orders.control("payments").reset()
    assert {key[1] for key in log._sparing._owners[orders].states} == {"payments", "OutlierDetection"}
    del ask
    assert len(log._sparing._owners) == 1
    gone = weakref.ref(orders)
    del orders
    gc.collect()
    assert gone() is None
    assert len(log._sparing._owners) == 0


# Whoever strikes within.


class Strikes:
    """Part of a key that does something wherever it is looked up: within the lock, as a signal would."""

    def __init__(self, strike):
        self.strike = strike
        self.within = False

    def __hash__(self):
        if not self.within:
            self.within = True
            self.strike()
            self.within = False
        return 7


def test_who_makes_a_call_within_the_lock_does_not_wait_for_himself(kept):
    log = Log(kept.logger, burst=1)
    error = {"error": ValueError()}
    inner = []

    def strike():
        assert log._sparing._lock._is_owned()
        inner.append(1)
        follower(log, GET, ORDERS)(ended(**error))

    assert log._sparing.allowed(ORDERS, ("failure", Strikes(strike)), ended()) == 0
    assert len(inner) >= 1
    assert len(kept.texts) == 1
    assert log.suppressed == len(inner) - 1


def struck(number, work, strike):
    """Does the work, struck before the so manyth instruction of the module; and answers whether there are as many."""
    left = number

    def trace(frame, event, arg):
        nonlocal left
        if frame.f_code.co_filename != sparing.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                strike()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return left <= 0


@pytest.mark.parametrize(("at", "work"), [(15.0, "said"), (1.0, "kept back"), (15.0, "due"), (15.0, "call")])
def test_between_any_two_instructions_somebody_may_come_and_the_end_is_the_truth(few, at, work):
    """A circuit that was said to be open is closed; and opens wherever somebody strikes, who fills the tables too."""

    def change(at, key, before, after):
        event = StateChanged(at, "p", key, before, after)
        if lines.allowed(ORDERS, ("state", key), event) is not None:
            said.append((key, after))

    def fail(at, *keys):
        for key in keys:
            lines.allowed(ORDERS, ("failure", key), ended(at))

    def due(at):
        for _ in range(few + 1):
            found = lines.due(ORDERS, at)
            if found is not None:
                said.append((found[0].endpoint, found[0].after))

    def strike():
        change(at, "mine", "closed", "open")
        for key in ("a", "b", "c"):
            change(at, key, "closed", "open")
        fail(at, "a", "b", "c")
        due(at)

    number, more = 0, True
    while more or number < 2:  # CPython 3.12 tells of no instruction until some frame has asked for them before
        number += 1
        lines, said = Sparing(10.0, 1), []
        change(0.0, "mine", "closed", "open")
        fail(0.0, "x", "y", "z")
        if work == "due":
            change(1.0, "mine", "open", "closed")
            more = struck(number, lambda: due(at), strike)
        elif work == "call":
            more = struck(number, lambda: fail(at, "x", "new"), strike)
        else:
            more = struck(number, lambda: change(at, "mine", "open", "closed"), strike)
        for later in (1000.0, 2000.0, 3000.0):
            due(later)
        owner = lines._owners[ORDERS]
        line = owner.states[("state", "mine")]
        states = [after for key, after in said if key == "mine"]
        assert line.last.after == line.said == states[-1]
        assert at > 10 or states in (["open"], ["open", "closed"])
        assert not owner.unsaid
        assert max(map(len, (owner.calls, owner.states))) <= few + 1
    assert number > 100


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_logs_whoever_was_logging_when_it_was_forked(kept):
    log = Log(kept.logger, burst=1)
    entered, free = threading.Event(), threading.Event()

    def strike():
        entered.set()
        free.wait(WAIT)

    thread = threading.Thread(target=log._sparing.allowed, args=(ORDERS, ("failure", Strikes(strike)), ended()))
    thread.start()
    assert entered.wait(WAIT)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            follower(log, GET, ORDERS)(ended(error=ValueError()))
            state(log, 1.0, "closed", "open")
            os.write(write, b"%d" % len(kept.texts))
        finally:
            os._exit(0)
    os.close(write)
    try:
        assert select.select([read], [], [], WAIT)[0], "the child hangs"
        assert os.read(read, 10) == b"2"
    finally:
        free.set()
        thread.join(WAIT)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)


# The standard library.


def test_the_fields_of_a_call(kept):
    following = follower(Log(kept.logger), GET)
    following(AttemptBegan(0.0, 1, 1, "10.0.0.7:80", "shop"))
    following(ended(attempts=1, status=503))
    (record,) = kept.records
    assert record.name == "tests.observe.log"
    assert {name: value for name, value in vars(record).items() if name not in RECORD} == {
        "meshkit_event": "call failed",
        "meshkit_pipeline": "orders",
        "meshkit_policy": None,
        "meshkit_endpoint": "10.0.0.7:80",
        "meshkit_call": "GET https://shop/orders",
        "meshkit_outcome": "failure",
        "meshkit_attempts": 1,
        "meshkit_duration": 1.0,
        "meshkit_error": None,
        "meshkit_status": 503,
        "meshkit_cause": "status 503",
        "meshkit_suppressed": 0,
    }


def test_the_fields_of_a_state(kept):
    state(Log(kept.logger), 0.0, "closed", "open", endpoint="10.0.0.7:80")
    (record,) = kept.records
    assert {name: value for name, value in vars(record).items() if name not in RECORD} == {
        "meshkit_event": "circuit opened",
        "meshkit_pipeline": "orders",
        "meshkit_policy": "payments",
        "meshkit_endpoint": "10.0.0.7:80",
        "meshkit_before": "closed",
        "meshkit_after": "open",
        "meshkit_suppressed": 0,
    }


def test_who_refused_is_said_by_the_error(kept):
    following = follower(Log(kept.logger))
    following(AttemptBegan(0.0, 1, 1, "elsewhere", "shop"))
    following(ended(error=CircuitOpen("open", policy="payments", endpoint="10.0.0.7:80")))
    (record,) = kept.records
    assert (record.meshkit_policy, record.meshkit_endpoint) == ("payments", "10.0.0.7:80")
    assert record.meshkit_error == "CircuitOpen"


def test_a_trace_is_told_and_nothing_of_the_records_is_taken(kept, monkeypatch):
    class Own(logging.LogRecord):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.tenant = "ours"

    monkeypatch.setattr(logging, "_logRecordFactory", Own)
    more = {"trace_id": "abc", "name": "x", "message": "x", "args": "x", "tenant": "x", "meshkit_event": "x", 7: 8}
    follower(Log(kept.logger, trace=lambda: more))(ended(error=ValueError()))
    (record,) = kept.records
    assert (record.trace_id, record.name, record.tenant) == ("abc", "tests.observe.log", "ours")
    assert (record.meshkit_name, record.meshkit_tenant, record.meshkit_event) == ("x", "x", "call failed")
    assert record.getMessage().startswith("orders: charge failed")


def test_left_out_it_is_that_of_the_fields_that_came(kept):
    log = Log(kept.logger)
    token = PASSING.set(((b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),))
    try:
        following = follower(log)
        follower(Log(kept.logger, trace=dict))(ended(error=ValueError()))
    finally:
        PASSING.reset(token)
    following(StateChanged(0.0, "payments", None, "closed", "open"))
    following(ended(error=ValueError()))  # where it was when it began counts
    follower(log)(ended(error=ValueError()))
    known = [(getattr(record, "trace_id", None), getattr(record, "span_id", None)) for record in kept.records]
    ours = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert known == [(None, None), ours, ours, (None, None)]
    assert not hasattr(kept.records[-1], "trace_id")  # what a filter of the application sets is left alone


def test_a_trace_that_cannot_be_had_costs_no_line(kept):
    def trace():
        raise RuntimeError("hush")

    follower(Log(kept.logger, trace=trace))(ended(error=ValueError()))
    follower(Log(kept.logger, trace=lambda: None))(ended(error=ValueError()))
    first, second = kept.records
    assert first.meshkit_trace_failed == "RuntimeError"
    assert not hasattr(second, "meshkit_trace_failed")


def test_it_is_the_logger_of_meshkit_if_left_out(caplog):
    with caplog.at_level(INFO, "meshkit"):
        follower(Log())(ended(error=ValueError()))
    assert [record.name for record in caplog.records] == ["meshkit"]


def test_whose_logger_is_silent_is_not_followed(kept):
    log = Log(kept.logger, burst=1)
    kept.logger.setLevel(logging.ERROR)
    assert log.follow(ORDERS, call_of(CHARGE)) is None
    kept.logger.setLevel(WARNING)
    state(log, 0.0, "open", "closed")
    follower(log)(ended(error=RateLimited("no")))
    assert kept.texts == []
    assert log.suppressed == 0  # what is not wanted takes no token
    state(log, 0.0, "closed", "open")
    assert kept.texts == ["orders, payments: circuit opened"]


def test_an_adapter_is_a_logger(kept):
    follower(Log(logging.LoggerAdapter(kept.logger, {})))(ended(error=ValueError()))
    assert len(kept.records) == 1


# structlog.


def test_structlog_is_given_an_event_and_key_values():
    with capture_logs() as logs:
        log = Log(structlog.get_logger())
        state(log, 0.0, "closed", "open")
        state(log, 0.0, "half-open", "closed")
        follower(log)(ended(error=ValueError("hush")))
    assert [(each["event"], each["log_level"]) for each in logs] == [
        ("circuit opened", "warning"),
        ("circuit closed again", "info"),
        ("call failed", "warning"),
    ]
    assert logs[0]["meshkit_policy"] == "payments"
    assert (logs[2]["meshkit_call"], logs[2]["meshkit_error"]) == ("charge", "ValueError")
    assert "hush" not in repr(logs)


def test_what_was_bound_to_it_stays():
    with capture_logs() as logs:
        follower(Log(structlog.get_logger().bind(service="shop")))(ended(error=ValueError()))
    assert logs[0]["service"] == "shop"


def test_a_trace_does_not_stand_in_structlogs_way():
    with capture_logs() as logs:
        log = Log(structlog.get_logger(), trace=lambda: {"trace_id": "abc", "event": "x", "self": 1})
        follower(log)(ended(error=ValueError()))
    assert logs[0]["event"] == "call failed"
    assert (logs[0]["trace_id"], logs[0]["meshkit_event"], logs[0]["meshkit_self"]) == ("abc", "call failed", 1)


@pytest.mark.parametrize(
    "wrapper",
    [structlog.make_filtering_bound_logger(WARNING), structlog.stdlib.BoundLogger, structlog.BoundLogger],
    ids=["filtering", "stdlib", "generic"],
)
def test_structlogs_levels_are_asked_first(kept, wrapper):
    kept.logger.setLevel(WARNING)
    factory = CapturingLoggerFactory()
    silent = wrapper is not structlog.BoundLogger  # which knows no levels
    inner = kept.logger if wrapper is structlog.stdlib.BoundLogger else factory()
    log = Log(structlog.wrap_logger(inner, wrapper_class=wrapper, processors=[structlog.stdlib.render_to_log_kwargs]))
    asked = []
    following = log.follow(ORDERS, SimpleNamespace(door=SimpleNamespace(about=asked.append), request=None))
    with suppress(AttributeError):
        following(ended(error=RateLimited("no")))
    assert asked == ([] if silent else [following])
    state(log, 0.0, "closed", "open")
    said = kept.texts or [call.args[0] if call.args else call.kwargs["msg"] for call in factory.logger.calls]
    assert said == ["circuit opened"]


def test_structlog_is_loaded_by_those_who_give_it():
    """In a new interpreter, for this one has it."""
    import subprocess

    code = "import meshkit.observe.log.log as l, sys; l.Log(); print('structlog' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "False\n"


# Options.


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"every": 0}, "Log: every=0: give seconds"),
        ({"every": True}, "every=True"),
        ({"every": float("inf")}, "every=inf"),
        ({"every": float("nan")}, "every=nan"),
        ({"every": "1"}, "every='1'"),
        ({"burst": 0}, "burst=0"),
        ({"burst": 1.5}, "burst=1.5"),
        ({"burst": True}, "burst=True"),
        ({"calls": "some"}, "write one of 'failures', 'all', 'none'"),
        ({"calls": []}, "calls=[]"),
        ({"trace": "id"}, "trace='id'"),
        ({"trace": anyio.sleep}, "a plain function"),
        ({"logger": "payments"}, "logging.getLogger"),
        ({"logger": logging.Logger}, "logging.getLogger"),
        ({"logger": structlog.wrap_logger(None, wrapper_class=structlog.stdlib.AsyncBoundLogger)}, "cannot await"),
    ],
)
def test_what_cannot_be(options, said):
    with pytest.raises(ConfigError) as raised:
        Log(**options)
    assert said in str(raised.value)


# With pipelines.


def test_it_is_one_who_follows():
    assert isinstance(Log(), Follows)


def test_a_breaker_opens_and_closes(kept):
    clock = ManualClock()
    payments = Pipeline(
        Retry(ConnectionError, backoff=Constant(0.0)),
        CircuitBreaker(name="payments", failures=3, cooldown=10.0),
        clock=clock,
        name="orders",
    )
    stop = payments.listen(Log(kept.logger, every=1.0, burst=1))
    well = False

    @payments
    def charge(card):
        if not well:
            raise ConnectionError("hush")

    for _ in range(5):
        with suppress(ConnectionError, CircuitOpen):
            charge("4111")
    clock.advance(10.1)
    well = True
    charge("4111")
    stop()
    name = "test_a_breaker_opens_and_closes.charge"
    assert kept.lines == [
        (WARNING, "orders, payments: circuit opened"),
        (WARNING, f"orders: {name} failed after 3 attempts in 0 s: ConnectionError"),
        (INFO, f"orders: {name} was rejected in 0 s, not made: payments: open after 3 failures; next probe in 10 s"),
        (INFO, "orders, payments: circuit closed again"),
    ]
    assert payments.failed_listeners == 0


def test_an_endpoint_is_ejected_and_returns(kept):
    clock = ManualClock()
    outliers = OutlierDetection(consecutive_5xx=1, base_ejection_time=30.0)
    servers = Cluster("stock", ["10.0.0.7:80", "10.0.0.8:80"], balancer=RoundRobin(), outliers=outliers)
    stock = Pipeline(servers, clock=clock, seed=1)
    stock.listen(Log(kept.logger))

    @stock
    def ask(article, endpoint=None):
        if str(endpoint) == "10.0.0.7:80" and clock() < 20.0:
            raise ConnectionError("hush")

    for _ in range(60):
        with suppress(ConnectionError):
            ask("apples")
        clock.advance(1.0)
    assert sorted(kept.texts) == [
        "OutlierDetection, 10.0.0.7:80: endpoint ejected",
        "stock, 10.0.0.7:80: endpoint back in the balance",
        "stock, 10.0.0.7:80: endpoint out of the balance",
        "test_an_endpoint_is_ejected_and_returns.ask failed after 1 attempt in 0 s: ConnectionError",
    ]
    failed = next(record for record in kept.records if record.meshkit_event == "call failed")
    assert failed.meshkit_endpoint == "10.0.0.7:80"


def test_a_logger_that_raises_harms_no_call(kept):
    class Broken(logging.Handler):
        def handle(self, record):
            raise OSError("no space left on device")

    kept.logger.addHandler(Broken())
    orders = Pipeline(Retry(ConnectionError, attempts=1))
    orders.listen(Log(kept.logger))

    def charge():
        raise ValueError("no such card")

    with pytest.raises(ValueError, match="no such card"):
        orders.call(charge)
    assert orders.failed_listeners == 1


def test_the_status_of_what_went_out(kept):
    shop = Pipeline(Timeout(2.0), name="shop")
    shop.listen(Log(kept.logger, calls="all"))
    network = httpx.MockTransport(lambda request: httpx.Response(int(request.url.path[1:])))
    with httpx.Client(transport=MeshTransport(shop, network)) as client:
        for status in (204, 404, 503):
            client.get(f"http://shop/{status}")
    assert [(record.meshkit_event, record.meshkit_status) for record in kept.records] == [
        ("call succeeded", 204),
        ("call succeeded", 404),
        ("call failed", 503),
    ]


@pytest.mark.parametrize("translate", [False, True])
async def test_a_request_that_was_served_says_what_was_answered(kept, translate):
    async def app(scope, receive, send):
        if scope["path"] == "/open":
            raise CircuitOpen("open after %d failures", 5, policy="stock")
        if scope["path"] == "/broken":
            raise KeyError("hush")
        status = int(scope["path"][1:])
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    api = Pipeline(RateLimit("5/min", burst=5), clock=ManualClock(), name="api")
    api.listen(Log(kept.logger, calls="all"))
    transport = httpx.ASGITransport(MeshMiddleware(app, api, translate=translate), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        answers = [await client.get(path) for path in ("/200", "/429", "/502", "/broken", "/open", "/refused")]
    statuses = [200, 429, 502, 500, 503 if translate else 500, 429]
    assert [record.meshkit_status for record in kept.records] == statuses
    assert [answer.status_code for answer in answers] == statuses
    refused = "RateLimit: limit of 5/min reached; try again in 12 s"
    assert kept.lines == [
        (INFO, "api: GET /200 succeeded with 200 in 0 s"),
        (INFO, "api: GET /429 ended with 429 in 0 s, which counts against nobody"),
        (WARNING, "api: GET /502 failed with 502 in 0 s"),
        (WARNING, "api: GET /broken failed with 500 in 0 s: KeyError"),
        (WARNING, f"api: GET /open failed with {statuses[4]} in 0 s: stock: open after 5 failures"),
        (INFO, f"api: GET /refused was rejected with 429 in 0 s, before the app was asked: {refused}"),
    ]


async def test_a_client_that_has_gone_is_said(kept):
    async def app(scope, receive, send):
        await receive()
        raise DeadlineExceeded("no answer within 2 s")

    async def receive():
        return {"type": "http.disconnect"}

    api = Pipeline(name="api", clock=ManualClock())
    api.listen(Log(kept.logger, calls="all"))
    with suppress(DeadlineExceeded):
        await MeshMiddleware(app, api)({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, None)
    assert kept.texts == ["api: GET / failed with 499 in 0 s: the client had gone"]


def test_a_deadline_that_was_handed_down_is_a_line_of_both(kept):
    """As that of the caller cancels the call within; which is as late, and must not be silent."""
    stock = Pipeline(Timeout(30.0), clock=virtual_clock, name="stock")
    shop = Pipeline(Timeout(2.0), clock=virtual_clock, name="shop")
    for pipeline in (stock, shop):
        pipeline.listen(Log(kept.logger))

    @stock
    async def ask():
        await anyio.sleep_forever()

    @shop
    async def buy():
        await ask()

    with pytest.raises(DeadlineExceeded):
        run(buy)
    assert {record.meshkit_pipeline: record.meshkit_event for record in kept.records} == {
        "stock": "call timed out",
        "shop": "call timed out",
    }
    assert [record.meshkit_outcome for record in kept.records] == ["cancelled", "timeout"]
    assert [record.meshkit_duration for record in kept.records] == [2.0, 2.0]


CANARY = "c4n4ry"
FIELDS = {"authorization": CANARY, "cookie": f"s={CANARY}", "x-token": CANARY, "user-agent": CANARY, "referer": CANARY}


def told(kept):
    formatter = logging.Formatter()
    return "".join(formatter.format(record) + repr(vars(record)) for record in kept.records)


def test_nothing_of_a_clients_request_but_where_it_went(kept):
    def upstream(request):
        if request.url.path == "/down":
            raise httpx.ConnectError(f"{CANARY} {request.url}")
        return httpx.Response(500, text=CANARY, headers={"set-cookie": CANARY, "x-error": CANARY})

    shop = Pipeline(Timeout(2.0), RateLimit("2/min", key="header:x-token"), name="shop")
    shop.listen(Log(kept.logger))
    with httpx.Client(transport=MeshTransport(shop, httpx.MockTransport(upstream)), headers=FIELDS) as client:
        for path in ("down", "up", "limited"):
            with suppress(httpx.TransportError):
                client.post(f"http://{CANARY}:{CANARY}@shop/{path}?token={CANARY}#{CANARY}", content=CANARY)
    assert [record.meshkit_call for record in kept.records] == [
        "POST http://shop/down",
        "POST http://shop/up",
        "POST http://shop/limited",
    ]
    assert CANARY not in told(kept)


async def test_nothing_of_a_servers_request_either(kept):
    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        raise ValueError(CANARY)

    api = Pipeline(RateLimit("2/min", key="header:x-token"), Timeout(2.0), name="api")
    api.listen(Log(kept.logger))
    transport = httpx.ASGITransport(MeshMiddleware(app, api), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api", headers=FIELDS) as client:
        for _ in range(3):
            await client.post(f"/orders?token={CANARY}", content=CANARY)
    assert [record.meshkit_event for record in kept.records] == ["call failed", "call failed", "call rejected"]
    assert {record.meshkit_call for record in kept.records} == {"POST /orders"}
    assert CANARY not in told(kept)


def test_nothing_of_a_functions_arguments(kept):
    orders = Pipeline(RateLimit("1/min", key="card"))
    orders.listen(Log(kept.logger, calls="all"))

    @orders
    def charge(card, amount):
        raise ValueError(card)

    for _ in range(2):
        with suppress(ValueError, RateLimited):
            charge(CANARY, amount=CANARY)
    assert [record.meshkit_event for record in kept.records] == ["call failed", "call rejected"]
    assert CANARY not in told(kept)
