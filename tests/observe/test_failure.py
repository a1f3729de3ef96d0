"""An attempt's event says what the door said of its failure."""

from __future__ import annotations

import pytest

from meshkit import AttemptEnded, CircuitBreaker, Pipeline

from ..scripted import told_to


def test_the_failure_of_an_attempt_is_told():
    told: list[object] = []
    stack = Pipeline(CircuitBreaker())
    stack.listen(told_to(told), direct=True)
    error = KeyError("user")

    def fails() -> None:
        raise error

    stack.call(lambda: None)
    with pytest.raises(KeyError):
        stack.call(fails)
    good, bad = (event for event in told if isinstance(event, AttemptEnded))
    assert good.failure is None
    assert bad.failure is not None
    assert bad.failure.error is error
    assert repr(bad.failure) == "Failure(KeyError)"
