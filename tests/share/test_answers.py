"""The table of what is kept: its bounds, its ages, and a model of a list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.share.answers import Answers


@pytest.mark.parametrize(
    ("at", "now", "given"),
    [
        (0.0, 0.0, (0.0, "a")),
        (0.0, 10.0, (10.0, "a")),
        (0.0, 10.001, None),
        (5.0, 14.0, (9.0, "a")),
        (5.0, 4.0, (0.0, "a")),
    ],
)
def test_for_so_long(at, now, given):
    answers = Answers(10.0, 9, 9)
    answers.keep("key", "a", 1, at)
    assert answers.give("key", now) == given
    assert (len(answers), answers.size) == ((1, 1) if given else (0, 0))


def test_an_answer_takes_the_place_of_an_older_one_only():
    answers = Answers(10.0, 9, 99)
    answers.keep("key", "b", 2, 5.0)
    answers.keep("key", "a", 1, 4.0)
    assert answers.give("key", 6.0) == (1.0, "b")
    answers.keep("key", "c", 3, 5.0)
    assert answers.give("key", 6.0) == (1.0, "c")
    assert answers.size == 3


def test_what_was_asked_for_stays():
    answers = Answers(10.0, 2, 99)
    for key in "ab":
        answers.keep(key, key, 1, 0.0)
    answers.give("a", 1.0)
    answers.keep("c", "c", 1, 1.0)
    assert [answers.give(key, 1.0) is not None for key in "abc"] == [True, False, True]


def test_one_that_is_too_large_by_itself_is_not_kept_and_leaves_nothing():
    answers = Answers(10.0, 9, 5)
    answers.keep("a", "a", 3, 0.0)
    answers.keep("b", "b", 6, 0.0)
    assert (len(answers), answers.size) == (0, 0)


KEEP = st.tuples(st.just("keep"), st.integers(0, 5), st.integers(0, 6), st.sampled_from([0.0, 1.0, 4.0, 11.0]))
GIVE = st.tuples(
    st.sampled_from(["give", "give", "forget"]), st.integers(0, 5), st.just(0), st.sampled_from([0.0, 4.0])
)


@given(st.lists(st.one_of(KEEP, GIVE), max_size=60))
def test_against_a_list(events):
    """The oracle: a list of what is kept, the least lately used first."""
    answers, kept, now = Answers(10.0, 3, 12), [], 0.0
    for number, (event, key, size, after) in enumerate(events):
        now += after
        found = next((each for each in kept if each[0] == key), None)
        if event == "keep":
            answers.keep(key, number, size, now)
            kept = [each for each in kept if each[0] != key] + [(key, now, size, number)]
            while kept and (now - kept[0][1] > 10.0 or len(kept) > 3 or sum(each[2] for each in kept) > 12):
                kept.pop(0)
        elif event == "forget":
            answers.forget(key)
            kept = [each for each in kept if each[0] != key]
        else:
            fresh = found is not None and now - found[1] <= 10.0
            assert answers.give(key, now) == ((now - found[1], found[3]) if fresh else None)
            kept = [each for each in kept if each[0] != key] + ([found] if fresh else [])
        assert len(answers) == len(kept)
        assert answers.size == sum(each[2] for each in kept)
        assert len(answers) <= 3
        assert answers.size <= 12
