"""Events: what is told, when, to whom; and that watching changes nothing."""

from __future__ import annotations

from contextlib import suppress

import anyio
import pytest
from hypothesis import given, settings

from meshkit import (
    AttemptEnded,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    FellBack,
    NoEndpoint,
    Overloaded,
    Pace,
    Pipeline,
    RateLimit,
    RateLimited,
    RejectedCall,
    Shadow,
    Shared,
    SlidingWindow,
    StateChanged,
    TimedOut,
    Timeout,
    Verdict,
)
from meshkit.limit.pace import Told
from meshkit.observe.events import AttemptBegan, CallEnded
from meshkit.observe.watch import watch
from meshkit.runtime import threads
from meshkit.runtime.lock import owned
from meshkit.section import fold
from meshkit.testing import ManualClock, run, virtual_clock

from ..models import stacks
from ..scripted import Branches, Gate, fails, pipeline, retry, told_to

pause = anyio.sleep
SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def listened(*policies, **options):
    stack = pipeline(*policies, **options)
    events = []
    stack.listen(told_to(events), direct=True)
    return stack, events


def test_each_attempt_with_its_number_verdict_and_time():
    stack, events = listened(retry(backoff=2.0))

    def takes_half_a_second(*errors):
        fn = fails(*errors)

        def slowly():
            stack.clock.advance(0.5)
            return fn()

        return slowly

    stack.call(takes_half_a_second(ConnectionError()))
    assert [(each.at, each.attempt, each.verdict, each.latency, each.duration) for each in events] == [
        (0.5, 1, FAILURE, 0.5, 0.5),
        (3.0, 2, SUCCESS, 0.5, 0.5),
    ]


def test_under_two_retries_it_is_the_number_under_the_inner_one():
    stack, events = listened(retry(2), retry(2))
    with pytest.raises(ConnectionError):
        stack.call(fails(*(ConnectionError() for _ in range(4))))
    assert [event.attempt for event in events][:3] == [1, 2, 1]


def test_a_refusal_with_its_reason():
    stack, events = listened(Gate("first"), Gate("second", does=[Overloaded("full")]))
    with pytest.raises(Overloaded) as caught:
        stack.call(lambda: None)
    assert events == [RejectedCall(0.0, "second", None, caught.value)]


def test_a_refusal_that_went_elsewhere_is_told_too():
    stack, events = listened(Branches(a=[Gate("a", does=[Overloaded()])], b=[]))
    stack.call(lambda: None)
    assert [type(event) for event in events] == [RejectedCall, AttemptEnded]
    assert [event.endpoint for event in events] == ["a", "b"]


def test_a_choice_that_finds_nobody():
    class Nobody(Branches):
        def pick(self, call, now):
            raise NoEndpoint("none")

    stack, events = listened(Nobody())
    with pytest.raises(NoEndpoint):
        stack.call(lambda: None)
    assert [(type(event), event.policy) for event in events] == [(RejectedCall, "branches")]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_place_in_a_queue_that_was_given_up_for_want_of_time(backend):
    async def main():
        stack = Pipeline(ConcurrencyLimit(1, queue=1, wait=0.5), clock=virtual_clock)
        events = []
        stack.listen(told_to(events), direct=True)
        async with anyio.create_task_group() as group:
            group.start_soon(stack.call, pause, 5.0)
            await pause(0.1)
            with pytest.raises(Overloaded):
                await stack.call(pause, 5.0)
        return [(type(event), getattr(event, "policy", None)) for event in events]

    assert run(main, backend=backend) == [(RejectedCall, "ConcurrencyLimit"), (AttemptEnded, None)]


def test_a_breaker_that_opens_and_recovers():
    stack, events = listened(CircuitBreaker(name="payments", failures=1, cooldown=5.0))
    with pytest.raises(ConnectionError):
        stack.call(fails(ConnectionError()))
    stack.clock.advance(5.0)
    stack.call(fails())
    assert [(each.at, each.before, each.after) for each in events if isinstance(each, StateChanged)] == [
        (0.0, "closed", "open"),
        (5.0, "open", "half-open"),
        (5.0, "half-open", "closed"),
    ]
    assert {each.policy for each in events if isinstance(each, StateChanged)} == {"payments"}


def test_a_breaker_steered_by_hand():
    stack, events = listened(CircuitBreaker(name="payments"))
    control = stack.control("payments")
    control.isolate()
    control.isolate()
    assert control.snapshot()["state"] == "isolated"
    control.reset()
    assert [(each.before, each.after) for each in events] == [("closed", "isolated"), ("isolated", "closed")]


def test_what_cannot_be_steered():
    stack = pipeline(Timeout(1.0), ConcurrencyLimit(1, name="bulkhead"))
    with pytest.raises(ConfigError, match=r"name one of \['Timeout', 'bulkhead'\]"):
        stack.control("breaker")
    with pytest.raises(ConfigError, match="only a circuit breaker can be isolated and reset by hand"):
        stack.control("bulkhead").isolate()


def test_they_are_told_after_the_call_and_outside_the_lock():
    order, stack = [], pipeline(retry())
    stack.listen(lambda event: order.append((type(event), owned(), stack.idle())), direct=True)
    stack.call(lambda: order.append("sent"))
    kinds = (AttemptBegan, AttemptEnded, CallEnded)
    assert order == ["sent", *((kind, False, True) for kind in kinds)]


def test_a_listener_may_call_through_the_pipeline_itself():
    told, stack = [], pipeline(ConcurrencyLimit(1))

    def listener(event):
        told.append(event)
        if len(told) < 3:
            stack.call(lambda: None)

    stack.listen(listener, direct=True)
    stack.call(lambda: None)
    assert [type(event) for event in told] == [*[AttemptBegan] * 3, *[AttemptEnded, CallEnded] * 3]


def test_a_failing_listener_is_counted_and_harms_nobody():
    def fails_always(event):
        raise ZeroDivisionError

    stack, events = listened(retry())
    stack.listen(fails_always, direct=True)
    more = []
    stack.listen(told_to(more), direct=True)
    assert stack.call(fails(ConnectionError())) == "done"
    assert stack.failed_listeners == 6
    assert len(events) == len(more) == 2


async def test_a_failing_listener_harms_no_task():
    def fails_always(event):
        raise ZeroDivisionError

    stack = pipeline()
    stack.listen(fails_always, direct=True)

    async def fn():
        return "done"

    assert await stack.call(fn) == "done"
    assert stack.failed_listeners == 3


def test_when_the_last_listener_has_gone_nothing_is_watched():
    stack = pipeline(CircuitBreaker())
    plain = stack.root.enters
    events, more = [], []
    stop, stop_more = stack.listen(told_to(events), direct=True), stack.listen(told_to(more), direct=True)
    assert stack.watched.enters != plain
    stop()
    stack.call(lambda: None)
    stop_more()
    stop_more()
    stack.call(lambda: None)
    assert (len(events), len(more)) == (0, 1)
    assert stack.watched is None
    assert stack.root.enters == plain


def test_a_call_that_began_unwatched_is_not_told_of():
    events, stack = [], pipeline(retry(), Gate())

    def fn():
        if not events:
            stack.listen(told_to(events), direct=True)
            events.append("listening")
            raise ConnectionError
        return "done"

    assert stack.call(fn) == "done"
    assert events == ["listening"]
    stack.call(lambda: None)
    assert len(events) == 2


def test_those_who_listen_to_a_shared_cluster_do_not_disturb_each_other():
    """It is folded once for all: whoever comes or goes, those who still listen hear what happens at its endpoints."""
    shared = Shared(Cluster("c", ["a:1"], pipeline=[CircuitBreaker(failures=1)]))
    stack, events = listened(shared)
    other, more = listened(shared)
    pipeline(shared)
    other.listen(told_to(more), direct=True)()
    stop = other.listen(told_to(more), direct=True)
    stop()
    with pytest.raises(ConnectionError):
        stack.call(fails(ConnectionError()))
    assert [type(event) for event in events] == [AttemptEnded, StateChanged]
    assert more == []


def test_pipelines_that_are_gone_are_no_longer_listened_to():
    import gc
    import weakref

    shared = Shared(Cluster("c", ["a:1"], pipeline=[CircuitBreaker()]))
    stack, _ = listened(shared)
    seen = weakref.ref(stack)
    del stack
    gc.collect()
    assert seen() is None


def test_a_clusters_branches_are_folded_once_for_all_who_listen():
    shared = Shared(Cluster("c", ["a:1"], pipeline=[CircuitBreaker()]))
    stack, _ = listened(shared)
    (member,) = stack.choices[0].members
    section = member.section
    other, _ = listened(shared)
    stop = pipeline(shared).listen(print, direct=True)
    stop()
    assert other.choices == stack.choices
    assert member.section is section


def test_listening_that_cannot_begin_changes_nothing():
    class Odd:
        exit = None

        def start(self, rng):
            return self

        def enter(self, call, now):
            return None

        def __getattr__(self, name):
            if name == "name":
                raise ZeroDivisionError
            raise AttributeError(name)

    stack = pipeline(Odd())
    with pytest.raises(ZeroDivisionError):
        stack.listen(print, direct=True)
    assert (stack.listeners, stack.watched) == ((), None)
    assert stack.call(lambda: 7) == 7


class Broken:
    """A policy of somebody's whose attributes are not what they look like."""

    exit = None

    def __init__(self, **attributes):
        self.attributes = attributes

    def start(self, rng):
        return type("State", (Broken,), self.attributes)()

    def enter(self, call, now):
        return None


class Unlike:
    def __ne__(self, other):
        raise ValueError

    __eq__ = __ne__
    __hash__ = None

    def __str__(self):
        raise ValueError


@pytest.mark.parametrize(
    "attributes",
    [
        {"injected": property(lambda self: object())},
        {"would_reject": 0},
        {"state": property(lambda self: Unlike())},
        {"state": property(lambda self: 1 / 0)},
        {"snapshot": lambda self, now: 7},
        {"snapshot": lambda self, now: 1 / 0},
        {"numbers": lambda self, call, now: [1]},
    ],
)
def test_a_policy_with_odd_attributes_fails_nobody_who_listens(attributes):
    class Full:
        detailed = True
        sending = answered = answering = left = None

        def follow(self, pipeline, call):
            return self

        def __call__(self, event):
            pass

    stack = pipeline(Broken(**attributes))
    stack.listen(Full())
    assert stack.call(lambda: 7) == 7


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_timeout_is_a_failure_with_its_latency(backend):
    async def main():
        stack = Pipeline(Timeout(2.0), clock=virtual_clock)
        events = []
        stack.listen(told_to(events), direct=True)
        with pytest.raises(TimedOut):
            await stack.call(pause, 5.0)
        (event,) = events
        return event.verdict, round(event.latency, 6), round(event.duration, 6)

    assert run(main, backend=backend) == (FAILURE, 2.0, 2.0)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_is_told_of(backend):
    async def main():
        stack = Pipeline(clock=virtual_clock)
        events = []
        stack.listen(told_to(events), direct=True)
        with anyio.move_on_after(1.0):
            await stack.call(pause, 5.0)
        return [event.verdict for event in events]

    assert run(main, backend=backend) == [IGNORED]


class Watched(stacks.Tree):
    """A tree that is watched, and somebody listens."""

    def __init__(self, states, clock):
        super().__init__(states, clock)
        self.told = []
        self.listeners = (self.told.append,)
        self.watched = fold(states, watch)

    def tell(self, event):
        self.told.append(event)


@settings(max_examples=100)
@given(stacks.stacks(cuts=False), stacks.traces, stacks.outcomes)
def test_being_watched_changes_no_decision(description, trace, outcomes):
    """Any pipeline, any trace: the same log. And an attempt was told of for each one sent."""
    watched = stacks.Run(description, outcomes, ManualClock())
    tree = Watched(watched.states, watched.clock)
    watched.leaf = stacks.leaf_of(watched)
    log = stacks.play(watched, threads.bind(tree, stacks.Door(), watched.leaf), trace)
    assert log == stacks.by_threads(description, trace, outcomes)
    sent = sum(each[0] == "sent" for each in log if isinstance(each, tuple))
    assert sum(isinstance(event, AttemptEnded | FellBack) for event in tree.told) == sent
    taken = [shown["taken"] for shown in log if isinstance(shown, dict) and "taken" in shown]
    assert sum(taken) <= sum(isinstance(event, FellBack) for event in tree.told)


@pytest.mark.parametrize("limit", [RateLimit("1/h", key="user"), SlidingWindow("1/h", key="user")])
@pytest.mark.parametrize("trial", [False, True])
def test_listeners_are_told_who_was_refused(limit, trial):
    stack, events = listened(Shadow(limit) if trial else limit)

    @stack
    def served(user):
        return user

    for user in ("ann", "bob", "ann", None, None):
        with suppress(RateLimited):
            served(user)
    reasons = [event.reason for event in events if hasattr(event, "reason")]
    assert [reason.key for reason in reasons] == ["ann", None]
    assert "ann" not in f"{reasons[0]} {reasons[0]!r}"


def test_whom_a_pace_refused():
    stack, events = listened(Pace(key="user"))

    @stack
    def served(user):
        return user

    stack.states[0].cells["ann"] = told = Told()
    told.closed_until = 5.0
    with pytest.raises(RateLimited):
        served("ann")
    assert [event.reason.key for event in events] == ["ann"]
    assert stack.snapshot()["Pace"]["refused"] == 1
