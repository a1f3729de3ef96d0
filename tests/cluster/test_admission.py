"""Who waits for the first endpoints is let in with them, and above a ceiling nobody is."""

import pytest

from meshkit import Cluster, Pipeline, Retry, Timeout
from meshkit.call import Call, Verdict
from meshkit.cluster import Ceilings, Endpoint
from meshkit.cluster.admission import Admission
from meshkit.errors import NoEndpoint, Overloaded
from meshkit.policy import Waiter
from meshkit.runtime.lock import LOCK

from .test_state import Told, those, update

SUCCESS = Verdict.SUCCESS


def gate(ceilings=None, patience=5.0, known=True):
    made = Admission("orders", ceilings, patience)
    if known:
        made.begin()
    return made


def call(attempt=1, deadline=None):
    made = Call(None, None, 0.0)
    made.attempt = attempt
    made.deadline = deadline
    return made


def test_requests_and_further_attempts_have_ceilings():
    made = gate(Ceilings(requests=3, retries=1))
    first, again = call(), call(2)
    assert (made.enter(first, 0.0), made.enter(again, 0.0)) == (None, None)
    with pytest.raises(Overloaded, match=r"^orders: 1 further attempts are under way$"):
        made.enter(call(2), 0.0)
    assert made.enter(call(), 0.0) is None
    with pytest.raises(Overloaded, match=r"^orders: 3 attempts are under way$"):
        made.enter(call(), 0.0)
    again.attempt = 1  # the engine may have set it back
    made.exit(again, 0.0, 1.0, SUCCESS)
    assert made.snapshot() == {"requests": 2, "retries": 0, "waiting": 0}
    assert made.enter(call(3), 1.0) is None


def test_no_ceilings_no_limit():
    made = gate()
    calls = [call(2) for _ in range(2000)]
    assert not any(made.enter(each, 0.0) for each in calls)
    for each in calls:
        made.exit(each, 0.0, 1.0, SUCCESS)
    assert made.idle()


def test_who_waits_counts_and_is_let_in():
    made = gate(Ceilings(requests=2), known=False)
    rung = []
    waiters = [made.enter(call(), 0.0) for _ in range(2)]
    assert all(type(waiter) is Waiter and waiter.until == 5.0 for waiter in waiters)
    with pytest.raises(Overloaded):
        made.enter(call(), 0.0)
    for waiter in waiters:
        waiter.wake = lambda: rung.append(1)
    made.begin()
    assert rung == [1, 1]
    assert made.requests == 2
    assert made.enter.__self__.open


def test_who_gives_up_or_cannot_be_woken_takes_nothing():
    made = gate(known=False)
    leaves, dead = made.enter(call(2), 0.0), made.enter(call(2), 0.0)

    def gone():
        raise RuntimeError("the loop is closed")

    made.leave(leaves)
    dead.wake = gone
    made.begin()
    assert made.idle()
    made.leave(dead)
    assert made.idle()
    assert not made.retries


@pytest.mark.parametrize(("patience", "deadline"), [(0.0, None), (5.0, 0.0)])
def test_who_has_no_time_does_not_wait(patience, deadline):
    with pytest.raises(NoEndpoint, match="none is known yet"):
        gate(patience=patience, known=False).enter(call(deadline=deadline), 0.0)


async def test_a_call_waits_for_the_first_endpoints(anyio_backend):
    import anyio

    pipeline = Pipeline(Timeout(60.0), Cluster("orders", Told(), patience=30.0))

    @pipeline
    async def ask(endpoint: Endpoint = None):
        return endpoint.host

    async with anyio.create_task_group() as tasks:
        answers = []

        async def one():
            answers.append(await ask())

        for _ in range(3):
            tasks.start_soon(one)
        await anyio.wait_all_tasks_blocked()
        assert answers == []
        with LOCK:
            update(pipeline.states[1], those("a"), pipeline.clock())
    assert answers == ["a"] * 3
    assert pipeline.idle()


def test_a_retry_above_the_ceiling_ends_as_the_attempt_before():
    asked = []
    pipeline = Pipeline(Retry(ConnectionError, attempts=3), Cluster("orders", ["a:80"], ceilings=Ceilings(retries=0)))

    @pipeline
    def ask():
        asked.append(1)
        raise ConnectionError("down")

    with pytest.raises(ConnectionError):
        ask()
    assert asked == [1]
    assert pipeline.idle()
