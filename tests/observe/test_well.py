"""Who is told at once of a call that went well: the same as of its events, whoever else listens, and never both."""

from __future__ import annotations

import logging

import anyio
import attrs
import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshkit import (
    CircuitBreaker,
    Cluster,
    Constant,
    Hedge,
    Match,
    Pipeline,
    RateLimit,
    Retry,
    RoundRobin,
    Route,
    Router,
    Timeout,
    Verdict,
)
from meshkit.gateway.status.traffic import Traffic
from meshkit.httpx import AsyncMeshTransport
from meshkit.observe import Graph, Log, Metrics
from meshkit.observe.events import AttemptBegan, AttemptEnded, Bounded, CallEnded, Passed, Picked, Routed
from meshkit.observe.trail import LEFT, WELL, Trail, Usual, wanted
from meshkit.testing import run, virtual_clock

PAUSE = 0.25
"""Seconds between the parts of a body, on the virtual clock."""
ANSWERS = ("well", "503", "404", "reset", "slow", "stream", "broken")
"""What an attempt comes to."""
calls = st.lists(
    st.tuples(
        st.sampled_from(["/buy", "/rest", "/nowhere"]), st.lists(st.sampled_from(ANSWERS), min_size=4, max_size=4)
    ),
    min_size=1,
    max_size=6,
)


class Body(httpx.AsyncByteStream):
    def __init__(self, breaks):
        self.breaks = breaks

    async def __aiter__(self):
        yield b"some"
        await anyio.sleep(PAUSE)
        if self.breaks:
            raise httpx.ReadError("reset")
        yield b"more"


class Upstream(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request):
        how = self.script.pop(0) if self.script else "well"
        await anyio.sleep(2.0 if how == "slow" else 0.125)
        if how == "reset":
            raise httpx.ConnectError("reset")
        if how in ("stream", "broken"):
            return httpx.Response(200, stream=Body(how == "broken"))
        return httpx.Response(int(how) if how.isdigit() else 200, content=b"it")


def shop():
    servers = Cluster("servers", ["10.0.0.1:80", "10.0.0.2:80"], balancer=RoundRobin())
    buying = [Hedge(1.0, name="hedge"), Retry("5xx,connect-failure", backoff=Constant(0.5))]
    routes = [
        Route(Match(prefix="/buy"), servers, name="buy", policies=buying),
        Route(Match(prefix="/rest"), servers, name="rest", policies=[RateLimit("2/min"), CircuitBreaker(failures=1)]),
    ]
    return Pipeline(Timeout(3.0), Router(routes, name="router"), name="shop", clock=virtual_clock, seed=1)


class Both:
    """Follows, and listens: keeps a call that went well as the events that it would have had."""

    detailed = False

    def __init__(self):
        self.told, self.well_told = [], 0

    def follow(self, pipeline, call):
        return Each(self)


class Each:
    __slots__ = ("both", "over")
    detailed = False

    def __init__(self, both):
        self.both, self.over = both, False

    def __call__(self, event):
        assert not self.over
        self.over = type(event) is CallEnded
        self.both.told.append(event)

    def well(self, call, now, ended):
        assert not self.over
        self.over = True
        self.both.well_told += 1
        attempt, way = AttemptEnded(*ended), call.events
        self.both.told += [
            attempt,
            CallEnded(now, call.began_at, Verdict.SUCCESS, 1, None, True, way.route, way.branch),
        ]


def usual(events):
    """Whether a call went as nearly all do."""
    kinds = [type(event) for event in events if type(event) is not Routed]
    return kinds == [AttemptBegan, AttemptEnded, CallEnded] and events[-1].verdict is Verdict.SUCCESS


def plain(event):
    """An event to be compared with one of another run: an error is another object there."""
    shown = attrs.asdict(event, recurse=False)
    return type(event), {
        name: repr(each) if "fail" in name or "reason" in name else each for name, each in shown.items()
    }


def lasting(shown):
    """Without what tells the time of day."""
    if isinstance(shown, dict):
        return {name: lasting(each) for name, each in shown.items() if not name.endswith("at")}
    return [lasting(each) for each in shown] if isinstance(shown, list) else shown


def came_to(script, *listeners, follows=()):
    """What everybody is told of some calls where these listen as well: numbers, lines, and what the status page has."""

    class Lines(logging.Handler):
        def emit(self, record):
            lines.append(record.getMessage())

    async def main():
        pipeline, upstream = shop(), Upstream()
        metrics, traffic, graph = Metrics(), Traffic(), Graph(service="shop")
        for each in (metrics, traffic, graph):
            each.watch(pipeline)
        pipeline.listen(Log(logger, calls="all"))
        for each in follows:
            pipeline.listen(each)
        for each in listeners:
            pipeline.listen(each, direct=True)
        async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, upstream)) as client:
            for path, answers in script:
                upstream.script = [*answers]
                try:
                    await client.get("http://shop.example" + path)
                except Exception as error:
                    lines.append(type(error).__name__)
        assert pipeline.idle()
        failed = pipeline.failed_listeners
        page = {way: total.shown() for way, total in traffic.sums(lambda way: way).items()}
        ends = {end: total.shown() for end, total in traffic.ends().items()}
        return failed, metrics.snapshot(), page, ends, traffic.whole().shown(), lasting(graph.snapshot()), lines

    lines = []
    logger = logging.getLogger("shop-of-the-well")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [Lines()]
    return run(main)


@settings(max_examples=25, deadline=None)
@given(calls)
@example([("/buy", ["well"] * 4), ("/rest", ["stream"] * 4)])
@example([("/buy", ["slow", "well", "well", "well"]), ("/buy", ["503", "well", "well", "well"])])
@example([("/rest", ["broken"] * 4), ("/rest", ["well"] * 4)])
def test_the_numbers_are_the_same_whoever_else_listens(script):
    alone = came_to(script)
    assert alone[0] == 0
    both, events = Both(), []
    assert came_to(script, follows=[both]) == alone
    assert came_to(script, events.append) == alone
    whole = []
    for event in events:
        whole.append(event)
        if type(event) is CallEnded:
            call, whole = whole, []
            told = call[-2:] if usual(call) else call
            assert [plain(each) for each in both.told[: len(told)]] == [plain(each) for each in told]
            del both.told[: len(told)]
            both.well_told -= usual(call)
    assert (both.told, both.well_told) == ([], 0)


class Listens:
    """A listener that is told at once."""

    def __init__(self):
        self.told = []

    def __call__(self, event):
        self.told.append(type(event))

    def well(self, call, now, ended):
        self.told.append((now, AttemptEnded(*ended), call.events.route))


def test_a_listener_may_be_told_at_once():
    pipeline = Pipeline(Cluster("servers", ["10.0.0.1:80"]), clock=lambda: 5.0)
    listens = Listens()
    pipeline.listen(listens, direct=True)
    pipeline.call(lambda endpoint: None)
    ((now, ended, route),) = listens.told
    assert (now, ended.number, str(ended.endpoint), ended.cluster, route) == (5.0, 1, "10.0.0.1:80", "servers", "")
    with pytest.raises(ZeroDivisionError):
        pipeline.call(lambda endpoint: 1 / 0)
    assert listens.told[1:] == [AttemptBegan, AttemptEnded, CallEnded]


def test_whoever_comes_during_a_call_without_it_is_told_of_events():
    pipeline = Pipeline(Timeout(5.0))
    listens, events = Listens(), []
    pipeline.listen(listens, direct=True)
    pipeline.call(lambda: pipeline.listen(events.append, direct=True))
    assert [type(event) for event in events] == listens.told == [AttemptBegan, AttemptEnded, CallEnded]


def test_who_fails_is_counted_and_the_others_are_told():
    class Fails(Listens):
        def well(self, call, now, ended):
            raise ValueError("no")

    pipeline, listens = Pipeline(Timeout(5.0)), Listens()
    pipeline.listen(Fails(), direct=True)
    pipeline.listen(listens, direct=True)
    assert pipeline.call(lambda: "done") == "done"
    assert (pipeline.failed_listeners, len(listens.told)) == (1, 1)


def test_ctrl_c_is_raised_when_all_were_told():
    class Struck(Listens):
        def well(self, call, now, ended):
            raise KeyboardInterrupt

    pipeline, listens = Pipeline(Timeout(5.0)), Listens()
    pipeline.listen(Struck(), direct=True)
    pipeline.listen(listens, direct=True)
    with pytest.raises(KeyboardInterrupt):
        pipeline.call(lambda: None)
    assert len(listens.told) == 1


def test_who_makes_a_call_whenever_it_is_told_comes_to_an_end():
    class Calls(Listens):
        def well(self, call, now, ended):
            super().well(call, now, ended)
            pipeline.call(lambda: None)

    pipeline, listens = Pipeline(Timeout(5.0)), Calls()
    pipeline.listen(listens, direct=True)
    pipeline.call(lambda: None)
    assert (len(listens.told), pipeline.dropped_events) == (3, 1)


def test_whoever_wants_it_in_full_has_all_events():
    pipeline, both, whole = Pipeline(Timeout(5.0)), Both(), InFull()
    pipeline.listen(both)
    pipeline.listen(whole)
    pipeline.call(lambda: None)
    assert both.well_told == 0
    assert [type(event) for event in both.told] == whole.told == [Bounded, AttemptBegan, AttemptEnded, CallEnded]


def test_what_a_class_may_want():
    assert wanted(Each) == WELL
    assert wanted(Listens) & WELL
    assert not wanted(type(print)) & WELL
    assert wanted(Both) & LEFT


@pytest.mark.parametrize(
    "write", [lambda trail: trail.append("more"), lambda trail: trail.insert(2, "more")], ids=["append", "insert"]
)
def test_a_trail_that_is_usual_no_more_has_its_events_in_their_places(write):
    began, ended = (1.0, 1, 1, None, ""), (2.0, 1, None, Verdict.SUCCESS, 1.0, 1.0, None, 1, "", None)
    trail = Usual()
    list.append(trail, (AttemptBegan, began))
    list.append(trail, (AttemptEnded, ended))
    write(trail)
    assert (type(trail), [*trail]) == (Trail, [AttemptBegan(*began), AttemptEnded(*ended), "more"])


class InFull:
    """Follows, and wants calls in full."""

    def __init__(self):
        self.told = []

    def follow(self, pipeline, call):
        return Whole(self.told)


class Whole:
    __slots__ = ("told",)
    detailed = True

    def __init__(self, told):
        self.told = told

    def __call__(self, event):
        self.told.append(type(event))


def gates(cluster):
    return {gate.__qualname__.rpartition(".")[2] for member in cluster.members for gate in member.section.enters}


def test_endpoints_are_watched_for_no_more_than_somebody_may_want():
    servers = Cluster("servers", ["10.0.0.1:80"], pipeline=[CircuitBreaker()])
    pipeline = Pipeline(servers, clock=lambda: 5.0)
    (state,) = pipeline.choices
    assert not gates(state) & {"passing_enter", "changing_enter"}
    stop = Metrics().watch(pipeline)
    assert gates(state) & {"passing_enter", "changing_enter"} == {"changing_enter"}
    whole = InFull()
    stop_too = pipeline.listen(whole)
    assert "passing_enter" in gates(state)
    pipeline.call(lambda endpoint: None)
    assert whole.told == [Picked, Passed, Passed, AttemptBegan, AttemptEnded, CallEnded]
    stop_too()
    stop()
    Metrics().watch(pipeline)
    assert "passing_enter" in gates(state)  # it is folded once
