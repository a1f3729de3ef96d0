"""May one more copy go? Tables of requests, the share by seeds, and random traffic against a list of what is out."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import Cluster, ConfigError, Pipeline, Shared, Timeout
from meshkit.route.answer import Redirect, Respond
from meshkit.route.mirror import Mirror, MirrorState
from meshkit.route.plan import Plan

BETA = Cluster("beta", ["10.0.0.9:80"])


class Copy:
    """What a door would have under way."""

    def __init__(self) -> None:
        self.gone = False


def started(seed: int = 1, **options: Any) -> MirrorState:
    """As a router starts it."""
    plan = Plan([Mirror(BETA, **options)], Random(seed))
    [state] = plan.mirrors
    assert isinstance(state, MirrorState)
    return state


def counts(state: MirrorState) -> dict[str, int]:
    return {name: count for name, count in state.snapshot(0.0).items() if count}


@pytest.mark.parametrize(
    ("options", "method", "length", "said"),
    [
        ({}, "GET", 0, {"under_way": 1, "sent": 1}),
        ({}, "HEAD", 0, {"under_way": 1, "sent": 1}),
        ({}, "POST", 0, {}),
        ({}, "TRACE", 0, {}),
        ({"methods": "POST"}, "POST", 9, {"under_way": 1, "sent": 1}),
        ({"methods": ["PUT", "POST"]}, "GET", 0, {}),
        ({}, "GET", 65536, {"under_way": 1, "sent": 1}),
        ({}, "GET", 65537, {"skipped": 1}),
        ({}, "GET", None, {"skipped": 1}),
        ({"max_bytes": 0}, "GET", 0, {"under_way": 1, "sent": 1}),
        ({"max_bytes": 0}, "GET", 1, {"skipped": 1}),
        ({"share": 0}, "GET", 0, {}),
    ],
)
def test_one_request(options: dict[str, Any], method: str, length: int | None, said: dict[str, int]) -> None:
    state = started(**options)
    taken = state.wants(method) and state.take(length, Copy())
    assert taken is bool(said.get("sent", 0))
    assert counts(state) == said
    assert state.idle() is not taken


def test_no_more_than_the_limit_are_under_way() -> None:
    state = started(limit=2)
    first, second, third = Copy(), Copy(), Copy()
    assert [state.take(0, copy) for copy in (first, second, third)] == [True, True, False]
    assert counts(state) == {"under_way": 2, "sent": 2, "dropped": 1}
    state.end(first, failed=False)
    assert state.take(0, third)
    state.end(second, failed=True)
    state.end(second, failed=True)  # whoever says so later says nothing new
    state.end(third, failed=False)
    assert counts(state) == {"sent": 3, "dropped": 1, "failed": 1}
    assert state.idle()


def test_what_nobody_will_tell_the_end_of_takes_no_place() -> None:
    state = started(limit=1)
    lost, next_one = Copy(), Copy()
    assert state.take(0, lost)
    assert not state.take(0, next_one)
    lost.gone = True  # its loop was closed over it
    assert state.idle()
    assert counts(state) == {"sent": 1, "dropped": 1}
    assert state.take(0, next_one)
    assert state.under_way == {next_one}


def test_a_share_is_drawn() -> None:
    """8 seeds of 4,000 requests, the share by five standard deviations: a false alarm in 200,000 runs, if seeds were
    drawn anew.
    """
    requests, share = 4000, 0.1
    spread = 5 * (requests * share * (1 - share)) ** 0.5
    for seed in range(8):
        state = started(seed, share=share)
        drawn = sum(state.wants("GET") for _ in range(requests))
        assert abs(drawn - requests * share) < spread, seed


def test_the_same_seed_draws_the_same() -> None:
    def drawn(seed: int) -> list[bool]:
        state = started(seed, share=0.5)
        return [state.wants("GET") for _ in range(64)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_what_it_does_not_want_draws_nothing() -> None:
    mixed, plain = started(share=0.5), started(share=0.5)
    wanted = []
    for _ in range(64):
        assert not mixed.wants("POST")
        wanted.append(mixed.wants("GET"))
    assert wanted == [plain.wants("GET") for _ in range(64)]


def test_mirrors_of_one_router_draw_for_themselves() -> None:
    plan = Plan([Mirror(BETA, 0.5), Mirror(BETA, 0.5)], Random(1))
    one, other = plan.mirrors
    drawn = [[state.wants("GET") for _ in range(64)] for state in (one, other)]
    assert drawn[0] != drawn[1]
    assert one.seed != other.seed


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["new", "long", "end", "fail", "lose"]), max_size=60), st.integers(1, 4))
def test_random_traffic(steps: list[str], limit: int) -> None:
    """Against a list of those that are out."""
    state = started(limit=limit, max_bytes=10)
    out: list[Copy] = []
    said = {"sent": 0, "dropped": 0, "skipped": 0, "failed": 0}
    for step in steps:
        if step in {"new", "long"}:
            copy = Copy()
            taken = state.take(5 if step == "new" else 11, copy)
            assert taken is (step == "new" and len(out) < limit)
            said["skipped" if step == "long" else "sent" if taken else "dropped"] += 1
            out += [copy] * taken
        elif out:
            copy = out.pop(0)
            if step == "lose":
                copy.gone = True
            else:
                state.end(copy, failed=step == "fail")
                said["failed"] += step == "fail"
        assert state.snapshot(0.0) == {"under_way": len(out), **said}
        assert state.idle() is not bool(out)


def test_what_it_leads_to() -> None:
    assert started().specs == (BETA,)
    shared = Shared(BETA)
    plan = Plan([Mirror([Timeout(1.0), shared]), Mirror(pipeline := Pipeline(BETA)), Mirror(print)], Random(1))
    several, given_whole, function = plan.mirrors
    assert several.specs == (Timeout(1.0), shared)
    assert several.pipeline is None
    assert given_whole.pipeline is pipeline
    assert function.specs[0].fn is print


def test_the_host_to_ask_under() -> None:
    assert started().host("shop.example") is None
    assert started(host="beta.example").host("shop.example") == "beta.example"
    assert started(host="*-shadow").host("shop.example") == "shop.example-shadow"


def test_the_field_that_tells() -> None:
    assert started().field == ((b"x-meshkit-mirror", b"1"),)
    assert started(header="X-Copy").field == ((b"x-copy", b"1"),)
    assert started(header=None).field == ()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"to": Cluster}, "Mirror: to"),
        ({"to": 5}, "Mirror: to"),
        ({"to": ()}, "Mirror: to"),
        ({"to": Redirect(host="b")}, "nobody reads an answer"),
        ({"to": [Timeout(1.0), Respond(204)]}, "nobody reads an answer"),
        ({"share": 1.5}, "Mirror: share"),
        ({"share": True}, "Mirror: share"),
        ({"methods": ()}, "Mirror: methods"),
        ({"methods": ["GET", "NO SPACE"]}, "Mirror: methods"),
        ({"methods": "CONNECT"}, "a tunnel cannot be copied"),
        ({"limit": 0}, "Mirror: limit"),
        ({"timeout": 0}, "Mirror: timeout"),
        ({"max_bytes": -1}, "Mirror: max_bytes"),
        ({"host": "a b"}, "Mirror: host"),
        ({"host": "**"}, "Mirror: host"),
        ({"host": 7}, "Mirror: host"),
        ({"header": "x y"}, "Mirror: header"),
        ({"header": "Content-Length"}, "Mirror: header"),
        ({"header": "host"}, "Mirror: header"),
    ],
)
def test_what_cannot_be_meant(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Mirror(**{"to": BETA, **arguments})


def test_two_of_the_same_are_equal() -> None:
    assert Mirror(BETA, 0.1, methods=["GET"]) == Mirror(BETA, 0.1, methods=("GET",))
