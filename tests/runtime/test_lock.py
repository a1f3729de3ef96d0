"""What runs under the lock, and what never does? Asked of the lock itself, from within.

With one thread the answer is exact: the lock is held or it is not. On a build with a global interpreter lock, its
absence would hardly ever show in a race.
"""

from __future__ import annotations

import sys
import threading
from contextlib import suppress

import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    Constant,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RoundRobin,
    Shared,
    Timeout,
    Verdict,
)
from meshkit.engine import release
from meshkit.policy import Waiter
from meshkit.runtime import lock, tasks, threads
from meshkit.runtime.lock import LOCK, owned
from meshkit.testing import ManualClock

from ..scripted import Door


class Held:
    """Notes for each place in the code whether the lock was held there."""

    def __init__(self):
        self.under, self.outside = set(), set()

    def note(self, place):
        (self.under if owned() else self.outside).add(place)


class Policy:
    """Every shape's every method."""

    name = "policy"

    def __init__(self, held):
        self.held = held
        self.tries = 0

    def start(self, rng):
        return self

    def facts(self, call):
        self.held.note("facts")

    def enter(self, call, now):
        self.held.note("enter")
        return 0.5

    def exit(self, call, began, now, verdict):
        self.held.note("exit")

    def matches(self, failure):
        self.held.note("matches")
        return True

    def again(self, call, now, verdict):
        self.held.note("again")
        self.tries += 1
        return 0.1 if self.tries < 2 else None

    def snapshot(self, now):
        self.held.note("snapshot")
        return {}

    def idle(self):
        self.held.note("idle")
        return True

    state = "closed"

    def reset(self, now):
        self.held.note("reset")
        self.state = "open" if self.state == "closed" else "closed"


class Bound:
    def __init__(self, held):
        self.held = held

    def start(self, rng):
        return self

    def until(self, call, now):
        self.held.note("until")
        return now + 99.0


class Choice:
    def __init__(self, held):
        self.held = held

    def start(self, rng):
        return self

    def fold(self, fold):
        self.branch = fold([])

    def pick(self, call, now):
        self.held.note("pick")
        return self.branch


class Full:
    """A queue that is never granted."""

    def __init__(self, held):
        self.held = held

    def start(self, rng):
        return self

    def enter(self, call, now):
        self.held.note("enter queue")
        return Waiter(call, until=now)

    exit = None

    def leave(self, waiter):
        self.held.note("leave")


class Watched(Door):
    """A door that does all a door can."""

    judges_results = True

    def __init__(self, held):
        self.held = held

    def judge(self, call, result, error):
        self.held.note("judge")
        return Verdict.FAILURE

    def failure(self, call, result, error):
        self.held.note("failure")
        return super().failure(call, result, error)

    def address(self, call):
        self.held.note("address")
        return (), {}

    def discard(self, result):
        self.held.note("discard")

    def hold(self, tree, call, result, verdict):
        self.held.note("hold")
        with LOCK:
            release(call, None, call.began_at, verdict)
        return result


class AsyncWatched(Watched):
    async def discard(self, result):
        self.held.note("discard")


UNDER = {"enter", "exit", "again", "until", "pick", "enter queue", "leave", "snapshot", "idle", "reset"}
OUTSIDE = {"facts", "matches", "judge", "failure", "address", "discard", "hold", "fn", "listener", "sleep"}


class Clock(ManualClock):
    def __init__(self, held):
        super().__init__()
        self.held = held

    def sleep(self, seconds):
        self.held.note("sleep")
        self.advance(seconds)

    async def asleep(self, seconds):
        self.sleep(seconds)


def stack(held):
    clock = Clock(held)
    made = Pipeline(Policy(held), Bound(held), Choice(held), clock=clock)
    made.listen(lambda event: held.note("listener"), direct=True)
    return made


def about_the_state(made):
    made.snapshot()
    made.idle()
    made.control("policy").reset()


def test_in_the_shell_for_threads():
    held = Held()
    made = stack(held)
    assert threads.bind(made, Watched(held), lambda: held.note("fn"))() is None
    about_the_state(made)
    with pytest.raises(Exception, match="no permit"):
        Pipeline(Full(held)).call(lambda: None)
    assert held.under & OUTSIDE == set()
    assert held.outside & UNDER == set()
    assert held.under | held.outside == UNDER | OUTSIDE


async def test_in_the_shell_for_tasks():
    held = Held()
    made = stack(held)

    async def fn():
        held.note("fn")

    async def middleware(call, call_next):
        held.note("middleware")
        return await call_next()

    assert await tasks.bind(made, AsyncWatched(held), fn)() is None
    with pytest.raises(Exception, match="no permit"):
        await Pipeline(middleware, Full(held)).call(fn)
    about_the_state(made)
    assert held.under & (OUTSIDE | {"middleware"}) == set()
    assert held.outside & UNDER == set()
    assert held.under | held.outside == UNDER | OUTSIDE | {"middleware"}


def test_a_method_outside_the_lock_would_be_seen():
    held = Held()
    Policy(held).enter(None, 0.0)
    assert held.outside & UNDER == {"enter"}


def test_the_lock_is_free_after_whatever_was_raised():
    def raises(error):
        def fn(*args):
            raise error

        return fn

    class Broken(Policy):
        enter = raises(KeyError("enter"))

    for policies in [[Broken(Held())], [ConcurrencyLimit(1, key=raises(KeyError("key")))], [Timeout(1.0)]]:
        with pytest.raises(KeyError):
            Pipeline(*policies).call(raises(KeyError("fn")))
        assert not owned()


def test_one_lock_for_the_process():
    assert lock.LOCK is tasks.LOCK is threads.LOCK
    assert tasks.acquire.__self__ is LOCK
    assert tasks.unlock.__self__ is LOCK


# Many at once. Switching threads far more often than usual makes races likelier, and says nothing when none is seen.


@pytest.fixture
def hasty():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*functions):
    """Run each in a thread, from one starting signal on; raises what the first of them raised."""
    errors, ready = [], threading.Barrier(len(functions))

    def whole(fn):
        try:
            ready.wait(10)
            fn()
        except BaseException as error:
            errors.append(error)

    crew = [threading.Thread(target=whole, args=(fn,)) for fn in functions]
    for one in crew:
        one.start()
    for one in crew:
        one.join(20)
    assert not any(one.is_alive() for one in crew)
    if errors:
        raise errors[0]


def test_threads_never_exceed_a_concurrency_limit(hasty):
    limit = ConcurrencyLimit(3, queue=100)
    made = Pipeline(limit)
    now, most = [0], [0]
    count = threading.Lock()

    @made
    def work():
        with count:
            now[0] += 1
            most[0] = max(most[0], now[0])
        with count:
            now[0] -= 1

    together(*[lambda: [work() for _ in range(40)]] * 8)
    assert 1 <= most[0] <= 3
    assert made.idle()


def test_threads_never_exceed_a_rate_limit(hasty):
    shared = Shared(RateLimit("50/d", burst=50))
    gone = []

    def caller():
        made = Pipeline(shared)  # each its own pipeline, one state
        for _ in range(20):
            with suppress(Rejected):
                made.call(lambda: gone.append(1))

    together(*[caller] * 8)
    assert len(gone) == 50


def test_what_is_counted_under_threads_is_not_lost(hasty):
    cluster = Cluster("c", ["a:1", "b:1", "c:1"], balancer=RoundRobin())
    made = Pipeline(Retry(on=KeyError, backoff=Constant(0.0)), cluster)

    together(*[lambda: [made.call(lambda: None) for _ in range(50)]] * 6)
    picks = [each["picks"] for each in made.snapshot()["c"].values()]
    assert picks == [100, 100, 100]
    assert made.idle()


def test_a_shared_state_is_one_also_if_two_come_first_at_once():
    """The second start happens in the middle of the first one, as another thread's might."""

    class Slow:
        second = None

        def start(self, rng):
            if self.second is None:
                self.second = ()
                self.second = shared.start(rng)
            return Policy(Held())

    spec = Slow()
    shared = Shared(spec)
    assert shared.start(None) is shared.start(None) is spec.second
