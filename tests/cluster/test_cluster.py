"""The end of a pipeline: states for each endpoint, a pick among them, and another one when that did not do."""

from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import Pipeline, Shared
from meshkit.balance import InFlight, LeastRequest, PeakEwma, PeakLatency, RoundRobin
from meshkit.call import Call, Verdict
from meshkit.cluster import Cluster, Endpoint, HttpCheck, OutlierDetection
from meshkit.errors import CircuitOpen, ConfigError, NoEndpoint


class Nobody:
    """A source that knows of no endpoint."""

    def first(self):
        return ()

    async def watch(self):
        yield ()


BALANCERS = [RoundRobin(), LeastRequest(), PeakEwma(), LeastRequest(choices=1), PeakEwma(choices=3)]


class Door:
    """A gate that is open, or refuses everybody."""

    name = "door"
    exit = None

    def __init__(self, spec, rng):
        self.spec, self.rng, self.shut = spec, rng, False

    def enter(self, call, now, /):
        if self.shut:
            raise CircuitOpen("shut", policy=self.name)

    def idle(self):
        return not self.shut


@attrs.frozen
class DoorSpec:
    mark: int = 0

    def start(self, rng, /):
        return Door(self, rng)


def started(n=3, seed=1, fold=list, **options):
    state = Cluster("payments", [f"10.0.0.{k}:443" for k in range(n)], **options).start(Random(seed))
    state.fold(fold)
    return state


def call(*avoid):
    made = Call(None, None, 0.0)
    made.avoid = avoid
    return made


def test_strings_become_endpoints_and_a_pipeline_its_policies():
    cluster = Cluster(
        "payments", iter(["HTTPS://A", Endpoint("b:80", weight=2)]), pipeline=Pipeline(DoorSpec(1), DoorSpec(2))
    )
    assert cluster.endpoints == (Endpoint("https://a"), Endpoint("b:80", weight=2))
    assert cluster.pipeline == (DoorSpec(1), DoorSpec(2))
    assert cluster.balancer == PeakEwma()
    assert cluster == Cluster(
        "payments", ["https://a", Endpoint("b:80", weight=2)], pipeline=[DoorSpec(1), DoorSpec(2)]
    )
    assert cluster != Cluster("payments", ["https://a"])
    assert hash(cluster) == hash(attrs.evolve(cluster))
    assert Cluster("x", ["a:1"], pipeline=[DoorSpec(1), Pipeline(DoorSpec(2))]).pipeline == (DoorSpec(1), DoorSpec(2))


@pytest.mark.parametrize(
    ("name", "endpoints", "options", "fix"),
    [
        ("", ["a:1"], {}, "name=''"),
        (None, ["a:1"], {}, "name=None"),
        ("x", [], {}, "endpoints=.*give at least one"),
        ("x", "a:1", {}, "endpoints='a:1': give a list"),
        ("x", Endpoint("a:1"), {}, "endpoints=.*give a list"),
        ("x", 7, {}, "endpoints=7: give a list"),
        ("x", ["a:1", "A:1"], {}, "endpoints='a:1': list it once"),
        ("x", ["a:443", "https://a"], {}, "endpoints='a:443': list it once"),
        ("x", [Endpoint("a:1", name="n"), Endpoint("b:1", name="n")], {}, "endpoints='n': give each endpoint a name"),
        ("x", ["a:1"], {"balancer": PeakEwma}, "balancer='PeakEwma': that is the class"),
        ("x", ["a:1"], {"balancer": "p2c"}, "balancer='p2c'"),
        ("x", ["a:1"], {"pipeline": DoorSpec}, "pipeline=.*give a Pipeline or a list"),
        ("x", ["a:1"], {"pipeline": [DoorSpec]}, "pipeline=.*give policies"),
        ("x", ["a:1"], {"pipeline": [7]}, "pipeline=7"),
    ],
)
def test_refused_with_the_fix(name, endpoints, options, fix):
    with pytest.raises(ConfigError, match=f"Cluster: {fix}"):
        Cluster(name, endpoints, **options)


def test_each_endpoint_has_states_of_its_own_and_the_measure_innermost():
    state = started(pipeline=[DoorSpec(1), DoorSpec(2)])
    found = [member.states for member in state.members]
    assert len({id(each) for states in found for each in states}) == 9
    for outer, inner, load in found:
        assert (outer.spec, inner.spec) == (DoorSpec(1), DoorSpec(2))
        assert isinstance(load, PeakLatency)
        assert isinstance(outer.rng, Random)


def test_what_is_shared_is_one_and_a_middleware_stands_as_it_is():
    async def middleware(call, call_next):
        return await call_next()

    state = started(balancer=RoundRobin(), pipeline=[Shared(DoorSpec()), middleware])
    assert len({id(member.states[0]) for member in state.members}) == 1
    assert all(member.states[1:] == [middleware] for member in state.members)


def test_fold_makes_every_section_anew():
    state = started(fold=lambda states: ("plain", *states))
    assert state.pick(call(), 0.0)[0] == "plain"
    state.fold(lambda states: ("watched", *states))
    assert {state.pick(call(), 0.0)[0] for _ in range(20)} == {"watched"}
    assert [member.section[1:] for member in state.members] == [tuple(member.states) for member in state.members]


@pytest.mark.parametrize("balancer", BALANCERS)
@given(n=st.integers(1, 6), seed=st.integers(0, 2**32), data=st.data())
def test_a_pick_is_a_member_and_not_one_to_be_avoided(balancer, n, seed, data):
    state = started(n, seed, balancer=balancer)
    endpoints = [member.endpoint for member in state.members]
    avoid = data.draw(st.lists(st.sampled_from(endpoints), unique_by=id))
    for _ in range(10):
        made = call(*avoid)
        section = state.pick(made, 0.0)
        member = next(member for member in state.members if member.section is section)
        assert made.endpoint is member.endpoint
        assert made.endpoint not in avoid or len(avoid) == n
    assert sum(member.picks for member in state.members) == 10


@pytest.mark.parametrize("balancer", BALANCERS)
def test_no_endpoint(balancer):
    state = Cluster("payments", Nobody(), balancer=balancer).start(Random(1))
    state.fold(list)
    with pytest.raises(NoEndpoint, match=r"^payments: no endpoint to ask"):
        state.pick(call(), 0.0)
    assert state.snapshot(0.0) == {}
    assert state.idle()


@pytest.mark.parametrize("balancer", BALANCERS)
def test_same_seed_same_picks(balancer):
    def trace(seed):
        state, now, chosen = started(7, seed, balancer=balancer), 0.0, []
        for k in range(200):
            now += 0.01
            made = call()
            states = state.pick(made, now)
            for load in states:
                load.enter(made, now)
                load.exit(made, now, now + 0.001 * (k % 13), Verdict.SUCCESS)
            chosen.append(str(made.endpoint))
        return chosen

    assert trace(1) == trace(1)
    assert trace(1) != trace(2)


@pytest.mark.parametrize("balancer", BALANCERS)
@given(steps=st.lists(st.tuples(st.booleans(), st.floats(0, 5), st.sampled_from(list(Verdict))), max_size=40))
def test_all_that_begins_ends_and_then_it_is_idle(balancer, steps):
    state, now, under_way = started(balancer=balancer), 0.0, []

    def finish(verdict):
        made, states, began = under_way.pop(0)
        for gate in reversed(states):
            gate.exit(made, began, now, verdict)

    for begins, gap, verdict in steps:
        now += gap
        if begins:
            made = call()
            states = state.pick(made, now)
            for gate in states:
                gate.enter(made, now)
            under_way.append((made, states, now))
        elif under_way:
            finish(verdict)
        shown = state.snapshot(now)
        assert shown == state.snapshot(now)
        if not isinstance(balancer, RoundRobin):
            assert sum(endpoint["in_flight"] for endpoint in shown.values()) == len(under_way)
            assert min(endpoint["in_flight"] for endpoint in shown.values()) >= 0
            assert state.idle() == (not under_way)
    while under_way:
        finish(Verdict.IGNORED)
    assert state.idle()


def test_snapshot():
    state = started(2, balancer=RoundRobin())
    assert state.snapshot(0.0) == {
        f"10.0.0.{k}:443": {"up": True, "well": True, "weight": 1, "picks": 0, "share": 0.0} for k in range(2)
    }
    for _ in range(4):
        state.pick(call(), 0.0)
    assert state.snapshot(0.0) == {
        f"10.0.0.{k}:443": {"up": True, "well": True, "weight": 1, "picks": 2, "share": 0.5} for k in range(2)
    }
    measured = started(1)
    load = measured.members[0].load
    load.enter(call(), 0.0)
    load.exit(call(), 0.0, 0.25, Verdict.SUCCESS)
    assert measured.snapshot(0.25) == {
        "10.0.0.0:443": {
            "up": True,
            "well": True,
            "weight": 1,
            "picks": 0,
            "share": 0.0,
            "in_flight": 0,
            "latency": 0.25,
            "cost": 0.25,
        }
    }


def test_idle_asks_every_state():
    state = started(pipeline=[DoorSpec()])
    assert state.idle()
    state.members[2].states[0].shut = True
    assert not state.idle()


@pytest.mark.parametrize("balancer", [RoundRobin(), LeastRequest(), PeakEwma()])
def test_ten_thousand_endpoints(balancer):
    cluster = Cluster("wide", [f"10.{k >> 8}.{k & 255}.1:80" for k in range(10_000)], balancer=balancer)
    state = cluster.start(Random(1))
    state.fold(list)
    made = call()
    for _ in range(2000):
        state.pick(made, 0.0)
    picked = sum(member.picks > 0 for member in state.members)
    assert picked > 1600  # at random 1813 of the 2000 are different, with a standard deviation of 13
    avoided = call(*(member.endpoint for member in state.members[:5000]))
    assert state.pick(avoided, 0.0) is not None


# Through a real pipeline.


def test_an_endpoint_that_refuses_is_passed_over_without_spending_an_attempt():
    pipeline = Pipeline(Cluster("payments", ["a:1", "b:1", "c:1"], pipeline=[DoorSpec()]), seed=1)
    state = pipeline.states[0]
    asked = []

    def fetch(endpoint=None):
        asked.append(str(endpoint))

    fetch = pipeline(fetch)
    for member in state.members[:2]:
        member.states[0].shut = True
    for _ in range(20):
        fetch()
    assert asked == ["c:1"] * 20
    state.members[2].states[0].shut = True
    with pytest.raises(CircuitOpen, match=r"door/[abc]:1: shut"):
        fetch()
    assert len(asked) == 20
    for member in state.members:
        member.states[0].shut = False
    assert pipeline.idle()


def test_the_measure_is_fed_by_the_calls():
    pipeline = Pipeline(Cluster("payments", ["a:1", "b:1"]), seed=1)
    seen = []

    @pipeline
    def fetch(endpoint=None):
        seen.append(pipeline.snapshot()["payments"][str(endpoint)]["in_flight"])

    for _ in range(10):
        fetch()
    assert seen == [1] * 10
    shown = pipeline.snapshot()["payments"]
    assert all(0 < endpoint["latency"] < 1 and endpoint["in_flight"] == 0 for endpoint in shown.values())
    assert sum(endpoint["share"] for endpoint in shown.values()) == 1
    assert pipeline.idle()
    assert isinstance(LeastRequest().start(Random(1)).load(1), InFlight)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("slow_start", 30.0),
        ("ceilings", 100),
        ("checks", "/health"),
        ("checks", [HttpCheck]),
        ("outliers", OutlierDetection),
        ("localities", "eu-1"),
        ("panic", 50),
        ("fails_in_panic", 1),
        ("overprovision", 0.5),
        ("patience", -1.0),
    ],
)
def test_what_makes_no_cluster(option, value):
    with pytest.raises(ConfigError, match=f"^Cluster: {option}="):
        Cluster("orders", ["a:80"], **{option: value})
