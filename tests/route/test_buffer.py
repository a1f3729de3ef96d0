"""Which bodies are too long, as far as can be told before they come?"""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.errors import Overlong, Rejected, TooLarge
from meshkit.route.buffer import Buffer, Length, Whole
from meshkit.route.plan import Plan


class Asking:
    """A call whose request has this ``Content-Length``."""

    def __init__(self, length: str | None) -> None:
        self.door = self
        self.length = length
        self.facts: dict[Any, Any] = {}

    def fact(self, call: Any, name: str) -> str | None:
        assert name == "header:content-length"
        return self.length


@pytest.mark.parametrize(("length", "goes"), [(None, True), ("0", True), ("100", True), ("101", False), ("x", True)])
def test_a_request_that_says_it_is_too_long_is_refused(length: str | None, goes: bool) -> None:
    [gate] = Plan([Buffer(max_request=100)]).gates
    call: Any = Asking(length)
    call.facts[gate] = gate.facts(call)
    if goes:
        assert gate.enter(call, 0.0) is None
        return
    with pytest.raises(TooLarge, match="Buffer: a request of 101 bytes, and 100 are let through") as raised:
        gate.enter(call, 0.0)
    assert raised.value.status == 413
    assert gate.exit is None


def test_what_stands_in_front_of_a_route() -> None:
    plan = Plan([Buffer(max_response=9)])
    assert (plan.gates, plan.incoming, plan.outgoing) == ((), False, True)
    plan = Plan([Buffer(max_request=9, whole=True)])
    assert [type(gate) for gate in plan.gates] == [Length, Whole]
    assert (plan.incoming, plan.outgoing) == (True, True)
    plan = Plan([Buffer(max_request=9, whole=True), Buffer(max_request=5)])
    assert [type(gate) for gate in plan.gates] == [Length]
    assert plan.buffer == Buffer(max_request=5)


def test_a_door_that_has_the_request_takes_nothing_in() -> None:
    call: Any = Asking(None)
    assert Whole()(call, lambda: "on") == "on"
    call.take = lambda call, call_next: ["taken", call_next()]
    assert Whole()(call, lambda: "on") == ["taken", "on"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing given"),
        ({"whole": True, "max_response": 1}, "how many bytes of each request there is memory for"),
        ({"max_request": -1}, "whole number"),
        ({"max_response": 1.5}, "whole number"),
        ({"max_request": 1, "whole": "yes"}, "True or False"),
    ],
)
def test_what_cannot_be(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Buffer(**options)


def test_the_errors() -> None:
    buffer = Buffer(max_request=5, max_response=6)
    assert str(buffer.too_large()) == "Buffer: a request of more than 5 bytes"
    assert isinstance(buffer.too_large(), Rejected)
    error = buffer.overlong("10.0.0.7:80")
    assert str(error) == "the answer is longer than 6 bytes"
    assert (error.policy, error.endpoint, error.status) == ("Buffer", "10.0.0.7:80", 502)
    assert not isinstance(error, Rejected)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.policy) == (Overlong, str(error), "Buffer")
