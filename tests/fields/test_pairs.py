"""What does a query, or a ``Cookie`` field, say under a name?"""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.fields.pairs import cookie, parameter


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("q=1", "1"),
        ("a=0&q=1&q=2", "1"),
        ("q", ""),
        ("q=", ""),
        ("q==1", "=1"),
        ("%71=1", "1"),
        ("q=a+b%20c%C3%A9", "a b cé"),
        ("q=%ZZ%", "%ZZ%"),
        ("q=%FF", "\ufffd"),
        ("", None),
        ("&&", None),
        ("qq=1&Q=2", None),
        ("a=q=1", None),
        ("a=1;q=2", None),
    ],
)
def test_parameter(query, value):
    assert parameter(query, "q") == value


@given(st.text(alphabet="aq=&+%41é;", max_size=30))
def test_it_is_the_first_that_the_standard_library_finds(query):
    expected = next((value for name, value in parse_qsl(query, keep_blank_values=True) if name == "q"), None)
    assert parameter(query, "q") == expected


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        (["sid=1"], "1"),
        (["a=0; sid=1; sid=2"], "1"),
        (["a=0;sid=1"], "1"),
        (["a=0", "sid=1"], "1"),
        (["sid=a=b"], "a=b"),
        (['sid="a b"'], "a b"),
        (['sid="'], '"'),
        (["sid="], ""),
        (["\tsid \t=\t1 "], "1"),
        (["sid"], None),
        (["SID=1; xsid=2; sid2=3"], None),
        (["a=sid"], None),
        ([], None),
        ([""], None),
    ],
)
def test_cookie(lines, value):
    assert cookie(lines, "sid") == value
