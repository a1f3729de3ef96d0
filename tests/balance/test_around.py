"""Balancers around balancers around balancers: a key's place from the first call on, and whom each nesting lets in."""

from collections import defaultdict
from random import Random

import pytest

from meshkit import Cluster, Endpoint, Pipeline
from meshkit.balance import Member, RoundRobin
from meshkit.balance.around.override import Override
from meshkit.balance.around.sticky import Sticky
from meshkit.balance.around.subset import Subset
from meshkit.balance.hashing.hashed import Hashed
from meshkit.balance.hashing.maglev import Maglev
from meshkit.balance.hashing.rendezvous import Rendezvous
from meshkit.balance.hashing.ring import Ring
from meshkit.call import Call
from meshkit.errors import NoEndpoint

from .arranging import arranged

STAGES = {"prod": 5, "canary": 3}


def endpoints(priority=0):
    """``prod-0:80`` and so on, of another priority ``prod-10:80``."""
    return [
        Endpoint(f"{stage}-{10 * priority + number}:80", tags={"stage": stage}, priority=priority)
        for stage, count in STAGES.items()
        for number in range(count)
    ]


def stage(call):
    return {"stage": "canary" if call.door.fact(call, "user").startswith("tester") else "prod"}


def by_stage(inner):
    return Subset(inner, selectors=["stage"], key=stage)


NESTINGS = {
    "Subset(Hashed)": by_stage,
    "Sticky(Hashed)": lambda inner: Sticky(inner, key="user"),
    "Override(Hashed)": lambda inner: Override(inner, lambda call: None, also="ejected"),
    "Subset(Sticky(Hashed))": lambda inner: by_stage(Sticky(inner, key="user")),
    "Sticky(Subset(Hashed))": lambda inner: Sticky(by_stage(inner), key="user"),
    "Subset(Override(Hashed))": lambda inner: by_stage(Override(inner, lambda call: None)),
    "Subset(Subset(Hashed))": lambda inner: by_stage(by_stage(inner)),
}


@pytest.mark.parametrize("table", [Maglev(1009), Ring(), Rendezvous()], ids=lambda table: type(table).__name__)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_a_key_has_its_place_from_the_very_first_call_on(nesting, table):
    """Maglev's table is by far the dearest: a smaller one is still made in several slices."""
    pipeline = Pipeline(Cluster("shop", endpoints(), balancer=NESTINGS[nesting](Hashed("user", table))))

    @pipeline
    def served(user, endpoint=None):
        return str(endpoint)

    users = [f"{kind} {number}" for kind in ("user", "tester") for number in range(20)]
    asked = defaultdict(set)
    for _ in range(4):
        for user in users:
            asked[user].add(served(user))
    assert {len(those) for those in asked.values()} == {1}
    assert len(set.union(*asked.values())) > 4


# Two real clusters of Maglev's usual size: with 65 537 slots and three endpoints, a slice each three calls were 21 773.


def test_the_newcomers_example():
    [*three] = endpoints()[:3]
    by_key = Subset(Hashed("user"), selectors=["stage"], key={"stage": "prod"})
    shop = Cluster("shop", three, balancer=by_key).start(Random(1))
    plain = Cluster("shop", three, balancer=Hashed("user")).start(Random(2))
    for cluster in (shop, plain):
        cluster.fold(lambda states: states)
    for number in range(50):
        first, second = (served(cluster, f"user {number}") for cluster in (shop, plain))
        assert first == second  # and not by luck


class Door:
    """A door that knows what is in a dict."""

    def fact(self, call, name):
        return call.request.get(name)


def served(cluster, user, now=0.0):
    call = Call(Door(), {"user": user}, now)
    call.facts = {asker: asker.facts(call) for asker in cluster.askers}
    cluster.pick(call, now)
    return call.endpoint


# Whom each nesting lets in.


def members(priority=0):
    return [Member(endpoint) for endpoint in endpoints(priority)]


class One:
    """A started balancer, and its picks for groups of members."""

    def __init__(self, spec, *groups):
        self.balancer = spec.start(Random(1))
        self.groups = list(groups)
        self.picks = [arranged(self.balancer, group) for group in groups]

    def arrange(self):
        for number, group in enumerate(self.groups):
            there = [member for member in group if member.endpoint.weight]
            self.picks[number] = arranged(self.balancer, there, self.picks[number])

    def ask(self, *, group=0, now=0.0, **request):
        call = Call(Door(), {name.replace("_", ":", 1): value for name, value in request.items()}, now)
        call.facts = {asker: asker.facts(call) for asker in self.balancer.askers}
        member = self.picks[group].pick(call, now)
        return member, call.cookies[0][1] if call.cookies else request.get("cookie_meshkit")


def wished(call):
    return {"stage": call.request["stage"]}


MODES = ["balanced", "persistent"]


@pytest.mark.parametrize("priorities", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_a_session_inside_a_subset_never_leaves_it(mode, priorities):
    groups = [members(priority=priority) for priority in range(priorities)]
    one = One(Subset(Sticky(RoundRobin(), mode=mode), selectors=["stage"], key=wished), *groups)
    for began in STAGES:
        for at in range(priorities):
            for _ in range(6):
                member, cookie = one.ask(group=at, stage=began)
                assert member.endpoint.tags["stage"] == began
                for group in range(priorities):
                    assert one.ask(group=group, stage=began, cookie_meshkit=cookie) == (member, cookie)
                for group in range(priorities):
                    for other in STAGES:
                        elsewhere = one.ask(group=group, stage=other, cookie_meshkit=cookie)[0]
                        assert elsewhere.endpoint.tags["stage"] == other


def test_a_drawn_cookie_stands_for_one_endpoint_in_each_subset():
    one = One(Subset(Sticky(RoundRobin(), mode="balanced"), selectors=["stage"], key=wished), members())
    for _ in range(10):
        member, cookie = one.ask(stage="prod")
        [(other, same)] = {one.ask(stage="canary", cookie_meshkit=cookie) for _ in range(5)}
        assert same == cookie
        assert one.ask(stage="prod", cookie_meshkit=cookie) == (member, cookie)
        assert other is not member


def test_a_key_is_remembered_in_each_subset():
    spec = Subset(Sticky(RoundRobin(), key=lambda call: call.request["user"]), selectors=["stage"], key=wished)
    one = One(spec, members())
    first = {(user, where): one.ask(user=user, stage=where)[0] for user in "abc" for where in STAGES}
    for _ in range(3):
        for (user, where), member in first.items():
            assert one.ask(user=user, stage=where)[0] is member
            assert member.endpoint.tags["stage"] == where
    assert len(one.balancer.inner.known) == 6


def test_the_drained_of_other_subsets_are_not_let_in():
    here = members()
    one = One(Subset(Sticky(RoundRobin(), mode="persistent"), selectors=["stage"], key=wished), here)
    member, cookie = one.ask(stage="canary")
    member.endpoint = Endpoint(member.endpoint.address, weight=0, tags={"stage": "canary"})
    member.up = False
    one.arrange()
    one.balancer.tend(here, 1.0)
    assert one.ask(stage="canary", now=1.0, cookie_meshkit=cookie) == (member, cookie)
    other, later = one.ask(stage="prod", now=1.0, cookie_meshkit=cookie)
    assert other.endpoint.tags["stage"] == "prod"
    assert later != cookie


@pytest.mark.parametrize("mode", MODES)
def test_a_session_around_a_subset_stays_whatever_later_calls_ask_for(mode):
    one = One(Sticky(Subset(RoundRobin(), selectors=["stage"], key=wished), mode=mode), members())
    for began, other in (("prod", "canary"), ("canary", "prod")):
        member, cookie = one.ask(stage=began)
        assert one.ask(stage=other, cookie_meshkit=cookie) == (member, cookie)


@pytest.mark.parametrize("mode", MODES)
def test_a_session_around_a_subset_may_begin_in_another_priority(mode):
    """The subset has nobody in the priority the cluster has chosen."""
    first = [member for member in members() if member.endpoint.tags["stage"] == "prod"]
    second = [member for member in members(priority=1) if member.endpoint.tags["stage"] == "canary"]
    one = One(Sticky(Subset(RoundRobin(), selectors=["stage"], key=wished), mode=mode), first, second)
    for _ in range(4):
        member, cookie = one.ask(stage="canary")
        assert member in second
        for group in (0, 1):
            assert one.ask(group=group, stage="canary", cookie_meshkit=cookie) == (member, cookie)


def named(call):
    return call.request.get("host")


def test_a_name_inside_a_subset_brings_in_nobody_from_outside():
    one = One(Subset(Override(RoundRobin(), named), selectors=["stage"], key=wished), members(), members(priority=1))
    for at in (0, 1):
        assert str(one.ask(group=at, stage="canary", host="canary-1:80")[0].endpoint) == "canary-1:80"
        assert one.ask(group=at, stage="canary", host="prod-1:80")[0].endpoint.tags["stage"] == "canary"
    outside = One(Override(Subset(RoundRobin(), selectors=["stage"], key=wished), named), members())
    assert str(outside.ask(stage="canary", host="prod-1:80")[0].endpoint) == "prod-1:80"


def test_a_subset_inside_a_subset_brings_in_nobody_from_outside():
    def version(call):
        return {"version": call.request["version"]}

    def tagged(stage, version):
        return Member(Endpoint(f"{stage}-{version}:80", tags={"stage": stage, "version": version}))

    here = [tagged("prod", 1), tagged("prod", 2), tagged("canary", 1)]
    inner = Subset(RoundRobin(), selectors=["version"], key=version)
    one = One(Subset(inner, selectors=["stage"], key=wished), here)
    assert one.ask(stage="canary", version=1)[0] is here[2]
    assert one.ask(stage="prod", version=2)[0] is here[1]
    with pytest.raises(NoEndpoint, match="no endpoint has version=2"):
        one.ask(stage="canary", version=2)


def test_what_picks_inside_of_a_subset_that_is_gone_is_forgotten():
    one = One(Subset(Sticky(RoundRobin()), selectors=["stage"], key=wished), members())
    assert set(one.balancer.narrow) == {(-1,), (0, "prod"), (0, "canary")}
    one.groups[0] = [member for member in one.groups[0] if member.endpoint.tags["stage"] == "prod"]
    one.arrange()
    assert set(one.balancer.narrow) == {(-1,), (0, "prod")}
