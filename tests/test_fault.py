"""FaultInjection: whom it strikes, with what, and that it ends."""

from __future__ import annotations

import importlib
import math
from contextlib import suppress
from random import Random

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import (
    CircuitBreaker,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Pipeline,
    Retry,
    TimedOut,
    Timeout,
)
from meshkit.call import Call
from meshkit.fault import FaultInjection
from meshkit.httpx import AsyncMeshTransport
from meshkit.policy import Gate
from meshkit.section import LEAF, Section
from meshkit.testing import ManualClock, check, run, virtual_clock

NAN, INF = math.nan, math.inf
pause = anyio.sleep  # in virtual time
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


class Door:
    """Answers a status with a word, and knows the headers of a mapping."""

    def respond(self, call, status):
        return f"{call.request['path']}: {status}"

    def fact(self, call, name):
        kind, _, which = name.partition(":")
        if kind != "header":
            raise ConfigError.of("Door", "key", name, "name a header")
        return call.request["headers"].get(which)


def start(seed=0, **options):
    return FaultInjection(**{"expires": 600.0, **options}).start(Random(seed))


def call(now=0.0, **headers):
    return Call(Door(), {"path": "/", "headers": headers}, now)


def arrive(gate, now=0.0, deadline=None, **headers):
    comes = call(now, **headers)
    comes.deadline = deadline
    if gate.facts is not None:
        comes.facts = {gate: gate.facts(comes)}
    return gate.enter(comes, now)


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("expires", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, INF, "1h", True, None)),
        ("expires", 86400.5, "give a day at most"),
        *(("share", value, "give a ratio from 0 to 1") for value in (-0.1, 1.1, NAN, "0.1", True, None)),
        *(("delay", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, INF, "1s", True)),
        *(("when", value, "give the name of an attribute of the request") for value in ("", " ", 3, ["host"])),
        *(("name", value, "give a name in a string") for value in ("", None, 3)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        FaultInjection(**{"expires": 60.0, "delay": 0.5, option: value})
    for part in (f"FaultInjection: {option}=", repr(value), fix):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        *((value, "give a status from 200 to 599") for value in (0, 199, 600, -503, 10**9)),
        *((value, "give a status such as 503, an exception class") for value in (503.0, "503", True, [], int, object)),
        *((value, "give a status such as 503, an exception class") for value in (KeyboardInterrupt, ValueError("x"))),
        (None, "give one of delay and abort"),
    ],
)
def test_not_an_abort(value, fix):
    with pytest.raises(ConfigError) as caught:
        FaultInjection(expires=60.0, abort=value)
    for part in ("FaultInjection: abort=", fix):
        assert part in str(caught.value)


def test_one_of_delay_and_abort():
    with pytest.raises(ConfigError, match="abort=503: give one of delay and abort; for both, two policies"):
        FaultInjection(expires=60.0, delay=0.5, abort=503)


def test_the_expiry_is_mandatory():
    with pytest.raises(TypeError, match="expires"):
        FaultInjection(delay=0.5)  # type: ignore[call-arg]


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = FaultInjection(expires=10.0, delay=0.5)
    assert spec == FaultInjection(expires=10.0, delay=0.5, share=1.0)
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    arrive(one, 0.0)
    assert [one.snapshot(100.0)["active"], other.snapshot(100.0)["active"]] == [False, True]


# Until when.


@pytest.mark.parametrize(
    ("first", "now", "struck", "left"),
    [
        (0.0, 0.0, True, 10.0),
        (0.0, 9.999, True, 0.001),
        (0.0, 10.0, False, 0.0),
        (0.0, 1e9, False, 0.0),
        (500.0, 505.0, True, 5.0),
    ],
)
def test_it_expires(first, now, struck, left):
    """Counted from the first call it sees, be that one struck or not."""
    gate = start(expires=10.0, delay=0.5, when="header:x-chaos")
    assert arrive(gate, first) is None
    assert arrive(gate, now, **{"x-chaos": "1"}) == (0.5 if struck else None)
    shown = gate.snapshot(now)
    assert shown == {"injected": int(struck), "left": pytest.approx(left), "active": struck}


def test_before_the_first_call_nothing_runs_out():
    gate = start(expires=10.0, delay=0.5)
    assert gate.snapshot(1e6) == {"injected": 0, "left": 10.0, "active": True}
    assert arrive(gate, 2e6) == 0.5
    assert gate.snapshot(2e6) == {"injected": 1, "left": 10.0, "active": True}


def test_an_expired_one_draws_nothing():
    rng = Random(0)
    gate = FaultInjection(expires=1.0, share=0.5, delay=0.1).start(rng)
    arrive(gate, 0.0)
    before = rng.getstate()
    assert [arrive(gate, 1.0), arrive(gate, 2.0)] == [None, None]
    assert rng.getstate() == before


# Whom.


@pytest.mark.parametrize(
    ("when", "struck"),
    [
        (None, True),
        ("header:x-chaos", True),
        ("header:x-other", False),
        (lambda call: call.request["path"] == "/", True),
        (lambda call: "", False),
        (lambda call: 1 / 0, False),  # who is not known to be meant is left alone
    ],
    ids=["all", "header", "no header", "path", "nobody", "raises"],
)
def test_whom_it_strikes(when, struck):
    gate = start(delay=0.5, when=when)
    assert arrive(gate, **{"x-chaos": "on"}) == (0.5 if struck else None)


def test_a_name_that_the_door_does_not_know_is_an_error():
    with pytest.raises(ConfigError, match="name a header"):
        arrive(start(delay=0.5, when="x-chaos"))


def test_nothing_is_drawn_for_whom_it_does_not_mean():
    """So a trace with strangers in between strikes the same calls."""
    alone, among = start(share=0.5, delay=1.0, when="header:x"), start(share=0.5, delay=1.0, when="header:x")
    struck = [arrive(alone, x="1") for _ in range(50)]
    assert struck == [(arrive(among), arrive(among, x="1"))[1] for _ in range(50)]
    assert {None, 1.0} == set(struck)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share(seed, share):
    """Within four standard deviations: a false alarm in 16 000 seeds, and these three are fixed."""
    gate, n = start(seed, share=share, delay=1.0), 20_000
    struck = sum(arrive(gate) is not None for _ in range(n))
    assert abs(struck - n * share) <= 4 * math.sqrt(n * share * (1 - share))
    assert gate.injected == struck


def test_the_ends_of_the_share():
    never, always = start(share=0, delay=1.0), start(share=1, delay=1.0)
    assert {arrive(never) for _ in range(1000)} == {None}
    assert {arrive(always) for _ in range(1000)} == {1.0}


# A delay.


@pytest.mark.parametrize(
    ("deadline", "delay"), [(None, 0.5), (10.0, 0.5), (1.5, 0.5), (1.25, 0.25), (1.0, 0.0), (0.5, 0.0)]
)
def test_a_delay_ends_with_the_deadline(deadline, delay):
    assert arrive(start(delay=0.5), 1.0, deadline) == delay


@given(st.floats(0, 1e9), st.floats(0, 100), st.floats(1e-6, 100))
def test_a_delay_never_crosses_the_deadline(now, left, delay):
    answer = arrive(start(delay=delay), now, now + left)
    assert 0.0 <= answer <= delay
    assert now + answer <= now + left + 1e-6


@BACKENDS
def test_a_delayed_call_times_out_as_behind_a_slow_upstream(backend):
    pipeline = Pipeline(Timeout(0.2), FaultInjection(delay=0.5, expires=60.0), clock=virtual_clock)
    reached = []

    @pipeline
    async def ask():
        reached.append(virtual_clock())
        await pause(0.1)
        return "done"

    async def main():
        began = virtual_clock()
        with pytest.raises(TimedOut):
            await ask()
        assert virtual_clock() - began == pytest.approx(0.2)
        assert pipeline.idle()
        await pause(60.0)
        assert await ask() == "done"

    run(main, backend=backend)


@BACKENDS
def test_a_delay_within_the_deadline(backend):
    pipeline = Pipeline(Timeout(2.0), FaultInjection(delay=0.5, expires=60.0), clock=virtual_clock)

    @pipeline
    async def ask():
        return virtual_clock()

    async def main():
        began = virtual_clock()
        assert await ask() - began == pytest.approx(0.5)

    run(main, backend=backend)


def test_a_delay_around_a_function_without_a_loop():
    clock = ManualClock()
    pipeline = Pipeline(FaultInjection(delay=0.5, expires=60.0), clock=clock)
    assert pipeline.call(clock) == 0.5
    clock.advance(60.0)
    assert pipeline.call(clock) == 60.5


# An abort.


def step(abort, **options):
    section = arrive(start(abort=abort, **options))
    assert section.__class__ is Section
    assert (section.kind, section.enters, section.exits) == (LEAF, (), ())
    return section.step


class Own(Exception):
    pass


def test_a_status_is_the_doors_to_answer():
    assert step(503)(call()) == "/: 503"


def test_an_exception_class_is_given_a_text():
    with pytest.raises(ConnectionError, match=r"^injected by chaos$"):
        step(ConnectionError, name="chaos")(call())


def test_a_function_makes_a_new_exception_each_time():
    gate = start(abort=lambda: Own("mine"))
    raised = []
    for _ in range(2):
        with pytest.raises(Own, match=r"^mine$") as caught:
            arrive(gate).step(call())
        raised.append(caught.value)
    assert raised[0] is not raised[1]


@pytest.mark.parametrize("made", [None, "text", 503, KeyboardInterrupt()])
def test_a_function_that_makes_no_exception(made):
    with pytest.raises(TypeError, match=r"chaos: abort made a .*: it must make an exception"):
        step(lambda: made, name="chaos")(call())


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 0.1},
        {"share": 0.3, "delay": 0.5, "when": "user"},
        {"abort": 503},
        {"share": 0.3, "abort": ConnectionError, "expires": 2.0},
    ],
    ids=["delay", "share", "status", "exception"],
)
def test_the_laws(options):
    check(lambda: FaultInjection(**{"expires": 5.0, **options}), examples=30)


# An abort on its way through a pipeline.


def stack(clock, **options):
    return Pipeline(
        Retry(on=(ConnectionError, Own), attempts=3, backoff=Constant(0.0), budget=None),
        CircuitBreaker(failures=3, name="breaker"),
        ConcurrencyLimit(1, name="permits"),
        FaultInjection(**{"expires": 60.0, "name": "chaos", **options}),
        clock=clock,
    )


@pytest.mark.parametrize(
    ("abort", "error"),
    [(503, "injected fault: status 503"), (ConnectionError, "injected by chaos"), (lambda: Own("mine"), "mine")],
    ids=["status", "class", "function"],
)
def test_an_abort_is_an_attempt_that_failed(abort, error):
    """Repeated, counted by the breaker, given back by the limit; and it never reaches what it stands for."""
    clock, reached = ManualClock(), []
    pipeline = stack(clock, abort=abort)
    asked = pipeline(lambda: reached.append(1))
    with pytest.raises((ConnectionError, Own), match=error) as caught:
        asked()
    assert not isinstance(caught.value, ConfigError)
    assert reached == []
    assert pipeline.snapshot()["chaos"]["injected"] == 3
    assert pipeline.snapshot()["breaker"]["state"] == "open"
    assert pipeline.idle()
    clock.advance(60.0)
    asked()
    assert reached == [1]


async def test_an_abort_where_it_is_awaited():
    reached = []
    pipeline = stack(ManualClock(), abort=ConnectionError)

    @pipeline
    async def ask():
        reached.append(1)

    with pytest.raises(ConnectionError, match="injected by chaos"):
        await ask()
    assert reached == []
    assert pipeline.snapshot()["chaos"]["injected"] == 3
    assert pipeline.idle()


async def test_a_share_of_the_attempts_is_struck_and_the_retry_makes_up_for_it():
    """Three attempts in a row struck with 0.3 ** 3: of 300 calls 8.1, and 20 with a probability below 1e-3."""
    pipeline = Pipeline(
        Retry(on=ConnectionError, attempts=3, backoff=Constant(0.0), budget=None),
        FaultInjection(share=0.3, abort=ConnectionError, expires=60.0),
        clock=ManualClock(),
        seed=7,
    )

    @pipeline
    async def ask():
        return "answered"

    answered = 0
    for _ in range(300):
        with suppress(ConnectionError):
            answered += await ask() == "answered"
    assert 280 <= answered < 300


@pytest.mark.parametrize("name", ["httpx", "httpx2"])
@pytest.mark.parametrize(("status", "state"), [(503, "open"), (404, "closed")])
async def test_a_status_through_the_door_for_httpx(name, status, state):
    lib = importlib.import_module(name)
    reached = []
    pipeline = Pipeline(
        CircuitBreaker(failures=1, name="breaker"),
        FaultInjection(abort=status, when="header:x-chaos", expires=60.0),
    )
    inner = lib.MockTransport(lambda request: reached.append(request) or lib.Response(200))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner)) as client:
        answer = await client.get("http://upstream/")
        assert (answer.status_code, len(reached)) == (200, 1)
        answer = await client.get("http://upstream/", headers={"x-chaos": "1"})
        assert (answer.status_code, len(reached)) == (status, 1)
        assert answer.request.url == "http://upstream/"
    assert pipeline.snapshot()["breaker"]["state"] == state
    assert pipeline.idle()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_delay_cut_at_the_deadline_sends_nothing(backend):
    sent = []

    async def fn():
        sent.append(1)

    def sync_fn():
        sent.append(1)

    async def main():
        pipeline = Pipeline(Timeout(0.2), FaultInjection(delay=5.0, expires=60.0), clock=virtual_clock)
        with pytest.raises(DeadlineExceeded):
            await pipeline.call(fn)
        assert pipeline.idle()

    run(main, backend=backend)
    with pytest.raises(DeadlineExceeded):
        Pipeline(Timeout(0.2), FaultInjection(delay=5.0, expires=60.0), clock=ManualClock()).call(sync_fn)
    assert sent == []
