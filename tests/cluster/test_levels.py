"""Priorities, panic and degraded endpoints: Envoy's arithmetic, row by row, and what must hold of any spread."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.cluster.levels import Level, Weights, choose, spread

ROWS = json.loads(Path(__file__).with_name("levels.json").read_text("utf-8"))
"""Sources: in the file, by project, path and commit."""

counts = st.integers(0, 40)


@st.composite
def levels(draw, most=5):
    made = []
    for _ in range(draw(st.integers(1, most))):
        healthy, degraded, ill, excluded = (draw(counts) for _ in range(4))
        made.append(Level(healthy + degraded + ill + excluded, healthy, degraded, excluded))
    return made


options = st.fixed_dictionaries({"overprovision": st.integers(100, 300), "panic": st.integers(0, 100)})


def percent(healthy, degraded=0):
    return Level(100, healthy, degraded)


def level(row):
    weights = row.get("weights")
    counts = (row["hosts"], row["healthy"], row["degraded"], row["excluded"])
    return Level(*counts, weights and Weights(**weights))


@pytest.mark.parametrize("row", ROWS["unit_rows"], ids=lambda row: row["name"])
def test_envoys_own_rows(row):
    options = {"op": "overprovision", "panic": "panic"}
    made = spread(
        [level(each) for each in row["priorities"]], **{options[k]: value for k, value in row["options"].items()}
    )
    assert (made.healthy, made.degraded) == (row["healthy_load"], row["degraded_load"])
    assert (made.panic, made.total) == (row["panic"], row["normalized_total"])
    assert made.total_panic == all(row["panic"])


@pytest.mark.parametrize("number", range(len(ROWS["documentation_rows"])))
def test_the_tables_of_envoys_documentation(number):
    row = ROWS["documentation_rows"][number]
    made = spread([percent(healthy) for healthy in row["healthy_percent"]])
    assert (made.healthy, made.panic, made.total) == (row["code"], row["panic"], row["total"])
    if row["documented_panic"] is not None:
        assert (made.panic, made.total) == (row["documented_panic"], row["documented_total"])


def test_where_envoys_documentation_and_its_code_differ():
    differing = [
        (row["file"], row["healthy_percent"], row["documented"], row["code"])
        for row in ROWS["documentation_rows"]
        if row["documented"] != row["code"]
    ]
    assert differing == [
        ("priority.rst", [25, 25, 20], [36, 36, 28], [34, 33, 33]),  # all three are in panic: by number of endpoints
        ("panic_threshold.rst", [50, 60], [50, 50], [70, 30]),  # the row leaves out the factor of 1.4
        ("panic_threshold.rst", [25, 100], [25, 75], [35, 65]),  # and this one
        ("panic_threshold.rst", [5, 65], [7, 93], [8, 92]),  # what rounding leaves over goes to the first with health
    ]


@pytest.mark.parametrize("row", ROWS["degraded_rows"], ids=lambda row: str(row["healthy_degraded_unhealthy"]))
def test_degraded_endpoints_take_what_the_healthy_ones_cannot(row):
    healthy, degraded, _ = row["healthy_degraded_unhealthy"]
    made = spread([percent(healthy, degraded)])
    assert [made.healthy[0], made.degraded[0]] == row["integer_algorithm"] == row["documented"]
    assert (made.panic, made.total) == ([row["panic"]], row["normalized_total"])


@pytest.mark.parametrize("row", ROWS["panic_rows"], ids=str)
def test_panic_within_one_level(row):
    made = spread([Level(row["hosts"], row["healthy"])], panic=row.get("panic_threshold", 50))
    assert made.panic == [row["expected"].startswith("panic") or row.get("fail_traffic_on_panic", False)]


def test_at_the_threshold_there_is_no_panic_yet():
    assert spread([Level(4, 2)], overprovision=100).panic == [False]
    assert spread([Level(4, 2)], overprovision=100, panic=51).panic == [True]
    assert spread([Level(7, 1, 1)], overprovision=100, panic=28).panic == [False]  # 28.57 % are well, or lame
    assert spread([Level(7, 1, 1)], overprovision=100, panic=29).panic == [True]


def test_the_example_in_the_comment_of_envoys_code():
    # load_balancer_impl.cc, recalculatePerPriorityState: health 10/20/10 and 20/10/0 % give 16/28/14 and 28/14/0.
    made = spread([percent(10, 20), percent(20, 10), percent(10)], overprovision=100, panic=0)
    assert (made.healthy, made.degraded) == ([16, 28, 14], [28, 14, 0])


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([Level(0, 0), Level(0, 0)], ([100, 0], [0, 0], [True, True])),  # nobody anywhere: it stands somewhere
        ([Level(0, 0), Level(2, 2)], ([0, 100], [0, 0], [False, False])),
        ([Level(3, 0, 0, 3), Level(1, 1)], ([0, 100], [0, 0], [False, False])),
    ],
)
def test_empty_levels(made, expected):
    got = spread(made)
    assert (got.healthy, got.degraded, got.panic) == expected


@pytest.mark.parametrize(
    ("made", "healthy", "degraded"),
    [
        ([Level(2, 0), Level(3, 0)], [100, 0], [0, 0]),  # nobody is well: in name only
        ([Level(2, 0), Level(1000, 3)], [0, 100], [0, 0]),  # 140 * 3 // 1000 is 0, and yet there are three
        ([Level(2, 0), Level(1000, 0, 3)], [0, 0], [0, 100]),
    ],
)
def test_without_panic_the_few_that_are_well_are_found(made, healthy, degraded):
    got = spread(made, panic=0)
    assert (got.healthy, got.degraded, got.total) == (healthy, degraded, 0)
    assert not any(got.panic)


def test_weights_of_nothing_carry_nothing():
    assert spread([Level(2, 2, weights=Weights(0, 0)), Level(1, 1)]).healthy == [0, 100]


def test_the_level_is_drawn_by_cumulative_load():
    made = spread([percent(25, 10), percent(20)], panic=0)
    assert (made.healthy, made.degraded) == ([46, 36], [18, 0])
    assert [choose(made, r) for r in (0, 45, 46, 81, 82, 99)] == [(0, False)] * 2 + [(1, False)] * 2 + [(0, True)] * 2
    assert choose(made, 2**64 - 1) == choose(made, (2**64 - 1) % 100)


def envoy_chooses(made, r):
    """choosePriority: r is 1 .. 100, and the first level whose cumulative load reaches it is the one."""
    load = 0
    for loads, lame in ((made.healthy, False), (made.degraded, True)):
        for number, each in enumerate(loads):
            load += each
            if r % 100 + 1 <= load:
                return number, lame
    raise AssertionError("less than 100 in all")


@given(levels(), options, st.integers(0, 2**32))
def test_all_is_spread_and_drawn_as_envoy_draws(made, options, r):
    got = spread(made, **options)
    assert sum(got.healthy) + sum(got.degraded) == 100
    assert len(got.table) == 100
    assert choose(got, r) == envoy_chooses(got, r)
    assert len(got.healthy) == len(got.degraded) == len(got.panic) == len(made)


@given(levels(), options)
def test_nobody_is_sent_where_nobody_is(made, options):
    got = spread(made, **options)
    for number, lame in set(got.table):
        if got.panic[number]:
            assert made[number].hosts or not any(each.hosts for each in made)
        elif any(each.healthy or each.degraded for each in made):
            assert made[number].degraded if lame else made[number].healthy


@given(levels(), options)
def test_enough_is_no_panic_and_panic_is_below_the_threshold(made, options):
    got = spread(made, **options)
    for each, panics in zip(made, got.panic, strict=True):
        available = each.hosts - each.excluded
        well = (each.healthy + each.degraded) / available if available else 0
        assert panics == (got.total < 100 and well < options["panic"] / 100)


@given(levels(), st.integers(0, 4))
def test_who_recovers_never_gets_less(made, number):
    made = [each._replace(degraded=0, hosts=each.hosts - each.degraded) for each in made]
    number %= len(made)
    ill = made[number].hosts - made[number].excluded - made[number].healthy
    before = spread(made, panic=0)
    after = spread(
        [*made[:number], made[number]._replace(healthy=made[number].healthy + min(ill, 1)), *made[number + 1 :]],
        panic=0,
    )
    above = sum(after.healthy[: number + 1]) - sum(before.healthy[: number + 1])
    assert above >= -len(made)  # but for what rounding moves to the first level
    assert number or above >= 0


@given(levels(most=3))
def test_a_level_carries_all_while_the_factor_covers_what_it_lacks(made):
    first = made[0]
    available = first.hosts - first.excluded
    got = spread(made, overprovision=140)
    if available and 140 * first.healthy >= 100 * available:
        assert got.healthy[0] == 100
    elif first.healthy and sum(got.panic) < len(made) and got.total == 100:
        assert got.healthy[0] == 140 * first.healthy // available + (100 - _given(made, got.total))


def _given(made, total):
    """What the divisions give away in all, before what is left over is given to the first."""
    left = 100
    for lame in (False, True):
        for each in made:
            available = each.hosts - each.excluded
            able = min(100, 140 * (each.degraded if lame else each.healthy) // available) if available else 0
            left -= min(left, able * 100 // total)
    return 100 - left
