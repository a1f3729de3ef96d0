"""Who is found to fail? Rows of Envoy's own tests, and what counts as a failure.

Envoy: ``test/common/upstream/outlier_detection_impl_test.cc``, envoyproxy/envoy
@00bd11e3a4c246a3d7d57f34d36c48af53e26e10.
"""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.call import Call, Failure, Verdict
from meshkit.cluster.outliers import OutlierDetection
from meshkit.cluster.standing import GATEWAY, GOOD, LOCAL, NOTHING, SERVER, outcome
from meshkit.errors import AttemptTimedOut, ConfigError

from .traffic import CONNECT_FAILED, EXT_FAILED, Traffic

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
SPLIT = OutlierDetection(split=True)


@pytest.mark.parametrize(
    ("verdict", "failure", "what"),
    [
        (SUCCESS, None, GOOD),
        (SUCCESS, Failure(status=503), GOOD),  # an earlier attempt's
        (IGNORED, Failure(ConnectionError()), NOTHING),
        (FAILURE, Failure(status=500), SERVER),
        (FAILURE, Failure(status=599), SERVER),
        (FAILURE, Failure(status=502), GATEWAY),
        (FAILURE, Failure(status=504), GATEWAY),
        (OVERLOADED, Failure(status=503, retry_after=1.0), GATEWAY),
        (OVERLOADED, Failure(status=429), GOOD),
        (FAILURE, Failure(status=404), GOOD),  # a retry names it; the endpoint has answered
        (FAILURE, Failure(status=600), GOOD),
        (FAILURE, Failure(ConnectionResetError()), LOCAL),
        (FAILURE, Failure(AttemptTimedOut()), LOCAL),
        (FAILURE, Failure(RuntimeError(), kind=TimeoutError), LOCAL),  # a transport's own
        (FAILURE, Failure(ValueError()), SERVER),
        (FAILURE, None, SERVER),
        (OVERLOADED, None, NOTHING),
        (OVERLOADED, Failure(), NOTHING),
        (FAILURE, Failure(ConnectionError(), stale=True), NOTHING),
    ],
)
def test_what_an_attempt_says(verdict: Verdict, failure: Failure | None, what: str) -> None:
    call = Call(None, None, 0.0)
    call.failure = failure
    assert outcome(call, verdict) == what


def test_the_defaults_are_those_of_envoy() -> None:
    """``envoy/config/cluster/v3/outlier_detection.proto``, in our units."""
    spec = OutlierDetection()
    assert (spec.consecutive_5xx, spec.consecutive_gateway, spec.consecutive_local, spec.split) == (5, 5, 5, False)
    assert (spec.enforcing_5xx, spec.enforcing_gateway, spec.enforcing_local) == (1.0, 0.0, 1.0)
    assert (spec.success_rate_hosts, spec.success_rate_requests, spec.success_rate_stdev) == (5, 100, 1.9)
    assert (spec.enforcing_success_rate, spec.enforcing_local_success_rate) == (1.0, 1.0)
    assert (spec.failure_ratio, spec.failure_ratio_hosts, spec.failure_ratio_requests) == (0.85, 5, 50)
    assert (spec.enforcing_failure_ratio, spec.enforcing_local_failure_ratio) == (0.0, 0.0)
    assert (spec.interval, spec.base_ejection_time, spec.max_ejection_time) == (10.0, 30.0, 300.0)
    assert (spec.max_ejection_jitter, spec.max_ejected, spec.uneject_on_check) == (0.0, 0.1, True)


def test_the_longest_ejection_is_no_shorter_than_the_first() -> None:
    """DetectorStaticConfigBaseLargerThanMaxNoMax, DetectorStaticConfigiInvalidMaxEjectTime."""
    assert OutlierDetection(base_ejection_time=400.0).max_ejection_time == 400.0
    with pytest.raises(ConfigError, match="max_ejection_time"):
        OutlierDetection(base_ejection_time=10.0, max_ejection_time=3.0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("consecutive_5xx", 0), ("max_ejected", 10), ("enforcing_5xx", 1.1), ("interval", 0.0), ("split", 1),
        ("success_rate_stdev", -1.0), ("max_ejection_jitter", -1.0), ("failure_ratio", 85), ("always_eject_one", None),
    ],
)  # fmt: skip
def test_what_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        OutlierDetection(**{option: value})


def test_five_in_a_row() -> None:
    """BasicFlow5xxViaHttpCodes."""
    traffic = Traffic(OutlierDetection(), 2)
    assert traffic.tend(0.0) == 10.0
    traffic.load(0, 1, 500)
    traffic.load(0, 1, 200)
    traffic.load(0, 4, 500)
    assert traffic.out == []
    traffic.load(0, 1, 500)
    assert traffic.out == [0]
    assert traffic.changes == 1
    assert traffic.tend(9.999) == 10.0
    assert traffic.tend(10.0) == 20.0
    assert traffic.out == [0]
    traffic.tend(30.001)
    assert traffic.out == []
    assert traffic.changes == 2
    traffic.load(0, 4, 500, 40.0)
    assert traffic.out == []
    traffic.load(0, 1, 500, 40.0)
    assert traffic.out == [0]
    assert traffic.detector.ejected == {"consecutive_5xx": 2}


def test_a_mix_of_codes() -> None:
    """BasicFlowGatewayFailure, its gateway failures enforced: the first five 503 eject for what they are, and later 503
    and 500 together for being 5xx; but a 500 ends a row of gateway failures.
    """
    traffic = Traffic(OutlierDetection(consecutive_5xx=9, enforcing_gateway=1.0), 1)
    for _ in range(2):
        traffic.load(0, 4, 503)
        traffic.load(0, 1, 200)
        traffic.load(0, 4, 503)
        traffic.load(0, 1, 500)
        assert traffic.out == []
        traffic.load(0, 1, 404)
    traffic.load(0, 5, 503)
    assert traffic.out == [0]
    assert traffic.detector.ejected == {"consecutive_gateway": 1}
    traffic.tend(0.0)
    traffic.tend(30.0)
    traffic.load(0, 4, 502, 40.0)
    traffic.load(0, 1, 500, 40.0)
    traffic.load(0, 3, 502, 40.0)
    assert traffic.out == []
    traffic.load(0, 1, 502, 40.0)
    assert traffic.out == [0]
    assert traffic.detector.ejected == {"consecutive_gateway": 1, "consecutive_5xx": 1}


def test_errors_of_ours_are_gateway_failures() -> None:
    """BasicFlowNonHttpCodesExternalOrigin."""
    traffic = Traffic(OutlierDetection(), 2)
    for _ in range(100):
        traffic.load(0, 1, CONNECT_FAILED)
        traffic.load(0, 1, 200)
    assert traffic.out == []
    traffic.load(0, 4, CONNECT_FAILED)
    assert traffic.out == []
    traffic.load(0, 1, CONNECT_FAILED)
    assert traffic.out == [0]
    assert traffic.detector.detected == {"consecutive_gateway": 1, "consecutive_5xx": 1}
    assert traffic.detector.ejected == {"consecutive_5xx": 1}


def test_split() -> None:
    """ExternalOriginEventsWithSplit, and that either kind counts for itself."""
    traffic = Traffic(SPLIT, 1)
    for _ in range(100):
        traffic.load(0, 1, EXT_FAILED)
        traffic.load(0, 1, 200)
    for _ in range(4):
        traffic.load(0, 1, CONNECT_FAILED)
    traffic.load(0, 4, 500)  # it could be reached
    traffic.load(0, 4, CONNECT_FAILED)
    assert traffic.out == []
    assert traffic.gates[0].snapshot(0.0)["local_in_a_row"] == 4
    traffic.load(0, 1, CONNECT_FAILED)
    assert traffic.detector.ejected == {"consecutive_local": 1}
    traffic.tend(0.0)
    traffic.tend(30.0)
    traffic.load(0, 5, EXT_FAILED, 30.0)
    assert traffic.detector.ejected == {"consecutive_local": 1, "consecutive_5xx": 1}


def test_only_watched() -> None:
    """NotEnforcing: every fifth failure is another detection."""
    traffic = Traffic(OutlierDetection(enforcing_5xx=0.0), 1)
    traffic.load(0, 5, 503)
    assert traffic.detector.detected == {"consecutive_5xx": 1, "consecutive_gateway": 1}
    traffic.load(0, 195, 503)
    assert traffic.detector.detected == {"consecutive_5xx": 40, "consecutive_gateway": 40}
    assert traffic.out == []
    assert traffic.detector.ejected == {}


def test_enforced_in_part() -> None:
    """A quarter of 4000 detections, within five standard deviations of the binomial distribution."""
    spec = OutlierDetection(enforcing_5xx=0.25, consecutive_5xx=1, consecutive_gateway=None, base_ejection_time=1e-6)
    traffic = Traffic(spec, 1)
    for k in range(4000):
        traffic.load(0, 1, 500, float(k))
        traffic.tend(k + 0.5)
        traffic.gates[0].multiplier = 0
    assert traffic.detector.detected == {"consecutive_5xx": 4000}
    assert abs(traffic.detector.ejected["consecutive_5xx"] - 1000) < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_off() -> None:
    spec = OutlierDetection(consecutive_5xx=None, consecutive_gateway=None, consecutive_local=None, split=True)
    traffic = Traffic(spec, 1)
    traffic.load(0, 1000, 503)
    traffic.load(0, 1000, CONNECT_FAILED)
    assert traffic.detector.detected == {}


def test_cancelled_calls_teach_nothing() -> None:
    traffic = Traffic(OutlierDetection(), 1)
    traffic.load(0, 4, 500)
    call = Call(None, None, 0.0)
    traffic.gates[0].exit(call, 0.0, 0.0, IGNORED)
    assert traffic.out == []
    traffic.load(0, 1, 500)
    assert traffic.out == [0]


def test_what_began_before_the_return() -> None:
    """It is what the endpoint was ejected for."""
    traffic = Traffic(OutlierDetection(), 1)
    traffic.load(0, 5, 500, 1.0)
    traffic.tend(1.0)
    traffic.tend(31.0)
    traffic.load(0, 10, 500, 32.0, began=30.9)
    assert traffic.out == []
    traffic.load(0, 5, 500, 32.0, began=31.0)
    assert traffic.out == [0]


def test_what_it_says_of_itself() -> None:
    traffic = Traffic(OutlierDetection(), 2)
    traffic.load(0, 3, 500)
    assert traffic.gates[0].snapshot(0.0) == {"state": "in", "in_a_row": 3, "ejections": 0}
    traffic.load(0, 2, 500)
    assert traffic.gates[0].snapshot(12.0) == {"state": "ejected", "in_a_row": 0, "ejections": 1, "returns_in": 18.0}
    assert repr(traffic.gates[0]) == "<Standing 10.0.0.0:80: ejected>"
