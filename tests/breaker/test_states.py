"""Does the breaker follow its transition table? Tables of instants, events and the state after each."""

from __future__ import annotations

import math
from random import Random

import pytest

from meshkit.breaker import CircuitBreaker
from meshkit.call import Call, Verdict
from meshkit.errors import CircuitOpen

from .script import Row, play, tripped

TWO = CircuitBreaker(failures=2, cooldown=10.0)
THREE_PROBES = CircuitBreaker(failures=1, cooldown=10.0, probes=3)
IN_TURN = CircuitBreaker(failures=1, cooldown=10.0, probes=1, successes=3)


def test_the_round_trip() -> None:
    play(TWO, [
        (0.0, "a goes", "closed"),
        (1.0, "a fails", "closed"),
        (1.0, "b goes", "closed"),
        (2.0, "b fails", "open"),
        (2.0, "c refused 10.0", "open"),
        (11.5, "d refused 0.5", "open"),
        (12.0, "e goes", "half-open"),
        (12.5, "f refused 9.5", "half-open"),
        (13.0, "e ok", "closed"),
        (13.0, "g goes", "closed"),
        (14.0, "g fails", "closed"),
        (14.0, "h goes", "closed"),
        (14.0, "h ok", "closed"),
        (14.0, "i goes", "closed"),
        (14.0, "i fails", "closed"),
    ])  # fmt: skip


def test_a_success_ends_a_row_of_failures_and_a_cancelled_call_does_not() -> None:
    play(TWO, [
        (0.0, "a goes", "closed"), (0.0, "a fails", "closed"),
        (0.0, "b goes", "closed"), (0.0, "b ok", "closed"),
        (0.0, "c goes", "closed"), (0.0, "c fails", "closed"),
        (0.0, "d goes", "closed"), (0.0, "d cancelled", "closed"),
        (0.0, "e goes", "closed"), (0.0, "e fails", "open"),
    ])  # fmt: skip


def test_a_failed_probe_opens_again_for_a_whole_cooldown() -> None:
    play(TWO, [
        *tripped(TWO, 0.0),
        (10.0, "p goes", "half-open"),
        (14.0, "p fails", "open"),
        (23.5, "q refused 0.5", "open"),
        (24.0, "q goes", "half-open"),
        (24.0, "q ok", "closed"),
    ])  # fmt: skip


def test_probes_one_after_another_until_enough_succeeded() -> None:
    play(IN_TURN, [
        *tripped(IN_TURN, 0.0),
        (10.0, "p goes", "half-open"), (10.0, "x refused 10.0", "half-open"), (11.0, "p ok", "half-open"),
        (11.0, "q goes", "half-open"), (11.0, "y refused", "half-open"), (12.0, "q ok", "half-open"),
        (12.0, "r goes", "half-open"), (12.0, "z refused", "half-open"), (13.0, "r ok", "closed"),
    ])  # fmt: skip


def test_one_failure_among_many_successes_opens_and_the_next_round_counts_from_zero() -> None:
    play(IN_TURN, [
        *tripped(IN_TURN, 0.0),
        (10.0, "p goes", "half-open"), (10.0, "p ok", "half-open"),
        (10.0, "q goes", "half-open"), (10.0, "q ok", "half-open"),
        (10.0, "r goes", "half-open"), (10.0, "r fails", "open"),
        (20.0, "s goes", "half-open"), (20.0, "s ok", "half-open"),
    ])  # fmt: skip


@pytest.mark.parametrize("probes", [1, 3, 10])
def test_no_stampede_when_the_cooldown_ends(probes: int) -> None:
    """Fifty callers at once: aiobreaker, purgatory, circuitbreaker, hyx and pyresilience let all fifty through."""
    spec = CircuitBreaker(failures=1, probes=probes)
    breaker = play(spec, tripped(spec, 0.0))
    let_through = 0
    for _ in range(50):
        try:
            breaker.enter(Call(None, None, 10.0), 10.0)
            let_through += 1
        except CircuitOpen:
            pass
    assert let_through == probes
    assert breaker.snapshot(10.0)["probing"] == probes


def test_a_cancelled_probe_gives_its_permit_back_and_counts_neither_way() -> None:
    play(IN_TURN, [
        *tripped(IN_TURN, 0.0),
        (10.0, "p goes", "half-open"), (10.0, "p ok", "half-open"),
        (10.0, "q goes", "half-open"), (11.0, "x refused", "half-open"), (12.0, "q cancelled", "half-open"),
        (12.0, "r goes", "half-open"), (12.0, "r ok", "half-open"),
        (12.0, "s goes", "half-open"), (12.0, "s ok", "closed"),
    ])  # fmt: skip


def test_cooldowns_double_up_to_their_cap_and_start_over_once_closed() -> None:
    spec = CircuitBreaker(failures=1, cooldown=1.0, max_cooldown=5.0)
    play(spec, [
        *tripped(spec, 0.0),
        (0.0, "x refused 1.0", "open"),
        (1.0, "a goes", "half-open"), (1.0, "a fails", "open"), (1.0, "x refused 2.0", "open"),
        (3.0, "b goes", "half-open"), (3.0, "b fails", "open"), (3.0, "x refused 4.0", "open"),
        (7.0, "c goes", "half-open"), (7.0, "c fails", "open"), (7.0, "x refused 5.0", "open"),
        (12.0, "d goes", "half-open"), (12.0, "d fails", "open"), (12.0, "x refused 5.0", "open"),
        (17.0, "e goes", "half-open"), (17.0, "e ok", "closed"),
        (18.0, "f goes", "closed"), (18.0, "f fails", "open"), (18.0, "x refused 1.0", "open"),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("overloaded", "closed_after", "probe_after"), [("failure", "open", "open"), ("ignored", "closed", "half-open")]
)
def test_not_now_is_a_failure_or_nothing(overloaded: str, closed_after: str, probe_after: str) -> None:
    spec = CircuitBreaker(failures=1, overloaded=overloaded)
    play(spec, [(0.0, "a goes", "closed"), (0.0, "a overloaded", closed_after)])
    breaker = play(spec, [*tripped(spec, 0.0), (10.0, "p goes", "half-open"), (10.0, "p overloaded", probe_after)])
    assert breaker.idle()


RATE = CircuitBreaker(failure_rate=0.5, window_calls=4, minimum=4)
SLOW = CircuitBreaker(failures=None, slow_rate=0.5, slow_after=1.0, window_calls=4, minimum=2, cooldown=10.0)
TIMED = CircuitBreaker(failure_rate=0.5, window_seconds=10.0, minimum=2)


@pytest.mark.parametrize(
    ("spec", "outcomes", "after"),
    [
        (RATE, "fff", "closed"),  # too few to judge
        (RATE, "ffff", "open"),
        (RATE, "ffss", "closed"),  # at the rate, but a success does not trip
        (RATE, "ffssf", "open"),
        (RATE, "sfsssf", "closed"),
        (RATE, "fsssfsssf", "closed"),  # what has left the window is forgotten
        (RATE, "sssff", "open"),
        (CircuitBreaker(failure_rate=0.07, window_calls=100, minimum=100), "s" * 93 + "f" * 7, "open"),
        (CircuitBreaker(failure_rate=1.0, window_calls=3, minimum=3), "sfff", "open"),
        (CircuitBreaker(failure_rate=1.0, window_calls=3, minimum=3), "ffsffsffs", "closed"),
        (CircuitBreaker(failure_rate=0.9, failures=3, minimum=20), "fff", "open"),  # whichever comes first
    ],
)
def test_failure_rates(spec: CircuitBreaker, outcomes: str, after: str) -> None:
    rows: list[Row] = []
    for k, outcome in enumerate(outcomes):
        state = after if k + 1 == len(outcomes) else "closed"
        rows += [(0.0, f"{k} goes", "closed"), (0.0, f"{k} {'fails' if outcome == 'f' else 'ok'}", state)]
    play(spec, rows)


def test_a_time_window_forgets_what_is_old() -> None:
    play(TIMED, [
        (0.5, "a goes", "closed"), (0.5, "a fails", "closed"),
        (10.5, "b goes", "closed"), (10.5, "b fails", "closed"),
        (19.9, "c goes", "closed"), (19.9, "c fails", "open"),
    ])  # fmt: skip


def test_slow_calls_open_whether_they_succeed_or_fail() -> None:
    play(SLOW, [
        (0.0, "a goes", "closed"), (1.0, "a ok", "closed"),  # not longer than slow_after
        (1.0, "b goes", "closed"), (9.0, "b ok @1.5", "closed"),  # a quick answer with a long body
        (9.0, "c goes", "closed"), (9.1, "c fails", "closed"),  # a quick failure
        (9.0, "d goes", "closed"), (19.0, "d cancelled", "closed"),
        (19.0, "e goes", "closed"), (20.5, "e fails", "closed"),
        (20.0, "f goes", "closed"), (21.5, "f ok @21.25", "open"),
    ])  # fmt: skip


def test_an_earlier_attempts_answer_says_nothing_of_this_ones_latency() -> None:
    play(SLOW, [
        (5.0, "a goes", "closed"), (7.0, "a fails @3.0", "closed"),
        (7.0, "b goes", "closed"), (9.0, "b fails @3.0", "open"),
    ])  # fmt: skip


def test_a_slow_probe_opens_again() -> None:
    breaker = play(SLOW, [
        (0.0, "a goes", "closed"), (2.0, "a ok", "closed"),
        (2.0, "b goes", "closed"), (4.0, "b ok", "open"),
        (14.0, "p goes", "half-open"), (16.0, "p ok", "open"),
        (26.0, "q goes", "half-open"), (27.0, "q ok", "closed"),
        (27.0, "r goes", "closed"), (29.0, "r ok", "closed"),  # closing forgot the slow calls
    ])  # fmt: skip
    assert breaker.snapshot(29.0) == {
        "state": "closed",
        "streak": 0,
        "probing": 0,
        "refused": 0,
        "calls": 1,
        "failures": 0,
        "slow": 1,
    }


def test_by_hand() -> None:
    breaker = play(TWO, [
        (0.0, "a goes", "closed"), (0.0, "a fails", "closed"), (0.0, "b goes", "closed"),
        (1.0, "isolate", "isolated"),
        (1.0, "x refused", "isolated"),
        (2.0, "b ok", "isolated"),
        (1e9, "y refused", "isolated"),
        (1e9, "isolate", "isolated"),
        (1e9, "reset", "closed"),
        (1e9, "c goes", "closed"), (1e9, "c fails", "closed"),  # the failure before was forgotten
        (1e9, "d goes", "closed"), (1e9, "d fails", "open"),
        (1e9, "reset", "closed"),
        (1e9, "reset", "closed"),
        (1e9, "e goes", "closed"), (1e9, "e ok", "closed"),
    ])  # fmt: skip
    assert breaker.idle()


def test_by_hand_while_probing() -> None:
    rows = [*tripped(TWO, 0.0), (10.0, "p goes", "half-open")]
    for verb, after in (("isolate", "isolated"), ("reset", "closed")):
        for verdict in ("ok", "fails", "cancelled"):
            breaker = play(TWO, [*rows, (11.0, verb, after), (12.0, f"p {verdict}", after)])
            assert breaker.idle()
            assert breaker.snapshot(12.0)["streak"] == 0


@pytest.mark.parametrize(
    ("spec", "rows", "said", "retry_after"),
    [
        (
            CircuitBreaker(name="payments", failures=1, cooldown=3.2),
            [(0.0, "a goes", "closed"), (0.0, "a fails", "open")],
            "payments/10.0.0.7:443: open after 1 failures; next probe in 3.2 s",
            3.2,
        ),
        (
            RATE,
            [*((0.0, f"{k} goes", "closed") for k in range(4)),
             *((0.0, f"{k} fails", "closed") for k in range(3)), (0.0, "3 fails", "open")],
            "CircuitBreaker/10.0.0.7:443: open after 4 failures in 4 calls; next probe in 10 s",
            10.0,
        ),
        (
            SLOW,
            [(0.0, "a goes", "closed"), (0.0, "b goes", "closed"), (0.0, "c goes", "closed"),
             (0.0, "a ok", "closed"), (0.0, "b ok @1.5", "open")],
            "CircuitBreaker/10.0.0.7:443: open after 1 slow calls in 2 calls; next probe in 10 s",
            10.0,
        ),
        (
            TWO,
            [*tripped(TWO, -20.0), (-10.0, "p goes", "half-open"), (0.0, "p fails", "open")],
            "CircuitBreaker/10.0.0.7:443: open again after a failed probe; next probe in 10 s",
            10.0,
        ),
        (
            THREE_PROBES,
            [*tripped(THREE_PROBES, -20.0), *((-2.0, f"{p} goes", "half-open") for p in "pqr")],
            "CircuitBreaker/10.0.0.7:443: half-open with 3 of 3 probes under way; next probe in 8 s",
            8.0,
        ),
        (TWO, [(0.0, "isolate", "isolated")], "CircuitBreaker/10.0.0.7:443: isolated", None),
    ],
)  # fmt: skip
def test_what_a_refusal_says(spec: CircuitBreaker, rows: list[Row], said: str, retry_after: float | None) -> None:
    breaker = play(spec, rows)
    call = Call(None, None, 0.0)
    call.endpoint = "10.0.0.7:443"
    with pytest.raises(CircuitOpen) as caught:
        breaker.enter(call, 0.0)
    assert str(caught.value) == said
    assert (caught.value.policy, caught.value.endpoint) == (spec.name, "10.0.0.7:443")
    assert caught.value.retry_after == retry_after


def test_what_a_refusal_of_a_slow_probe_says() -> None:
    rows: list[Row] = [
        (0.0, "a goes", "closed"),
        (0.0, "b goes", "closed"),
        (2.0, "a ok", "closed"),
        (2.0, "b ok", "open"),
    ]
    breaker = play(SLOW, [*rows, (12.0, "p goes", "half-open"), (14.0, "p ok", "open")])
    with pytest.raises(CircuitOpen, match="open again after a slow probe"):
        breaker.enter(Call(None, None, 14.0), 14.0)


def test_a_refusal_takes_nothing() -> None:
    breaker = play(THREE_PROBES, [
        *tripped(THREE_PROBES, 0.0),
        *((10.0, f"{p} goes", "half-open") for p in "pqr"),
        *((10.0, "x refused", "half-open") for _ in range(5)),
    ])  # fmt: skip
    assert breaker.snapshot(10.0)["probing"] == 3


def test_looking_changes_nothing() -> None:
    breaker = play(TWO, tripped(TWO, 0.0))
    shown = {"state": "open", "streak": 0, "probing": 0, "refused": 0}
    assert breaker.snapshot(4.0) == {**shown, "next_probe_in": 6.0}
    assert breaker.snapshot(99.0) == {**shown, "next_probe_in": 0.0}
    assert repr(breaker) == "<Breaker CircuitBreaker: open>"
    assert (breaker.state, breaker.idle()) == ("open", True)
    assert breaker.snapshot(4.0)["next_probe_in"] == 6.0


@pytest.mark.parametrize(("at", "cooldown"), [(1e9, 1e-9), (1e15, 0.001), (-1e9, 1e-9)])
def test_a_cooldown_too_short_for_the_clock_still_separates_before_from_after(at: float, cooldown: float) -> None:
    spec = CircuitBreaker(failures=1, cooldown=cooldown)
    play(spec, [
        (at, "late goes", "closed"),
        *tripped(spec, at),
        (at, "x refused", "open"),
        (math.nextafter(at, math.inf), "p goes", "half-open"),
        (math.nextafter(at, math.inf), "late ok", "half-open"),
        (math.nextafter(at, math.inf), "p ok", "closed"),
    ])  # fmt: skip


def test_a_clock_that_stands_still_and_one_that_jumps() -> None:
    play(THREE_PROBES, [
        *tripped(THREE_PROBES, 7.0),
        (7.0, "x refused 10.0", "open"),
        (1e15, "p goes", "half-open"), (1e15, "q goes", "half-open"),
        (1e15, "p ok", "half-open"), (1e15, "q fails", "open"),
        (1e15, "x refused 10.0", "open"),
        (1e300, "p goes", "half-open"), (1e300, "p cancelled", "half-open"),
    ])  # fmt: skip


def test_memory_is_bounded() -> None:
    """A breaker is one object, whatever goes through it: slots without a dict, and a window that is bounded itself."""
    rng = Random(3)
    spec = CircuitBreaker(failures=3, failure_rate=0.6, slow_rate=0.5, slow_after=1.0, window_seconds=5.0, probes=3)
    breaker = spec.start(rng)
    assert not hasattr(breaker, "__dict__")
    now, visited = 0.0, set()
    under_way: list[tuple[Call, float]] = []
    for _ in range(100_000):
        now += rng.choice((0.0, 0.01, 0.5))
        if rng.random() < 0.55:
            call = Call(None, None, now)
            try:
                breaker.enter(call, now)
                under_way.append((call, now))
            except CircuitOpen:
                pass
        elif under_way:
            call, began = under_way.pop(rng.randrange(len(under_way)))
            breaker.exit(call, began, now, rng.choice(list(Verdict)))
        visited.add(breaker.state)
        for name in breaker.__slots__:
            value = getattr(breaker, name)
            assert not isinstance(value, list | dict | set)
            assert not isinstance(value, tuple) or len(value) < 5
    for call, began in under_way:
        breaker.exit(call, began, now, Verdict.IGNORED)
    assert visited == {"closed", "open", "half-open"}
    assert breaker.idle()
