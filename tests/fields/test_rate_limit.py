"""The RateLimit fields: written as the draft has them, and read from whatever comes."""

import re
import sys
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.call import Call
from meshkit.errors import ConfigError
from meshkit.fields.members import LONGEST, MANY, members, quoted
from meshkit.fields.rate_limit import PROFILES, Announced, read
from meshkit.limit.rate import RateLimit
from meshkit.limit.window import FixedWindow

CALL = Call(None, None, 0.0)


def started(*specs):
    states = [spec.start(Random(0)) for spec in specs]
    for state in states:
        state.enter(CALL, 0.0)
    return states


def says(quota, name="x", policy=(10, 60)):
    """Any state that has something to say."""
    return SimpleNamespace(name=name, quota_policy=policy, quota=lambda call, now: quota)


# Written.


def test_the_draft_11():
    said = Announced(started(RateLimit("100/min", name="burst"), FixedWindow("1000/day", name="daily")))
    assert said
    assert said.names == ("burst", "daily")
    assert said.policies == ((b"ratelimit-policy", b'"burst";q=100;w=60, "daily";q=1000;w=86400'),)
    assert said.fields(CALL, 0.0) == [*said.policies, (b"ratelimit", b'"burst";r=99;t=1, "daily";r=999;t=86400')]
    assert said.limits(CALL, 0.0) == b'"burst";r=99;t=1, "daily";r=999;t=86400'


@pytest.mark.parametrize(
    ("profile", "start", "reset"),
    [
        ("draft-03", b"ratelimit-", b"40"),
        ("x-ratelimit", b"x-ratelimit-", b"40"),
        ("github", b"x-ratelimit-", b"1700000040"),
    ],
)
def test_older_profiles_tell_of_the_limit_with_the_least_left(profile, start, reset):
    said = Announced([says((5, 1)), says((3.7, 30)), says((3.7, 39.2)), says((9, 99))], profile)
    assert said.policies == ()
    assert said.fields(CALL, 0.0, 1_700_000_000.9) == [
        (start + b"limit", b"10"),
        (start + b"remaining", b"3"),
        (start + b"reset", reset),
    ]


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_to_say(profile):
    said = Announced([SimpleNamespace(name="Timeout")], profile)
    assert not said
    assert (said.policies, said.fields(CALL, 0.0), said.fields(CALL, 0.0, 1e9)) == ((), [], [])
    said = Announced([says(None)], profile)  # the call did not come so far as to be asked for its key
    assert said.fields(CALL, 0.0) == list(said.policies)
    assert Announced([says(None), says((1, 1))]).limits(CALL, 0.0) == b'"x 2";r=1;t=1'


def test_limits_of_one_name_are_told_apart_as_in_snapshots():
    states = started(RateLimit("1/s"), RateLimit("2/s"))
    assert Announced(states).limits(CALL, 0.0) == b'"RateLimit";r=0;t=1, "RateLimit 2";r=1;t=1'


@pytest.mark.parametrize(
    ("quota", "written"),
    [
        ((2.9999999999, 0.2), b'"x";r=3;t=1'),  # what floats lack is not held against anybody
        ((2.9, 1.0000000001), b'"x";r=2;t=1'),
        ((0.0, 1.1), b'"x";r=0;t=2'),
        ((0.0, 0.0), b'"x";r=0;t=1'),
        ((1e300, 1e300), b'"x";r=999999999999999;t=999999999999999'),
    ],
)
def test_less_is_left_and_for_longer(quota, written):
    assert Announced([says(quota)]).limits(CALL, 0.0) == written


def test_integers_are_those_of_rfc_9651():
    said = Announced([says((0, 1), policy=(10**20, 10**16))])
    assert said.policies[0][1] == b'"x";q=999999999999999;w=999999999999999'


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("per user", b'"per user"'),
        ('a"b', rb'"a\"b"'),
        ("a\\b", rb'"a\\b"'),
        ("50%d", b'"50%d"'),
        ("a;r=1,", b'"a;r=1,"'),
    ],
)
def test_names(name, written):
    assert quoted(name) == written
    said = Announced([says((1, 2), name=name)])
    assert said.limits(CALL, 0.0) == written + b";r=1;t=2"
    assert members(said.limits(CALL, 0.0).decode()) == [(name, {"r": 1, "t": 2})]


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: b", "\x00", "\x7f", "per kilo\u0434", "caf\xe9", "tab\t"])
def test_a_name_that_no_field_can_carry(name):
    with pytest.raises(ConfigError, match=r"RateLimit fields: name=.*printable ASCII"):
        Announced([says((1, 2), name=name)])


def test_an_unknown_profile():
    with pytest.raises(ConfigError, match="profile='draft-12': write one of 'draft-11', 'draft-03'"):
        Announced([], "draft-12")


# Read: members.


@pytest.mark.parametrize(
    ("value", "found"),
    [
        # The examples of the draft.
        (
            '"burst";q=100;w=60,"daily";q=1000;w=86400',
            [("burst", {"q": 100, "w": 60}), ("daily", {"q": 1000, "w": 86400})],
        ),
        ('"peruser";q=100;w=60;pk=:cHsdsRa894==:', [("peruser", {"q": 100, "w": 60, "pk": None})]),
        (
            '"peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:',
            [("peruser", {"q": 65535, "qu": "content-bytes", "w": 10, "pk": None})],
        ),
        ('"default";r=50;t=30', [("default", {"r": 50, "t": 30})]),
        ('"default";r=999;pk=:dHJpYWwxMjEzMjM=:', [("default", {"r": 999, "pk": None})]),
        # Of RFC 9651.
        ("", []),
        ("   ", []),
        (' "a" \t,\t"b" ; r=1', [("a", {})]),  # no space before a semicolon
        ('"a",  "b";  r=1', [("a", {}), ("b", {"r": 1})]),
        ('"a";r', [("a", {"r": None})]),
        ('"a";r=1;r=2', [("a", {"r": 2})]),
        ('"a";x=?1;y=1.5;z=tok/en:;*=@17;r=-3', [("a", {"x": None, "y": None, "z": "tok/en:", "*": None, "r": -3})]),
        (r'"a\"\\,;b";r=1', [(r'a"\,;b', {"r": 1})]),
        ('"";r=1', [("", {"r": 1})]),
        # A member that is none is left out, whatever stands in it.
        ('default;r=5, "b";r=1', [("b", {"r": 1})]),
        ('("a" "b");r=5, "c";r=1', [("c", {"r": 1})]),
        ('"a";r=1 x, "b";r=1', [("b", {"r": 1})]),
        ('"a";r="1,2";R=1, "b";r=1', [("b", {"r": 1})]),
        ('"a";r=1e5, "b";r=1', [("b", {"r": 1})]),
        ('"a";r=1.2.3, "b";r=1', [("b", {"r": 1})]),
        ('"a";r=1234567890123456, "b";r=1', [("b", {"r": 1})]),
        ('"a";r=, "b";r=1', [("b", {"r": 1})]),
        ('"a";, "b";r=1', [("b", {"r": 1})]),
        (',, "b";r=1,', [("b", {"r": 1})]),
        ('"a\u0661";r=1', []),
        ('"a";r=\u0661, "b"', [("b", {})]),
        ("limit=100, remaining=50, reset=5", []),
        # Broken off within a string: what stands behind it cannot be known.
        ('"a";r=1, "b', [("a", {"r": 1})]),
        ('x"y, "b";r=1', []),
        ('"a\\b";r=1, "c";r=1', [])
    ],
)  # fmt: skip
def test_members(value, found):
    assert members(value) == found


def test_what_is_too_much_is_not_read():
    assert members('"' + "a" * LONGEST + '";r=1') == []
    assert len(members(",".join(['"a";r=1'] * 100))) == MANY


@pytest.mark.parametrize(
    "value",
    ['"' * LONGEST, '"a' * (LONGEST // 2), '"a"' * (LONGEST // 3), ";a=" * 1365, '"a"' + ";a=1" * 1023, "\\" * LONGEST,
     '"' + '\\"' * 2047, "," * LONGEST, '"a";b="' + "c" * 4000, '"a";b=' + "1" * 4000, " \t" * 2048,
     '"a";b=:' + "A" * 4000],
    ids=lambda value: value[:8],
)  # fmt: skip
def test_time_is_linear(value):
    """Steps of the interpreter are counted; the expressions cannot back up: each is one pass over the text."""
    steps = 0

    def count(frame, event, argument):
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        members(value)
    finally:
        sys.settrace(before)
    assert steps < 20 * LONGEST


pieces = st.lists(
    st.sampled_from(
        ['"a"', '"', ";", "r=", "t=", "1", "-1", "99999999999999999", ",", " ", "\\", ":", "x", "é", "\x00", "("]
    ),
    max_size=40,
).map("".join)


@given(pieces | st.text(max_size=60), pieces, pieces)
def test_nothing_raises_and_what_is_read_makes_sense(value, policy, number):
    fields = {"ratelimit": value, "ratelimit-policy": policy}
    for quota in (read(fields.get, 0.0), read({"x-ratelimit-remaining": value, "x-ratelimit-reset": number}.get, 0.0)):
        assert quota is None or (quota[0] >= 0 and quota[1] >= 0)


# Read: what is left.


@pytest.mark.parametrize(
    ("fields", "quota"),
    [
        ({}, None),
        ({"ratelimit": '"default";r=50;t=30'}, (50, 30)),
        ({"ratelimit": '"burst";r=5;t=1, "daily";r=90;t=600'}, (5, 1)),  # the least
        ({"ratelimit": '"burst";r=0;t=1, "daily";r=0;t=600'}, (0, 600)),  # of equals the longest
        ({"ratelimit": '"a";r=-1;t=9, "b";r=1.5;t=9, "c";r=7;t=9, "d";r=1;t="9"'}, (7, 9)),
        ({"ratelimit": '"a";r=0'}, None),  # until when?
        ({"ratelimit": "junk"}, None),
        ({"ratelimit": '"a";r=1;t=2', "ratelimit-policy": '"a";q=9;qu="requests"'}, (1, 2)),
        (
            {
                "ratelimit": '"bytes";r=3;t=9, "a";r=8;t=2, "now";r=1;t=1',
                "ratelimit-policy": '"bytes";q=9;qu="content-bytes", "now";q=5;qu="concurrent-requests", "a";q=8',
            },
            (8, 2),
        ),
        ({"ratelimit-remaining": "7", "ratelimit-reset": "30"}, (7, 30)),
        ({"x-ratelimit-remaining": " 7 ", "x-ratelimit-reset": "30"}, (7, 30)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1700000060"}, (7, 60)),  # GitHub's: an instant
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1600000000"}, (7, 0)),
        *(
            ({"x-ratelimit-remaining": junk, "x-ratelimit-reset": "30"}, None)
            for junk in ("-1", "1.5", "", "\u0661", "1" * 16)
        ),
        ({"x-ratelimit-remaining": "7"}, None),
        # The newest that is there counts.
        ({"ratelimit": '"a";r=1;t=2', "x-ratelimit-remaining": "7", "x-ratelimit-reset": "30"}, (1, 2)),
        ({"ratelimit-remaining": "x", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "3"}, (7, 3)),
    ],
)  # fmt: skip
def test_read(fields, quota):
    assert read(fields.get, 1_700_000_000.0) == quota


@given(st.floats(0, 1e16), st.floats(0, 1e16))
def test_what_is_written_is_read(remaining, seconds):
    states = [says((remaining, seconds))]
    for profile in PROFILES:
        written = {name.decode(): value.decode() for name, value in Announced(states, profile).fields(CALL, 0.0, 1.7e9)}
        quota = read(written.get, 1.7e9)
        if profile == "draft-11" or seconds < 1e9:
            assert quota is not None
            assert remaining - 1 <= quota[0] <= remaining + 1e-9 or quota[0] == 999_999_999_999_999
            assert seconds - 1e-9 <= quota[1] <= max(1.0, seconds + 1) or quota[1] == 999_999_999_999_999


def test_problem_types_are_those_of_the_draft():
    import meshkit.fields.rate_limit as fields

    for name in ("QUOTA_EXCEEDED", "TEMPORARY_REDUCED_CAPACITY", "ABNORMAL_USAGE_DETECTED"):
        kind = name.lower().replace("_", "-")
        assert re.fullmatch(f"https://iana.org/assignments/http-problem-types#{kind}", getattr(fields, name))
