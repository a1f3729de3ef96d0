"""What a value must be: each kind of test, on what is there and on what is not."""

from __future__ import annotations

import pytest

from meshkit import ConfigError
from meshkit.route.value import Value, value, values

ROWS = [
    (Value("a"), {"a": True, "A": False, "ab": False, "": False, None: False}),
    (Value(exact=""), {"": True, "a": False, None: False}),
    (Value(prefix="a"), {"a": True, "ab": True, "ba": False, None: False}),
    (Value(suffix="a"), {"a": True, "ba": True, "ab": False, None: False}),
    (Value(regex="a+"), {"a": True, "aa": True, "aab": False, "": False, None: False}),
    (Value(least=10), {"10": True, "9": False, "11": True, "-11": False, "ten": False, "1e9": False, None: False}),
    (Value(below=10), {"10": False, "9": True, "-11": True, "": False, " 9": False, "9.0": False, None: False}),
    (Value(least=-10, below=0), {"-1": True, "0": False, "-10": True, "-11": False, "--1": False, None: False}),
    (Value(least=1), {"1" * 18: True, "1" * 19: False, "\u0661": False, "+1": False, None: False}),
    (Value(present=True), {"": True, "a": True, None: False}),
    (Value(present=False), {"": False, "a": False, None: True}),
    (Value("a", invert=True), {"a": False, "b": True, None: True}),
    (Value("a", invert=True, present=True), {"a": False, "b": True, "": True, None: False}),
    (Value(least=1, below=3, invert=True, present=True), {"1": False, "3": True, "x": True, None: False}),
    (Value(present=True, invert=True), {"a": False, None: True}),
    (Value(present=False, invert=True), {"a": True, None: False}),
    (
        Value(regex="\\d{3}", invert=True),
        {"123": False, "1234": True, None: True},
    ),  # the example of Envoy's invert_match
]


@pytest.mark.parametrize(("spec", "rows"), ROWS)
def test_a_row(spec, rows):
    test = spec.test()
    assert {given: test(given) for given in rows} == rows
    assert all(test(given).__class__ is bool for given in rows)  # NotImplemented is true as well


def test_what_users_write():
    assert value("a") == Value("a")
    assert value(True) == Value(present=True)
    assert value(False) == Value(present=False)
    assert value(Value(prefix="a")) == Value(prefix="a")
    assert values({"x": "1", "y": True}) == {"x": Value("1"), "y": Value(present=True)}
    assert values(7) == 7  # for the validator to say so


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "Value: nothing given: give one of exact, prefix, suffix, regex, least, below, present"),
        ({"exact": "a", "prefix": "b"}, "Value: exact and prefix given: give one of"),
        ({"least": 1, "prefix": "b"}, "Value: prefix and least given: give one of"),
        ({"exact": "a", "present": True}, "Value: exact and present given: give one of"),
        ({"exact": "a", "present": False, "invert": True}, "Value: exact and present given: give one of"),
        ({"least": 3, "below": 3}, "Value: below=3: give more than least=3"),
        ({"prefix": ""}, "Value: prefix='': give printable text"),
        ({"exact": "a\n"}, "Value: exact='a\\n': give printable text"),
        ({"exact": "a\0"}, "Value: exact='a\\x00': give printable text"),
        ({"exact": 7}, "Value: exact=7: give printable text"),
        ({"regex": "(a+)+$("}, "Value: regex='(a+)+$(': this is no regular expression"),
        ({"least": 1.5}, "Value: least=1.5: give a whole number"),
        ({"least": True}, "Value: least=True: give a whole number"),
        ({"below": 10**19}, "Value: below=10000000000000000000: give a whole number"),
        ({"present": 1}, "Value: present=1: write True or False"),
        ({"exact": "a", "invert": None}, "Value: invert=None: write True or False"),
    ],
)
def test_what_is_none(options, said):
    with pytest.raises(ConfigError) as raised:
        Value(**options)
    assert str(raised.value).startswith(said)
