"""Retry-After: RFC 9110's three dates and its seconds, and what is none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.fields.retry_after import parse, parse_ms

END_OF_1999 = 946684799.0
"""1999-12-31 23:59:59 UTC."""


# RFC 9110, 10.2.3 and 5.6.7.
@pytest.mark.parametrize(
    ("value", "now", "seconds"),
    [
        ("120", 0.0, 120.0),
        ("0", 0.0, 0.0),
        ("007", 0.0, 7.0),
        (" 120\t", 0.0, 120.0),  # optional white space around a field value
        ("Fri, 31 Dec 1999 23:59:59 GMT", END_OF_1999 - 60, 60.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", END_OF_1999 + 61, 0.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", END_OF_1999 - 0.25, 0.25),
        ("Friday, 31-Dec-99 23:59:59 GMT", END_OF_1999 - 60, 60.0),
        ("Fri Dec 31 23:59:59 1999", END_OF_1999 - 60, 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0 - 5, 5.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0 - 5, 5.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0 - 5, 5.0),
        ("Fri, 31 Dec 1999 23:59:60 GMT", END_OF_1999, 1.0),  # a leap second is in the grammar
        ("Saturday, 01-Jan-00 00:00:04 GMT", END_OF_1999, 5.0),  # the century turns
        ("Friday, 31-Dec-99 23:59:59 GMT", END_OF_1999 + 86400 * 365 * 20, 0.0),  # 1999 in 2019, and not 2099
        ("Monday, 01-Jan-40 00:00:00 GMT", 2208988800.0 - 7, 7.0),  # 2040 in 2039
    ],
)
def test_retry_after(value, now, seconds):
    assert parse(value, now) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "1_000",
        "0x10",
        "120 s",
        "120s",
        "soon",
        "nan",
        "inf",
        "12\n",
        "1\x002",
        "\u0661\u0662\u0660",  # digits, but not ASCII
        "\uff11\uff12\uff10",
        "\u00b2",
        "9" * 41,
        "9" * 5000,
        " " * 10_000 + "x",
        "120, Fri, 31 Dec 1999 23:59:59 GMT",
        "Fri, 31 Dec 1999 23:59:59 GMT, 120",
        "Fri, 31 Dec 1999 23:59:59",
        "Fri, 31 Dec 1999 23:59:59 UTC",
        "Fri, 31 Dec 1999 23:59:59 +0100",
        "fri, 31 dec 1999 23:59:59 gmt",  # dates are case-sensitive
        "Fri, 31 Foo 1999 23:59:59 GMT",
        "Fri, 31 Feb 1999 23:59:59 GMT",
        "Fri, 00 Dec 1999 23:59:59 GMT",
        "Fri, 31 Dec 0000 23:59:59 GMT",
        "Fri, 31 Dec 1999 24:00:00 GMT",
        "Fri, 31 Dec 1999 23:59:61 GMT",
        "Fri, 31-Dec-99 23:59:59 GMT",
        "Fri Dec 31 23:59:59 1999 GMT",
        "Fri, ٣١ Dec 1999 23:59:59 GMT",
        "1999-12-31T23:59:59Z",
    ],
)
def test_junk_asks_for_nothing(value):
    assert parse(value, END_OF_1999 - 60) is None


def test_many_seconds_are_many():
    """Not junk: the upstream said "not for long", and `retry_after_cap` makes of it no further attempt."""
    assert parse("9" * 19, 0.0) == 1e19


@given(st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]+,? [0-9A-Za-z :-]{0,40}(GMT)?"), st.floats(-1e18, 1e18))
def test_never_raises_never_negative(value, now):
    seconds = parse(value, now)
    assert seconds is None or seconds >= 0


@given(st.integers(0, 10**9), st.floats(0, 1e9))
def test_the_forms_of_one_instant_agree(ahead, now):
    from email.utils import formatdate
    from time import asctime, gmtime

    at = int(now) + 1 + ahead
    assert parse(formatdate(at, usegmt=True), now) == parse(asctime(gmtime(at)), now) == at - now


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1500", 1.5), ("0", 0.0), ("12.5", 0.0125), (" 20 ", 0.02)]
    + [(junk, None) for junk in ("", "-1", ".5", "1.", "1e3", "nan", "٢٠", "soon", "1" * 41)],
)
def test_retry_after_ms(value, seconds):
    assert parse_ms(value) == seconds
