"""What is drawn is what is said: kinds, laws, bounds; and properties of users' own hold or fail by it."""

from __future__ import annotations

import contextlib
import itertools
import math
import subprocess
import sys
from random import Random

import httpx
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from meshkit import Call, ConcurrencyLimit, ConfigError, Constant, Overloaded, Pipeline, RateLimit, Retry, Timeout
from meshkit.testing import ManualClock, Upstream, run, strategies, virtual_clock
from meshkit.testing.outcomes import FOREVER, Answer, Delay, Raised, resolve, step_of

QUICK = settings(max_examples=30)


def kind_of(step):
    seconds, end = resolve(step_of(step), ManualClock())
    if seconds >= FOREVER or (isinstance(end, Raised) and end.error in (TimeoutError, httpx.ReadTimeout)):
        return "timeout"
    if isinstance(end, Raised):
        return "failure"
    if isinstance(end, Answer):
        fields = dict(end.headers)
        if end.status_code == 429 or (end.status_code == 503 and "retry-after" in fields):
            return "overloaded"
        return "failure" if end.status_code >= 500 else "success"
    return "success"


@pytest.mark.parametrize("kind", strategies.KINDS)
def test_outcomes_of_a_kind(kind):
    @QUICK
    @given(strategies.outcomes(kind))
    def holds(step):
        assert kind_of(step) == kind

    holds()


@pytest.mark.parametrize("kind", strategies.KINDS)
def test_any_kind_is_found(kind):
    assert kind_of(find(strategies.outcomes(), lambda step: kind_of(step) == kind)) == kind


@QUICK
@given(strategies.outcomes(http=True))
def test_what_is_raised_over_http_is_httpx_own(step):
    """So a client's `except httpx.TransportError` is tried, as it will be in earnest."""
    _, end = resolve(step_of(step), ManualClock())
    if isinstance(end, Raised):
        assert isinstance(end.make(), httpx.TransportError | AssertionError)  # who hangs, hangs for too long


def test_an_error_over_http_is_found():
    step = find(strategies.outcomes("failure"), lambda step: step is httpx.ReadError)
    with (
        httpx.Client(transport=Upstream(step, clock=ManualClock()).transport()) as client,
        pytest.raises(httpx.ReadError) as raised,
    ):
        client.get("http://orders/")
    assert raised.value.request.url.host == "orders"


@QUICK
@given(strategies.outcomes(http=False))
def test_outcomes_of_functions_are_no_answers(step):
    assert not isinstance(step_of(step), Answer)
    assert not (isinstance(step, type) and step.__module__ != "builtins")
    assert not (isinstance(step, int) and not isinstance(step, bool))


@given(st.data(), st.floats(0, 10), st.floats(0, 10))
def test_latencies_are_within_bounds(data, least, more):
    drawn = data.draw(strategies.latencies(least=least, most=least + more, min_size=2, max_size=5))
    assert 2 <= len(drawn) <= 5
    assert all(least <= each <= least + more for each in drawn)


@given(strategies.latencies(laws=["constant"]))
def test_the_constant_law(drawn):
    assert len(set(drawn)) == 1


def test_the_laws_have_the_means_they_should():
    """By the middle of 100,000 equal slices of u: the integral over u of the inverse is the mean."""
    slices = 100_000
    means = {
        law: math.fsum(strategies._latency(law, 2.0, (k + 0.5) / slices) for k in range(slices)) / slices
        for law in strategies.LAWS
    }
    assert means["constant"] == 2.0
    assert means["exponential"] == pytest.approx(2.0, rel=1e-3)
    assert means["bimodal"] == pytest.approx(0.95 * 2.0 + 0.05 * 200.0)
    assert means["heavy"] == pytest.approx(1.2 / 0.2 * 2.0, rel=0.15)  # slow to converge: no variance


@given(strategies.clock_jumps(), strategies.clock_jumps(most=5.0))
def test_a_clock_jumps_forward(jumps, short):
    clock = ManualClock()
    for jump in jumps:
        before = clock()
        clock.advance(jump)
        assert clock() >= before
    assert all(0 <= jump <= 5.0 for jump in short)


@pytest.mark.parametrize("wanted", [0.0, 1e-9, strategies.CENTURY])
def test_jumps_of_all_sizes_are_found(wanted):
    assert wanted in find(strategies.clock_jumps(), lambda jumps: wanted in jumps)


@given(strategies.traces(most=10.0, max_size=12))
def test_traces_are_in_order(trace):
    assert len(trace) <= 12
    assert [each.at for each in trace] == sorted(each.at for each in trace)
    assert all(each.ends_at == each.at + each.lasts and 0 <= each.lasts <= 10.0 for each in trace)


@given(strategies.scripts("success", "failure", most=2.0, max_size=4))
def test_scripts_are_scripts(script):
    assert 1 <= len(script) <= 4
    Upstream(*script)
    assert {kind_of(step) for step in script} <= {"success", "failure"}
    assert all(not isinstance(step, Delay) or step.seconds <= 2.0 for step in script)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: strategies.outcomes("sucess"), "kinds='sucess': name some of"),
        (lambda: strategies.outcomes("overloaded", http=False), "a plain function cannot say that it is overloaded"),
        (lambda: find(strategies.latencies(laws=["normal"]), bool), "laws='normal': name some of"),
        (lambda: find(strategies.latencies(least=2.0, most=1.0), bool), "most=1.0: give finite seconds from least=2.0"),
        (lambda: find(strategies.latencies(most=math.nan), bool), "most=nan"),
        (lambda: find(strategies.latencies(most=math.inf), bool), "most=inf"),
    ],
)
def test_what_cannot_be_drawn(make, said):
    with pytest.raises(ConfigError) as caught:
        make()
    assert said in str(caught.value)


# As users write them.


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(script=strategies.scripts(http=False))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_never_takes_longer_than_it_says(script, backend):
    async def main():
        upstream = Upstream(*script)
        pipeline = Pipeline(
            Timeout(30.0), Retry(OSError, attempts=4, backoff=Constant(2.0)), Timeout(5.0), clock=virtual_clock
        )
        began = virtual_clock()
        with contextlib.suppress(OSError):  # also what timed out
            await pipeline.call(upstream)
        assert virtual_clock() - began <= 30.1
        assert 1 <= len(upstream.attempts) <= 4
        assert pipeline.idle()

    run(main, backend=backend)


@given(trace=strategies.traces())
def test_a_limit_against_an_oracle(trace):
    """Under way are those that went and have not ended: counted anew for each call."""
    state = ConcurrencyLimit(2).start(Random(0))
    under_way = []
    for arrival in trace:
        for ended in sorted((each for each in under_way if each[0].ends_at <= arrival.at), key=lambda e: e[0].ends_at):
            under_way.remove(ended)
            state.exit(ended[1], ended[0].at, ended[0].ends_at, ended[0].verdict)
        call = Call(None, None, arrival.at)
        try:
            state.enter(call, arrival.at)
        except Overloaded:
            assert len(under_way) == 2
        else:
            under_way.append((arrival, call))
            assert len(under_way) <= 2


def test_a_property_that_does_not_hold_is_found():
    """Eleven at once, of a rate that allows for one: the strategies find what is wrong."""

    def wrong(jumps):
        clock = ManualClock()
        pipeline = Pipeline(RateLimit("1/s", burst=2), clock=clock)
        went = []
        for jump in jumps:
            clock.advance(jump)
            try:
                pipeline.call(went.append, clock())
            except Exception:  # refused
                continue
        return any(later - earlier < 0.5 for earlier, later in itertools.pairwise(went))

    assert len(find(strategies.clock_jumps(), wrong)) == 2


def test_without_hypothesis_it_says_what_to_install():
    code = "import sys; sys.modules['hypothesis'] = None\nimport meshkit.testing.strategies"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    said = "ConfigError: meshkit.testing.strategies needs hypothesis: install meshkit with its extra [testing]"
    assert said in done.stderr
