"""Which header fields come and go, and which may not."""

from __future__ import annotations

import httpx
import pytest

from meshkit import ConfigError
from meshkit.asgi.routed import edited as edited_asgi
from meshkit.httpx.routed import edited as edited_httpx
from meshkit.route.edit import NOTHING, Edit, RequestHeaders, ResponseHeaders
from meshkit.route.plan import Plan

FIELDS = [(b"host", b"x"), (b"X-A", b"1"), (b"x-b", b"2"), (b"X-a", b"3")]


def both(fields, edit):
    """What both doors make of it."""
    there = edited_httpx(httpx.Headers(fields), edit).raw
    assert [(name.lower(), value) for name, value in there] == [(n.lower(), v) for n, v in edited_asgi(fields, edit)]
    return [(name.decode().lower(), value.decode()) for name, value in there]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (RequestHeaders(), [("host", "x"), ("x-a", "1"), ("x-b", "2"), ("x-a", "3")]),
        (RequestHeaders(set={"X-A": "9"}), [("host", "x"), ("x-b", "2"), ("x-a", "9")]),
        (RequestHeaders(add={"x-a": "9"}), [("host", "x"), ("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-a", "9")]),
        (RequestHeaders(remove="X-A"), [("host", "x"), ("x-b", "2")]),
        (RequestHeaders(set={"x-b": ""}, add={"x-b": "4"}, remove="x-a"), [("host", "x"), ("x-b", ""), ("x-b", "4")]),
        (RequestHeaders(remove=["x-a"], add={"x-a": "9"}), [("host", "x"), ("x-b", "2"), ("x-a", "9")]),
    ],
)
def test_edits(spec, fields):
    assert both(FIELDS, Edit.of(spec)) == fields


def test_one_after_the_other():
    first = Edit.of(RequestHeaders(set={"x-a": "9"}, add={"x-c": "1"}))
    then = first.then(Edit.of(RequestHeaders(remove=["x-a"], add={"x-c": "2"})))
    assert both(FIELDS, then) == both(
        both_pairs(FIELDS, first), Edit.of(RequestHeaders(remove=["x-a"], add={"x-c": "2"}))
    )
    assert both(FIELDS, then) == [("host", "x"), ("x-b", "2"), ("x-c", "1"), ("x-c", "2")]


def both_pairs(fields, edit):
    return [(name.encode(), value.encode()) for name, value in both(fields, edit)]


def test_nothing_is_nothing():
    assert NOTHING.then(NOTHING) is NOTHING
    assert Edit.of(RequestHeaders()) is NOTHING
    some = Edit.of(ResponseHeaders(remove="x"))
    assert NOTHING.then(some) is some
    assert some.then(NOTHING) is some
    assert not NOTHING
    assert some


def test_actions_write_themselves_into_the_plan_in_order():
    plan = Plan([RequestHeaders(set={"x": "1"}), RequestHeaders(add={"x": "2"}), ResponseHeaders(remove=["x"])])
    assert plan.request.come == ((b"x", b"1"), (b"x", b"2"))
    assert plan.answer.gone == {b"x"}


@pytest.mark.parametrize("spec", [RequestHeaders, ResponseHeaders])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"set": ["x"]}, "set=['x']: give values by name"),
        ({"set": {"x y": "1"}}, "set='x y': give the name of a header field"),
        ({"add": {"": "1"}}, "add='': give the name of a header field"),
        ({"set": {"x": 1}}, "set=1: give x a text without control characters"),
        ({"set": {"x": "a\r\nb: c"}}, "set='a\\r\\nb: c': give x a text without control characters"),
        ({"set": {"x": "a\0"}}, "set='a\\x00': give x a text"),
        ({"set": {"x": " a"}}, "set=' a': give x a text"),
        ({"add": {"x": "a\n"}}, "add='a\\n': give x a text"),
        ({"add": {"x": "\u20ac"}}, "add='\u20ac': give x a text"),
        ({"set": {"X": "1", "x": "2"}}, "set='x': it stands there as 'X' already"),
        ({"set": {"Content-Length": "1"}}, "set='Content-Length': it frames the message"),
        ({"remove": ["Transfer-Encoding"]}, "remove='Transfer-Encoding': it frames the message"),
        ({"add": {"connection": "close"}}, "add='connection': it frames the message"),
        ({"remove": ["Host"]}, "remove='Host': write Rewrite(host=...) for the host"),
        ({"set": {":authority": "a"}}, "set=':authority': give the name of a header field"),
        ({"remove": 7}, "remove=7: give the names of header fields"),
        ({"remove": ["x\n"]}, "remove='x\\n': give the name of a header field"),
    ],
)
def test_what_is_refused(spec, options, said):
    with pytest.raises(ConfigError) as raised:
        spec(**options)
    assert str(raised.value).startswith(f"{spec.__name__}: {said}")
