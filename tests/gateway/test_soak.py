"""Does the soak find what must not be? Violations on paper, and some that are planted among real requests.

Those are real processes, and few of them: `make soak` runs ten minutes.
"""

from __future__ import annotations

import asyncio
from math import inf

import pytest

from .behind import Sample, complaints, grown, held
from .errand import PLANTS
from .ledger import AFTER, KINDS, Disturbance, Ledger, Record, percentile
from .soak import soak

KIND = {kind.name: kind for kind in KINDS}
SECONDS = 2.0
BOUNDS = {"memory": 100.0, "descriptors": 2.0}


def ledger(kind: str, outcome: str, *seen: str, server: str = "", copies: int = 0, number: int = 7) -> Ledger:
    """Of one request, from 10 to 11, with an endpoint ``b`` that was dead from 12 to 14."""
    record = Record(number, KIND[kind], 10.0, 11.0, outcome, "so", server, once=kind == "post")
    books = Ledger([record], [Disturbance("b", "killed", 12.0, 14.0)], {7: [*seen]} if seen else {})
    books.copied.update({7: copies} if copies else {})
    return books


@pytest.mark.parametrize("kind", KIND)
def test_what_is_right_is_seen_and_what_is_left_may_be(kind: str) -> None:
    assert ledger(kind, "right", "a").violations() == []
    assert ledger(kind, "left").violations() == ledger(kind, "left", "a").violations() == []
    assert ledger(kind, "right").violations() == [f"{kind}/7: answered, and seen by no upstream"]


@pytest.mark.parametrize("outcome", ["wrong", "hung", "bare", "under way"])
@pytest.mark.parametrize("kind", KIND)
def test_what_is_never_right(kind: str, outcome: str) -> None:
    books = ledger(kind, outcome, "b")
    books.disturbances = [Disturbance("b", "killed", 0.0)]
    assert books.violations() == [f"{kind}/7: {outcome} (so)"]


@pytest.mark.parametrize(
    ("kind", "outcome", "lost"),
    [
        *((kind, "refused", KIND[kind].again) for kind in KIND),
        *((kind, "broken", KIND[kind].again and not KIND[kind].lasting) for kind in KIND),
    ],
)
def test_a_disturbance_explains_what_cannot_be_asked_again(kind: str, outcome: str, lost: bool) -> None:
    books = ledger(kind, outcome, "b")
    alone = books.violations()
    books.disturbances = [Disturbance("b", "killed", 10.5)]
    explained = books.violations()
    if lost:
        assert alone == explained == [f"{kind}/7: lost: {outcome} (so)"]
    else:
        assert alone == [f"{kind}/7: {outcome} (so), and nothing explains it; seen by b"]
        assert explained == []


@pytest.mark.parametrize(
    ("began", "ended", "explains"),
    [(11.0, inf, True), (11.1, inf, False), (0.0, 10.0 - AFTER, True), (0.0, 9.9 - AFTER, False)],
)
def test_when_a_disturbance_explains(began: float, ended: float, explains: bool) -> None:
    books = ledger("post", "refused")
    books.disturbances = [Disturbance("b", "frozen", began, ended)]
    assert (books.violations() == []) is explains


def test_the_disturbance_is_that_of_the_endpoint_that_was_asked() -> None:
    of_b = [Disturbance("b", "frozen", 10.0)]
    for books, explained in (
        (ledger("events", "broken", "a", "b"), True),
        (ledger("events", "broken", "a"), False),
        (ledger("events", "broken", "a", "b", server="a"), False),
        (ledger("events", "broken", "a", "b", server="b"), True),
    ):
        books.disturbances = of_b
        assert (books.violations() == []) is explained


@pytest.mark.parametrize("outcome", ["right", "left", "refused"])
def test_what_is_seen_twice(outcome: str) -> None:
    for kind in KIND.values():
        books = ledger(kind.name, outcome, "a", "b")
        books.disturbances = [Disturbance("b", "killed", 10.0)]
        twice = [f"{kind.name}/7: duplicated: seen by a, b"] if kind.name == "post" else []
        if outcome != "refused" or not kind.again:
            assert books.violations() == twice


def test_copies_and_strangers() -> None:
    assert ledger("get", "right", "a", copies=1).violations() == []
    assert ledger("get", "right", "a", copies=2).violations() == ["copy/7: seen 2 times by the mirror"]
    assert ledger("put", "right", "a", copies=1).violations() == ["copy/7: of a request that has no mirror"]
    assert ledger("get", "left", "a", number=8).violations() == ["seen/7: nobody has asked for it"]


def test_the_table_tells_all_kinds() -> None:
    table = ledger("post", "refused").table().splitlines()
    assert [line.split()[0] for line in table[1:]] == list(KIND)
    assert table[0].split()[:2] == ["asked", "refused"]
    assert table[3].split() == ["post", "1", "1", "0.0", "0.0"]
    assert [percentile(range(1, 101), part) for part in (0.5, 0.99)] == [51, 100]


def test_what_has_grown() -> None:
    """The tenth that warms up does not count; nor does what comes and goes."""
    flat = [Sample(k, 50 if k < 4 else 1000 + (900 if k > 31 else 0), 10 + k % 3) for k in range(40)]
    assert grown(flat, BOUNDS)[1] == []
    rising = [Sample(k, 1000 + 5 * k, 10 + k // 10) for k in range(40)]
    told, found = grown(rising, BOUNDS)
    assert [line.partition(" ")[0] for line in found] == ["memory", "descriptors"]
    assert told[0] == "memory: at least 1,020 in the first quarter, 1,155 in the last (may grow by 100)"


def test_what_a_status_page_tells_of_what_is_held() -> None:
    endpoint = {"name": "10.0.0.7:80", "in_flight": 1, "picks": 7}
    picture = {"live": {"under_way": 0}, "clusters": [{"name": "shop", "in_flight": 0, "endpoints": [endpoint]}]}
    assert [*held(picture)] == ["/shop/10.0.0.7:80: in_flight 1"]
    endpoint["in_flight"] = 0
    assert [*held(picture)] == []


def test_which_complaints_of_a_gateway_count() -> None:
    trace = 'Traceback (most recent call last):\n  File "x.py", line 1, in x\n    x()\n'
    broken = f"{trace}meshkit.upstream.errors.Malformed: the end\n"
    assert complaints(f"serving\n{broken}mesh soak stays at version 3: a mistake\n") == []
    assert complaints(f"{broken}{trace}KeyError: 7\nserving\n") == ["KeyError: 7"]
    assert complaints("Task exception was never retrieved\n") == ["Task exception was never retrieved"]


def test_what_is_planted_is_found_and_nothing_else() -> None:
    report = asyncio.run(soak(SECONDS, plants=PLANTS))
    found = [each.partition("/")[0] + each.partition(":")[2] for each in report.wrong]
    assert len(report.ledger.records) > 50, str(report)
    assert [each.split()[:2] for each in found] == [["put", "lost:"], ["post", "duplicated:"], ["get", "wrong"]], str(
        report
    )
