"""Backoff: the published tables, bounds for any attempt and seed, and the shape of the draws."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.errors import ConfigError
from meshkit.retry import Constant, Decorrelated, Exponential


def waits(backoff, attempts, seed=1):
    rng, previous, answers = Random(seed), 0.0, []
    for attempt in range(1, attempts + 1):
        previous = backoff.delay(attempt, previous, rng)
        answers.append(previous)
    return answers


# AWS Architecture Blog, "Exponential Backoff And Jitter" (M. Brooker 2015): base 100 ms, cap 10 s; its attempt 0 is 1.
@pytest.mark.parametrize(
    ("attempt", "bound"),
    [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.6), (6, 3.2), (7, 6.4), (8, 10.0), (9, 10.0)],
)
def test_aws_jitter_formulas(attempt, bound):
    def between(jitter, draws=300):
        backoff, rng = Exponential(base=0.1, cap=10.0, jitter=jitter), Random(attempt)
        drawn = [backoff.delay(attempt, 0.0, rng) for _ in range(draws)]
        return min(drawn), max(drawn)

    assert between("none") == (pytest.approx(bound), pytest.approx(bound))
    # Of 300 uniform draws the least and the greatest lie within 5 % of their ends but for 2 * 0.95 ** 300 = 4e-7.
    low, high = between("full")
    assert 0 <= low < 0.05 * bound
    assert 0.95 * bound < high < bound
    low, high = between("equal")
    assert bound / 2 <= low < 0.525 * bound
    assert 0.975 * bound < high < bound


# boto/botocore tests/unit/retries/test_standard.py @0e6e2404: the greatest delays, with the draw at its upper end.
@pytest.mark.parametrize(
    ("base", "bounds"),
    [(1.0, [1, 2, 4, 8, 16, 20, 20, 20, 20]), (0.05, [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8])],
)
def test_botocore_bounds(base, bounds):
    assert waits(Exponential(base=base, cap=20.0, jitter="none"), len(bounds)) == pytest.approx(bounds)


# envoyproxy/envoy test/common/router/retry_state_impl_test.cc @00961253: random mod min(base * 2 ** (N - 1), max).
@pytest.mark.parametrize(
    ("base", "cap", "randoms", "delays"),
    [
        (25, 250, [190, 190, 190], [15, 40, 90]),
        (100, 1200, [149, 350, 751, 2399, 2399], [49, 150, 351, 799, 1199]),
        (100, 1000, [149, 350, 751, 2999, 2999], [49, 150, 351, 599, 999]),
    ],
)
def test_envoy_backoff_is_the_full_form(base, cap, randoms, delays):
    class Modulo(Random):
        """Draws the share of the bound that Envoy's remainder is."""

        def random(self):
            return (self.value % self.bound) / self.bound

    full = Exponential(base=base / 1000, cap=cap / 1000)
    bounds = waits(Exponential(base=base / 1000, cap=cap / 1000, jitter="none"), len(delays))
    for attempt, (value, bound, delay) in enumerate(zip(randoms, bounds, delays, strict=True), start=1):
        rng = Modulo()
        rng.value, rng.bound = value, round(1000 * bound)
        assert full.delay(attempt, 0.0, rng) == pytest.approx(delay / 1000)


# grpc/proposal A6-client-retries.md @1fd061ad: initial 0.1, max 1, multiplier 2; random(0.8, 1.2) comes after the cap.
@pytest.mark.parametrize(
    ("attempt", "low", "high"),
    [(1, 0.08, 0.12), (2, 0.16, 0.24), (3, 0.32, 0.48), (4, 0.64, 0.96), (5, 0.8, 1.2), (6, 0.8, 1.2)],
)
def test_grpc_a6_is_a_ratio_of_a_fifth(attempt, low, high):
    backoff, rng = Exponential(base=0.1, cap=1.0, jitter=0.2), Random(6)
    drawn = [backoff.delay(attempt, 0.0, rng) for _ in range(300)]
    span = high - low
    assert low <= min(drawn) < low + 0.05 * span  # false alarm 0.95 ** 300 = 2e-7 an end
    assert high - 0.05 * span < max(drawn) <= high


# traefik/traefik pkg/middlewares/retry/retry.go @fd5a576d: multiplier 2 ** (1 / (attempts - 1)), spread by half.
@pytest.mark.parametrize(("attempts", "bases"), [(2, [100]), (3, [100, 141.4]), (4, [100, 126.0, 158.7])])
def test_traefik_is_a_factor_and_a_half(attempts, bases):
    grown = Exponential(base=0.1, factor=2 ** (1 / (attempts - 1)), jitter="none")
    assert [1000 * wait for wait in waits(grown, attempts - 1)] == pytest.approx(bases, abs=0.05)
    spread = Exponential(base=0.1, factor=2 ** (1 / (attempts - 1)), jitter=0.5)
    for wait, base in zip(waits(spread, attempts - 1), bases, strict=True):
        assert 0.499 * base <= 1000 * wait <= 1.501 * base


seconds = st.floats(1e-6, 1e6)
seeds = st.integers(0, 2**32)


@given(
    base=seconds,
    factor=st.floats(1, 1000),
    times=st.floats(1, 1e6),
    attempt=st.integers(1, 10_000),
    seed=seeds,
    ratio=st.floats(0, 1),
)
def test_exponential_stays_within_its_bounds(*, base, factor, times, attempt, seed, ratio):
    cap = base * times
    try:
        bound = min(cap, base * factor ** (attempt - 1))
    except OverflowError:
        bound = cap
    assert Exponential(base=base, factor=factor, cap=cap, jitter="none").delay(attempt, 0.0, Random(seed)) == bound
    assert 0 <= Exponential(base=base, factor=factor, cap=cap).delay(attempt, 0.0, Random(seed)) <= bound
    half = Exponential(base=base, factor=factor, cap=cap, jitter="equal").delay(attempt, 0.0, Random(seed))
    assert bound / 2 <= half <= bound
    near = Exponential(base=base, factor=factor, cap=cap, jitter=ratio).delay(attempt, 0.0, Random(seed))
    assert bound * (1 - ratio) * (1 - 1e-12) <= near <= bound * (1 + ratio) * (1 + 1e-12)


@given(seconds, st.floats(1, 1e6), seeds, st.integers(1, 60))
def test_decorrelated_stays_within_base_three_times_and_cap(base, times, seed, attempts):
    cap, before = base * times, base
    for wait in waits(Decorrelated(base=base, cap=cap), attempts, seed):
        assert base * (1 - 1e-12) <= wait <= min(cap, 3 * before) * (1 + 1e-12)
        before = wait


@pytest.mark.parametrize("jitter", ["full", "equal", "none", 0.5])
@pytest.mark.parametrize("attempt", [1, 1025, 10_000, 2**31, 10**400])
def test_no_attempt_overflows(attempt, jitter):
    wait = Exponential(base=1e-9, cap=1e300, jitter=jitter).delay(attempt, 0.0, Random(1))
    assert math.isfinite(wait)
    assert wait >= 0


def test_same_seed_same_waits():
    for backoff in (Exponential(), Exponential(jitter="equal"), Exponential(jitter=0.2), Decorrelated()):
        assert waits(backoff, 20, seed=7) == waits(backoff, 20, seed=7) != waits(backoff, 20, seed=8)


def test_a_constant_is_constant_unless_spread():
    assert waits(Constant(0.5), 4) == [0.5] * 4
    assert waits(Constant(0.0, jitter=0.3), 2) == [0.0, 0.0]
    spread = waits(Constant(2.0, jitter=0.25), 300)
    assert 1.5 <= min(spread) < 1.55
    assert 2.45 < max(spread) <= 2.5


@pytest.mark.parametrize(
    ("backoff", "attempt", "low", "high"),
    [
        (Exponential(base=1.0, cap=8.0), 3, 0, 4),
        (Exponential(base=1.0, cap=8.0, jitter="equal"), 3, 2, 4),
        (Exponential(base=1.0, cap=8.0, jitter=0.2), 3, 3.2, 4.8),
        (Decorrelated(base=1.0, cap=8.0), 1, 1, 3),
        (Constant(4.0, jitter=0.5), 1, 2, 6),
    ],
)
def test_draws_are_uniform(backoff, attempt, low, high):
    """Chi-square over 20 cells, 19 degrees of freedom: 58 is passed by a uniform draw once in 120 000 runs; seeded."""
    rng, cells, n = Random(2015), [0] * 20, 20_000
    for _ in range(n):
        cells[int((backoff.delay(attempt, 0.0, rng) - low) / (high - low) * 20)] += 1
    assert sum((cell - n / 20) ** 2 / (n / 20) for cell in cells) < 58


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Exponential(base=0), "Exponential: base=0: give a duration"),
        (lambda: Exponential(base=math.nan), "Exponential: base=nan"),
        (lambda: Exponential(base=True), "Exponential: base=True"),
        (lambda: Exponential(factor=0.5), "Exponential: factor=0.5: give a number from 1 to 1000"),
        (lambda: Exponential(base=3.0), "Exponential: cap=2.0: give at least base, which is 3.0"),
        (lambda: Exponential(cap=math.inf), "Exponential: cap=inf"),
        (
            lambda: Exponential(jitter="ful"),
            "Exponential: jitter='ful': write 'full', 'equal' or 'none', or give a ratio",
        ),
        (lambda: Exponential(jitter=1.5), "Exponential: jitter=1.5"),
        (lambda: Exponential(jitter=True), "Exponential: jitter=True"),
        (lambda: Exponential(jitter=math.nan), "Exponential: jitter=nan"),
        (lambda: Decorrelated(base=1.0, cap=0.5), "Decorrelated: cap=0.5: give at least base, which is 1.0"),
        (lambda: Constant(-1.0), "Constant: seconds=-1.0"),
        (lambda: Constant(1.0, jitter=2.0), "Constant: jitter=2.0"),
    ],
)
def test_what_makes_no_backoff(make, says):
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(says)


def test_specs_are_values():
    assert Exponential() == Exponential()
    assert hash(Exponential()) == hash(Exponential())
    assert "base=0.05, factor=2.0, cap=2.0, jitter='full'" in repr(Exponential())
