"""What is said to get no request never gets one: asked of the router, over and over."""

from __future__ import annotations

from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshkit.call import Call
from meshkit.config.request import PAPER, Request
from meshkit.config.shadows import shadows
from meshkit.route.plan import Decision
from meshkit.route.route import Route
from meshkit.route.router import Router

from ..route.test_oracle import scene


def mesh(draw, order="gateway-api"):
    """Random routes, and the router of them."""
    several, _ = scene(draw)
    routes = [Route(those, priority=priority, name=str(number)) for number, (those, priority, _) in enumerate(several)]
    return several, Router(routes, order=order).start(Random(1))


def requests(draw, several):
    for each in (request for _ in range(4) for request in scene(draw)[1]):
        host = draw.choice(["a.b", "a.a.b", "b", "a.c", "c.d.b"])
        query = "&".join(f"{name}={value}" for name, value in each["query"].items())
        cookies = "; ".join(f"{name}={value}" for name, value in each["cookies"].items())
        matches = [match for those, _, _ in several for match in those]
        paths = [text for match in matches for text in (match.path, match.prefix, match.starts)]
        path = draw.choice([each["path"], *filter(None, paths)])
        fields = {**each["headers"], "cookie": cookies}
        yield Request(each["method"], f"http://{host}{path}?{query}", headers=fields)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
@example(1267)  # /a/ by element is for /a as well, and by characters it is not
def test_what_is_shadowed_gets_nothing(seed):
    draw = Random(seed)
    order = draw.choice(["gateway-api", "envoy"])
    several, state = mesh(draw, order)
    found = shadows(state.rules, order)
    hidden = {id(shadow.rule): shadow for shadow in found}
    for request in requests(draw, several):
        decision = state.facts(Call(PAPER, request, 0.0))
        if isinstance(decision, Decision):
            assert id(decision.rule) not in hidden, (request, hidden[id(decision.rule)])


def test_there_are_some():
    for order, some in (("gateway-api", 20), ("envoy", 20)):
        assert sum(len(shadows(mesh(Random(seed), order)[1].rules, order)) for seed in range(40)) > some
    assert shadows(mesh(Random(1))[1].rules, "ingress-nginx") == []
