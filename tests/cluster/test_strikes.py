"""nginx's and Traefik's passive health, by their own rules; and the presets that ask for them.

nginx: ``src/http/ngx_http_upstream_round_robin.c``, nginx/nginx @3f6f7824d4e2eb1ac37dec76683d525ac0ff521c.
Traefik: ``pkg/healthcheck/healthcheck.go`` of 3.7.
"""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from meshkit.call import Call, Verdict
from meshkit.cluster.outliers import OutlierDetection
from meshkit.cluster.presets import app_mesh, nginx, traefik
from meshkit.cluster.strikes import Strikes
from meshkit.errors import ConfigError

from .traffic import Traffic, attempt


def in_turns(traffic: Traffic, requests: int, fails: Any, now: float = 0.0) -> list[int]:
    """Turns among those who are in, a failed attempt is made again elsewhere; answers who served how many."""
    served = [0] * len(traffic.members)
    asked = [0] * len(traffic.members)
    turn = 0
    for _ in range(requests):
        traffic.tend(now)
        tried: set[int] = set()
        while len(tried) < len(served):
            turn = (turn + 1) % len(served)
            if turn in tried or traffic.members[turn].ejected:
                tried.add(turn)
                continue
            tried.add(turn)
            asked[turn] += 1
            failed = fails(turn, asked[turn])
            traffic.load(turn, 1, 500 if failed else 200, now)
            if not failed:
                served[turn] += 1
                break
    return served


def test_passive_failure_counting() -> None:
    """nginx, ``max_fails=3 fail_timeout=10s``: one of two fails every third time: it serves 6 of 30, and is out."""
    traffic = Traffic(nginx(3, 10.0), 2)
    assert in_turns(traffic, 30, lambda server, times: server == 0 and times % 3 == 0) == [6, 24]
    assert traffic.out == [0]
    assert traffic.detector.snapshot(0.0) == {"ejected": 1, "ejections": 1}


def test_after_the_window_one_tries() -> None:
    """Not at ``fail_timeout`` (``now - checked <= fail_timeout``), but after it."""
    traffic = Traffic(Strikes(), 2)
    traffic.load(0, 1, 500, 1.0)
    assert traffic.out == [0]
    assert 11.0 < traffic.tend(11.0) < 11.001
    assert traffic.out == [0]
    assert traffic.tend(12.0) == inf
    assert traffic.out == []
    gate = traffic.gates[0]
    call, _ = attempt(200)
    gate.enter(call, 12.0)
    assert traffic.out == [0]  # the others wait for it
    gate.exit(call, 12.0, 13.0, Verdict.SUCCESS)
    assert traffic.out == []
    assert gate.snapshot(13.0) == {"state": "in", "failures": 0}
    assert traffic.changes == 4


@pytest.mark.parametrize("end", [Verdict.FAILURE, Verdict.IGNORED])
def test_a_probe_that_fails_or_is_cancelled_is_followed_by_another_after_a_window(end: Verdict) -> None:
    traffic = Traffic(Strikes(), 2)
    gate = traffic.gates[0]
    traffic.load(0, 1, 500, 0.0)
    for k in range(1, 4):
        now = 11.0 * k
        traffic.tend(now)
        assert traffic.out == []
        call = Call(None, None, now)
        gate.enter(call, now)
        gate.exit(call, now, now, end)
        assert traffic.out == [0]
        traffic.tend(now + 10.0)
        assert traffic.out == [0]


def test_failures_far_apart_do_not_add_up_and_near_ones_do_whatever_is_between() -> None:
    """A success forgives only what it comes a window after (``accessed < checked``)."""
    traffic = Traffic(Strikes(failures=3), 2)
    for now, what, out in [
        (0.0, 500, []), (1.0, 200, []), (9.0, 500, []), (19.0, 200, []),  # not yet after the window
        (19.5, 200, []),  # and here it is forgiven
        (20.0, 500, []), (25.0, 500, []), (26.0, 200, []), (35.0, 500, [0]),
    ]:  # fmt: skip
        traffic.tend(now)
        traffic.load(0, 1, what, now)
        assert traffic.out == out, now


def test_the_only_one_is_never_out() -> None:
    traffic = Traffic(Strikes(), 1)
    traffic.load(0, 100, 500)
    assert traffic.out == []


def test_all_may_be_out() -> None:
    traffic = Traffic(Strikes(), 3)
    for k in range(3):
        traffic.load(k, 1, 500)
    assert traffic.out == [0, 1, 2]


def test_brought_back() -> None:
    """By an active check; and whoever is gone takes no place."""
    traffic = Traffic(Strikes(), 3)
    for k in range(3):
        traffic.load(k, 1, 500)
    traffic.detector.passed(traffic.members[1], 1.0)
    assert traffic.out == [0, 2]
    traffic.load(1, 3, 200, 2.0)
    traffic.detector.passed(traffic.members[1], 2.0)
    assert traffic.changes == 4
    gone = traffic.members.pop(0)
    traffic.gates.pop(0)
    traffic.detector.forget(gone)
    assert not gone.ejected
    assert traffic.out == [1]


def test_traefik() -> None:
    """``PassiveServiceHealthChecker.healthy``: failures strictly within the window, a success forgets them; all come
    back after the window.
    """
    traffic = Traffic(traefik(3, 10.0), 2)
    for now, what, out in [
        (0.0, 500, []), (1.0, 500, []), (2.0, 200, []),
        (3.0, 503, []), (4.0, 503, []), (13.0, 503, []),  # the first of them is a window old
        (13.5, 503, [0]), (14.0, 200, [0]), (23.4, 500, [0]), (23.5, 200, []),
        (24.0, 500, []), (24.0, 500, []), (24.0, 500, [0]),
    ]:  # fmt: skip
        traffic.tend(now)
        traffic.load(0, 1, what, now)
        assert traffic.out == out, now
    assert traffic.gates[0].snapshot(30.0) == {"state": "ejected", "failures": 3, "returns_in": 4.0}
    assert repr(traffic.gates[0]) == "<Strike 10.0.0.0:80: ejected>"


def test_presets() -> None:
    assert nginx() == Strikes(failures=1, window=10.0, probe=True)
    assert nginx(max_fails=0) is None
    assert traefik() == Strikes(failures=1, window=10.0, probe=False)
    spec = app_mesh(max_server_errors=7, interval=5.0, base_ejection_duration=20.0, max_ejection_percent=50)
    assert spec == OutlierDetection(
        consecutive_5xx=7, consecutive_gateway=None, enforcing_success_rate=0.0, interval=5.0, base_ejection_time=20.0,
        max_ejected=0.5,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="failures"):
        nginx(max_fails=-1)
    with pytest.raises(ConfigError, match="max_ejected"):
        app_mesh(max_server_errors=7, interval=5.0, base_ejection_duration=20.0, max_ejection_percent=101)
