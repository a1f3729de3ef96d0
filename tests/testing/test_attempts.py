"""What an assertion says of the attempts, and what a pipeline is heard to decide."""

import pytest

from meshkit import (
    AttemptEnded,
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    Constant,
    Endpoint,
    Pipeline,
    RejectedCall,
    Retry,
    RoundRobin,
)
from meshkit.testing import ManualClock, Upstream, Upstreams, after, assert_attempts, hang, record, run


def three():
    """Attempts from 0 to 0, 1 to 3 and 5 to 5 s."""
    clock = ManualClock()
    upstream = Upstream(503, after(2.0, 502), 200, clock=clock)
    for pause in (1.0, 2.0, 0.0):
        upstream.call()
        clock.advance(pause)
    return upstream


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (3, {}),
        (3, {"gaps": [1.0, 4]}),
        (3, {"gaps": [(0.9, 1.0), (4.0, 4.5)]}),
        (3, {"within": 5.0}),
        (3, {"gaps": [(0.0, 1.0), 4.0], "within": 60}),
    ],
)
def test_what_holds(count, options):
    assert_attempts(three(), count, **options)


TOLD = """
  1  at 0.000 s              503
  2  at 1.000 s  (+1.000)    502 after 2 s
  3  at 5.000 s  (+4.000)    200"""


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (2, {}, "2 attempts expected, 3 made:"),
        (1, {}, "1 attempt expected, 3 made:"),
        (3, {"gaps": [1.0, 3.0]}, "gap 2, between attempts 2 and 3, is 4.000 s, not 3 s:"),
        (3, {"gaps": [(0.0, 0.5), 4.0]}, "gap 1, between attempts 1 and 2, is 1.000 s, not 0 to 0.5 s:"),
        (3, {"gaps": [(1.1, 2.0), 4.0]}, "gap 1, between attempts 1 and 2, is 1.000 s, not 1.1 to 2 s:"),
        (3, {"within": 4.9}, "3 attempts took 5.000 s, not within 4.9 s:"),
    ],
)
def test_what_does_not_hold_is_told(count, options, said):
    with pytest.raises(AssertionError) as caught:
        assert_attempts(three(), count, **options)
    assert str(caught.value) == said + TOLD


def test_as_many_gaps_as_there_are():
    with pytest.raises(AssertionError, match="3 attempts have 2 gaps between them, not 1"):
        assert_attempts(three(), 3, gaps=[1.0])


def test_none():
    upstream = Upstream()
    assert_attempts(upstream, 0, gaps=[], within=0.0)
    with pytest.raises(AssertionError, match="1 attempt expected, 0 made:\n  none"):
        assert_attempts(upstream, 1)


def test_those_given_up_and_those_under_way():
    import asyncio

    async def main():
        upstream = Upstream(hang())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(upstream(), 3.0)
        task = asyncio.ensure_future(upstream())
        await asyncio.sleep(0)
        first, second = upstream.attempts
        assert repr(first) == "Attempt(1 at 0.000 s, no answer: given up at 3.000 s)"
        assert repr(second) == "Attempt(2 at 3.000 s, no answer: under way)"
        with pytest.raises(AssertionError) as caught:
            assert_attempts(upstream, 2, within=60.0)
        task.cancel()
        return str(caught.value)

    assert run(main) == (
        "2 attempts are not over, not within 60 s:\n"
        "  1  at 0.000 s              no answer: given up at 3.000 s\n"
        "  2  at 3.000 s  (+3.000)    no answer: under way"
    )


def test_what_a_pipeline_decides():
    clock = ManualClock()
    pipeline = Pipeline(
        Retry(ConnectionError, attempts=2, backoff=Constant(4.0)), CircuitBreaker(failures=2), clock=clock
    )
    upstream = Upstream(ConnectionError, clock=clock)
    with record(pipeline) as events:
        for error in (ConnectionError, CircuitOpen):
            with pytest.raises(error):
                pipeline.call(upstream.call)
    assert [event.at for event in events.attempts] == [0.0, 4.0]
    assert all(isinstance(event, AttemptEnded) for event in events.attempts)
    assert [type(event) for event in events.rejections] == [RejectedCall]
    assert events.changes == [(4.0, "closed", "open")]
    (change,) = events.changes
    assert (change.at, change.before, change.after) == (4.0, "closed", "open")
    assert (change.policy, change.endpoint) == ("CircuitBreaker", None)
    assert repr(change) == "(4.0, 'closed', 'open')<CircuitBreaker>"
    assert len(events) == 10
    assert pipeline.listeners == ()


def test_whose_state_it_is():
    endpoints = ["10.0.0.1:80", "10.0.0.2:80"]
    pipeline = Pipeline(
        Cluster("orders", endpoints, balancer=RoundRobin(), pipeline=[CircuitBreaker(failures=1)]), clock=ManualClock()
    )
    upstream = Upstream(ConnectionError, clock=ManualClock())
    with record(pipeline) as events:
        for _ in endpoints:
            with pytest.raises(ConnectionError):
                pipeline.call(upstream.call)
    assert events.changes == [(0.0, "closed", "open")] * 2
    assert sorted(str(change.endpoint) for change in events.changes) == endpoints
    assert {repr(change) for change in events.changes} == {
        f"(0.0, 'closed', 'open')<CircuitBreaker, {each}>" for each in endpoints
    }


def test_those_at_several_say_where():
    clock = ManualClock()
    upstreams = Upstreams({"10.0.0.1": Upstream(503, clock=clock), "b": Upstream(after(2.0, 200), clock=clock)})
    for host in ("10.0.0.1", "b", "b"):
        upstreams.call(endpoint=Endpoint(f"{host}:80"))
    assert repr(upstreams.attempts[2]) == "Attempt(2 of b at 2.000 s, 200 after 2 s)"
    with pytest.raises(AssertionError) as caught:
        assert_attempts(upstreams, 2)
    assert str(caught.value) == (
        "2 attempts expected, 3 made:\n"
        "  1  at 0.000 s              10.0.0.1  503\n"
        "  2  at 0.000 s  (+0.000)    b         200 after 2 s\n"
        "  3  at 2.000 s  (+2.000)    b         200 after 2 s"
    )


def test_two_listen_on_their_own():
    pipeline = Pipeline(CircuitBreaker())
    first, second = record(pipeline), record(pipeline)
    pipeline.call(Upstream().call)
    first.stop()
    pipeline.call(Upstream().call)
    assert (len(first), len(second)) == (3, 6)
    second.stop()
    assert pipeline.listeners == ()
