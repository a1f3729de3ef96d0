"""What a snapshot says, sorted by what it is."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.config import Mesh, loads
from meshkit.gateway.status.standing import Standing

UP = {"up": True, "well": True, "weight": 1, "picks": 3, "share": 1.0}


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (UP, "up"),
        ({**UP, "up": False}, "down"),
        ({**UP, "well": False}, "up"),  # its checks fail, and in a panic it is asked all the same
        ({**UP, "OutlierDetection": {"state": "in"}}, "up"),
        ({**UP, "OutlierDetection": {"state": "ejected"}}, "ejected"),
        ({**UP, "up": False, "Strikes": {"state": "ejected"}}, "ejected"),
        ({**UP, "CircuitBreaker": {"state": "open"}}, "open"),
        ({**UP, "CircuitBreaker": {"state": "isolated"}}, "open"),
        ({**UP, "CircuitBreaker": {"state": "half-open"}}, "probing"),
        ({**UP, "CircuitBreaker": {"state": "closed"}, "mine": {"state": 7}}, "up"),
    ],
)
def test_how_an_endpoint_stands(said: dict[str, Any], state: str) -> None:
    standing = Standing({"shop": {"orders": {"10.0.0.1:80": said}}})
    assert standing.clusters["orders"]["endpoints"]["10.0.0.1:80"]["state"] == state


def test_what_a_whole_cluster_says() -> None:
    whole = {
        "priorities": {0: {"percent": 100, "panic": True}, 1: {"percent": 0, "panic": False}},
        "outliers": {"ejected": 1, "ejections": 4},
        "sources": {"Dns('orders', 80)": "DiscoveryError", "File('x')": None},
        "requests": 3,
    }
    [cluster] = Standing({"shop": {"orders": {}, "orders as a whole": whole}}).clusters.values()
    assert cluster["endpoints"] == {}
    assert cluster["whole"] == {
        "requests": 3,
        "panic": ["0"],
        "outliers": {"ejected": 1, "ejections": 4},
        "sources": ["DiscoveryError"],
    }


def test_routes_splits_rollouts_and_policies_of_a_mesh() -> None:
    text = """
clusters: {orders: ["10.0.0.1:80"], next: ["10.0.0.2:80"]}
routes:
- name: pay
  match: {prefix: /pay}
  policies: [rate_limit: {rate: 5/s, name: slow}]
  to: {split: {orders: 90, next: 10}}
- {name: buy, match: {prefix: /buy}, to: {rollout: {name: orders, main: orders, canary: next}}}
- {name: old, match: {prefix: /old}, to: {redirect: {prefix: /buy}}}
listeners: {public: {port: 8080, policies: [concurrency_limit: 7]}}
"""
    mesh = Mesh(loads(text))
    pipeline = mesh.serving("public")
    standing = Standing({pipeline.name: pipeline.snapshot()})
    assert standing.ends(pipeline.name, "pay") == ["orders", "next"]
    assert standing.ends(pipeline.name, "old") == ["Redirect"]
    assert standing.ends(pipeline.name, "nobody") == []
    assert {*standing.clusters} == {"orders", "next"}  # also where a rollout goes by the name of one
    split, rollout = sorted(standing.splits, key=lambda one: one["kind"], reverse=True)
    assert (split["kind"], [branch["share"] for branch in split["branches"]]) == ("split", [0.9, 0.1])
    assert (rollout["kind"], rollout["state"]) == ("rollout", "step 1 (1%)")
    limits = {(each["route"], each["name"]): each["numbers"] for each in standing.policies}
    assert limits["", "ConcurrencyLimit"]["limit"] == 7
    assert limits["pay", "slow"]["rate"] == 5.0


def test_what_stands_instead_is_within() -> None:
    said = {"taken": 2, "Retry": {"balance": 1, "deep": {"deeper": {"deepest": {"lost": 1}}}}}
    [policy] = Standing({"shop": {"Fallback": said}}).policies
    assert policy["numbers"] == {"taken": 2}
    assert policy["inside"][0]["name"] == "Retry"
    assert policy["inside"][0]["numbers"] == {"balance": 1}
