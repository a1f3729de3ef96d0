"""A list given once."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.cluster.endpoint import Endpoint
from meshkit.discover import Static
from meshkit.errors import ConfigError

from .watching import told


async def test_it_is_known_at_once_and_for_good() -> None:
    source = Static(["10.0.0.7:80", Endpoint("10.0.0.8:80", weight=3)])
    assert source.first() == (Endpoint("10.0.0.7:80"), Endpoint("10.0.0.8:80", weight=3))
    assert await told(source) == [["10.0.0.7:80", "10.0.0.8:80"]]
    assert await told(source) == [["10.0.0.7:80", "10.0.0.8:80"]]
    assert await told(Static([])) == [[]]


def test_priority_is_added_and_locality_filled_in() -> None:
    some = [Endpoint("10.0.0.7:80", priority=1, name="a", tags={"x": 1}, hash_key="k"), Endpoint("b:1", locality="z")]
    assert Static(some, priority=2, locality="eu").first() == (
        Endpoint("10.0.0.7:80", priority=3, name="a", tags={"x": 1}, hash_key="k", locality="eu"),
        Endpoint("b:1", priority=2, locality="z"),
    )


@pytest.mark.parametrize(
    ("endpoints", "options", "said"),
    [
        ("10.0.0.7:80", {}, "Static: endpoints='10.0.0.7:80': give a list"),
        (None, {}, "Static: endpoints=None: give a list"),
        (["10.0.0.7"], {}, "Endpoint: address='10.0.0.7': add the port"),
        (["a:80", "A:80"], {}, "Static: endpoints='a:80': list it once"),
        ([Endpoint("a:80", name="x"), Endpoint("b:80", name="x")], {}, "Static: endpoints='x': list it once"),
        ([Endpoint("a:80", priority=1)], {"priority": 127}, "Endpoint: priority=128"),
        (["a:80"], {"priority": True}, "Static: priority=True"),
        (["a:80"], {"locality": "\n"}, "Static: locality='\\n'"),
    ],
)
def test_what_cannot_be(endpoints: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Static(endpoints, **options)
    assert said in str(caught.value)


def test_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.discover.source.MOST_ENDPOINTS", 2)
    assert len(Static(["a:1", "a:2"]).first()) == 2
    with pytest.raises(ConfigError, match="Static: more than 2 endpoints"):
        Static(["a:1", "a:2", "a:3"])


def test_it_is_a_value_and_no_policy() -> None:
    assert Static(["A:80"]) == Static(["a:80"])
    with pytest.raises(ConfigError, match="Static is a policy, no decorator"):
        Static(["a:80"])(print)
