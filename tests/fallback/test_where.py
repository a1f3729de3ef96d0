"""Fallback: where a call goes, what comes of it, and who is told."""

from __future__ import annotations

import anyio
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    FellBack,
    Hedge,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Shared,
    Timeout,
)

from ..scripted import Gate, fails, fails_async, pipeline, retry, told_to
from .ways import cluster_of, endpoints, refuses, through

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep
ONCE = RateLimit("1/s", burst=1)


# Where it goes.


async def test_a_function_is_called_as_the_guarded_one():
    def stale(order, *, user="ada"):
        return "stale", order, user

    async def stale_async(order, *, user="ada"):
        await pause(0)
        return "stale", order, user

    def fn(order, *, user="ada", endpoint=None):
        raise ConnectionError

    async def fn_async(order, *, user="ada", endpoint=None):
        raise ConnectionError

    cluster = Cluster("c", ["a:1"])
    assert pipeline(Fallback(stale)).call(fn, 7) == ("stale", 7, "ada")
    assert pipeline(Fallback(stale), cluster).call(fn, 7, user="bob") == ("stale", 7, "bob")
    for each in (stale, stale_async):
        assert await pipeline(Fallback(each)).call(fn_async, 7, user="bob") == ("stale", 7, "bob")
        assert await pipeline(Fallback(each), cluster)(fn_async)(7) == ("stale", 7, "ada")


async def test_a_function_with_a_pipeline_of_its_own():
    limit = pipeline(ONCE)
    stack = pipeline(Fallback(limit(lambda: "stale")))
    assert stack.call(fails(KeyError())) == "stale"
    with pytest.raises(RateLimited):  # sent or not, that is an answer of the function's
        stack.call(fails(KeyError()))
    there = pipeline(Fallback(pipeline(retry(), through)(fails_async(ConnectionError()))))
    assert await there.call(fails_async(KeyError())) == "done"


def test_an_async_function_in_place_of_a_plain_one_is_refused():
    async def stale():
        return "stale"

    for instead in (stale, [stale], [ONCE, through, Cluster("c", ["a:1"])], [Hedge(1.0), Cluster("c", ["a:1"])]):
        with pytest.raises(ConfigError, match=r"async|nothing can be given up"):
            pipeline(Fallback(instead)).call(fails())


async def test_another_cluster():
    """Envoy's aggregate cluster: first this one, and where it fails or has nobody, that one."""
    sent, fn, fn_async = endpoints("a:1")
    for instead in (cluster_of("b"), [Timeout(2.0), cluster_of("b")], Pipeline(cluster_of("b"))):
        stack = pipeline(Fallback(instead), cluster_of("a"))
        assert stack.call(fn) == await stack.call(fn_async) == "b:1"
        assert stack.idle()
    assert sent == ["a:1", "b:1"] * 6


async def test_a_pipeline_with_middleware_and_a_retry():
    log = []

    class Notes:
        async def __call__(self, call, call_next):
            log.append(call.attempt)
            return await call_next()

    sent, _, fn = endpoints("a:1", "b:1")
    stack = pipeline(Fallback([retry(2), Notes(), cluster_of("b")]), retry(3), cluster_of("a"))
    with pytest.raises(ConnectionError, match="b:1"):
        await stack.call(fn)
    assert sent == ["a:1"] * 3 + ["b:1"] * 2
    assert log == [1, 2]


def test_a_list_may_end_in_a_function():
    stack = pipeline(Fallback([Gate("g"), lambda: "stale"]))
    assert stack.call(fails(KeyError())) == "stale"
    assert stack.idle()


# What comes of it, when that fails or is refused as well.


async def test_what_fails_instead_is_the_failure():
    error = ZeroDivisionError()
    stack = pipeline(Fallback(fails(error)), Gate("inside"))
    with pytest.raises(ZeroDivisionError) as caught:
        stack.call(fails(KeyError()))
    assert caught.value is error
    with pytest.raises(ZeroDivisionError):
        await pipeline(Fallback(fails_async(error))).call(fails_async(KeyError()))


@pytest.mark.parametrize("path", [[], [ONCE]], ids=["at once", "further in"])
async def test_where_that_refuses_the_failure_stands(path):
    spec = Fallback([*path, refuses(), lambda: 1])
    error = KeyError()
    stack = pipeline(Gate("outer"), spec)
    for call in (stack.call(fails_async(error)), stack.call(fails_async(error))):
        with pytest.raises(KeyError) as caught:
            await call
        assert caught.value is error
    assert stack.idle()
    assert "0 attempts" not in str(getattr(error, "__notes__", ""))


@pytest.mark.parametrize("facts", [False, True])
async def test_where_that_refuses_the_refusal_stands(facts):
    own, instead = RateLimit("1/s", name="own"), RateLimit("1/s", name="instead", key="user" if facts else None)
    for call in (pipeline(Fallback([instead, lambda user: "stale"]), own).call,):
        assert call(lambda user: "done", 1) == "done"
        assert call(lambda user: "done", 1) == "stale"
        with pytest.raises(RateLimited) as caught:
            call(lambda user: "done", 1)
        assert caught.value.policy == "own"


def test_it_is_taken_once_and_not_come_back_to():
    sent = []

    def instead():
        sent.append("instead")
        raise ConnectionError

    with pytest.raises(ConnectionError):
        pipeline(Fallback(instead)).call(fails(ConnectionError()))
    assert sent == ["instead"]


def test_nested():
    log = []

    def failing(name, error):
        def fn():
            log.append(name)
            raise error

        return fn

    stack = pipeline(Fallback(value="last"), Fallback(failing("second", KeyError())), Gate("gate", log))
    assert stack.call(failing("first", OSError())) == "last"
    assert log == ["gate enter", "first", "gate exit failure", "second"]
    within = pipeline(Fallback([Fallback(value="last"), failing("second", KeyError())]))
    assert within.call(failing("first", OSError())) == "last"
    narrow = pipeline(Fallback(value="last", on=KeyError), Fallback(failing("second", KeyError()), on=OSError))
    assert narrow.call(failing("first", OSError())) == "last"


# Who learns what.


def test_outside_the_answer_counts_inside_the_failure():
    inner, outer = Gate("inner"), Gate("outer")
    stack = pipeline(outer, Fallback(value="stale"), inner)
    assert stack.call(fails(KeyError())) == "stale"
    assert (outer.log, inner.log) == (
        ["outer enter", "outer exit success"],
        ["inner enter", "inner exit failure"],
    )


def test_everything_inside_is_given_back_before_it_goes_elsewhere():
    limit = ConcurrencyLimit(1)
    stack = pipeline(Fallback(lambda: seen.append(stack.snapshot()["ConcurrencyLimit"]["in_flight"])), limit)
    seen = []
    stack.call(fails(KeyError()))
    assert seen == [0]


@pytest.mark.parametrize("middleware", [False, True])
async def test_events(middleware):
    stack = pipeline(Fallback(value="stale", name="stale"), *([through] if middleware else []), Gate("inside"))
    events = []
    stack.listen(told_to(events), direct=True)
    error = KeyError()
    assert await stack.call(fails_async(error)) == "stale"
    (event,) = [each for each in events if isinstance(each, FellBack)]
    assert (event.at, event.policy) == (0.0, "stale")
    assert event.reason.error is error


def test_events_of_a_refusal():
    stack = pipeline(Fallback(value="stale"), refuses(1))
    events = []
    stack.listen(told_to(events), direct=True)
    stack.call(fails())
    assert [type(event).__name__ for event in events] == ["RejectedCall", "FellBack"]
    assert isinstance(events[1].reason.error, Overloaded)


def test_what_stands_instead_is_watched_too():
    stack = pipeline(Fallback(Shared(cluster_of("b", CircuitBreaker(failures=1)))), cluster_of("a"))
    events = []
    stack.listen(told_to(events), direct=True)
    _, fn, _ = endpoints("a:1", "b:1")
    with pytest.raises(ConnectionError):
        stack.call(fn)
    named = [(type(event).__name__, str(event.endpoint)) for event in events if hasattr(event, "endpoint")]
    assert named == [("AttemptEnded", "a:1"), ("AttemptEnded", "b:1"), ("StateChanged", "b:1")]


def test_snapshot_idle_and_control_reach_what_stands_instead():
    stack = pipeline(
        Fallback([ConcurrencyLimit(1, name="there"), cluster_of("b", CircuitBreaker(failures=1))], name="other"),
        CircuitBreaker(failures=9),
    )
    held = []

    def fn(endpoint=None):
        if endpoint is None:
            raise ConnectionError
        held.append((stack.snapshot()["other"]["there"]["in_flight"], stack.idle()))
        raise ConnectionError

    with pytest.raises(ConnectionError):
        stack.call(fn)
    assert held == [(1, False)]
    assert stack.idle()
    assert stack.snapshot()["other"]["taken"] == 1
    assert stack.control("CircuitBreaker", endpoint="b:1").snapshot()["state"] == "open"
    stack.control("CircuitBreaker", endpoint="b:1").reset()
    assert stack.control("CircuitBreaker", endpoint="b:1").snapshot()["state"] == "closed"
    assert stack.control("there").snapshot()["in_flight"] == 0
    with pytest.raises(ConfigError, match=r"\['other', 'CircuitBreaker', 'there', 'b'\]"):
        stack.control("nobody")


def test_one_state_on_both_ways_is_two_paths():
    """It may stand inside and instead: a call holds it on one of them at a time."""
    limit = Shared(ConcurrencyLimit(1))
    stack = pipeline(Fallback([limit, lambda: "stale"]), limit)
    assert stack.call(fails(KeyError())) == "stale"
    with pytest.raises(ConfigError, match="stands twice on one path"):
        pipeline(limit, Fallback([limit, lambda: "stale"]))
