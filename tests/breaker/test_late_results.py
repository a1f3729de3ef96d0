"""Can a result that comes late, or never, move a breaker that has moved on?"""

from __future__ import annotations

from random import Random

import pytest

from meshkit.breaker import CircuitBreaker
from meshkit.call import Call, Verdict
from meshkit.errors import CircuitOpen

from .script import Row, play, tripped

SPEC = CircuitBreaker(failures=2, cooldown=10.0)
PAIR = CircuitBreaker(failures=2, cooldown=10.0, probes=2)
VERDICTS = ["ok", "fails", "overloaded", "cancelled"]


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("began", [0.0, 5.0], ids=["before the trip", "in the instant of the trip"])
def test_the_closed_era_does_not_speak_while_half_open(verdict: str, began: float) -> None:
    """It neither closes nor opens the circuit, and neither takes a probe's permit nor frees one."""
    breaker = play(PAIR, [
        (began, "late goes", "closed"), (began, "later goes", "closed"),
        *tripped(PAIR, 5.0),
        (15.0, "p goes", "half-open"),
        (15.0, f"late {verdict}", "half-open"),
        (15.0, "q goes", "half-open"),
        (15.0, f"later {verdict}", "half-open"),
        (15.0, "r refused", "half-open"),
        (16.0, "p ok", "half-open"), (16.0, "q ok", "closed"),
    ])  # fmt: skip
    assert breaker.snapshot(16.0)["streak"] == 0


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_closed_era_does_not_speak_while_open_or_after(verdict: str) -> None:
    rows: list[Row] = [(0.0, f"{k} goes", "closed") for k in "abcd"]
    play(SPEC, [
        *rows, *tripped(SPEC, 5.0),
        (6.0, f"a {verdict}", "open"),
        (6.0, "x refused 9.0", "open"),  # and does not prolong the cooldown
        (15.0, "p goes", "half-open"), (16.0, "p ok", "closed"),
        (17.0, f"b {verdict}", "closed"), (17.0, f"c {verdict}", "closed"), (17.0, f"d {verdict}", "closed"),
        (18.0, "y goes", "closed"), (18.0, "y fails", "closed"),  # still the first of two
        (18.0, "z goes", "closed"), (18.0, "z fails", "open"),
    ])  # fmt: skip


def test_a_late_success_does_not_end_a_row_of_failures() -> None:
    play(SPEC, [
        (0.0, "late goes", "closed"), *tripped(SPEC, 5.0),
        (15.0, "p goes", "half-open"), (16.0, "p ok", "closed"),
        (17.0, "y goes", "closed"), (17.0, "y fails", "closed"),
        (17.0, "late ok", "closed"),
        (18.0, "z goes", "closed"), (18.0, "z fails", "open"),
    ])  # fmt: skip


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_probe_of_an_earlier_round_does_not_speak_in_the_next(verdict: str) -> None:
    play(PAIR, [
        *tripped(PAIR, 5.0),
        (15.0, "p goes", "half-open"), (15.0, "q goes", "half-open"), (15.0, "p fails", "open"),
        (25.0, "r goes", "half-open"), (25.0, "s goes", "half-open"),
        (26.0, f"q {verdict}", "half-open"),
        (26.0, "x refused", "half-open"),
        (26.0, "r ok", "half-open"), (26.0, "s ok", "closed"),
    ])  # fmt: skip


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_probe_that_never_comes_back_loses_its_permit_after_a_cooldown(verdict: str) -> None:
    breaker = play(PAIR, [
        *tripped(PAIR, 5.0),
        (15.0, "p goes", "half-open"), (17.0, "q goes", "half-open"),
        (17.0, "x refused 10.0", "half-open"),
        (26.5, "x refused 0.5", "half-open"),
        (27.0, "r goes", "half-open"),  # a new round
        (27.0, f"p {verdict}", "half-open"),  # whose permits are its own
        (27.0, "s goes", "half-open"),
        (27.0, f"q {verdict}", "half-open"),
        (27.0, "x refused 10.0", "half-open"),
        (28.0, "r ok", "half-open"), (28.0, "s ok", "closed"),
    ])  # fmt: skip
    assert breaker.idle()


def test_an_upstream_that_swallows_probes_gets_few_of_them() -> None:
    breaker = play(PAIR, tripped(PAIR, 0.0))
    went = []
    for tick in range(1000):
        now = tick / 10
        for _ in range(5):
            try:
                breaker.enter(Call(None, None, now), now)
                went.append(now)
            except CircuitOpen:
                pass
    assert went == [float(now) for now in range(10, 100, 10) for _ in range(2)]


def test_successes_before_a_swallowed_probe_do_not_count_in_the_new_round() -> None:
    spec = CircuitBreaker(failures=2, cooldown=10.0, probes=1, successes=2)
    play(spec, [
        *tripped(spec, 0.0),
        (10.0, "p goes", "half-open"), (10.0, "p ok", "half-open"),
        (10.0, "lost goes", "half-open"),
        (20.0, "q goes", "half-open"), (20.0, "q ok", "half-open"),
        (20.0, "r goes", "half-open"), (20.0, "r ok", "closed"),
    ])  # fmt: skip


@pytest.mark.parametrize("apart", [0.0, 0.001])
def test_a_thousand_calls_in_flight_open_the_circuit_once(apart: float) -> None:
    breaker = CircuitBreaker(failures=5, cooldown=10.0).start(Random(0))
    calls = [(Call(None, None, k * apart), k * apart) for k in range(1000)]
    for call, began in calls:
        breaker.enter(call, began)
    changes = []
    for k, (call, began) in enumerate(calls):
        before = breaker.state
        now = 5.0 + k * apart
        breaker.exit(call, began, now, Verdict.FAILURE)
        if breaker.state != before:
            changes.append((now, before, breaker.state))
    assert changes == [(5.0 + 4 * apart, "closed", "open")]
    first_probe = 5.0 + 4 * apart + 10.0
    with pytest.raises(CircuitOpen):
        breaker.enter(Call(None, None, 0.0), first_probe - 0.001)
    breaker.enter(Call(None, None, 0.0), first_probe)


def test_instants_that_come_to_the_lock_out_of_order() -> None:
    """Two threads read the clock, then take the lock the other way round: nothing is lost that would not come back."""
    breaker = play(PAIR, [
        *tripped(PAIR, 5.0),
        (15.002, "p goes", "half-open"),
        (15.001, "q goes", "half-open"),
        (14.999, "x refused", "half-open"),
        (15.003, "q ok", "half-open"), (15.003, "p ok", "closed"),
        (15.002, "early goes", "closed"), (15.004, "early fails", "closed"),
    ])  # fmt: skip
    assert breaker.idle()
    assert breaker.snapshot(15.004)["streak"] == 0
