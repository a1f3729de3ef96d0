"""Prequal: the paper's rule and its arithmetic by hand, what a pool lets go of, and picks that never wait.

Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024, arXiv 2312.10172).
"""

from itertools import pairwise
from math import inf, isclose
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.balance import Member
from meshkit.balance.report.prequal import UNDER_WAY, Prequal, reuse
from meshkit.balance.report.probes import RECENT, Answer, Pool, best, read, worst, written
from meshkit.call import Call
from meshkit.errors import ConfigError

from .arranging import Weighted, arranged


def members(n):
    return [Member(Weighted()) for _ in range(n)]


def asking(n, seed=1, **options):
    """A started balancer, its pick, and who is in it."""
    balancer = Prequal(**options).start(Random(seed))
    field = members(n)
    return balancer, arranged(balancer, field), field


def drain(balancer):
    """Everybody who is to be probed, as a shell takes them."""
    taken = []
    while balancer.errands:
        taken.append(balancer.errands.popleft())
    return taken


def tell(balancer, pick, now, loads):
    """Have these members answer, whether they were asked or not: (rif, latency) by member."""
    for member, (rif, latency) in loads.items():
        balancer.under_way[member] = (pick, now)
        balancer.answered(member, rif, latency, now)


CALL = Call(None, None, 0.0)


# How often an answer decides.


@pytest.mark.parametrize(
    ("pool", "endpoints", "probes", "removals", "slack", "expected"),
    [
        (16, 100, 3, 1, 1, 2 / (0.84 * 3 - 1)),  # the paper's defaults among a hundred: 1.3158
        (16, 1600, 3, 1, 1, 2 / (0.99 * 3 - 1)),  # 1.0152
        (16, 32, 3, 1, 1, 2 / (0.5 * 3 - 1)),  # 4
        (16, 24, 3, 1, 1, inf),  # a third of three probes is new, one answer is removed: the pool gains nothing
        (16, 16, 3, 1, 1, inf),
        (16, 3, 3, 1, 1, inf),
        (16, 100, 16, 0, 0, 1.0),  # never less than once
        (16, 100, 3, 0, 1, 1.0),
        (16, 100, 0.5, 0.25, 1, 2 / (0.84 * 0.5 - 0.25)),
    ],
)
def test_reuse(pool, endpoints, probes, removals, slack, expected):  # noqa: PLR0917  # a table's columns
    assert isclose(reuse(pool, endpoints, probes, removals, slack), expected)


def test_the_papers_own_figure():
    assert round(reuse(16, 100, 3, 1, 1), 4) == 1.3158


def test_a_part_of_a_use_is_rounded_so_that_it_is_right_on_average():
    """False alarm below 1e-6: 5 standard deviations of 4000 draws with probability 0.3158."""
    balancer, pick, field = asking(100)
    uses = []
    for k in range(4000):
        member = field[k % 100]
        balancer.under_way[member] = (pick, 0.0)
        balancer.answered(member, 0, 0.1, 0.0)
        uses.append(pick.pool.answers[-1].uses)
    assert set(uses) == {1, 2}
    assert abs(sum(uses) / 4000 - pick.reuse) < 5 * (0.3158 * 0.6842 / 4000) ** 0.5


# The hot-cold rule.

# ((rif, latency) of each answer, threshold, place of the best, place of the worst)
RULE = [
    ([(1, 0.3), (2, 0.1), (9, 0.01)], 2, 1, 2),  # cold: the quickest; hot goes first, however quick
    ([(1, 0.3), (2, 0.1), (3, 0.2)], 5, 1, 0),  # all cold: latency alone
    ([(7, 0.1), (6, 0.9), (8, 0.2)], 5, 1, 2),  # all hot: requests in flight alone
    ([(5, 0.2), (6, 0.1)], 5, 0, 1),  # at the threshold is cold
    ([(4, 0.2), (3, 0.2)], 5, 1, 0),  # cold ones of one latency: the less busy
    ([(6, 0.3), (6, 0.2)], 5, 1, 0),  # hot ones as busy: the quicker
    ([(1, 0.2), (1, 0.2)], 5, 0, 0),  # the same: the older
    ([(1, 0.3), (2, 0.1)], -inf, 0, 1),  # quantile 0: only requests in flight count
    ([(1, 0.3), (99, 0.1)], inf, 1, 0),  # quantile 1: only latency counts
]


@pytest.mark.parametrize(("told", "threshold", "first", "last"), RULE)
def test_rule(told, threshold, first, last):
    answers = [Answer(member, *each, 0.0, 1) for member, each in zip(members(len(told)), told, strict=True)]
    assert best(answers, threshold) is answers[first]
    assert worst(answers, threshold) is answers[last]


def threshold_of(rifs, quantile):
    pool = Pool(16, 1.0, quantile)
    for rif in rifs:
        pool.add(Member(Weighted()), rif, 0.1, 0.0, 1)
    return pool.threshold


@pytest.mark.parametrize(
    ("rifs", "quantile", "expected"),
    [
        (range(1, 17), 2**-0.25, 14),  # 0.8409 x 16 = 13.45: the 14th
        (range(1, 11), 2**-0.25, 9),  # 8.41: the 9th
        ([5], 2**-0.25, 5),
        ([3, 1, 2, 4], 0.5, 2),
        ([3, 1, 2, 4], 0.51, 3),
        ([0] * 9 + [7], 0.9, 0),
        ([0] * 9 + [7], 0.91, 7),
        ([3, 1], 0.0, -inf),
        ([3, 1], 1.0, inf),
        ([], 0.5, -inf),
    ],
)
def test_threshold_is_the_nearest_rank(rifs, quantile, expected):
    assert threshold_of(rifs, quantile) == expected


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=3 * RECENT), st.floats(0.01, 0.99))
def test_threshold_is_that_of_the_last_answers(rifs, quantile):
    """Against sorting them all, each time."""
    last = sorted(rifs[-RECENT:])
    below = sum(each <= threshold_of(rifs, quantile) for each in last)
    assert below >= quantile * len(last)
    assert sum(each < threshold_of(rifs, quantile) for each in last) < quantile * len(last)


def test_a_pick_goes_to_the_quickest_cold_one():
    balancer, pick, (a, b, c) = asking(3, quantile=0.5, removals=0)
    tell(balancer, pick, 0.0, {a: (1, 0.3), b: (2, 0.2), c: (9, 0.001)})
    assert pick.pool.threshold == 2
    assert pick.pick(CALL, 0.0) is b


def test_a_call_sent_counts_as_in_flight_until_the_next_answer():
    """B is the quickest; with one call more than it told of it is as hot as the rest, with two above the threshold."""
    balancer, pick, (a, b, c) = asking(3, quantile=0.5, removals=0)
    tell(balancer, pick, 0.0, {a: (2, 0.3), b: (0, 0.1), c: (2, 0.2)})
    picked = [pick.pick(CALL, 0.0) for _ in range(5)]
    assert picked == [b, b, b, c, a]  # rif of b: 0, 1, 2, then 3: hot; c is hot after its first
    tell(balancer, pick, 0.1, {b: (0, 0.1)})
    assert pick.pick(CALL, 0.1) is b


# What the pool lets go of.


def test_an_answer_expires():
    balancer, pick, field = asking(20, expiry=1.0, removals=0, slack=50.0)
    tell(balancer, pick, 10.0, dict.fromkeys(field[:2], (0, 0.1)))
    tell(balancer, pick, 10.5, dict.fromkeys(field[2:5], (0, 0.1)))
    pick.pick(CALL, 10.999)
    assert len(pick.pool.answers) == 5
    pick.pick(CALL, 11.0)
    assert [each.member for each in pick.pool.answers] == field[2:5]
    pick.pick(CALL, 11.5)
    assert pick.pool.answers == []


def test_an_answer_is_used_up():
    balancer, pick, field = asking(32, removals=0.0, slack=4.6)  # 5.6 / 2.25: 2 or 3 uses
    tell(balancer, pick, 0.0, {member: (0, 0.1 + k) for k, member in enumerate(field[:3])})
    first = pick.pool.answers[0]
    uses = int(first.uses)
    assert uses in {2, 3}
    pick.pool.threshold = inf
    picked = [pick.pick(CALL, 0.0) for _ in range(uses + 1)]
    assert picked == [field[0]] * uses + [field[1]]
    assert first not in pick.pool.answers


def test_removal_takes_the_worst_and_the_oldest_in_turn_and_leaves_two():
    pool = Pool(16, 1.0, 1.0)
    field = members(7)
    for member, latency in zip(field, [0.3, 0.1, 0.7, 0.2, 0.6, 0.5, 0.4], strict=True):
        pool.add(member, 0, latency, 0.0, inf)
    left = []
    for _ in range(7):
        pool.wear(1.0)
        left.append([field.index(each.member) for each in pool.answers])
    assert left[:5] == [
        [0, 1, 3, 4, 5, 6],  # 2 was the slowest
        [1, 3, 4, 5, 6],  # 0 the oldest
        [1, 3, 5, 6],  # 4 the slowest
        [3, 5, 6],
        [3, 6],
    ]
    assert left[5:] == [[3, 6], [3, 6]]


def test_a_part_of_a_removal_is_owed():
    pool = Pool(16, 1.0, 1.0)
    for member in members(10):
        pool.add(member, 0, 0.1, 0.0, inf)
    sizes = []
    for _ in range(8):
        pool.wear(0.25)
        sizes.append(len(pool.answers))
    assert sizes == [10, 10, 10, 9, 9, 9, 9, 8]


def test_a_full_pool_makes_room_for_the_new_and_keeps_one_answer_of_each():
    pool = Pool(3, 1.0, 1.0)
    a, b, c, d = members(4)
    for at, member in enumerate([a, b, c, a]):
        pool.add(member, at, 0.1, float(at), 1)
    assert [(each.member, each.rif) for each in pool.answers] == [(b, 1), (c, 2), (a, 3)]
    pool.add(d, 4, 0.1, 4.0, 1)
    assert [each.member for each in pool.answers] == [c, a, d]


# Probes.


def test_each_pick_has_three_different_ones_probed():
    balancer, pick, field = asking(100)
    for _ in range(200):
        pick.pick(CALL, 0.0)
        asked = drain(balancer)
        assert len(set(asked)) == 3
        assert set(asked) <= set(field)
        for member in asked:
            balancer.unanswered(member, 0.0)
    assert not balancer.under_way


def test_every_set_of_three_is_drawn_equally_often():
    """False alarm below 1e-5: 10 sets of three out of five, 5000 draws, each within 5 standard deviations of 500."""
    balancer, pick, field = asking(5)
    seen = {}
    for _ in range(5000):
        pick.pick(CALL, 0.0)
        asked = drain(balancer)
        for member in asked:
            balancer.unanswered(member, 0.0)
        drawn = frozenset(field.index(member) for member in asked)
        seen[drawn] = seen.get(drawn, 0) + 1
    assert len(seen) == 10
    assert all(abs(count - 500) < 5 * (5000 * 0.1 * 0.9) ** 0.5 for count in seen.values())


@pytest.mark.parametrize(("rate", "each"), [(0.25, [0, 0, 0, 1]), (1.5, [1, 2, 1, 2]), (2, [2, 2, 2, 2])])
def test_a_part_of_a_probe_is_owed(rate, each):
    balancer, pick, _ = asking(50, probes=rate)
    counts = []
    for _ in range(4):
        pick.pick(CALL, 0.0)
        asked = drain(balancer)
        counts.append(len(asked))
        for member in asked:
            balancer.unanswered(member, 0.0)
    assert counts == each


def test_fewer_endpoints_than_probes_are_all_probed_and_one_alone_never():
    balancer, pick, field = asking(2)
    pick.pick(CALL, 0.0)
    assert set(drain(balancer)) == set(field)
    balancer, pick, [only] = asking(1)
    assert pick.pick(CALL, 0.0) is only
    assert not balancer.errands


def test_whoever_is_being_probed_is_not_probed_again():
    balancer, pick, _ = asking(3)
    for _ in range(5):
        pick.pick(CALL, 0.0)
    assert len(balancer.errands) == 3
    member = balancer.errands.popleft()
    balancer.answered(member, 1, 0.1, 0.2)
    pick.pick(CALL, 0.2)
    assert member in balancer.errands


def test_probes_under_way_are_bounded_and_lost_ones_forgotten():
    balancer, pick, _ = asking(1000, expiry=1.0)
    for _ in range(100):
        pick.pick(CALL, 5.0)
    assert len(balancer.errands) == len(balancer.under_way) == UNDER_WAY
    first = balancer.errands[0]
    pick.pick(CALL, 14.999)
    assert len(balancer.under_way) == UNDER_WAY
    assert first in balancer.under_way
    pick.pick(CALL, 15.0)
    assert len(balancer.errands) == len(balancer.under_way) == UNDER_WAY
    assert first not in balancer.under_way
    assert first not in balancer.errands
    balancer.answered(first, 0, 0.1, 15.0)  # too late: nobody waits for it
    assert pick.pool.answers == []


def test_the_shell_is_woken_when_there_are_errands_again():
    balancer, pick, _ = asking(100)
    woken = []
    balancer.wake = lambda: woken.append(len(balancer.errands))
    pick.pick(CALL, 0.0)
    pick.pick(CALL, 0.0)
    assert woken == [1]
    drain(balancer)
    pick.pick(CALL, 0.0)
    assert woken == [1, 1]


# Who is picked where little is known.


def test_without_answers_everybody_is_picked_equally_often():
    """False alarm below 1e-5: 5 endpoints, 5000 picks, each within 5 standard deviations of 1000."""
    _, pick, field = asking(5)
    counts = dict.fromkeys(field, 0)
    for _ in range(5000):
        counts[pick.pick(CALL, 0.0)] += 1
    assert all(abs(count - 1000) < 5 * (5000 * 0.2 * 0.8) ** 0.5 for count in counts.values())


def test_one_answer_decides_nothing_and_is_still_counted_up():
    balancer, pick, field = asking(4)
    tell(balancer, pick, 0.0, {field[0]: (0, 0.0)})
    picked = [pick.pick(CALL, 0.0) for _ in range(200)]
    assert set(picked) == set(field)
    assert pick.pool.answers[0].rif == picked.count(field[0])


def test_what_is_to_be_avoided_is_picked_only_if_there_is_nothing_else():
    balancer, pick, (a, b, c) = asking(3, removals=0)
    tell(balancer, pick, 0.0, {a: (0, 0.1), b: (0, 0.2), c: (0, 0.3)})
    call = Call(None, None, 0.0)
    call.avoid = (a.endpoint,)
    assert pick.pick(call, 0.0) is b
    call.avoid = (a.endpoint, b.endpoint)
    assert {pick.pick(call, 0.0) for _ in range(20)} == {c}
    call.avoid = (a.endpoint, b.endpoint, c.endpoint)
    assert {pick.pick(call, 0.0) for _ in range(100)} == {a, b, c}


# Changes of who is there.


def test_what_is_known_stays_known_and_those_who_left_are_gone():
    balancer, pick, (a, b, c) = asking(3, removals=0)
    tell(balancer, pick, 0.0, {a: (0, 0.1), b: (0, 0.2), c: (0, 0.3)})
    pick.pick(CALL, 0.0)
    assert len(balancer.errands) == 3
    [d] = members(1)
    later = arranged(balancer, [b, c, d], pick)
    assert later.pick(CALL, 0.1) is b
    balancer.answered(a, 0, 0.0, 0.1)  # it was asked before it left
    assert {later.pick(CALL, 0.1) for _ in range(50)} <= {b, c, d}
    assert a not in [each.member for each in later.pool.answers]


def test_picks_of_different_levels_know_their_own():
    balancer = Prequal(removals=0).start(Random(1))
    near, far = members(2), members(2)
    first, second = arranged(balancer, near), arranged(balancer, far)
    first.pick(CALL, 0.0)
    second.pick(CALL, 0.0)
    for member in drain(balancer):
        balancer.answered(member, 0, 0.1, 0.0)
    assert {each.member for each in first.pool.answers} == set(near)
    assert {each.member for each in second.pool.answers} == set(far)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pick"), st.sets(st.integers(0, 11), max_size=3)),
        st.tuples(st.just("answer"), st.tuples(st.integers(0, 20), st.floats(0, 5))),
        st.tuples(st.just("lose"), st.none()),
        st.tuples(st.just("wait"), st.floats(0, 1.5)),
        st.tuples(st.just("change"), st.sets(st.integers(0, 11), min_size=1)),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(
    STEPS,
    st.integers(0, 2**32),
    st.fixed_dictionaries(
        {
            "pool": st.integers(2, 5),
            "probes": st.floats(0.1, 5),
            "removals": st.floats(0, 3),
            "quantile": st.floats(0, 1),
        }
    ),
)
def test_it_never_picks_a_stranger_and_never_keeps_too_much(steps, seed, options):
    balancer = Prequal(**options).start(Random(seed))
    everybody = members(12)
    present = set(everybody)
    pick, now, taken = arranged(balancer, everybody), 0.0, []
    for what, how in steps:
        if what == "pick":
            call = Call(None, None, now)
            call.avoid = tuple(everybody[k].endpoint for k in how)
            picked = pick.pick(call, now)
            assert picked in present
            assert everybody.index(picked) not in how or present <= {everybody[k] for k in how}
        elif what == "answer":
            taken += drain(balancer)
            if taken:
                balancer.answered(taken.pop(0), *how, now)
        elif what == "lose":
            taken += drain(balancer)
            if taken:
                balancer.unanswered(taken.pop(), now)
        elif what == "wait":
            now += how
        else:
            present = {everybody[k] for k in how}
            pick = arranged(balancer, list(present), pick)
        answers = pick.pool.answers
        assert len(answers) <= options["pool"]
        assert len({each.member for each in answers}) == len(answers)
        assert all(before.received_at <= after.received_at for before, after in pairwise(answers))
        assert len(balancer.under_way) <= min(UNDER_WAY, 12)
        assert set(balancer.errands) <= set(balancer.under_way)


def trace(seed):
    balancer, pick, field = asking(20, seed)
    rng = Random(99)
    picked = []
    for k in range(300):
        picked.append(field.index(pick.pick(CALL, k / 50)))
        for member in drain(balancer):
            balancer.answered(member, rng.randrange(5), rng.random(), k / 50)
    return picked


def test_the_same_seed_decides_the_same():
    assert trace(5) == trace(5)
    assert trace(5) != trace(6)


def test_a_slow_server_gets_little():
    """20 endpoints, one ten times as slow, calls in flight as long as they take: it gets below a third of its share."""
    balancer, pick, field = asking(20, seed=3)
    ends = []
    in_flight = dict.fromkeys(field, 0)
    latency = {member: 0.5 if member is field[0] else 0.05 for member in field}
    counts = dict.fromkeys(field, 0)
    for k in range(4000):
        now = k / 200
        for member in [member for end, member in ends if end <= now]:
            in_flight[member] -= 1
        ends = [each for each in ends if each[0] > now]
        for member in drain(balancer):
            balancer.answered(member, in_flight[member], latency[member], now)
        member = pick.pick(CALL, now)
        counts[member] += 1
        in_flight[member] += 1
        ends.append((now + latency[member], member))
    assert counts[field[0]] < 4000 / 20 / 3


# What is said on the wire.


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"rif": 3, "latency": 0.012}', (3.0, 0.012)),
        (b'{"latency": 0, "rif": 0, "more": [1, {"x": null}]}', (0.0, 0.0)),
        (b' {"rif":1e6,"latency":86400}\n', (1e6, 86400.0)),
        (written(7, 0.25), (7.0, 0.25)),
        (written(0, 1e-9), (0.0, 0.0)),
        (written(999_999, 86_399.999_999), (999_999.0, 86_399.999_999)),
    ],
)
def test_read(body, expected):
    assert read(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[3, 0.012]",
        b"3",
        b"{",
        b"<html>",
        b'{"rif": 3}',
        b'{"latency": 0.1}',
        b'{"rif": NaN, "latency": 0.1}',
        b'{"rif": 1, "latency": NaN}',
        b'{"rif": 1, "latency": Infinity}',
        b'{"rif": 1, "latency": -Infinity}',
        b'{"rif": 1, "latency": 1e999}',
        b'{"rif": -1, "latency": 0.1}',
        b'{"rif": 1, "latency": -0.1}',
        b'{"rif": 1000001, "latency": 0.1}',
        b'{"rif": 1, "latency": 86401}',
        b'{"rif": 1' + b"0" * 200 + b', "latency": 0.1}',
        b'{"rif": "1", "latency": 0.1}',
        b'{"rif": true, "latency": 0.1}',
        b'{"rif": null, "latency": 0.1}',
        b'{"rif": [1], "latency": 0.1}',
        b"\xff\xfe\x00",
        b'{"rif": 1, "latency": 0.1, "more": "' + b"x" * 256 + b'"}',
        b"[" * 256,
    ],
)
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(ValueError):  # noqa: PT011  # json's own, or ours
        read(body)


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_reading_ends_in_two_good_numbers_or_a_value_error(body):
    try:
        rif, latency = read(body)
    except ValueError:
        return
    assert 0 <= rif <= 1e6
    assert 0 <= latency <= 86_400


@pytest.mark.parametrize(
    "options",
    [
        {"probes": 0},
        {"probes": float("nan")},
        {"pool": 1},
        {"pool": 65},
        {"expiry": 0},
        {"removals": -1},
        {"quantile": 1.1},
        {"slack": -1},
        {"path": "load"},
        {"path": "/a b"},
        {"path": "/a#b"},
        {"path": "/\r\n"},
        {"path": "/ä"},
        {"path": None},
    ],
)
def test_options_are_checked(options):
    with pytest.raises(ConfigError, match=f"Prequal: {next(iter(options))}="):
        Prequal(**options)


def test_it_measures_nothing_itself():
    assert Prequal().start(Random(1)).load(1.0) is None


@pytest.mark.parametrize(("endpoints", "size"), [(2, 3), (12, 3), (20, 5), (63, 15), (64, 16), (1000, 16)])
def test_of_few_endpoints_a_quarter_is_kept(endpoints, size):
    assert asking(endpoints)[1].pool.size == size
    balancer, pick, field = asking(100)
    tell(balancer, pick, 0.0, dict.fromkeys(field[:10], (0, 0.1)))
    assert len(pick.pool.answers) == 10
    fewer = arranged(balancer, field[:endpoints], pick) if endpoints <= 100 else pick
    assert fewer.pool is pick.pool
    assert [each.member for each in fewer.pool.answers] == field[:10][-size:]
