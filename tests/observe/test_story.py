"""The story of a record: each kind of failure in the words a reader is given, and nothing that breaks the teller."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.observe.record.phrases import ordinal, plain, seconds
from meshkit.observe.record.story import summary, tell

CLIENT = {"kind": "client", "method": "GET", "scheme": "http", "host": "orders", "port": None, "path": "/stock/7"}
FUNCTION = {"kind": "function", "name": "charge"}
SERVER = {"kind": "server", "method": "GET", "scheme": "http", "path": "/orders/7", "type": "http"}
REFUSED = {"error": "ConnectError", "says": "Connection refused", "kind": "connection", "status": None, "sent": False}
LATE = {"error": "DeadlineExceeded", "says": "no answer within 2 s", "kind": "timeout", "status": None, "sent": True}


def status(code, **more):
    return {"error": None, "says": None, "kind": "status", "status": code, "sent": True, **more}


def began(at, number, endpoint=None, cluster="", attempt=None):
    return {
        "at": at,
        "what": "attempt-began",
        "number": number,
        "attempt": attempt or number,
        "endpoint": endpoint,
        "cluster": cluster,
    }


def ended(at, number, endpoint=None, failure=None, latency=0.1, *, verdict=None):
    verdict = verdict or ("failure" if failure else "success")
    step = {"at": at, "what": "attempt-ended", "number": number, "attempt": number, "endpoint": endpoint, "cluster": ""}
    return {**step, "verdict": verdict, "latency": latency, "duration": latency, "failure": failure}


def gave_up(at, attempt, reason, failure=None, **numbers):
    step = {"at": at, "what": "gave-up", "policy": "Retry", "attempt": attempt, "reason": reason}
    return {**step, "numbers": numbers, "failure": failure}


def rejected(at, error, says, policy="", endpoint=None):
    step = {"at": at, "what": "rejected", "policy": policy, "endpoint": endpoint, "error": error, "says": says}
    return {**step, "retry_after": None}


def refusal(error, says, policy):
    return {"error": error, "says": says, "kind": "rejected", "status": None, "sent": False, "policy": policy}


def record(outcome, steps, *, call=CLIENT, failure=None, duration=1.23, **more):
    sent = sum(step["what"] == "attempt-began" for step in steps)
    data = {"meshkit": 1, "at": "2026-11-27T04:42:43.123Z", "pipeline": "", "call": call, "because": "error"}
    data |= {"complete": True, "outcome": outcome, "duration": duration, "attempts": sent, "failure": failure}
    return {**data, "deadline": None, "retries": True, "steps": steps, "dropped": 0, **more}


def headline(*args, **kwargs):
    return tell(record(*args, **kwargs)).splitlines()[0]


TWICE = [
    began(0.0, 1, "orders-a"),
    ended(0.1, 1, "orders-a", REFUSED),
    {"at": 0.1, "what": "retried", "policy": "Retry", "attempt": 1, "delay": 0.2, "numbers": {}, "failure": REFUSED},
    began(0.3, 2, "orders-b"),
    ended(1.23, 2, "orders-b", status(503), 0.9),
]


def test_two_attempts_and_a_spent_budget():
    steps = [*TWICE, gave_up(1.23, 2, "budget", status(503), calls=12, retries=2, balance=0)]
    assert headline("failure", steps, failure=status(503)) == (
        "GET http://orders/stock/7 failed after 1.23 s: the first attempt, on orders-a, found the connection refused; "
        "the second, on orders-b, was answered with status 503. The retry made no third: its budget was used up "
        "(2 retries for 12 calls)."
    )


@pytest.mark.parametrize(
    ("reason", "known", "said"),
    [
        ("attempts", {}, "The retry made no third: 2 attempts are all it makes."),
        (
            "deadline",
            {"left": 0.27},
            "The retry made no third: the deadline would have passed before it (0.27 s left).",
        ),
        ("retry-after", {}, "The retry made no third: the wait asked for, 120 s, is too long."),
        ("retry-after", {"retry_after_cap": 60.0}, "120 s, is too long (it waits 60 s at most)."),
        ("", {}, "The retry made no third: it does not say why."),
        ("the moon", {}, "The retry made no third: the moon."),
    ],
)
def test_why_a_retry_stopped(reason, known, said):
    failure = status(503, retry_after=120.0)
    assert said in headline("failure", [*TWICE, gave_up(1.23, 2, reason, failure, **known)], failure=failure)


def test_a_failure_that_no_retry_was_for():
    steps = [began(0, 1), ended(1, 1, None, {"error": "ValueError", "says": None, "kind": "error", "sent": True}, 1.0)]
    assert headline("failure", steps, call=FUNCTION, failure=steps[1]["failure"]) == (
        "charge() failed after 1.23 s: it raised ValueError. No retry was for this failure."
    )
    post = {**CLIENT, "method": "POST"}
    failure = status(500)
    assert headline("failure", [began(0, 1), ended(1, 1, None, failure)], call=post, failure=failure).endswith(
        "No retry was for this failure (a POST that may have been sent is repeated only where the retry says so)."
    )


@pytest.mark.parametrize(
    ("failure", "latency", "said"),
    [
        (REFUSED, 0.1, "found the connection refused"),
        ({**REFUSED, "says": "No route to host"}, 0.1, "could not connect (ConnectError: No route to host)"),
        ({"error": "ReadError", "says": "Connection reset by peer", "kind": "connection"}, 1, "had its connection res"),
        ({"error": "ReadError", "says": None, "kind": "connection"}, 1, "had a connection error (ReadError)"),
        ({"error": "AttemptTimedOut", "says": "...", "kind": "timeout"}, 0.5, "was given up after 0.5 s without an an"),
        ({"error": "ReadTimeout", "says": None, "kind": "timeout"}, 5, "timed out after 5 s (ReadTimeout)"),
        (
            {"error": "PoolTimeout", "kind": "timeout", "sent": False},
            5,
            "timed out after 5 s, before anything was sent",
        ),
        (status(429, retry_after=2.0), 0.1, "was answered with status 429, and asked to come back in 2 s"),
        ({"error": "TimeoutError", "says": "timed out", "kind": "timeout"}, 5, "timed out after 5 s (TimeoutError)"),
        (
            {"error": "RemoteProtocolError", "kind": "connection", "stale": True},
            0.1,
            "found its kept-alive connection closed before an answer began (RemoteProtocolError)",
        ),
        (refusal("CircuitOpen", "b: open", "b"), 0, "was refused further in: the circuit breaker refused it (b: open)"),
        ({}, 0.1, "failed"),
    ],
)
def test_what_an_attempt_met(failure, latency, said):
    told = headline(
        "failure", [began(0, 1, "a"), ended(1, 1, "a", failure, latency, verdict="failure")], failure=failure
    )
    assert f"the only attempt, on a, {said}" in told


def test_the_deadline_passed():
    steps = [*TWICE[:4], ended(2.0, 2, "orders-b", LATE, 1.7)]
    told = tell(record("timeout", steps, failure=LATE, duration=2.0, deadline={"seconds": 2.0, "left": 0.0}))
    assert told.startswith(
        "GET http://orders/stock/7 ran out of time after 2 s, its deadline of 2 s: the first attempt, on orders-a, "
        "found the connection refused; the second, on orders-b, had no answer after 1.7 s when the deadline passed.\n"
    )
    assert "  deadline: 2 s, nothing left" in told


def test_the_last_attempt_timed_out():
    failure = {"error": "AttemptTimedOut", "says": "attempt 1: ...", "kind": "timeout", "status": None, "sent": True}
    steps = [began(0, 1), ended(0.5, 1, None, failure, 0.5), gave_up(0.5, 1, "attempts", failure)]
    assert headline("timeout", steps, call=FUNCTION, failure=failure, duration=0.5) == (
        "charge() timed out after 0.5 s: it was given up after 0.5 s without an answer. "
        "The retry made no second: 1 attempt is all it makes."
    )


@pytest.mark.parametrize(
    ("error", "says", "why"),
    [
        ("RateLimited", "api: limit of 10/s reached; try again in 0.3 s", "the limit of its rate was reached"),
        ("CircuitOpen", "b: open after 5 failures; next probe in 3.2 s", "the circuit breaker refused it"),
        ("Overloaded", "workers: queue full", "there was no room for it"),
        ("NoEndpoint", "stock: no endpoint to ask", "there was no endpoint to ask"),
        ("TooLate", "deadline: the deadline it came with has passed", "no time was left for it"),
        ("Denied", "acl: no", "Denied refused it"),
    ],
)
def test_each_refusal(error, says, why):
    steps = [rejected(0.0, error, says)]
    told = headline("rejected", steps, failure=refusal(error, says, "p"), duration=0.0, call=FUNCTION)
    assert told == f"charge() was rejected after 0 s, and was not made: {why} ({says})."


def test_who_was_not_asked():
    failure = refusal("RateLimited", None, "api") | {"retry_after": 0.5}
    assert headline("rejected", [], failure=failure).startswith(
        "GET http://orders/stock/7 was rejected after 1.23 s, and nothing was sent: "
        "the limit of its rate was reached (api; try again in 0.5 s)."
    )
    assert headline("rejected", [], failure=failure, call=SERVER).startswith(
        "Serving GET /orders/7 was rejected after 1.23 s, before the app was asked: "
    )


def test_a_further_attempt_was_refused():
    says = "b: open after 1 failures; next probe in 9 s"
    steps = [*TWICE[:3], rejected(0.3, "CircuitOpen", says, "b")]
    assert headline("failure", steps, failure=REFUSED) == (
        "GET http://orders/stock/7 failed after 1.23 s: the only attempt, on orders-a, found the connection refused. "
        f"No second was made: the circuit breaker refused it ({says})."
    )


def test_success_after_a_retry():
    steps = [*TWICE[:4], ended(0.4, 2, "orders-b")]
    assert headline("success", steps, duration=0.4) == (
        "GET http://orders/stock/7 succeeded after 0.4 s: the first attempt, on orders-a, found the connection refused"
        "; the second, on orders-b, succeeded after 0.1 s."
    )


def test_success_at_once():
    assert headline("success", [began(0, 1, "a"), ended(0.1, 1, "a")], duration=0.1) == (
        "GET http://orders/stock/7 succeeded after 0.1 s on a."
    )
    assert headline("success", [], duration=0.1).endswith("succeeded after 0.1 s without an attempt of its own.")


@pytest.mark.parametrize(
    ("outcome", "added"),
    [
        ("success", "succeeded after 1.23 s, by the fallback: "),
        ("failure", "The fallback was taken, and failed as well."),
    ],
)
def test_a_fallback(outcome, added):
    fell = {"at": 0.1, "what": "fell-back", "policy": "Fallback", "failure": REFUSED}
    end = ended(0.2, 2, "spare", None if outcome == "success" else status(500))
    steps = [*TWICE[:2], fell, began(0.1, 2, "spare"), end]
    told = headline(outcome, steps, failure=None if outcome == "success" else status(500))
    assert "the second, the fallback's, on spare, " in told
    assert added in told


def test_a_fallback_for_what_was_refused():
    failure = refusal("CircuitOpen", "b: open", "b")
    fell = {"at": 0.0, "what": "fell-back", "policy": "spare", "failure": failure}
    steps = [rejected(0.0, "CircuitOpen", "b: open", "b"), fell, began(0.0, 1), ended(0.0, 1)]
    assert headline("success", steps, call=FUNCTION, duration=0.1) == (
        'charge() succeeded after 0.1 s, by the fallback "spare": it succeeded after 0.1 s. '
        'The fallback "spare" was taken because the circuit breaker refused it (b: open).'
    )


HEDGE = {"at": 0.2, "what": "hedged", "policy": "Hedge", "attempt": 2}


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("ignored", "success", "and it was quicker"),
        ("success", "ignored", "and it lost"),
        ("failure", "failure", "and none succeeded"),
    ],
)
def test_a_hedge(first, second, said):
    steps = [began(0.0, 1, "a"), HEDGE, began(0.2, 2, "b")]
    steps += [ended(0.5, 2, "b", None, 0.3, verdict=second), ended(0.5, 1, "a", None, 0.5, verdict=first)]
    told = headline("failure" if first == second else "success", steps)
    assert f"The hedge sent the second beside those under way after 0.2 s, {said}." in told
    assert ("was given up after 0.5 s, as another was quicker" in told) == (first == "ignored")


def test_a_hedge_that_was_not_sent():
    assert "wanted a further attempt after 0.2 s, which was not sent." in headline("failure", [began(0, 1), HEDGE])


def test_a_fault_on_purpose():
    fault = {"at": 0.0, "what": "fault", "policy": "FaultInjection", "endpoint": None}
    failure = status(503)
    told = headline("failure", [fault, began(0, 1), ended(0, 1, None, failure)], failure=failure)
    assert told.endswith("FaultInjection injected a fault on purpose.")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"what": "passed", "policy": "workers", "queued": True}, "it stood in the queue of workers"),
        ({"what": "passed", "policy": "pace", "wait": 0.25}, "pace had it wait 0.25 s"),
        ({"what": "retried", "policy": "Retry", "delay": 0.5}, "it was to wait 0.5 s before the next attempt"),
    ],
)
@pytest.mark.parametrize("outcome", ["cancelled", None])
def test_what_it_was_waiting_for(step, said, outcome):
    assert said in headline(outcome, [{"at": 0.0, **step}], failure=None)


def test_cancelled():
    failure = {"error": "CancelledError", "says": None, "kind": "cancelled", "status": None, "sent": True}
    steps = [began(0.0, 1, "a"), ended(0.3, 1, "a", None, 0.3, verdict="ignored")]
    assert headline("cancelled", steps, failure=failure, duration=0.3) == (
        "GET http://orders/stock/7 was cancelled after 0.3 s: the only attempt, on a, was cut off after 0.3 s."
    )
    assert headline("cancelled", [], failure=failure).endswith("was cancelled after 1.23 s: nothing had been sent.")


def test_still_under_way():
    told = headline(None, TWICE[:4], duration=None, complete=False)
    assert told == (
        "GET http://orders/stock/7 is still under way: the first attempt, on orders-a, found the connection "
        "refused; the second, on orders-b, has not ended."
    )


def test_what_no_attempt_says_is_said():
    """An error of a middleware's own, after an attempt that succeeded."""
    failure = {"error": "KeyError", "says": None, "kind": "error", "status": None, "sent": True}
    assert "the caller was given KeyError; the only attempt, on a, succeeded after 0.1 s" in headline(
        "failure", [began(0, 1, "a"), ended(0.1, 1, "a")], failure=failure
    )


def test_many_attempts_are_told_by_the_last_four():
    steps = []
    for number in range(1, 7):
        steps += [began(number, number), ended(number, number, None, status(500 + number))]
    told = headline("failure", steps, failure=status(506))
    assert ": the first 2 failed; the third attempt was answered with status 503; the fourth " in told
    assert "502" not in told


@pytest.mark.parametrize(
    ("call", "who"),
    [
        (FUNCTION, "charge()"),
        ({**CLIENT, "host": "::1", "port": 8080}, "GET http://[::1]:8080/stock/7"),
        (SERVER, "Serving GET /orders/7"),
        ({**SERVER, "route": "/orders/{id}"}, "Serving GET /orders/{id} (/orders/7)"),
        ({**SERVER, "type": "websocket"}, "Serving the WebSocket /orders/7"),
        ({"kind": "pigeon"}, "A call"),
        (None, "A call"),
    ],
)
def test_who_was_called(call, who):
    assert headline("failure", [], call=call).startswith(f"{who} failed after 1.23 s")


def test_line_by_line():
    detail = [
        {"at": 0.0, "what": "bounded", "policy": "Timeout", "seconds": 2.0},
        {"at": 0.0, "what": "passed", "policy": "api", "endpoint": None, "numbers": {"remaining": 4.25, "burst": 10}},
        {"at": 0.0, "what": "passed", "policy": "none", "endpoint": None, "numbers": {}},
        {"at": 0.0, "what": "passed", "policy": "workers", "endpoint": None, "numbers": {"queued": 3}, "queued": True},
        {"at": 0.0, "what": "passed", "policy": "pace", "endpoint": None, "numbers": {}, "wait": 0.3},
        {"at": 0.0, "what": "picked", "policy": "orders", "endpoint": "a", "of": 3,
         "candidates": [["a", {"in_flight": 1}], ["b", {"in_flight": 4}]]},
        began(0.0, 1, "a", "orders"),
        {"at": 0.001, "what": "step", "number": 1, "name": "connect", "seconds": 0.001},
        ended(0.1, 1, "a", status(503)),
        {"at": 0.1, "what": "changed", "policy": "b", "endpoint": "a", "before": "closed", "after": "open"},
        {"at": 0.1, "what": "would-reject", "policy": "trial", "endpoint": "a", "says": "trial: limit reached"},
        {"at": 0.1, "what": "retried", "policy": "again", "attempt": 1, "delay": 0.0,
         "numbers": {"calls": 1, "retries": 1, "balance": 99}},
        rejected(0.1, "CircuitOpen", "b/a: open", "b", "a") | {"numbers": {"streak": 5}},
        gave_up(0.1, 1, "attempts"),
        {"at": 0.1, "what": "fell-back", "policy": "Fallback", "failure": status(503)},
        {"at": 0.1, "what": "hedged", "policy": "Hedge", "attempt": 2},
        {"at": 0.1, "what": "fault", "policy": "FaultInjection", "endpoint": "a"},
        {"at": 0.1, "what": "teleported", "where": "mars", "speed": 3},
    ]  # fmt: skip
    spent = {"who": "stock", "at": 0.25, "seconds": 0.8, "attempts": 2, "verdict": "failure", "depth": 1}
    deadline = {"seconds": 2.0, "left": 0.77}
    data = record("failure", detail, pipeline="orders", deadline=deadline, ledger=[spent], dropped=7)
    assert tell(data).splitlines()[1:] == [
        "2026-11-27T04:42:43.123Z, pipeline orders, recorded because it failed",
        "  +0.000 s  Timeout leaves it 2 s",
        "  +0.000 s  api lets it go (remaining 4.25, burst 10)",
        "  +0.000 s  workers keeps it in its queue (queued 3)",
        "  +0.000 s  pace lets it go in 0.3 s",
        "  +0.000 s  orders picked a, one of 3: a (in flight 1), b (in flight 4), 1 more",
        "  +0.000 s  the first attempt goes, on a (cluster orders)",
        "  +0.001 s  the first attempt: connect took 1 ms",
        "  +0.100 s  the first attempt, on a, was answered with status 503",
        "  +0.100 s  b on a went from closed to open",
        "  +0.100 s  trial, on trial, would have refused it on a: limit reached",
        '  +0.100 s  the retry "again" tries again at once (the budget has 99 more, after 1 retry for 1 call)',
        "  +0.100 s  b refused it on a: open (streak 5)",
        "  +0.100 s  the retry makes no further attempt: 1 attempt is all it makes",
        "  +0.100 s  the fallback takes the place of status 503",
        "  +0.100 s  the hedge begins a further attempt (number 2 of the race)",
        "  +0.100 s  FaultInjection injects a fault on purpose on a",
        "  +0.100 s  teleported where mars, speed 3",
        "  deadline: 2 s, 0.77 s left",
        "    below: stock: 0.8 s, 2 attempts, failure, from +0.25 s",
        "  7 more steps were not kept",
    ]


@pytest.mark.parametrize(
    ("at", "told"), [(0.00123, "+1.23 ms"), (0.000067, "+67 µs"), (0, "+0 s"), (1234.5, "+1234.500 s")]
)
def test_when(at, told):
    assert tell(record("failure", [began(at, 1)])).split("\n")[2] == f"  {told}  the first attempt goes"


def test_a_summary_is_one_line_of_two_hundred_characters():
    steps = [*TWICE, gave_up(1.23, 2, "budget", status(503), calls=12, retries=2, balance=0)]
    data = record("failure", steps, failure=status(503))
    assert summary(data) == (
        "GET http://orders/stock/7 failed after 1.23 s: the first failed; the second attempt, on orders-b, was "
        "answered with status 503. The retry made no third: its budget was used up."
    )
    long = record("failure", steps, failure=status(503), call={**CLIENT, "path": "/" + "x" * 150})
    assert re.fullmatch(r".{148}\.\.\. The retry made no third: its budget was used up\.", summary(long))
    assert summary(record("success", [], duration=0.1)).endswith("without an attempt of its own.")


@pytest.mark.parametrize("kind", ["server", "client", "function"])
@pytest.mark.parametrize("outcome", [["success"], {}, 7, True, "success", None])
def test_an_outcome_that_is_no_word(kind, outcome):
    answer = {"status": 500, "by": "app"}
    assert tell({"call": {"kind": kind}, "outcome": outcome, "answer": answer, "failure": {"error": "KeyError"}})


def test_what_is_hostile_stays_on_its_line():
    evil = "\x1b[2J\n\r\u202e\u2028\x9b\ud800" + "x" * 1000
    call = {"kind": "client", "method": evil, "host": evil, "path": evil}
    failure = {"error": evil, "says": evil, "kind": "error"}
    steps = [began(0, 1, evil, evil), ended(1, 1, evil, failure), {"at": 1, "what": evil, evil: evil}]
    told = tell(record("failure", steps, call=call, failure=failure, pipeline=evil, because=evil, at=evil))
    assert all(line.isprintable() for line in told.splitlines())
    assert len(told.splitlines()) == 5
    assert r"\x1b[2J\n\r\u202e\u2028\x9b\ud800" in told
    told.encode("utf-8")


@pytest.mark.parametrize("data", [{}, [], None, 7, {"steps": 7}, {"steps": [7, {}, {"what": 7}]}, {"call": []}])
def test_what_is_missing_is_left_out(data):
    assert tell(data).startswith("A call has not been told to the end.")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.integers(300, 4000).map(lambda digits: 10**digits)
)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
WORDS = ["at", "what", "number", "attempt", "endpoint", "policy", "failure", "numbers", "queued", "wait", "candidates"]
KINDS = [
    "attempt-began", "attempt-ended", "rejected", "retried", "gave-up", "fell-back", "hedged", "fault", "would-reject",
    "changed", "passed", "bounded", "picked", "step",
]  # fmt: skip
STEPS = st.builds(
    lambda what, rest: {**rest, "what": what},
    st.sampled_from(KINDS) | ANYTHING,
    st.dictionaries(st.sampled_from([*WORDS, "of", "seconds", "delay", "latency", "verdict", "reason"]), ANYTHING),
)
KEYS = ["call", "outcome", "duration", "attempts", "failure", "deadline", "ledger", "pipeline", "because", "complete"]
OUTCOMES = st.sampled_from(["success", "failure", "overloaded", "rejected", "timeout", "cancelled", "ignored"])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING), st.lists(STEPS, max_size=6), OUTCOMES | ANYTHING)
def test_no_record_is_too_odd_to_be_told(data, steps, outcome):
    told = tell({**data, "steps": steps, "outcome": outcome})
    assert all(line.isprintable() for line in told.split("\n"))
    assert len(summary({**data, "steps": steps, "outcome": outcome})) <= 200


def test_a_record_may_be_deep():
    deep = json.loads("[" * 900 + "]" * 900)
    assert plain(deep) == [[[[[[None]]]]]]
    assert tell({"steps": [{"what": "passed", "numbers": deep}], "failure": {"error": deep}})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1.2345, "1.23 s"),
        (0.00012345, "123 µs"),
        (0.00002, "20 µs"),
        (0, "0 s"),
        (1e-9, "0 s"),
        (0.0012, "1.2 ms"),
        (0.01, "0.01 s"),
        (12345.6, "12346 s"),
    ],
)
def test_durations(value, said):
    assert seconds(value) == said


def test_ordinals():
    assert [ordinal(value) for value in (1, 10, 11, 12, 21, 22, 113, 0)] == [
        "first", "tenth", "11th", "12th", "21st", "22nd", "113th", "0th",
    ]  # fmt: skip


def test_numbers_are_finite():
    assert plain([math.inf, math.nan, 10**400, 1.5, True]) == [None, None, None, 1.5, True]
