"""Followers: who is asked when, what they are told in which order, and that they harm nobody."""

from __future__ import annotations

from contextvars import ContextVar

import anyio
import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    Fallback,
    Hedge,
    Pipeline,
    RateLimit,
    Retry,
    RoundRobin,
    Shared,
    TimedOut,
    Timeout,
    Verdict,
)
from meshkit.engine.back import survived
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.events import (
    AttemptBegan,
    AttemptEnded,
    Bounded,
    CallEnded,
    FellBack,
    GaveUp,
    Hedged,
    Passed,
    Picked,
    RejectedCall,
    Retried,
    StateChanged,
)
from meshkit.observe.trail import Follows
from meshkit.testing import run, virtual_clock

from ..scripted import Gate, fails, pipeline, retry


class Follower:
    """Keeps what it is told, and who asked for what."""

    answering = None

    def __init__(self, *, detailed=False, fields=()):
        self.detailed = detailed
        self.fields = [*fields]
        self.events = []
        self.asked = []

    def __call__(self, event):
        self.events.append(event)
        self.asked.append(type(event))

    def sending(self, call, number):
        self.asked.append(("sending", number))
        return self.fields

    def answered(self, call, result):
        self.asked.append("answered")
        result.extensions["seen"] = self

    def left(self):
        self.asked.append("left")

    @property
    def kinds(self):
        return [type(event) for event in self.events]


class Follow:
    """Follows every call, or those whose turn it is."""

    def __init__(self, every=1, **options):
        self.every, self.options = every, options
        self.seen = 0
        self.followers = []

    def follow(self, pipeline, call):
        self.seen += 1
        if self.seen % self.every:
            return None
        self.followers.append(Follower(**self.options))
        return self.followers[-1]

    @property
    def only(self):
        (follower,) = self.followers
        return follower


def followed(stack, **options):
    follow = Follow(**options)
    stack.listen(follow)
    return follow


def test_what_follows_is_told_apart_from_a_plain_listener():
    assert isinstance(Follow(), Follows)
    assert not isinstance(print, Follows)


def test_a_call_that_is_retried():
    stack = pipeline(retry(backoff=2.0))
    follow = followed(stack)
    assert stack.call(fails(ConnectionError())) == "done"
    began, ended, retried, again, well, end = follow.only.events
    assert (began.at, began.number, began.attempt) == (0.0, 1, 1)
    assert (ended.number, ended.verdict) == (1, Verdict.FAILURE)
    assert type(retried) is Retried
    assert (retried.attempt, retried.delay, type(retried.failure.error)) == (1, 2.0, ConnectionError)
    assert (again.at, again.number, again.attempt) == (2.0, 2, 2)
    assert (well.number, well.verdict) == (2, Verdict.SUCCESS)
    assert (end.at, end.began_at, end.attempts, end.verdict, end.failure) == (2.0, 0.0, 2, Verdict.SUCCESS, None)
    assert (end.outcome, end.duration) == ("success", 2.0)


def test_why_a_retry_gave_up():
    stack = pipeline(retry(2))
    follow = followed(stack)
    with pytest.raises(ConnectionError):
        stack.call(fails(ConnectionError(), ConnectionError()))
    kinds = [AttemptBegan, AttemptEnded, Retried, AttemptBegan, AttemptEnded, GaveUp, CallEnded]
    assert follow.only.kinds == kinds
    gave_up, end = follow.only.events[-2:]
    assert (gave_up.reason, gave_up.attempt) == ("attempts", 2)
    assert (end.outcome, end.attempts, type(end.failure.error)) == ("failure", 2, ConnectionError)


def test_attempts_of_nested_retries_are_counted_through():
    stack = pipeline(retry(2), retry(2))
    follow = followed(stack)
    with pytest.raises(ConnectionError):
        stack.call(fails(*(ConnectionError() for _ in range(4))))
    began = [event for event in follow.only.events if type(event) is AttemptBegan]
    assert [(event.number, event.attempt) for event in began] == [(1, 1), (2, 2), (3, 1), (4, 2)]


def test_a_fallback_is_told_of_after_what_it_took_the_place_of():
    stack = pipeline(Fallback(value=7))
    follow = followed(stack)
    assert stack.call(fails(ConnectionError())) == 7
    assert follow.only.kinds == [AttemptBegan, AttemptEnded, FellBack, CallEnded]
    assert follow.only.events[-1].outcome == "success"


def test_a_refusal():
    stack = pipeline(RateLimit("1/min", burst=1, name="each"))
    follow = followed(stack)
    stack.call(lambda: None)
    with pytest.raises(Exception, match="each"):
        stack.call(lambda: None)
    assert follow.followers[1].kinds == [RejectedCall, CallEnded]
    end = follow.followers[1].events[-1]
    assert (end.outcome, end.attempts, end.verdict) == ("rejected", 0, Verdict.IGNORED)
    assert follow.followers[1].events[0].numbers is None


def test_in_full_with_numbers():
    stack = pipeline(Timeout(2.0), RateLimit("1/min", burst=2, name="each"), ConcurrencyLimit(3))
    follow = followed(stack, detailed=True)
    stack.call(lambda: None)
    stack.call(lambda: None)
    with pytest.raises(Exception, match="each"):
        stack.call(lambda: None)
    bounded, rate, limit, *_ = follow.followers[1].events
    assert bounded == Bounded(0.0, "Timeout", 2.0)
    assert type(rate) is type(limit) is Passed
    assert rate.numbers["remaining"] == 0.0
    assert limit.numbers["in_flight"] == 1
    (refused,) = [event for event in follow.followers[2].events if type(event) is RejectedCall]
    assert refused.numbers["remaining"] == 0.0


def test_candidates_of_a_pick():
    addresses = [f"10.0.0.{k}:80" for k in range(20)]
    stack = pipeline(Cluster("stock", addresses, balancer=RoundRobin(), pipeline=[CircuitBreaker()]))
    follow = followed(stack, detailed=True)
    for _ in range(15):
        stack.call(lambda endpoint=None: None)
    for follower in follow.followers:
        (picked,) = [event for event in follower.events if type(event) is Picked]
        (began,) = [event for event in follower.events if type(event) is AttemptBegan]
        assert began.endpoint is picked.endpoint
        assert (began.cluster, picked.policy, picked.of) == ("stock", "stock", 20)
        assert len(picked.candidates) == 8
        assert picked.endpoint in dict(picked.candidates)


def test_a_policy_whose_numbers_fail_harms_no_call():
    class Odd:
        name = "odd"
        exit = None

        def start(self, rng):
            return self

        def enter(self, call, now):
            return None

        def numbers(self, call, now):
            raise ZeroDivisionError

    stack = pipeline(Odd())
    follow = followed(stack, detailed=True)
    assert stack.call(lambda: 7) == 7
    assert follow.only.events[0].numbers == {}


def test_calls_nobody_follows_walk_the_plain_folding():
    stack = pipeline(CircuitBreaker(failures=1), retry())
    follow = followed(stack, every=2)
    plain = []

    def fn():
        plain.append(True)
        return "done"

    for _ in range(4):
        stack.call(fn)
    assert (len(plain), len(follow.followers)) == (4, 2)
    assert [each.kinds for each in follow.followers] == [[AttemptBegan, AttemptEnded, CallEnded]] * 2


def test_a_shared_cluster_where_only_one_is_followed():
    servers = Shared(Cluster("stock", ["10.0.0.7:80"], balancer=RoundRobin(), pipeline=[CircuitBreaker(failures=1)]))
    one, other = pipeline(servers), pipeline(servers)
    follow = followed(one)
    before = survived[0]
    with pytest.raises(ConnectionError):
        other.call(fails(ConnectionError()))
    assert survived[0] == before
    assert follow.followers == []
    with pytest.raises(Exception, match="open"):
        one.call(lambda: None)
    assert RejectedCall in follow.only.kinds
    assert StateChanged not in follow.only.kinds


@pytest.mark.parametrize("hook", ["follow", "call", "left", "sending", "answered"])
def test_a_follower_that_fails_is_counted_and_harms_nobody(hook):
    def fail(*_):
        raise ZeroDivisionError

    follow = Follow()
    stack = pipeline(retry())
    stack.listen(follow)
    if hook == "follow":
        follow.follow = fail
    else:
        name = "__call__" if hook == "call" else hook
        kind = type("Fails", (Follower,), {name: fail})
        follow.follow = lambda pipeline, call: kind()
    transport = MeshTransport(stack, httpx.MockTransport(lambda request: httpx.Response(200)))
    with httpx.Client(transport=transport) as client:
        assert client.get("http://stock/").status_code == 200
    assert stack.failed_listeners > 0
    assert stack.idle()


async def test_left_runs_where_follow_ran():
    """So what a follower has set in the caller's context it can take back."""
    variable = ContextVar("variable", default=0)

    class Sets(Follower):
        def left(self):
            variable.reset(self.token)

    class Set:
        def follow(self, pipeline, call):
            sets = Sets()
            sets.token = variable.set(7)
            return sets

    stack = Pipeline(Hedge(60.0), Timeout(5.0))
    stack.listen(Set())

    async def fn():
        return variable.get()

    assert await stack.call(fn) == 7
    assert variable.get() == 0
    with anyio.move_on_after(0):
        await stack.call(anyio.sleep_forever)
    assert variable.get() == 0
    assert stack.failed_listeners == 0


def test_a_hedged_call_numbers_its_attempts():
    async def main():
        stack = Pipeline(Hedge(1.0), clock=virtual_clock)
        follow = followed(stack)
        delays = iter([5.0, 0.5])

        async def fn():
            await anyio.sleep(next(delays))
            return "done"

        assert await stack.call(fn) == "done"
        return follow.only.events

    events = run(main)
    assert [type(event) for event in events] == [
        AttemptBegan,
        Hedged,
        AttemptBegan,
        AttemptEnded,
        AttemptEnded,
        CallEnded,
    ]
    ended = {event.number: event.verdict for event in events if type(event) is AttemptEnded}
    assert ended == {1: Verdict.IGNORED, 2: Verdict.SUCCESS}
    assert events[-1].attempts == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("cut", "outcome"), [("timeout", "timeout"), ("cancel", "cancelled")])
def test_how_a_call_ended_that_was_cut(backend, cut, outcome):
    async def main():
        stack = Pipeline(Timeout(2.0), clock=virtual_clock)
        follow = followed(stack)
        if cut == "timeout":
            with pytest.raises(TimedOut):
                await stack.call(anyio.sleep, 5.0)
        else:
            with anyio.move_on_after(1.0):
                await stack.call(anyio.sleep, 5.0)
        return follow.only.asked, follow.only.events[-1]

    asked, end = run(main, backend=backend)
    assert (asked[-2:], end.outcome, end.attempts) == ([CallEnded, "left"], outcome, 1)


async def test_fields_are_sent_with_each_attempt_and_the_answer_is_shown():
    sent = []

    def answer(request):
        sent.append(request.headers.get("x-mark"))
        return httpx.Response(200 if len(sent) > 1 else 503, text="body")

    stack = Pipeline(Retry("5xx", backoff=Constant(0.0)))
    follow = followed(stack, fields=[(b"x-mark", b"7")])
    async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.MockTransport(answer))) as client:
        response = await client.get("http://stock/apples")
    assert sent == ["7", "7"]
    assert response.extensions["seen"] is follow.only
    wanted = [("sending", 1), ("sending", 2), "answered"]
    assert [each for each in follow.only.asked if each in wanted] == wanted
    assert follow.only.asked[-1] in (CallEnded, "left")
    assert follow.only.events[-1].attempts == 2


def test_a_streams_end_is_told_when_its_body_is_closed():
    stack = Pipeline(ConcurrencyLimit(1))
    follow = followed(stack)
    chunks = iter([b"a", b"b"])
    answer = httpx.MockTransport(lambda request: httpx.Response(200, content=chunks))
    transport = MeshTransport(stack, answer)
    with httpx.Client(transport=transport) as client, client.stream("GET", "http://stock/") as response:
        assert follow.only.kinds == [AttemptBegan]
        assert follow.only.asked[-2:] == [AttemptBegan, "left"]
        response.read()
    assert follow.only.kinds == [AttemptBegan, AttemptEnded, CallEnded]


def test_a_body_that_breaks_off_is_a_failure_that_is_told():
    def body():
        yield b"a"
        raise httpx.ReadError("reset")

    stack = Pipeline(ConcurrencyLimit(1))
    follow = followed(stack)
    answer = httpx.MockTransport(lambda request: httpx.Response(200, content=body()))
    with httpx.Client(transport=MeshTransport(stack, answer)) as client, pytest.raises(httpx.ReadError):
        client.get("http://stock/")
    ended, end = follow.only.events[-2:]
    assert (type(ended.failure.error), type(end.failure.error)) == (httpx.ReadError, httpx.ReadError)
    assert end.outcome == "failure"


def test_what_would_be_sent_too_late_is_no_attempt():
    """A gate has it go just when its time is over: it is not sent, so it is not told of."""
    stack = pipeline(Timeout(1.0), Gate(does=[None, 1.0]))
    follow = followed(stack)
    stack.call(lambda: None)
    with pytest.raises(TimedOut):
        stack.call(lambda: None)
    assert follow.followers[0].kinds == [AttemptBegan, AttemptEnded, CallEnded]
    assert follow.followers[1].kinds == [CallEnded]


class Watches:
    def watch(self, pipeline):
        raise AssertionError


@pytest.mark.parametrize(
    ("listener", "fix"),
    [
        (Follow, r"it is the class: write Follow\(...\)"),
        (Watches(), r"write its watch\(pipeline\)"),
        (7, "a plain function"),
    ],
)
def test_what_cannot_listen_is_told_what_to_do(listener, fix):
    with pytest.raises(ConfigError, match=fix):
        Pipeline().listen(listener)


def test_listening_may_stop_as_a_call_begins():
    class Stops(Follow):
        def follow(self, pipeline, call):
            self.stop()
            return super().follow(pipeline, call)

    stack, follow = pipeline(), Stops()
    follow.stop = stack.listen(follow)
    assert stack.call(len, "ab") == 2
    assert follow.only.kinds == [CallEnded]


@pytest.mark.parametrize("field", [(b"x",), (b"x", b"a\r\nb"), (b"x\n", b"a"), ("x", "a"), b"xa", None, 7])
def test_fields_that_cannot_be_are_not_sent(field):
    stack = pipeline()
    followed(stack, fields=[field])
    sent = []
    answer = httpx.MockTransport(lambda request: sent.append(request) or httpx.Response(200))
    with httpx.Client(transport=MeshTransport(stack, answer)) as client:
        assert client.get("http://stock/").status_code == 200
    assert not {"x", "a"} & {*sent[0].headers}
    assert stack.failed_listeners == 1


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_an_attempt_has_its_own_status_and_its_return_is_told_at_once(kind):
    order, answers = [], iter([503, 200])

    class Returns(Follower):
        def sending(self, call, number):
            order.append(("sending", number))
            return ()

        def returned(self, call, number):
            order.append(("returned", number))

    class Follow:
        def follow(self, pipeline, call):
            self.only = Returns()
            return self.only

    def answer(request):
        order.append("sent")
        return httpx.Response(next(answers))

    def matches(failure):
        order.append("asked")
        return failure.status == 503

    stack, follow = Pipeline(Retry(matches, backoff=Constant(0.0))), Follow()
    stack.listen(follow)
    if kind == "sync":
        with httpx.Client(transport=MeshTransport(stack, httpx.MockTransport(answer))) as client:
            await anyio.to_thread.run_sync(client.get, "http://stock/")
    else:
        async with httpx.AsyncClient(transport=AsyncMeshTransport(stack, httpx.MockTransport(answer))) as client:
            await client.get("http://stock/")
    assert order == [("sending", 1), "sent", ("returned", 1), "asked", ("sending", 2), "sent", ("returned", 2)]
    assert [event.status for event in follow.only.events if type(event) is AttemptEnded] == [503, 200]


@pytest.mark.parametrize("hook", ["detailed", "sending", "answered", "answering", "left"])
@pytest.mark.parametrize("fails", [False, True], ids=["is not there", "cannot be had"])
def test_a_hook_that(hook, fails):
    """Is not wanted, or counted; and harms nobody."""
    attributes = {name: value for name, value in vars(Follower).items() if name != hook}
    if hook == "detailed":
        attributes["__init__"] = lambda self: setattr(self, "asked", [])
        attributes["sending"] = attributes["answered"] = attributes["__call__"] = lambda self, *_: ()
    if fails:
        attributes[hook] = property(lambda self: 1 / 0)
    kind = type("Odd", (), attributes)

    class Follow:
        def follow(self, pipeline, call):
            return kind()

    stack = pipeline()
    stack.listen(Follow())
    assert stack.call(len, "ab") == 2
    with httpx.Client(transport=MeshTransport(stack, httpx.MockTransport(lambda _: httpx.Response(200)))) as client:
        assert client.get("http://stock/").status_code == 200
    assert (stack.failed_listeners > 0) == (fails and hook != "answering")  # no server is asked here


def test_a_listener_that_calls_each_time_it_is_told_comes_to_an_end():
    stack, told = pipeline(), []

    def listener(event):
        told.append(event)
        stack.call(lambda: None)

    stack.listen(listener, direct=True)
    assert stack.call(lambda: 7) == 7
    assert len(told) == 3 + 9 + 27
    assert stack.dropped_events == 27


def test_stopping_twice_stops_nobody_else():
    stack, told = pipeline(), []
    stop = stack.listen(told.append, direct=True)
    stop()
    stack.listen(told.append, direct=True)
    stop()
    stack.call(lambda: None)
    assert len(told) == 3


class Equal:
    """A router of somebody's: all of them are equal, and some have no room to be remembered."""

    name = "router"

    def __init__(self):
        self.section = None

    def __eq__(self, other):
        return isinstance(other, Equal)

    __hash__ = object.__hash__

    def start(self, rng):
        return self

    def fold(self, fold):
        self.section = fold([])

    def pick(self, call, now):
        return self.section


class Hashed(Equal):
    def __hash__(self):
        return 7


class Slotted:
    __slots__ = ("section",)
    name = "router"
    start, fold, pick = Equal.start, Equal.fold, Equal.pick


@pytest.mark.parametrize("kind", [Equal, Hashed, Slotted])
def test_routers_of_somebody(kind):
    """Each has branches of its own; and who listens to a shared one hears its attempts, whoever comes and goes."""
    first, second = kind(), kind()
    heard = pipeline(first)
    follow = followed(heard)
    other = pipeline(second)
    assert other.call(lambda: 7) == 7
    beside = pipeline(first)
    beside.listen(print, direct=True)()
    assert heard.call(lambda: 7) == 7
    assert follow.only.kinds == [AttemptBegan, AttemptEnded, CallEnded]


def test_twice_on_one_path_is_seen_also_behind_a_cluster_that_is_listened_to():
    limit = Shared(ConcurrencyLimit(1))
    servers = Shared(Cluster("stock", ["10.0.0.7:80"], balancer=RoundRobin(), pipeline=[limit]))
    pipeline(servers).listen(print, direct=True)
    with pytest.raises(ConfigError, match="twice on one path"):
        pipeline(limit, servers)
