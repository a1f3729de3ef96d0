"""A client is told of the limits in front of the routes, and of those on the route that its request took."""

from __future__ import annotations

import pytest

from meshkit import ConcurrencyLimit, ConfigError, Pipeline, RateLimit, Shared
from meshkit.asgi import MeshMiddleware
from meshkit.route.answer import Respond
from meshkit.route.edit import ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.successor import Successor

from .stand_ins import Clock, answering, ask, http


def limit(quota, name, **options):
    return RateLimit(quota, name=name, **options)


def fields(client):
    told = dict(client.sent[0]["headers"])
    return told.get(b"ratelimit-policy", b"").decode(), told.get(b"ratelimit", b"").decode()


def serving(*outside, **options):
    routes = [
        Route(Match(prefix="/buy"), policies=[limit("2/hour", "buy", key="header:x-user")], name="buy"),
        Route(Match(prefix="/look"), policies=[ConcurrencyLimit(5)], name="look"),
        Route(Match(prefix="/ask"), Respond(200, "yes"), policies=[limit("5/min", "ask")], name="ask"),
    ]
    pipeline = Pipeline(*outside, Router(routes), clock=Clock())
    return pipeline, MeshMiddleware(answering(), pipeline, **options)


async def test_of_the_route_it_took_and_of_no_other():
    _, app = serving(limit("100/hour", "all"))
    buy = http("/buy", headers=[("x-user", "ann")])
    assert fields(await ask(app, buy)) == ('"all";q=100;w=3600, "buy";q=2;w=3600', '"all";r=99;t=36, "buy";r=1;t=1800')
    assert fields(await ask(app, http("/look"))) == ('"all";q=100;w=3600', '"all";r=98;t=36')
    assert fields(await ask(app, http("/ask"))) == (
        '"all";q=100;w=3600, "ask";q=5;w=60',
        '"all";r=97;t=36, "ask";r=4;t=12',
    )
    _, left = fields(await ask(app, buy))
    assert left == '"all";r=96;t=36, "buy";r=0;t=1800'


async def test_also_where_only_routes_have_limits_and_where_they_refuse():
    _, app = serving()
    for user in ("ann", "ann", "bob"):
        await ask(app, http("/buy", headers=[("x-user", user)]))
    refused = await ask(app, http("/buy", headers=[("x-user", "ann")]))
    assert refused.sent[0]["status"] == 429
    assert fields(refused) == ('"buy";q=2;w=3600', '"buy";r=0;t=1800')
    assert fields(await ask(app, http("/look"))) == ("", "")


async def test_a_refusal_in_front_of_the_routes_knows_the_route_as_well():
    _, app = serving(limit("1/hour", "all"))
    await ask(app, http("/look"))
    refused = await ask(app, http("/ask"))
    assert refused.sent[0]["status"] == 429
    assert fields(refused) == ('"all";q=1;w=3600, "ask";q=5;w=60', '"all";r=0;t=3600, "ask";r=5;t=12')


async def test_where_there_is_no_route_there_are_the_limits_in_front():
    _, app = serving(limit("100/hour", "all"))
    refused = await ask(app, http("/nowhere"))
    assert refused.sent[0]["status"] == 404
    assert fields(refused) == ('"all";q=100;w=3600', '"all";r=99;t=36')


async def test_on_a_route_with_nothing_of_its_own_there_are_the_limits_in_front():
    routes = [Route(Match(prefix="/plain")), Route(Match(prefix="/ask"), policies=[limit("5/min", "ask")])]
    app = MeshMiddleware(answering(), Pipeline(limit("100/hour", "all"), Router(routes), clock=Clock()))
    for left in ("99", "98"):  # the second time it is known
        assert fields(await ask(app, http("/plain"))) == ('"all";q=100;w=3600', f'"all";r={left};t=36')


async def test_a_branch_of_a_split_is_on_the_way():
    branches = [Branch(Pipeline(limit("10/hour", name)), weight, name=name) for name, weight in (("a", 0), ("b", 1))]
    pipeline = Pipeline(Router([Route(Match(prefix="/"), Split(*branches), name="all")]), clock=Clock())
    answer = await ask(MeshMiddleware(answering(), pipeline), http("/"))
    assert fields(answer) == ('"b";q=10;w=3600', '"b";r=9;t=360')


async def test_the_older_profiles_tell_the_least_of_them():
    _, app = serving(limit("100/hour", "all"), rate_limit="x-ratelimit")
    answer = await ask(app, http("/buy", headers=[("x-user", "ann")]))
    told = {name: value for name, value in answer.sent[0]["headers"] if name.startswith(b"x-")}
    assert told == {b"x-ratelimit-limit": b"2", b"x-ratelimit-remaining": b"1", b"x-ratelimit-reset": b"1800"}


async def test_none_where_none_are_wanted():
    _, app = serving(limit("100/hour", "all"), rate_limit=None)
    assert fields(await ask(app, http("/buy", headers=[("x-user", "ann")]))) == ("", "")


def test_a_name_that_no_field_can_carry_is_refused_at_once():
    router = Router([Route(Match(prefix="/"), policies=[limit("2/hour", "größer")])])
    with pytest.raises(ConfigError, match="größer"):
        MeshMiddleware(answering(), Pipeline(router))


async def test_a_thousand_routes_with_one_limit_have_what_they_share():
    shared = Shared(limit("1000/hour", "all"))
    routes = [Route(Match(path=f"/{n}"), policies=[shared]) for n in range(300)]
    app = MeshMiddleware(answering(), Pipeline(Router(routes), clock=Clock()))
    left = [fields(await ask(app, http(f"/{n}")))[1].partition(";t=")[0] for n in range(0, 300, 100)]
    assert left == ['"all";r=999', '"all";r=998', '"all";r=997']


async def test_a_pipeline_that_has_come_by_other_routes_tells_of_those():
    pipeline, app = serving(limit("100/hour", "all"))
    await ask(app, http("/look"))
    actions = [ResponseHeaders(set={"x-new": "1"})]
    router = Router([Route(Match(prefix="/look"), policies=[limit("7/hour", "look")], actions=actions)])
    successor = Successor(pipeline, [router])
    successor.ready()
    successor.take_over()
    answer = await ask(app, http("/look"))
    assert fields(answer) == ('"look";q=7;w=3600', '"look";r=6;t=515')
    assert (b"x-new", b"1") in answer.sent[0]["headers"]
