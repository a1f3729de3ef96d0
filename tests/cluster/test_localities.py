"""Localities: Envoy's shares to the hundredth of a percent, and what must hold of any split."""

import json
from math import isclose
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.cluster.localities import LocalityWeights, Part, Split, ZoneAware, ZoneFirst, ZoneStrict, zone_of
from meshkit.errors import ConfigError

TABLE = json.loads(Path(__file__).with_name("localities.json").read_text("utf-8"))
PLACES = ("eu/a/1", "eu/a/2", "eu/b", "us/c", "a", "d", None)


def parts(**available):
    """One endpoint is as good as another, and all of them are up."""
    return {place: Part(number, number, number) for place, number in available.items()}


def shares(split):
    if split is None:
        return None
    assert not split.shares or isclose(sum(split.shares.values()), 1)
    return {place: round(100 * share, 3) for place, share in split.shares.items()}


@st.composite
def groups(draw):
    made = {}
    for place in draw(st.sets(st.sampled_from(PLACES), min_size=1)):
        total, ill = draw(st.integers(0, 20)), draw(st.integers(0, 20))
        made[place] = Part(total + ill, total, total)
    return made


amounts = st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e", "eu/a/1"]), st.integers(1, 9), min_size=1)
modes = st.one_of(
    st.builds(LocalityWeights, amounts),
    st.builds(
        ZoneAware,
        st.sampled_from(["a", "eu/b"]),
        amounts,
        min_cluster_size=st.integers(0, 10),
        routing_enabled=st.floats(0, 1),
        force=st.none() | st.integers(1, 3),
    ),
    st.builds(ZoneFirst, st.sampled_from(["a", "eu/b"]), least=st.integers(1, 3)),
    st.builds(ZoneStrict, st.sampled_from(["a", "eu/b"])),
)


@pytest.mark.parametrize(
    ("locality", "zone"),
    [("eu/eu-1/x", "eu-1"), ("eu/eu-1", "eu-1"), ("eu-1", "eu-1"), ("", None), ("eu//x", None), (None, None)],
)
def test_the_zone_of_a_locality(locality, zone):
    assert zone_of(locality) == zone


@pytest.mark.parametrize("row", TABLE["rows"], ids=lambda row: str(row["X_available_percent"]))
def test_the_table_of_envoys_documentation(row):
    mode = LocalityWeights(row["locality_weights"])
    x, y = row["X_available_percent"], row["Y_available_percent"]
    got = shares(mode.split({"X": Part(100, x, x), "Y": Part(100, y, y)}))
    assert [got.get("X", 0.0), got["Y"]] == row["exact_percent"]
    assert [round(each) for each in row["exact_percent"]] == pytest.approx(row["documented_percent"], abs=1)


def test_weights_for_whole_zones_are_shared_by_what_is_available_there():
    mode = LocalityWeights({"a": 3, "eu/b/1": 1})
    made = {
        "eu/a/1": Part(2, 2, 2),
        "eu/a/2": Part(1, 1, 1),
        "eu/b/1": Part(1, 1, 1),
        "eu/b/2": Part(9, 9, 9),
        None: Part(9, 9, 9),
    }
    assert shares(mode.split(made)) == {"eu/a/1": 50.0, "eu/a/2": 25.0, "eu/b/1": 25.0}


def test_where_nobody_that_has_a_weight_is_up_all_are_asked_as_one():
    mode = LocalityWeights({"a": 1, "b": 0})
    assert mode.split({"a": Part(4, 0, 0), "b": Part(1, 1, 1), "c": Part(3, 3, 3)}) is None


# envoyproxy/envoy test/extensions/load_balancing_policies/round_robin/round_robin_lb_test.cc
# @0d2acde2e8d72f305977c5638cd3c707aa8dad6f: the zones of the tests named first; shares are what follows for a draw from
# the ranges that these tests probe, such as "sampled value 0-2083 of 5418, after 3750 of 10000 have stayed".
ENVOY = [
    ("ZoneAwareZonesMismatched", "A", {"A": 1, "B": 1}, {"A": 1, "C": 1}, 2, {"A": 100.0}),
    ("ZoneAwareZonesMismatched", "B", {"A": 1, "B": 1}, {"A": 1, "C": 1}, 2, {"C": 100.0}),
    (
        "ZoneAwareResidualsMismatched",
        "A",
        {"A": 2, "B": 2, "C": 1, "D": 1},
        {"A": 1, "C": 3, "D": 3, "E": 1},
        6,
        {
            "A": 37.503,  # 1250 of 3333: 3750 of 10000, the rest by 2084, 2084 and 1250
            "C": 24.039,
            "D": 24.039,
            "E": 14.419,
        },
    ),
    ("ZoneAwareDifferentZoneSize", "B", {"A": 1, "B": 1}, {"A": 1, "B": 1, "C": 1}, 3, {"B": 66.66, "C": 33.34}),
    ("ZoneAwareUseHostWeight", "A", {"A": 200, "B": 200}, {"A": 100, "B": 100}, 2, {"A": 100.0}),
    ("ZoneAwareRoutingLargeZoneSwitchOnOff", "B", {"A": 1, "B": 1, "C": 1}, {"A": 1, "B": 1, "C": 1}, 3, {"B": 100.0}),
    (
        "ZoneAwareRoutingSmallZone",
        "A",
        {"A": 1, "B": 1, "C": 1},
        {"A": 1, "B": 2, "C": 2},
        5,
        {"A": 60.0, "B": 20.0, "C": 20.0},
    ),
    (
        "ZoneAwareNoMatchingZones",
        "A",
        {"A": 1, "B": 1, "C": 1},
        {"D": 1, "E": 1, "F": 1},
        3,
        {"D": 33.333, "E": 33.333, "F": 33.333},
    ),
    # And where zones are left out of account.
    ("ZoneAwareSmallCluster", "B", {"A": 1, "B": 1, "C": 1}, {"A": 1, "B": 1, "C": 1}, 7, None),
    ("NoZoneAwareNotEnoughLocalZones", "A", {"A": 1}, {"A": 1, "B": 1}, 2, None),
    ("NoZoneAwareNotEnoughUpstreamZones", "A", {"A": 1, "B": 1}, {"A": 1}, 1, None),
    ("nobody calls from here", "A", {"A": 0, "B": 1, "C": 1}, {"A": 1, "B": 3}, 1, None),
]


@pytest.mark.parametrize("row", ENVOY, ids=lambda row: f"{row[0]}-{row[1]}")
def test_the_zones_of_envoys_tests(row):
    _, own, callers, upstream, least, expected = row
    split = ZoneAware(own, callers, min_cluster_size=least).split(parts(**upstream))
    got = shares(split)
    assert got == (expected and pytest.approx(expected, abs=0.004))


def test_the_example_in_the_comment_of_envoys_code():
    # load_balancer_impl.cc, regenerateLocalityRoutingStructures: callers 40/40/20 %, endpoints 25/50/25 %: residues
    # of 0, 10 and 5.
    got = shares(ZoneAware("A", {"A": 2, "B": 2, "C": 1}).split(parts(A=2, B=4, C=2)))
    assert got == {"A": 62.5, "B": 25.0, "C": 12.5}


def test_all_callers_together_give_every_endpoint_the_same():
    callers, upstream = {"A": 5, "B": 3, "C": 2}, {"A": 2, "B": 2, "C": 6}
    load = dict.fromkeys(upstream, 0.0)
    for own, number in callers.items():
        for place, share in ZoneAware(own, callers).split(parts(**upstream)).shares.items():
            load[place] += number * share
    assert load == pytest.approx({"A": 2.0, "B": 2.0, "C": 6.0}, abs=0.01)


def test_the_small_residue_that_rounding_takes_away_goes_to_nobody_without_endpoints():
    # The callers' and the endpoints' shares are 1/3 each, but for the own zone's, which has none.
    made = {"A": Part(5, 0, 0), "B": Part(5, 5, 5), "C": Part(5, 5, 5)}
    assert shares(ZoneAware("A", {"A": 1, "B": 50_000, "C": 50_000}).split(made)) == {"B": 50.0, "C": 50.0}


def test_some_calls_may_be_left_out_of_account():
    mode = ZoneAware("A", {"A": 1, "B": 1}, routing_enabled=0.9)
    assert shares(mode.split(parts(A=4, B=4))) == {"A": 95.0, "B": 5.0}


def test_force_keeps_everything_at_home_while_enough_are_there():
    mode = ZoneAware("A", {"A": 9, "B": 1}, force=2)
    assert shares(mode.split(parts(A=2, B=8))) == {"A": 100.0}
    assert shares(mode.split(parts(A=1, B=9))) == {"A": 11.11, "B": 88.89}
    assert shares(ZoneAware("A", {"A": 9}, force=2).split(parts(A=2, B=8))) == {"A": 100.0}


def test_the_own_zone_first_then_the_own_region_then_all():
    mode = ZoneFirst("eu/eu-1")
    everywhere = {
        "eu/eu-1/x": Part(2, 2, 2),
        "eu/eu-1/y": Part(2, 1, 1),
        "eu/eu-2": Part(3, 3, 3),
        "us/us-1": Part(6, 6, 6),
    }
    assert shares(mode.split(everywhere)) == {"eu/eu-1/x": 66.667, "eu/eu-1/y": 33.333}
    everywhere |= {"eu/eu-1/x": Part(2, 0, 0), "eu/eu-1/y": Part(2, 0, 0)}
    assert shares(mode.split(everywhere)) == {"eu/eu-2": 100.0}
    everywhere |= {"eu/eu-2": Part(3, 0, 0)}
    assert mode.split(everywhere) is None
    assert ZoneFirst("eu-1", least=3).split({"eu-1": Part(2, 2, 2), "eu/b": Part(6, 6, 6)}) is None


def test_nothing_leaves_a_strict_zone():
    mode = ZoneStrict("eu-1")
    assert [mode.admits(place) for place in ("eu/eu-1/x", "eu-1", "eu/eu-2", "eu", None)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert shares(mode.split({"eu/eu-1": Part(2, 1, 1), "eu/eu-2": Part(9, 9, 9)})) == {"eu/eu-1": 100.0}
    assert mode.split({"eu/eu-1": Part(2, 0, 0), "eu/eu-2": Part(9, 9, 9)}).shares == {}


def test_a_draw_falls_where_the_shares_say():
    split = Split({"a": 1, "nobody": 0, "b": 2, None: 1})
    assert [split.choose(r) for r in (0.0, 0.2499, 0.25, 0.7499, 0.75, 1 - 2**-53)] == ["a", "a", "b", "b", None, None]
    rng = Random(1)
    drawn = [split.choose(rng.random()) for _ in range(20_000)]
    # Standard deviation of a share of 1/2: 0.0035; false alarm at six of them: below 1e-8.
    assert abs(drawn.count("b") / 20_000 - 0.5) < 0.022


@given(modes, groups(), st.floats(0, 1, exclude_max=True))
def test_nobody_is_sent_where_nobody_is_up_and_somebody_is_where_there_is(mode, made, r):
    split = mode.split(made)
    if split is not None:
        assert all(share > 0 and made[place].available for place, share in split.shares.items())
        assert all(mode.admits(place) for place in split.shares)
        admitted = any(part.available for place, part in made.items() if mode.admits(place))
        assert bool(split.shares) == admitted
        if admitted:
            assert isclose(sum(split.shares.values()), 1)
            assert split.choose(r) in split.shares
    else:
        assert not isinstance(mode, ZoneStrict)


@given(amounts, groups())
def test_a_zone_that_gets_more_available_keeps_more_of_its_calls(callers, made):
    mode = ZoneAware("a", callers, min_cluster_size=0)

    def at_home(made):
        return sum(share for place, share in mode.split(made).shares.items() if zone_of(place) == "a")

    if len({zone_of(place) for place in made}) > 1 and "a" in made and callers.get("a") and len(callers) > 1:
        more = {**made, "a": Part(made["a"].total + 5, made["a"].available + 5, made["a"].hosts + 5)}
        assert mode.split(made) is None or at_home(more) >= at_home(made) - 1e-3


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        (LocalityWeights, [{}]),
        (LocalityWeights, [{"a": 0}]),
        (LocalityWeights, [{"a": -1}]),
        (LocalityWeights, [{"a": float("nan")}]),
        (LocalityWeights, [{"a": True}]),
        (LocalityWeights, [{1: 1}]),
        (LocalityWeights, ["a"]),
        (ZoneAware, ["", {"a": 1}]),
        (ZoneAware, [None, {"a": 1}]),
        (ZoneAware, ["a", {"a": 10**400}]),
        (ZoneAware, ["a", {"a": "1"}]),
        (ZoneFirst, ["eu//x"]),
        (ZoneStrict, [7]),
    ],
)
def test_what_is_refused(spec, arguments):
    with pytest.raises(ConfigError, match=spec.__name__):
        spec(*arguments)


def test_specs_are_values():
    assert LocalityWeights({"a": 1}) == LocalityWeights({"a": 1}) != LocalityWeights({"a": 2})
    assert repr(ZoneAware("a", {"a": 1})).startswith("ZoneAware(zone='a', callers={'a': 1}")
    assert len({ZoneFirst("a"), ZoneFirst("a"), ZoneStrict("a")}) == 2
    assert hash(LocalityWeights({"a": 1})) == hash(LocalityWeights({"a": 1}))
