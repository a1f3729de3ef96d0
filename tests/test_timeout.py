"""Timeout: one sum, and what is no duration."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.call import Call
from meshkit.errors import ConfigError
from meshkit.policy import Bound
from meshkit.timeout import Timeout


def start(spec):
    return spec.start(Random(0))


@pytest.mark.parametrize(
    ("seconds", "now", "until"),
    [(2.0, 0.0, 2.0), (2, 10.5, 12.5), (0.25, 1e6, 1e6 + 0.25), (1.7e308, 1.7e308, math.inf)],
)
def test_until(seconds, now, until):
    assert start(Timeout(seconds)).until(Call(None, None, 0.0), now) == until


@given(st.floats(1e-9, 1e9), st.lists(st.floats(0, 1e9), max_size=5))
def test_each_attempt_is_asked_anew(seconds, instants):
    """Nothing is remembered, and the call is not looked at: the engine takes the smaller deadline."""
    bound, call = start(Timeout(seconds)), Call(None, None, 0.0)
    call.deadline = 1.0
    assert [bound.until(call, now) for now in instants] == [now + seconds for now in instants]
    assert call.deadline == 1.0


def test_two_uses_of_a_spec_are_two_states():
    spec = Timeout(1.0)
    one, other = start(spec), start(spec)
    assert isinstance(one, Bound)
    assert one is not other


def test_a_spec_is_a_value_with_a_name():
    assert Timeout(2.0) == Timeout(2.0) != Timeout(3.0)
    assert repr(Timeout(2.0)) == "Timeout(seconds=2.0, name='Timeout')"
    assert start(Timeout(2.0, name="per try")).name == "per try"


@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, math.nan, math.inf, True, "2s", None])
def test_what_is_no_timeout(seconds):
    with pytest.raises(ConfigError) as caught:
        Timeout(seconds)
    assert str(caught.value) == (f"Timeout: seconds={seconds!r}: give a duration in seconds, above 0, such as 2.5")
