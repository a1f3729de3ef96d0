"""Pipelines as descriptions, drawn at random, and the three ways to run a trace through what they describe."""

from __future__ import annotations

import asyncio
from random import Random

import anyio
from hypothesis import strategies as st

from meshkit import (
    CircuitBreaker,
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Exponential,
    Failure,
    Fallback,
    Overloaded,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RetryBudget,
    Timeout,
    Verdict,
)
from meshkit.runtime import tasks, threads
from meshkit.testing import ManualClock, VirtualLoop

from .reference import Cut, Reference

TICK = 0.25
"""All durations are multiples: sums are exact, and nothing hangs on the last bit."""

ticks = st.integers(0, 8).map(lambda n: n * TICK)
some_ticks = st.integers(1, 12).map(lambda n: n * TICK)


class Scripted:
    """A gate that goes, delays or refuses as it was drawn, by turns; and says all that happens to it."""

    def __init__(self, log, name, answers, settles):
        self.log, self.name, self.answers = log, name, answers
        self.turn = 0
        self.exit = self._exit if settles else None

    def enter(self, call, now):
        answer = self.answers[self.turn % len(self.answers)] if self.answers else None
        self.turn += 1
        if answer is not None and answer > 0 and call.deadline is not None and now + answer > call.deadline:
            answer = -1.0
        self.log.append((self.name, "enter", now, answer, call.deadline, call.attempt))
        if answer is not None and answer < 0:
            raise Overloaded("by script", policy=self.name)
        return answer

    def _exit(self, call, began, now, verdict):
        self.log.append((self.name, "exit", began, now, verdict))


class Choosing:
    """Branches by turns, avoiding what is to be avoided: for the engine sections, for the reference lists of states."""

    def __init__(self, log, name, branches):
        self.log, self.name, self.branches = log, name, branches
        self.sections = branches
        self.turn = 0

    def fold(self, fold):
        self.sections = [fold(branch) for branch in self.branches]

    def pick(self, call, now):
        self.turn += 1
        order = [(self.turn + k) % len(self.branches) for k in range(len(self.branches))]
        k = next((k for k in order if f"{self.name}{k}" not in call.avoid), order[0])
        call.endpoint = f"{self.name}{k}"
        self.log.append((self.name, "pick", now, k))
        return self.sections[k]


class Door:
    answers_early = enforces_deadline = judges_results = opens = takes_request = False
    reserve = 0.0
    address = hold = discard = None

    def judge(self, call, result, error):
        if isinstance(error, Rejected):
            return Verdict.IGNORED
        return Verdict.OVERLOADED if isinstance(error, BlockingIOError) else Verdict.FAILURE

    def failure(self, call, result, error):
        return Failure(error, retry_after=0.5 if isinstance(error, BlockingIOError) else None)

    def fact(self, call, name):
        return call.request[0][0]


# Descriptions. A nested pipeline is a list.

scripted = st.tuples(
    st.just("scripted"), st.lists(st.sampled_from([None, None, 0.0, TICK, 3 * TICK, -1.0]), max_size=4), st.booleans()
)
specs = st.one_of(
    st.builds(lambda wait: RateLimit("2/s", burst=2, wait=wait), ticks),
    st.builds(lambda cost: RateLimit("4/s", burst=3, key="who", cost=cost, wait=0.5), st.sampled_from([1, 2])),
    st.just(ConcurrencyLimit(1)),
    st.just(ConcurrencyLimit(2, key="who")),
    st.builds(lambda n, pause: CircuitBreaker(failures=n, cooldown=pause), st.integers(1, 3), some_ticks),
    st.builds(lambda pause: CircuitBreaker(failure_rate=0.5, minimum=2, cooldown=pause, probes=1), some_ticks),
)
timeouts = st.builds(Timeout, some_ticks)
retries = st.builds(
    lambda on, attempts, backoff, budget: Retry(on=on, attempts=attempts, backoff=backoff, budget=budget),
    st.sampled_from([OSError, OSError, ConnectionError, TimeoutError, BlockingIOError, (KeyError, OSError)]),
    st.sampled_from([3, 1, 2, 5]),
    st.sampled_from([Constant(0.0), Constant(TICK), Exponential(base=TICK, cap=4 * TICK, jitter="none")]),
    st.sampled_from([None, RetryBudget(floor=0.1, ratio=0.5), ConcurrentBudget(floor=1)]),
)
gates = st.one_of(scripted, scripted, specs)
branches = st.lists(st.lists(st.one_of(gates, gates, timeouts), max_size=3), min_size=1, max_size=3)
going = st.tuples(st.just("scripted"), st.lists(st.sampled_from([None, 0.0]), max_size=2), st.booleans())
fallbacks = st.tuples(
    st.just("fallback"),
    st.sampled_from([None, None, OSError, ConnectionError, (KeyError, Overloaded)]),
    st.booleans(),
    st.lists(going, max_size=2),
)
"""What stands instead refuses nothing: there the engine knows more than an exception can say."""


@st.composite
def stacks(draw, *, cuts):
    """A pipeline: gates, timeouts, retries in any order, perhaps a choice at the end."""
    size = draw(st.sampled_from([1, 3, 6]))
    parts = st.one_of(gates, gates, timeouts, retries, retries, fallbacks)
    stack = draw(st.lists(parts, min_size=size, max_size=size))
    if not cuts:  # a thread cannot end an attempt
        seen = [k for k, each in enumerate(stack) if isinstance(each, Retry)]
        stack = [each for k, each in enumerate(stack) if not (isinstance(each, Timeout) and seen and k > seen[0])]
        # Nor do shells agree on what is late to the instant: where a door obeys deadlines by itself, it is sent.
        stack = [Timeout(each.seconds + TICK / 2) if isinstance(each, Timeout) else each for each in stack]
    if draw(st.booleans()):
        inner = draw(branches)
        if not cuts:
            inner = [[each for each in branch if not isinstance(each, Timeout)] for branch in inner]
        if draw(st.integers(0, 3)) == 0:
            inner = [[*branch, ("choice", inner)] for branch in inner]
        elif draw(st.integers(0, 3)) == 0:
            inner = [[*branch, draw(retries)] for branch in inner]
        elif draw(st.integers(0, 3)) == 0:
            inner = [[draw(fallbacks), *branch] for branch in inner]
        stack.append(("choice", inner))
    return stack


outcomes = st.lists(
    st.tuples(
        st.sampled_from([None, None, ConnectionError, KeyError, BlockingIOError, TimeoutError, Overloaded]), ticks
    ),
    min_size=8,
    max_size=24,
)
traces = st.lists(st.tuples(ticks, st.sampled_from(["ada", "bob"])), min_size=2, max_size=8)


class Elsewhere:
    """Where a fallback goes: the function it is told of when the trace is run."""

    name = "elsewhere"

    def __init__(self, run):
        self.run = run

    def destination(self, call):
        args, kwargs = call.request
        return self.run.leaf(*args, **kwargs)


def start(description, run, path=""):
    """The states of a description."""
    log = run.log
    states = []
    for k, each in enumerate(description):
        name = f"{path}.{k}"
        match each:
            case ("scripted", answers, settles):
                states.append(Scripted(log, name, answers, settles))
            case ("choice", inner):
                states.append(Choosing(log, name, [start(one, run, f"{name}b{j}") for j, one in enumerate(inner)]))
            case ("fallback", on, refused, inner):
                state = Fallback(value=None, on=on, refused=refused).start(Random(3))
                state.instead = [*start(inner, run, f"{name}f"), Elsewhere(run)]
                states.append(state)
            case _:
                states.append(each.start(Random(3)))
    return states


class Run:
    """One run of a trace: what it was sees, and how each shell's leaf takes its time."""

    def __init__(self, description, outcomes, clock):
        self.log = []
        self.states = start(description, self)
        self.outcomes = list(outcomes)
        self.clock = clock

    def outcome(self, call_endpoint=None):
        error, seconds = self.outcomes.pop(0) if self.outcomes else (None, 0.0)
        self.log.append(("sent", self.clock(), error, seconds))
        return error, seconds

    def seen(self, kind, value):
        if isinstance(value, Rejected):
            value = (type(value), value.policy, value.endpoint, value.retry_after)
        elif isinstance(value, BaseException):
            value = (type(value), str(value))
        self.log.append((kind, self.clock(), value))

    def finish(self):
        for state in self.states:
            if hasattr(state, "idle"):
                assert state.idle(), state
            if hasattr(state, "snapshot"):
                self.log.append(state.snapshot(self.clock()))
        return self.log


class Tree:
    """What a shell needs of a pipeline."""

    listeners = follows = ()
    watched = in_full = None
    reads_failure = warned = False

    def __init__(self, states, clock):
        self.states, self.clock = states, clock
        self.root = Pipeline(*(Started(state) for state in states), clock=clock).root


class Started:
    def __init__(self, state):
        self.state = state

    def start(self, rng):
        return self.state


def by_reference(description, trace, outcomes, *, cuts):
    clock = ManualClock()
    run = Run(description, outcomes, clock)
    reference = Reference(run.states, Door(), clock, cuts=cuts)

    def leaf(call, until):
        error, seconds = run.outcome()
        if until is not None and clock() + seconds >= until and (seconds or clock() > until):
            clock.advance(max(0.0, until - clock()))
            raise Cut
        clock.advance(seconds)
        if error is not None:
            raise error("by script")
        return "done"

    for after, who in trace:
        clock.advance(after)
        try:
            run.seen("result", reference.call(leaf, who))
        except Exception as error:
            run.seen("error", error)
    return run.finish()


def leaf_of(run):
    def leaf(who):
        error, seconds = run.outcome()
        run.clock.advance(seconds)
        if error is not None:
            raise error("by script")
        return "done"

    return leaf


def play(run, call, trace):
    for after, who in trace:
        run.clock.advance(after)
        try:
            run.seen("result", call(who))
        except Exception as error:
            run.seen("error", error)
    return run.finish()


def by_threads(description, trace, outcomes):
    run = Run(description, outcomes, ManualClock())
    run.leaf = leaf_of(run)
    return play(run, threads.bind(Tree(run.states, run.clock), Door(), run.leaf), trace)


def by_tasks(description, trace, outcomes, *, cuts):
    """In virtual time where what is out too long is cut off, else by a manual clock."""

    async def main():
        clock = asyncio.get_running_loop().time if cuts else ManualClock()
        run = Run(description, outcomes, clock)
        pass_time = anyio.sleep if cuts else clock.asleep

        async def leaf(who):
            error, seconds = run.outcome()
            if seconds:
                await pass_time(seconds)
            if error is not None:
                raise error("by script")
            return "done"

        run.leaf = leaf
        door = Door()
        door.enforces_deadline = not cuts  # no alarm: the leaf moves the clock by itself
        call = tasks.bind(Tree(run.states, clock), door, leaf)
        for after, who in trace:
            if after:
                await pass_time(after)
            try:
                run.seen("result", await call(who))
            except Exception as error:
                run.seen("error", error)
        return run.finish()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())
