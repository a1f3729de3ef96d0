"""What may a check be, and how many answers does it take?"""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.balance import Member
from meshkit.cluster import Endpoint
from meshkit.cluster.checks import HttpCheck, TcpCheck
from meshkit.cluster.checkup import Checkup, checkups, unchecked
from meshkit.errors import ConfigError


def member(checked: bool | None = None) -> Member:
    made = Member(Endpoint("10.0.0.7:80"))
    made.checked = checked
    return made


def started(spec: Any, checked: bool | None = None) -> tuple[Checkup, list[float]]:
    checkup = Checkup(spec, member(checked), 0.0, Random(1))
    changes: list[float] = []
    checkup.changed = lambda: changes.append(0.0)
    return checkup, changes


# Specs.


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (200, ((200, 200),)),
        ((200, 299), ((200, 299),)),
        ([200, 302], ((200, 200), (302, 302))),
        ([(200, 299), 304], ((200, 299), (304, 304))),
        ([[200, 299]], ((200, 299),)),
        (((200, 399),), ((200, 399),)),
        (range(200, 203), ((200, 200), (201, 201), (202, 202))),
    ],
)
def test_statuses(given: Any, kept: Any) -> None:
    assert HttpCheck(expect=given).expect == kept
    assert HttpCheck(expect=kept).expect == kept


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("expect", ()), ("expect", "200"), ("expect", None), ("expect", 99), ("expect", [(300, 200)]), ("expect", 2.0),
        ("expect", [(200, 299, 300)]), ("expect", True), ("expect", ["200"]),
        ("path", "health"), ("path", ""), ("path", "/a b"), ("path", "/a\r\nb"), ("path", 3),
        ("method", "GE T"), ("method", "CONNECT"), ("host", "a/b"), ("host", "a\r\n"), ("host", ""),
        ("headers", {"a b": "c"}), ("headers", {"a": "b\r\nc: d"}), ("headers", "a: b"), ("headers", 3),
        ("headers", [("a", "b", "c")]), ("headers", {"a": 1}), ("headers", {"a": "€"}),
        ("body", 3), ("interval", 0.0), ("timeout", None), ("interval_unhealthy", -1.0), ("jitter", 2.0),
        ("healthy", 0), ("unhealthy", 1.5), ("port", 0), ("port", 70000), ("tls", "yes"), ("initial", 1),
    ],
)  # fmt: skip
def test_what_cannot_be(option: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=option):
        HttpCheck(**{option: value})


def test_what_cannot_be_together() -> None:
    with pytest.raises(ConfigError, match="HEAD"):
        HttpCheck(method="HEAD", body="ok")
    with pytest.raises(ConfigError, match="send"):
        TcpCheck(send=3)


def test_no_secret_is_repeated() -> None:
    secret = "Bearer 5ecret"
    assert secret not in repr(HttpCheck(headers={"authorization": secret}))
    with pytest.raises(ConfigError) as caught:
        HttpCheck(headers={"authorization": secret + "\n"})
    assert "5ecret" not in str(caught.value)


def test_specs_are_values() -> None:
    assert HttpCheck("/up", body="ok", headers={"a": "b"}) == HttpCheck("/up", body=b"ok", headers=[("a", "b")])
    assert hash(HttpCheck("/up")) == hash(HttpCheck("/up"))
    assert TcpCheck(send="PING", receive="PONG").send == b"PING"


# The machine.


@pytest.mark.parametrize(
    ("before", "answers", "after"),
    [
        (None, "+", True),  # the first decides
        (None, "-", False),
        (None, "-+", False), (None, "-++", True), (None, "-+-+", False), (None, "-+-++", True),
        (None, "+--", True), (None, "+---", False), (None, "+--+--", True), (None, "+--+---", False),
        (True, "--", True), (True, "---", False),  # whoever was known is asked on
        (False, "+", False), (False, "++", True),
    ],
)  # fmt: skip
def test_so_many_in_a_row(before: bool | None, answers: str, after: bool) -> None:
    checkup, changes = started(HttpCheck(), before)
    for now, answer in enumerate(answers):
        checkup.told(answer == "+", float(now))
    assert checkup.member.checked is after
    assert bool(changes) == (before is not after)


def test_each_change_is_told_once() -> None:
    checkup, changes = started(HttpCheck(healthy=1, unhealthy=1))
    for answer in "++--+-":
        checkup.told(answer == "+", 0.0)
    assert len(changes) == 4


@given(st.text("+-", max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_against_a_list_of_answers(answers: str, healthy: int, unhealthy: int) -> None:
    checkup, _ = started(TcpCheck(healthy=healthy, unhealthy=unhealthy))
    state = ""
    since = 0
    for k in range(len(answers)):
        checkup.told(answers[k] == "+", float(k))
        if not state:
            state = answers[k]
            since = k + 1
        other, needed = ("-", unhealthy) if state == "+" else ("+", healthy)
        if answers[since : k + 1].endswith(other * needed):
            state = other
            since = k + 1
        assert checkup.member.checked is (state == "+")


def test_all_checks_must_find_it_well() -> None:
    ill = member()
    first, second = checkups([HttpCheck(unhealthy=1), TcpCheck(unhealthy=1)], ill, 0.0, Random(1))
    first.told(True, 0.0)
    assert ill.checked is None
    second.told(True, 0.0)
    assert ill.checked is True
    first.told(False, 1.0)
    assert ill.checked is False
    second.told(True, 1.0)
    assert ill.checked is False
    for _ in range(2):
        first.told(True, 2.0)
    assert ill.checked is True


@pytest.mark.parametrize(
    ("initial", "checked"),
    [((None,), None), ((True,), True), ((False,), False), ((True, None), None), ((False, None), False), ((), True)],
)
def test_before_the_first_answer(initial: Any, checked: bool | None) -> None:
    assert unchecked([TcpCheck(initial=each) for each in initial]) is checked


def test_who_was_thought_well_takes_as_long_to_be_found_ill_as_any() -> None:
    checkup, changes = started(HttpCheck(initial=True), True)
    checkup.told(False, 0.0)
    assert checkup.member.checked
    assert changes == []


def test_an_ejected_one_that_is_well() -> None:
    checkup, _ = started(HttpCheck(), False)
    heard: list[tuple[Member, float]] = []
    checkup.passed = lambda *told: heard.append(told)
    checkup.member.ejected = True
    checkup.told(True, 1.0)
    assert heard == []  # not yet well
    checkup.told(True, 2.0)
    checkup.told(False, 3.0)
    checkup.told(True, 4.0)
    checkup.member.ejected = False
    checkup.told(True, 5.0)
    assert heard == [(checkup.member, 2.0), (checkup.member, 4.0)]


# When.


@pytest.mark.parametrize(
    ("ok", "quiet", "pause"), [(True, False, 10.0), (False, False, 2.0), (True, True, 60.0), (False, True, 60.0)]
)
def test_the_pause(ok: bool, quiet: bool, pause: float) -> None:
    checkup, _ = started(HttpCheck(jitter=0.0, interval_unhealthy=2.0, interval_no_traffic=60.0))
    assert checkup.due_at == 0.0
    checkup.asked()
    assert checkup.due_at == inf
    checkup.told(ok, 5.0, quiet=quiet)
    assert checkup.due_at == 5.0 + pause
    checkup, _ = started(HttpCheck(jitter=0.0))
    checkup.told(ok, 5.0, quiet=quiet)
    assert checkup.due_at == 15.0


def test_jitter() -> None:
    spec = HttpCheck(interval=10.0, jitter=0.2)
    rng = Random(5)
    all_of_them = [Checkup(spec, member(), 100.0, rng) for _ in range(200)]
    first = [each.due_at - 100.0 for each in all_of_them]
    assert 0 <= min(first) < 0.05
    assert 0.95 < max(first) < 1.0  # not longer than a second: nobody is served meanwhile
    for each in all_of_them:
        each.told(True, 200.0)
    later = [each.due_at - 200.0 for each in all_of_them]
    assert 10.0 <= min(later) < 10.1
    assert 11.9 < max(later) < 12.0
    short = [Checkup(HttpCheck(interval=1.0), member(), 0.0, rng).due_at for _ in range(200)]
    assert max(short) < 0.1


def test_what_it_says_of_itself() -> None:
    checkup, _ = started(HttpCheck(jitter=0.0))
    assert checkup.snapshot(0.0) == {"check": "http", "state": "unknown", "streak": 0, "due_in": 0.0}
    checkup.asked()
    assert checkup.snapshot(0.0) == {"check": "http", "state": "unknown", "streak": 0}
    checkup.told(False, 0.0, "status 503")
    assert checkup.snapshot(4.0) == {
        "check": "http", "state": "ill", "streak": 0, "why": "status 503", "due_in": 6.0,
    }  # fmt: skip
    checkup.told(True, 0.0)
    assert checkup.snapshot(0.0)["streak"] == 1
    assert "why" not in checkup.snapshot(0.0)
    assert repr(checkup) == "<Checkup 10.0.0.7:80: ill>"
