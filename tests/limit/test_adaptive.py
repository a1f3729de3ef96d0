"""AdaptiveConcurrency: what a call tells, when the limit moves, and what must not move it."""

import asyncio
from random import Random

import pytest

from meshkit import Overloaded, Pipeline, Timeout
from meshkit.call import Call, Failure, Verdict
from meshkit.errors import AttemptTimedOut, ConfigError, Rejected
from meshkit.limit import AIMD, AdaptiveConcurrency, Gradient2, Vegas
from meshkit.policy import Gate
from meshkit.testing import ManualClock, check, run, virtual_clock

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
ALGORITHMS = [AIMD(), Vegas(), Gradient2()]


class Told:
    """An algorithm that writes down what it is told, and answers what it was given to answer."""

    def __init__(self, *limits, initial=10):
        self.limits = list(limits)
        self.limit = initial
        self.told = []

    def start(self, rng):
        return self

    def sample(self, rtt, in_flight, dropped, now):
        self.told.append((rtt, in_flight, dropped, now))
        answer = self.limits.pop(0) if self.limits else self.limit
        if isinstance(answer, Exception):
            raise answer
        return answer

    def snapshot(self):
        return {}


def arrive(gate, now=0.0, deadline=None):
    call = Call(None, None, now)
    call.deadline = deadline
    if gate.facts is not None:
        call.facts = {gate: gate.facts(call)}
    return call, gate.enter(call, now)


def serve(gate, now, *, took=0.05, verdict=SUCCESS, failure=None, calls=1):
    """So many calls at once, which end at ``now``."""
    under_way = [arrive(gate, now - took)[0] for _ in range(calls)]
    for call in under_way:
        call.failure = failure
        gate.exit(call, now - took, now, verdict)


def opened(*limits, initial=10, **options):
    """With a window that began at 0.0, ends at 0.1, and has one sample in it."""
    algorithm = Told(*limits, initial=initial)
    gate = AdaptiveConcurrency(algorithm, **options).start(Random(0))
    serve(gate, 0.0)
    return gate, algorithm


# What a call tells.

LATE = Failure(TimeoutError())
TOLD = [
    # verdict, failure, deadline, (latency, dropped), or None where it tells nothing
    (SUCCESS, None, None, (0.05, False)),
    (SUCCESS, None, 0.0, (0.05, False)),  # served after all
    (OVERLOADED, None, None, (None, True)),
    (OVERLOADED, Failure(status=429), None, (None, True)),
    (FAILURE, LATE, None, (None, True)),
    (FAILURE, Failure(AttemptTimedOut()), None, (None, True)),
    (FAILURE, Failure(OSError(), kind=TimeoutError), None, (None, True)),
    (FAILURE, Failure(OSError(), kind=ConnectionError), None, None),
    (FAILURE, Failure(ConnectionError()), None, None),
    (FAILURE, Failure(status=500), None, None),
    (FAILURE, None, None, None),
    (FAILURE, None, 9.0, None),
    (FAILURE, None, 0.2, (None, True)),  # out until its deadline
    (FAILURE, Failure(ConnectionError()), 0.1, (None, True)),
    (IGNORED, None, None, None),
    (IGNORED, LATE, 0.1, None),
]


@pytest.mark.parametrize(("verdict", "failure", "deadline", "told"), TOLD)
def test_what_a_call_tells(verdict, failure, deadline, told):
    algorithm = Told(initial=1)  # one sample makes a window
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    gate._until = 0.1
    call, _ = arrive(gate, 0.15, deadline)
    call.failure = failure
    gate.exit(call, 0.15, 0.2, verdict)
    assert gate.idle()  # whatever it told, its permit is back
    seen = [(rtt if rtt is None else pytest.approx(rtt), dropped) for rtt, _, dropped, _ in algorithm.told]
    assert seen == ([] if told is None else [told])


@pytest.mark.parametrize(
    ("began", "answered", "latency"),
    [(1.0, 1.25, 0.25), (1.0, None, 0.5), (1.0, 0.9, 0.5), (1.0, 1.0, 0.0)],
)
def test_latency_is_until_the_answer_begins(began, answered, latency):
    """And until the end where nobody said; an answer from before is that of an attempt before."""
    algorithm = Told(initial=1)
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    gate._until = 0.0
    call, _ = arrive(gate, began)
    call.answered_at = answered
    gate.exit(call, began, 1.5, SUCCESS)
    assert algorithm.told == [(latency, 1, False, 1.5)]


# Windows.


def test_a_window_ends_with_the_first_call_after_its_time():
    gate, algorithm = opened(12)
    serve(gate, 0.05, calls=10, took=0.02)
    serve(gate, 0.0999)
    assert algorithm.told == []
    serve(gate, 0.1, took=0.08)
    assert algorithm.told == [(pytest.approx((0.05 + 10 * 0.02 + 0.05 + 0.08) / 13), 10, False, 0.1)]
    assert gate.snapshot(0.1)["limit"] == 12
    assert gate.snapshot(0.1)["latency"] == pytest.approx(0.38 / 13)


def test_the_next_one_lasts_twice_the_latency():
    gate, algorithm = opened()
    serve(gate, 0.2, took=1.0, calls=9)
    mean = 9.05 / 10
    serve(gate, 0.2 + 2 * mean - 0.001, calls=10)
    assert len(algorithm.told) == 1
    serve(gate, 0.2 + 2 * mean)
    assert len(algorithm.told) == 2


def test_a_window_with_too_few_samples_goes_on():
    """Ten, or as many as the limit: at a small limit ten would take long."""
    gate, algorithm = opened()
    for n in range(8):
        serve(gate, 10.0 + n)
    assert algorithm.told == []
    serve(gate, 20.0)
    assert len(algorithm.told) == 1
    small, told = opened(initial=3)
    serve(small, 10.0)
    assert told.told == []
    serve(small, 11.0)
    assert len(told.told) == 1


@pytest.mark.parametrize(("drops", "samples", "dropped"), [(1, 99, False), (2, 98, True), (1, 98, True), (1, 9, True)])
def test_more_than_one_in_a_hundred_makes_a_dropped_window(drops, samples, dropped):
    gate, algorithm = opened()
    serve(gate, 0.05, verdict=OVERLOADED, calls=drops)
    for _ in range(samples - 2):
        serve(gate, 0.05)
    serve(gate, 0.1)
    assert [each[2] for each in algorithm.told] == [dropped]


def test_a_limit_is_whole_and_at_least_one():
    gate, _ = opened(7.9, 0.2, initial=3)
    serve(gate, 1.0, calls=3)
    assert gate.permits.limit == 7
    serve(gate, 2.0, calls=7)
    assert gate.permits.limit == 1


@pytest.mark.parametrize("answer", [ValueError("no"), float("nan"), float("inf")])
def test_an_algorithm_that_fails_costs_no_permit_and_no_window(answer):
    gate, algorithm = opened(answer, initial=1)
    call, _ = arrive(gate, 0.0)
    with pytest.raises((ValueError, OverflowError)):
        gate.exit(call, 0.0, 1.0, SUCCESS)  # which the engine counts and survives
    assert gate.idle()
    serve(gate, 3.0)
    assert len(algorithm.told) == 2


# The queue.


def test_what_is_refused_is_overloaded_and_says_how_full_it_is():
    gate, _ = opened(initial=2, queue=1, name="search")
    assert [arrive(gate)[1] for _ in range(2)] == [None, None]
    assert arrive(gate)[1].until is None
    with pytest.raises(Overloaded) as caught:
        arrive(gate)
    assert str(caught.value) == "search: 2 in flight, 1 queued"


def test_a_limit_that_grows_lets_those_in_line_go():
    gate, _ = opened(5, initial=2, queue=10)
    calls = [arrive(gate)[0] for _ in range(2)]
    places = [arrive(gate)[1] for _ in range(6)]
    gate.exit(calls[0], 0.0, 1.0, SUCCESS)
    assert [place.granted for place in places] == [True] * 4 + [False] * 2
    assert gate.permits.in_flight == 5


def test_a_limit_that_shrinks_takes_no_permit_back():
    gate, _ = opened(1, initial=3, queue=10)
    calls = [arrive(gate)[0] for _ in range(3)]
    gate.exit(calls[0], 0.0, 1.0, SUCCESS)
    assert gate.permits.limit == 3  # too few samples
    gate.exit(calls[1], 0.0, 1.0, SUCCESS)
    assert (gate.permits.limit, gate.permits.in_flight) == (1, 1)
    place = arrive(gate)[1]
    gate.exit(calls[2], 0.0, 1.0, SUCCESS)
    assert place.granted


# The signal.


@pytest.mark.parametrize(
    ("verdict", "failure", "lag", "told"),
    [
        (SUCCESS, None, 0.05, [False]),
        (SUCCESS, None, 0.051, [True]),
        (FAILURE, Failure(ConnectionError()), 0.051, [True]),
        (FAILURE, Failure(ConnectionError()), 0.05, []),
        (IGNORED, None, 9.0, []),
        (OVERLOADED, None, 0.0, [True]),
    ],
)
def test_a_signal_above_its_lag_is_a_drop(verdict, failure, lag, told):
    algorithm = Told(initial=1)
    gate = AdaptiveConcurrency(algorithm, signal=lambda: lag).start(Random(0))
    gate._until = 0.1
    serve(gate, 0.2, verdict=verdict, failure=failure)
    assert [dropped for _, _, dropped, _ in algorithm.told] == told


@pytest.mark.parametrize("answer", ["late", None, float("nan"), ZeroDivisionError])
def test_a_signal_that_fails_says_nothing(answer):
    def signal():
        if answer is ZeroDivisionError:
            raise ZeroDivisionError
        return answer

    algorithm = Told(initial=1)
    gate = AdaptiveConcurrency(algorithm, signal=signal).start(Random(0))
    gate._until = 0.1
    serve(gate, 0.2)
    assert algorithm.told == [(pytest.approx(0.05), 1, False, 0.2)]
    assert gate.snapshot(0.2)["signal_errors"] == 1


def test_without_a_signal_nothing_is_asked():
    assert AdaptiveConcurrency().start(Random(0)).facts is None
    assert "signal_errors" not in AdaptiveConcurrency().start(Random(0)).snapshot(0.0)


def test_it_is_asked_outside_the_lock():
    from meshkit.runtime.lock import owned

    seen = []
    stack = Pipeline(AdaptiveConcurrency(signal=lambda: seen.append(owned()) or 0.0), clock=ManualClock())
    stack.call(lambda: None)
    assert seen == [False]


# Faults: one client, idle, all timeouts, cancelled work, errors, two kinds of calls.


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_one_client_moves_nothing(algorithm):
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    for n in range(10_000):
        serve(gate, n * 0.05, took=0.04)
    assert gate.permits.limit == 20


@pytest.mark.parametrize("algorithm", [AIMD(initial=3), Vegas(initial=3), Gradient2(initial=3)])
def test_one_client_at_the_floor_grows_it_no_further_than_a_few(algorithm):
    """At half of it in use a limit may grow: by one client to 2, and by a step of up to 6 beyond."""
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    for n in range(10_000):
        serve(gate, n * 0.05, took=0.04)
    assert 3 <= gate.permits.limit <= 8


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_night_without_calls_moves_nothing(algorithm):
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    for n in range(10):
        serve(gate, n * 0.1, calls=10)
    before = gate.permits.limit
    serve(gate, 30_000.0, calls=1)
    assert abs(gate.permits.limit - before) <= 6


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_all_timeouts_end_at_the_floor_and_the_first_answers_lead_back(algorithm):
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    for n in range(10):
        serve(gate, n * 0.1, calls=20)
    for n in range(1, 200):
        serve(gate, n * 5.0, took=5.0, verdict=FAILURE, failure=LATE, calls=gate.permits.limit)
    assert gate.permits.limit == 3
    assert arrive(gate, 1000.0)[1] is None  # three may try
    gate.permits.exit(None, 0.0, 0.0, SUCCESS)
    for n in range(100):
        serve(gate, 1000.0 + n * 0.2, calls=gate.permits.limit)
    assert gate.permits.limit > 20


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_fast_failures_are_no_low_latency(algorithm):
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    for n in range(1000):
        serve(gate, n * 0.1, took=0.001, verdict=FAILURE, failure=Failure(ConnectionError()), calls=20)
    assert gate.permits.limit == 20
    assert gate.idle()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_kinds_of_calls_are_no_overload_and_no_reason_to_go_beyond_the_ceiling(algorithm, seed):
    """Nine in ten take 10 ms, one 1 s, at whatever load: there is no knee. The mean of twenty such calls lies above 1.5
    times the usual often enough; the limit must neither die of it nor pass its ceiling.
    """
    rng = Random(seed)
    gate = AdaptiveConcurrency(algorithm).start(Random(seed))
    limits = []
    for n in range(1000):
        calls = [arrive(gate, n * 0.1)[0] for _ in range(gate.permits.limit)]
        for call in calls:
            call.answered_at = n * 0.1 + (1.0 if rng.random() < 0.1 else 0.01)
            gate.exit(call, n * 0.1, n * 0.1 + 1.0, SUCCESS)
        limits.append(gate.permits.limit)
    assert max(limits) <= algorithm.ceiling
    assert min(limits) >= algorithm.floor
    assert gate.idle()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_cancelled_work_counts_until_it_ends_and_teaches_nothing(algorithm):
    gate = AdaptiveConcurrency(algorithm).start(Random(0))
    calls = [arrive(gate)[0] for _ in range(20)]
    with pytest.raises(Overloaded):
        arrive(gate)
    for call in calls:
        gate.exit(call, 0.0, 5.0, IGNORED)
    assert gate.idle()
    assert gate.snapshot(5.0)["latency"] == 0.0
    assert gate.permits.limit == 20


@pytest.mark.parametrize(
    "policy", [AdaptiveConcurrency(a(initial=3, floor=1), queue=2) for a in (AIMD, Vegas, Gradient2)]
)
@pytest.mark.parametrize("order", ["fifo", "adaptive"])
def test_the_laws(policy, order):
    import attrs

    check(lambda: attrs.evolve(policy, order=order), examples=30)
    check(lambda: attrs.evolve(policy, order=order, signal=lambda: 0.06), examples=10)


# In a pipeline.


def test_a_function_of_its_own_timeouts_drops_them():
    """Without a retry nobody else asks what a failure was."""
    stack = Pipeline(AdaptiveConcurrency(AIMD(initial=10)), clock=(clock := ManualClock()))

    @stack
    def late():
        clock.advance(0.05)
        raise TimeoutError

    for _ in range(40):
        with pytest.raises(TimeoutError):
            late()
    assert stack.snapshot()["AdaptiveConcurrency"]["limit"] < 10

    @stack
    def broken():
        raise ConnectionError

    before = stack.snapshot()
    for _ in range(40):
        clock.advance(0.05)
        with pytest.raises(ConnectionError):
            broken()
    assert stack.snapshot() == before


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_the_timeout_around_it_ends_is_a_drop(backend):
    async def scenario():
        import anyio

        stack = Pipeline(Timeout(0.5), AdaptiveConcurrency(AIMD(initial=3, floor=1)), clock=virtual_clock)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await stack.call(anyio.sleep_forever)
        return stack.snapshot()["AdaptiveConcurrency"], stack.idle()

    shown, idle = run(scenario, backend=backend)
    assert (shown["limit"], shown["in_flight"], idle) == (1, 0, True)


async def test_a_queue_behind_it_moves_by_one_permit():
    import anyio

    stack = Pipeline(AdaptiveConcurrency(AIMD(initial=1, floor=1), queue=100))
    under_way = most = 0

    @stack
    async def work():
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await anyio.lowlevel.checkpoint()
        under_way -= 1

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(work)
    assert most == 1  # the window of 0.1 s has not ended, or too little was in flight
    assert stack.idle()


def test_ten_thousand_wait_and_one_goes_at_a_time():
    async def scenario():
        stack = Pipeline(AdaptiveConcurrency(Told(initial=1), queue=10_000, window=1e6))
        under_way = most = done = 0

        @stack
        async def work():
            nonlocal under_way, most, done
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            done += 1

        await asyncio.gather(*(work() for _ in range(10_001)))
        return most, done, stack.idle()

    assert asyncio.run(scenario()) == (1, 10_001, True)


# Options.

NAN = float("nan")


@pytest.mark.parametrize(
    ("option", "value", "fix"),
    [
        *(("algorithm", value, "give AIMD(), Vegas() or Gradient2()") for value in (AIMD, None, "vegas", 20)),
        *(("queue", value, "give a whole number from 0 to") for value in (-1, 1.5, NAN, "5", True, None)),
        *(("order", value, "write one of 'fifo', 'lifo', 'adaptive'") for value in ("random", None)),
        *(("wait", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, float("inf"), True)),
        *(("window", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, "1s", True, None)),
        *(("signal", value, "give a function that answers seconds") for value in (0.1, "lag")),
        *(("lag", value, "give a duration in seconds, above 0") for value in (0, -1, NAN, True, None)),
        *(("name", value, "give a name in a string") for value in ("", None)),
    ],
)
def test_not_an_option(option, value, fix):
    with pytest.raises(ConfigError) as caught:
        AdaptiveConcurrency(**{"queue": 5, option: value})
    for part in (f"AdaptiveConcurrency: {option}=", repr(value), fix):
        assert part in str(caught.value)


def test_a_wait_without_a_queue_means_nothing():
    with pytest.raises(ConfigError, match=r"AdaptiveConcurrency: wait=1\.0: there is no queue to wait in"):
        AdaptiveConcurrency(wait=1.0)


def test_a_spec_is_a_value_and_its_states_are_independent():
    spec = AdaptiveConcurrency(Vegas(initial=1, floor=1))
    assert spec == AdaptiveConcurrency(Vegas(initial=1, floor=1))
    one, other = spec.start(Random(0)), spec.start(Random(0))
    assert isinstance(one, Gate)
    assert [arrive(one)[1], arrive(other)[1]] == [None, None]
    with pytest.raises(Rejected):
        arrive(one)


def test_snapshots_change_nothing():
    gate, _ = opened(initial=2, queue=3)
    for _ in range(3):
        arrive(gate)
    expected = {"limit": 2, "in_flight": 2, "queue": 3, "queued": 1, "refused": 0, "latency": 0.0}
    assert gate.snapshot(0.0) == gate.snapshot(9.0) == expected
