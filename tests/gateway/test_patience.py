"""When is a WebSocket over, by the clock?"""

from __future__ import annotations

from math import inf

import pytest

from meshkit.gateway.patience import Patience
from meshkit.route import WebSocket


def test_for_ever() -> None:
    patience = Patience(WebSocket(idle=None), 100.0)
    assert patience.due == inf
    assert patience.over(1e9) is None
    assert not patience.pings(1e9)


def test_idle() -> None:
    patience = Patience(WebSocket(idle=10.0), 100.0)
    assert patience.due == 110.0
    assert patience.over(109.9) is None
    patience.moved = 105.0
    assert patience.due == 115.0
    patience.heard(114.0)  # an answer to a ping is no word
    assert patience.over(114.9) is None
    assert patience.over(115.0) == (1001, "idle for 10 s")


def test_lifetime() -> None:
    patience = Patience(WebSocket(idle=10.0, lifetime=12.0), 100.0)
    patience.moved = 111.0
    assert patience.due == 112.0
    assert patience.over(111.9) is None
    assert patience.over(112.0) == (1001, "open for 12 s")


def test_an_upstream_that_lives() -> None:
    patience = Patience(WebSocket(idle=None, ping=5.0), 100.0)
    assert patience.due == 105.0
    assert not patience.pings(104.9)
    assert patience.pings(105.0)
    assert not patience.pings(105.1)
    assert patience.due == 110.0
    patience.heard(106.0)
    assert patience.due == 111.0
    assert patience.over(110.0) is None
    assert patience.pings(111.0)


def test_an_upstream_that_does_not() -> None:
    patience = Patience(WebSocket(ping=5.0), 100.0)
    assert patience.pings(105.0)
    assert patience.over(109.9) is None
    assert patience.over(110.0) == (1014, "the upstream was silent for 10 s")


@pytest.mark.parametrize("ping", [1.0, 400.0])
def test_a_quiet_one_is_over_although_it_is_pinged(ping: float) -> None:
    patience = Patience(WebSocket(ping=ping), 0.0)
    now = 0.0
    while patience.over(now) is None:
        patience.pings(now)
        patience.heard(now)
        now = patience.due
    assert (now, patience.over(now)) == (300.0, (1001, "idle for 300 s"))
