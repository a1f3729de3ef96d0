"""Specs that say the same, and those that Python takes for the same."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from meshkit import Cluster, Fallback, RateLimit, Retry, Shared, Timeout
from meshkit.config.alike import Alike
from meshkit.route.edit import RequestHeaders
from meshkit.route.match import Match
from meshkit.route.route import Route


@attrs.frozen
class Bare:
    """Has nothing."""


@attrs.frozen(eq=False)
class Itself:
    """Equals only itself."""

    value: int = 1


def asked(call: Any) -> bool:
    return bool(call)


def some() -> list[Any]:
    return [
        Timeout(2.0),
        Bare(),
        Route(Match(host="a", headers={"x": "1"}), Cluster("a", ["http://b"]), policies=[Timeout(1.0)]),
        Match(when=asked),
        Fallback(value={"a": [1, None, "x"], "b": {}}),
        Retry((ConnectionError, range(500, 503))),
        {},
        (),
        b"x",
    ]


def test_what_is_written_the_same_is_alike() -> None:
    alike = Alike()
    assert all(alike(one, other) for one, other in zip(some(), some(), strict=True))
    assert alike(some(), some())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Timeout(2.0), Timeout(3.0)),
        (Timeout(2.0), RateLimit("2/s")),
        (Timeout(2), Timeout(2.0)),
        (Fallback(value=1), Fallback(value=True)),
        (Fallback(value=[1, 0]), Fallback(value=[1, False])),
        (Fallback(value={"a": 1, "b": 2}), Fallback(value={"b": 2, "a": 1})),
        (Fallback(value={}), Fallback(value={"b": 2})),
        (Fallback(value=()), Fallback(value=[])),
        (RequestHeaders(set={"x": "1"}), RequestHeaders(set={"x": "2"})),
        (Cluster("a", ["http://b"]), Cluster("a", ["http://c"])),
        (Shared(Timeout(2.0)), Shared(Timeout(2.0))),
        (Itself(), Itself()),
        ((1,), (1, 1)),
    ],
)
def test_what_is_not(one: Any, other: Any) -> None:
    alike = Alike()
    assert not alike(one, other)
    assert not alike(other, one)
    assert alike(one, one)


def test_clusters_are_compared_once_or_by_name() -> None:
    one, other, third = (Cluster("a", [f"http://{host}"]) for host in "bbc")
    alike = Alike()
    assert all(alike(Route(to=one), Route(to=other)) for _ in range(2))
    assert not alike(Route(to=one), Route(to=third))
    by_name = Alike(by_name=True)
    assert by_name(Route(to=one), Route(to=third))
    assert not by_name(one, Cluster("d", ["http://b"]))
