"""Subsets: Envoy's rules row by row, against a naive oracle, and through changes of members and of their health."""

import gc
import json
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance import LeastRequest, Member, RoundRobin
from meshkit.balance.around.criteria import parsed
from meshkit.balance.around.subset import Selector, Subset, merged
from meshkit.call import Call
from meshkit.errors import ConfigError, NoEndpoint

from .arranging import arranged

ENVOY = json.loads(Path(__file__).with_name("subset.json").read_text("utf-8"))
"""The source is named in the file."""


@attrs.frozen(eq=False)
class Server:
    name: str
    tags: dict
    weight: float = 1
    priority: int = 0

    def __str__(self):
        return self.name


class Rotation:
    """The plainest balancer there is: in turn, as they were given. It remembers what it was asked to arrange."""

    def __init__(self, whole=False, slices=0):
        self.whole = whole
        self.slices = slices
        self.arranged = []

    def start(self, rng):
        return self

    def load(self, weight):
        return None

    def arrange(self, members, before):
        self.arranged.append("".join(str(member.endpoint) for member in members))
        for _ in range(self.slices):
            yield None
        yield Turn(list(members), self.whole)


class Turn:
    def __init__(self, members, whole):
        self.members = members
        self.whole = whole

    def pick(self, call, now):
        tried = set(map(id, call.avoid))
        for _ in self.members:
            self.members.append(self.members.pop(0))
            member = self.members[-1]
            if id(member.endpoint) not in tried and (member.up or not self.whole):
                return member
        return self.members[0]


def members(*servers):
    return [Member(server) for server in servers]


def subset(*selectors, inner=None, key=lambda call: call.request, **options):
    return Subset(inner or Rotation(), selectors=list(selectors), key=key, **options).start(Random(1))


def asked(state, criteria, avoid=()):
    call = Call(None, criteria, 0.0)
    call.facts = {asker: asker.facts(call) for asker in state.askers}
    call.avoid = avoid
    return call


def reach(state, pick, criteria, now=0.0):
    """Everybody a call with these criteria may get."""
    try:
        return {str(pick.pick(asked(state, criteria), now).endpoint) for _ in range(20)}
    except NoEndpoint:
        return set()


STAGES = members(
    *(Server(name, {"stage": stage}) for name, stage in zip("abcd", ["prod", "prod", "canary", "dev"], strict=True))
)


# Envoy's documentation.

FALLBACKS = {"NO_FALLBACK": "none", "ANY_ENDPOINT": "any", "DEFAULT_SUBSET": "default"}


@pytest.fixture
def envoy():
    config = ENVOY["config"]
    chosen = [Selector(each["keys"], fallback=FALLBACKS.get(each.get("fallback"))) for each in config["selectors"]]
    state = subset(*chosen, fallback=FALLBACKS[config["fallback"]], default=config["default_subset"])
    return state, arranged(state, members(*(Server(host["name"], host["meta"]) for host in ENVOY["hosts"])))


@pytest.mark.parametrize("row", ENVOY["rows"], ids=lambda row: str(row["criteria"]))
def test_the_examples_of_envoys_documentation(envoy, row):
    assert reach(*envoy, row["criteria"]) == set(row["hosts"]), row["why"]


@pytest.mark.parametrize("row", ENVOY["route_and_weighted_cluster_merge"], ids=str)
def test_the_criteria_of_a_route_and_of_what_it_is_split_to(row):
    assert merged(row["route"], row["weighted"]) == row["effective"]


# envoyproxy/envoy test/extensions/load_balancing_policies/subset/subset_test.cc: the names of the tests that hold the
# same rules, on servers of our own.


@pytest.mark.parametrize(
    ("options", "criteria", "expected"),
    [
        ({"fallback": "none"}, {"stage": "new"}, ""),
        ({"fallback": "any"}, {"stage": "new"}, "abcd"),
        ({"fallback": "default", "default": {"stage": "dev"}}, {"stage": "new"}, "d"),
        ({"fallback": "default", "default": {"stage": "new"}}, {"stage": "gone"}, ""),
        ({"fallback": "default", "default": {"stage": "new"}, "panic_any": True}, {"stage": "gone"}, "abcd"),
        ({"fallback": "any"}, {"stage": "canary"}, "c"),
        ({"fallback": "any"}, None, "abcd"),
        ({"fallback": "any"}, {}, "abcd"),
        ({"fallback": "none"}, {"stage": "canary", "version": "1"}, ""),  # one key too many
        ({"fallback": "none", "redundant": True}, {"stage": "canary", "version": "1"}, "c"),
        ({"fallback": "none", "redundant": True}, {"version": "1"}, ""),
        ({"fallback": "any"}, [{"stage": "gone"}, {"stage": "dev"}], "abcd"),  # the first one's fallback is not left
        ({"fallback": "none"}, [{"stage": "gone"}, {"stage": "dev"}], "d"),
        ({"fallback": "none"}, "stage=canary", "c"),
        ({"fallback": "none"}, " stage = prod ", "ab"),
        ({"fallback": "any"}, "no criteria at all", "abcd"),
    ],
    ids=str,
)
def test_fallbacks(options, criteria, expected):
    state = subset(("stage",), **options)
    assert reach(state, arranged(state, STAGES), criteria) == set(expected)


@pytest.mark.parametrize(
    ("fallback", "expected"), [("none", ""), ("any", "ab"), ("default", "b"), ("keys", "a"), (None, "ab")]
)
def test_a_selectors_own_fallback_comes_first(fallback, expected):
    options = {"default": {"version": "2"}} if fallback == "default" else {}
    chosen = Selector(("stage", "version"), fallback=fallback, fewer=("stage",) if fallback == "keys" else ())
    state = subset(chosen, "stage", fallback="any", **options)
    pick = arranged(
        state, members(Server("a", {"stage": "prod", "version": "1"}), Server("b", {"stage": "dev", "version": "2"}))
    )
    assert reach(state, pick, {"stage": "prod", "version": "7"}) == set(expected)


def test_fewer_and_fewer_keys_down_to_the_fallback_of_all():
    state = subset(
        Selector(list("abc"), fallback="keys", fewer=list("ab")),
        Selector(list("ab"), fallback="keys", fewer="b"),
        Selector("b"),
        fallback="any",
    )
    pick = arranged(state, members(Server("x", {"a": 1, "b": 1, "c": 1}), Server("y", {"a": 2, "b": 1})))
    assert reach(state, pick, {"a": 1, "b": 1, "c": 1}) == {"x"}
    assert reach(state, pick, {"a": 2, "b": 1, "c": 1}) == {"y"}
    assert reach(state, pick, {"a": 3, "b": 1, "c": 1}) == {"x", "y"}
    assert state.facts(asked(state, {"a": 3, "b": 9, "c": 1})) == ((0, 3, 9, 1), (1, 3, 9), (2, 9), (-1,))


def test_values_are_equal_as_in_json():
    state = subset("v", fallback="none")
    servers = (("t", True), ("i", 1), ("f", 2.0), ("s", "1"))
    pick = arranged(state, members(*(Server(name, {"v": value}) for name, value in servers)))
    wanted = [True, 1, 1.0, 2, "1", False, 0, "True"]
    assert [reach(state, pick, {"v": value}) for value in wanted] == [
        {"t"},
        {"i"},
        {"i"},
        {"f"},
        {"s"},
        set(),
        set(),
        set(),
    ]


def test_a_list_of_values_is_one_value_or_any_of_them():
    servers = members(Server("a", {"v": ("1.2.1", "1.2"), "w": (1, 2)}), Server("b", {"v": "1.0", "w": 1}))
    state = subset("v", ("v", "w"), list_as_any=True)
    pick = arranged(state, servers)
    assert [reach(state, pick, {"v": value}) for value in ("1.0", "1.2", "1.2.1", "1")] == [{"b"}, {"a"}, {"a"}, set()]
    assert reach(state, pick, {"v": "1.2", "w": 2}) == {"a"}
    state = subset("v")
    pick = arranged(state, servers)
    assert [reach(state, pick, {"v": value}) for value in ("1.2", ["1.2.1", "1.2"])] == [set(), {"a"}]


def test_a_single_endpoint_of_several_is_the_first():
    state = subset(Selector("id", single=True))
    pick = arranged(state, members(Server("a", {"id": 7}), Server("b", {"id": 7}), Server("c", {"id": 8})))
    assert reach(state, pick, {"id": 7}) == {"a"}


def test_one_wish_for_all_calls_needs_nobody_to_be_asked():
    state = subset("stage", key={"stage": "canary"})
    assert state.askers == ()
    assert str(arranged(state, STAGES).pick(Call(None, None, 0.0), 0.0).endpoint) == "c"


@pytest.mark.parametrize(
    ("text", "criteria"),
    [
        ("a=1", {"a": "1"}),
        ("a=1, b = x=y ", {"a": "1", "b": "x=y"}),
        ("a=", {"a": ""}),
        ("", {}),
        ("a", {}),
        ("=1", {}),
        ("a=1,", {}),
        ("a=1,a=2", {}),
        ("a=" + "1" * 1030, {}),
    ],
)
def test_criteria_in_a_header(text, criteria):
    assert parsed(text) == criteria


@pytest.mark.parametrize("answer", [7, b"stage=prod", ["stage"], {1, 2}], ids=str)
def test_what_is_no_criteria_is_told_to_the_caller(answer):
    state = subset("stage", fallback="any", key=lambda call: answer)
    with pytest.raises(TypeError, match="Subset: the key is a"):
        state.facts(Call(None, None, 0.0))


def test_a_value_without_a_hash_is_found_out_before_the_pick():
    with pytest.raises(TypeError, match="unhashable"):
        subset("stage").facts(Call(None, {"stage": {"a": 1}}, 0.0))


# Health.


def test_those_who_are_not_up_are_left_out_from_the_first_pick_on():
    state = subset("stage", panic=0.3)
    pick = arranged(state, here := members(*(Server(name, {"stage": "prod"}) for name in "abc")))
    here[0].up = here[0].well = False
    assert reach(state, pick, {"stage": "prod"}) == {"b", "c"}
    here[1].up = here[1].well = False
    assert reach(state, pick, {"stage": "prod"}, 0.05) == {"c"}  # seen when the ill one is picked
    here[0].up = here[0].well = True
    assert reach(state, pick, {"stage": "prod"}, 0.05) == {"c"}
    assert reach(state, pick, {"stage": "prod"}, 0.2) == {"a", "c"}  # and a tenth of a second later


@pytest.mark.parametrize(
    ("up", "panic", "expected"),
    [
        ("", 0.5, "abcd"),
        ("a", 0.5, "abcd"),
        ("ab", 0.5, "ab"),  # 50 % is not below 50 %
        ("ab", 0.6, "abcd"),
        ("a", 0.0, "a"),
        ("", 0.0, ""),
    ],
)
def test_panic_is_the_subsets_own(up, panic, expected):
    state = subset("stage", panic=panic, fallback="any")
    here = members(
        *(Server(name, {"stage": "prod"}) for name in "abcd"), *(Server(name, {"stage": "dev"}) for name in "xyz")
    )
    for member in here:
        member.up = member.well = member.endpoint.name in up + "xyz"
    assert reach(state, arranged(state, here), {"stage": "prod"}) == set(expected)


def test_in_panic_nobody_is_asked_who_is_gone():
    state = subset("stage")
    pick = arranged(state, here := members(*(Server(name, {"stage": "prod"}) for name in "abc")))
    here[0].up = here[0].well = False  # ill
    here[1].up = False  # not in the set any more
    here[2].up = here[2].well = False
    assert reach(state, pick, {"stage": "prod"}) == {"a", "c"}


def test_a_subset_spans_the_priorities():
    state = subset("stage", fallback="any")
    first = members(Server("a", {"stage": "prod"}), Server("b", {"stage": "canary"}))
    second = members(Server("c", {"stage": "canary"}, priority=1), Server("d", {"stage": "dev"}, priority=1))
    pick, later = arranged(state, first), arranged(state, second)
    assert reach(state, pick, {"stage": "dev"}) == {"d"}
    assert reach(state, later, {"stage": "prod"}) == {"a"}
    assert reach(state, pick, {"stage": "canary"}) == {"b"}
    first[1].up = first[1].well = False
    assert reach(state, pick, {"stage": "canary"}, 1.0) == {"c"}
    second[0].up = second[0].well = False
    assert reach(state, pick, {"stage": "canary"}, 2.0) == {"b"}  # nobody is up anywhere: its own panic
    assert reach(state, pick, {"stage": "new"}) == {"a"}
    del later
    gc.collect()
    assert reach(state, pick, {"stage": "dev"}, 3.0) == {"a"}  # that priority is gone


def test_elsewhere_is_the_most_preferred_priority_that_has_it():
    state = subset("stage")
    later = [
        members(Server(name, {"stage": "dev"}, priority=number)) for name, number in (("c", 3), ("a", 1), ("b", 2))
    ]
    picks = [arranged(state, each) for each in later]
    pick = arranged(state, members(Server("x", {"stage": "prod"})))
    assert len(picks) == 3
    for now, (number, name) in enumerate([(1, "a"), (2, "b"), (0, "c")]):
        assert reach(state, pick, {"stage": "dev"}, now) == {name}
        later[number][0].up = later[number][0].well = False
    assert reach(state, pick, {"stage": "dev"}, 9.0) == {"a"}  # nobody is up anywhere


def test_a_further_attempt_goes_to_another_of_the_subset():
    state = subset("stage", inner=LeastRequest())
    here = members(*(Server(name, {"stage": "prod"}) for name in "ab"), Server("c", {"stage": "dev"}))
    for member in here:
        member.load = state.load(member.weight)
    pick = arranged(state, here)
    for tried, expected in ((here[0], "b"), (here[1], "a")):
        assert str(pick.pick(asked(state, {"stage": "prod"}, (tried.endpoint,)), 0.0).endpoint) == expected
    call = asked(state, {"stage": "prod"}, tuple(member.endpoint for member in here))
    assert str(pick.pick(call, 0.0).endpoint) in "ab"


# Arrangement.


def test_a_few_subsets_are_arranged_from_the_beginning_if_a_call_may_come_to_them():
    for options, expected in (
        ({}, ["ab", "c", "d"]),
        ({"fallback": "any"}, ["abcd", "ab", "c", "d"]),
        ({"fallback": "default", "default": {"stage": "dev"}}, ["ab", "c", "d", "d"]),
        ({"key": {"stage": "prod"}}, ["ab"]),
        ({"key": {"stage": "new"}, "fallback": "any"}, ["abcd"]),
    ):
        inner = Rotation()
        state = subset("stage", inner=inner, **options)
        pick = arranged(state, STAGES)
        assert inner.arranged == expected
        reach(state, pick, {"stage": "prod"})
        assert inner.arranged == expected


MANY = [*STAGES, *members(*(Server(str(number), {"stage": number}) for number in range(30)))]


def test_one_of_many_subsets_is_arranged_when_somebody_asks_for_it():
    inner = Rotation()
    state = subset("stage", inner=inner)
    pick = arranged(state, MANY)
    assert inner.arranged == []
    reach(state, pick, {"stage": "prod"})
    reach(state, pick, {"stage": "dev"})
    assert inner.arranged == ["ab", "d"]
    arranged(state, MANY[:-1])
    assert len(inner.arranged) == 2 + 32


def test_what_is_in_use_is_made_anew_only_if_its_members_change():
    inner = Rotation()
    state = subset("stage", inner=inner)
    here = members(
        *(Server(name, {"stage": stage}) for name, stage in zip("abcd", ["prod", "prod", "canary", "dev"], strict=True))
    )
    pick = arranged(state, here)
    for stage in ("prod", "canary"):
        reach(state, pick, {"stage": stage})
    assert inner.arranged == ["ab", "c", "d"]
    inner.arranged.clear()
    pick = arranged(state, here, pick)
    assert inner.arranged == []
    pick = arranged(
        state, [*here, Member(Server("e", {"stage": "canary"})), Member(Server("f", {"stage": "dev"}))], pick
    )
    assert inner.arranged == ["ce", "df"]
    here[0].weight = 0.5
    pick = arranged(state, here, pick)
    assert inner.arranged == ["ce", "df", "ab", "c", "d"]
    assert reach(state, pick, {"stage": "prod"}) == {"a", "b"}


def test_turns_go_on_across_changes():
    state = subset("stage", inner=RoundRobin())
    here = members(*(Server(name, {"stage": "prod"}) for name in "abcd"))
    pick, chosen = arranged(state, here), []
    for number in range(12):
        chosen.append(str(pick.pick(asked(state, {"stage": "prod"}), 0.0).endpoint))
        here[number % 4].weight = 1.0 + number / 1e9  # something happens between any two turns
        pick = arranged(state, here, pick)
    assert sorted(chosen) == sorted("aaabbbcccddd")


def test_what_an_endpoint_says_of_itself_may_change():
    state = subset("stage")
    here = members(Server("a", {"stage": "prod"}), Server("b", {"stage": "prod"}))
    pick = arranged(state, here)
    here[1].endpoint = Server("b", {"stage": "canary"})
    pick = arranged(state, here, pick)
    assert [reach(state, pick, {"stage": stage}) for stage in ("prod", "canary")] == [{"a"}, {"b"}]


def test_a_table_is_made_in_the_slices_of_the_arrangement():
    inner = Rotation(whole=True, slices=5)
    state = subset("stage", inner=inner)
    *slices, pick = state.arrange(STAGES, None)
    assert len(slices) == 3 * 6
    assert all(part._made is not None for step, part in pick.parts.items() if step[0] == 0)
    assert pick.parts[-1,]._made is None


def test_one_of_many_tables_is_made_by_and_by_and_until_then_members_are_drawn():
    inner = Rotation(whole=True, slices=5)
    state = subset("stage", inner=inner)
    pick = arranged(state, MANY)
    part = pick.parts[0, "prod"]
    drawn = [pick.pick(asked(state, {"stage": "prod"}), 0.0) for _ in range(5)]
    assert part._made is None
    assert {str(member.endpoint) for member in drawn} <= {"a", "b"}
    pick.pick(asked(state, {"stage": "prod"}), 0.0)
    assert part._made is not None
    assert inner.arranged == ["ab"]
    *slices, pick = state.arrange([*MANY, Member(Server("e", {"stage": "prod"}))], pick)
    assert len(slices) == 6  # and the old pick serves while it is made
    assert reach(state, pick, {"stage": "prod"}) == {"a", "b", "e"}


def test_a_table_is_not_made_anew_when_somebody_falls_ill():
    inner = Rotation(whole=True)
    state = subset("stage", inner=inner)
    pick = arranged(state, here := members(*(Server(name, {"stage": "prod"}) for name in "abc")))
    reach(state, pick, {"stage": "prod"})
    here[0].up = here[0].well = False
    assert reach(state, pick, {"stage": "prod"}, 1.0) == {"b", "c"}
    assert inner.arranged == ["abc"]


def test_ten_thousand_endpoints_are_divided_in_slices():
    state = subset("id", "half", panic=0.0)
    here = members(*(Server(str(number), {"id": number, "half": number % 2}) for number in range(10_000)))
    *slices, pick = state.arrange(here, None)
    assert len(slices) == 10_000 // 256 + 10_003 // 256
    assert len(pick.parts) == 10_003
    assert str(pick.pick(asked(state, {"id": 7777}), 0.0).endpoint) == "7777"
    *slices, _ = state.arrange(here, pick)
    assert len(slices) == 10_003 // 256  # the division is taken over, and of the subset in use nothing has changed


def test_askers_and_the_work_of_the_one_inside_are_passed_on():
    class Tended(Rotation):
        askers = ("asker",)

        def tend(self, members, now):
            return now + 1, True

    inner = Tended()
    state = subset("stage", inner=inner)
    assert state.askers == ("asker", state)
    assert state.within == (inner,)
    assert state.tend([], 1.0) == (2.0, True)
    assert not hasattr(subset("stage"), "tend")


def test_the_refusal_says_what_was_wanted():
    state = subset(("stage", "fast"), "stage")
    pick = arranged(state, STAGES)
    with pytest.raises(NoEndpoint, match="no endpoint has fast=True, stage='test'"):
        pick.pick(asked(state, {"stage": "test", "fast": True}), 0.0)
    why = (
        r"the call asks for \{'other': 'x'\}: its keys are no selector's; there are \('fast', 'stage'\), \('stage',\)$"
    )
    with pytest.raises(NoEndpoint, match=why):
        pick.pick(asked(state, {"other": "x"}), 0.0)
    with pytest.raises(NoEndpoint, match="the call asks for nothing, and there is no fallback for that"):
        pick.pick(asked(state, None), 0.0)
    one_for_all = subset("stage", key={"other": "x"})
    with pytest.raises(NoEndpoint, match=r"the call asks for \{'other': 'x'\}"):
        arranged(one_for_all, STAGES).pick(Call(None, None, 0.0), 0.0)
    state = subset("stage", fallback="default", default={"stage": "no"})
    pick = arranged(state, STAGES)
    with pytest.raises(NoEndpoint, match="no endpoint has default stage='no'"):
        pick.pick(asked(state, None), 0.0)


@pytest.mark.parametrize(
    "criteria",
    [
        {"other": "x" * 1_000_000},
        {f"key {number}": "x" * 1000 for number in range(1000)},
        [{"other": "x" * 1000}] * 1000,
        {"stage": "x" * 1_000_000},
        {"k" * 1_000_000: 1},
    ],
    ids=range(5),
)
def test_a_refusal_is_short_whatever_was_asked(criteria):
    state = subset("stage", *(f"selector {number}" for number in range(1000)))
    with pytest.raises(NoEndpoint) as refusal:
        arranged(state, STAGES).pick(asked(state, criteria), 0.0)
    assert len(str(refusal.value)) < 1000


# A naive oracle.

values = st.sampled_from([1, 2, "1", True])
tags = st.dictionaries(st.sampled_from("abc"), values)
keys = st.sets(st.sampled_from("abc"), min_size=1).map(lambda keys: tuple(sorted(keys)))


def equal(one, other):
    return type(one) is type(other) and one == other


def holds(server, criteria):
    return all(key in server.tags and equal(server.tags[key], value) for key, value in criteria.items())


@settings(max_examples=150)
@given(
    st.lists(tags, min_size=1, max_size=6),
    st.lists(keys, min_size=1, max_size=4, unique=True),
    st.one_of(st.none(), tags),
    st.sampled_from(["none", "any", "default"]),
    st.data(),
)
def test_whoever_is_picked_is_whom_the_rules_allow(all_tags, chosen, criteria, fallback, data):
    default = {"a": 1} if fallback == "default" else {}
    servers = [Server(str(number), each) for number, each in enumerate(all_tags)]
    here = members(*servers)
    for member in here:
        member.up = member.well = data.draw(st.booleans())
    state = subset(*chosen, fallback=fallback, default=default)
    pick = arranged(state, here)

    allowed = []
    if criteria and tuple(sorted(criteria)) in chosen:
        allowed = [member for member in here if holds(member.endpoint, criteria)]
    if not allowed and fallback != "none":
        allowed = [member for member in here if holds(member.endpoint, default)]
    up = [member for member in allowed if member.up]
    if 2 * len(up) >= len(allowed):
        allowed = up
    assert reach(state, pick, criteria) == {str(member.endpoint) for member in allowed}


# What is refused.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"selectors": []}, "selectors"),
        ({"selectors": "stage"}, "selectors"),
        ({"selectors": [("a", "b"), ("b", "a")]}, "selectors"),
        ({"selectors": [()]}, "keys"),
        ({"selectors": [("a", "a")]}, "keys"),
        ({"fallback": "keys"}, "fallback"),
        ({"fallback": "default"}, "default"),
        ({"default": {"a": 1}}, "default"),
        ({"default": "prod"}, "default"),
        ({"key": None}, "key"),
        ({"key": 7}, "key"),
        ({"panic": 2}, "panic"),
        ({"balancer": RoundRobin}, "balancer"),
        ({"redundant": 1}, "redundant"),
    ],
    ids=str,
)
def test_what_cannot_be_built(options, message):
    options = {"balancer": RoundRobin(), "selectors": ["a"], "key": "header:x-subset", **options}
    with pytest.raises(ConfigError, match=message):
        Subset(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"fallback": "keys"},
        {"fewer": ("a",)},
        {"fallback": "keys", "fewer": ("a", "b")},
        {"fallback": "keys", "fewer": "c"},
    ],
)
def test_selectors_that_cannot_be_built(options):
    with pytest.raises(ConfigError, match="fewer"):
        Selector(("a", "b"), **options)


async def criteria(call):
    return {}


def test_nothing_awaits_the_key():
    with pytest.raises(ConfigError, match="plain def"):
        Subset(RoundRobin(), selectors=["a"], key=criteria)


def test_specs_are_values():
    one, other = (Subset(RoundRobin(), selectors=[("b", "a")], key={"a": 1}) for _ in range(2))
    assert one == other
    assert hash(one) == hash(other)
    assert one.selectors == (Selector(("a", "b")),)
