"""Whose is this request? The first route that matches; its policies, its actions, and where it leads.

    Router([
        Route(Match(host="orders", prefix="/v2"), orders_v2, policies=[Timeout(2.0)]),
        Route(Match(host="orders"), orders, actions=[RequestHeaders(set={"x-from": "web"})]),
    ])

A router ends a pipeline, as a cluster does. What the request says (its host, its path, what a route's own function
answers) is asked once for each call, outside the lock; so a call that is repeated keeps its route. In which order
routes are asked: `table`. Hosts and paths are compared, and sent on, in their normal form (`path`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import attrs

from ..errors import ConfigError
from ..options import among, no_decorator
from .choice import ORDERS, RouterState
from .match import Match
from .options import check
from .path import Paths
from .route import Route

__all__ = ["ORDERS", "Router", "RouterState"]


def _routes(value: Any) -> Any:
    return (value,) if isinstance(value, Route) else tuple(value) if isinstance(value, list) else value


def _are_routes(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, Route) for each in value):
        raise ConfigError.of("Router", "routes", value, "give a list of Route(...)")


def _default(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Route):
        raise ConfigError.of("Router", "default", value, "give a Route, such as Route(to=cluster)")
    if value is not None and value.match != (Match(),):
        fix = "it has all requests that no other route matches: leave its match out, or put it among the routes"
        raise ConfigError.of("Router", "default", value.match, fix)


def _paths(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, Paths):
        raise ConfigError.of("Router", "paths", value, "give Paths(...)")


@attrs.frozen
class Router:
    """Picks the route of each request. Raises `ConfigError`.

    ``default``: for requests that no route matches, a route without a match of its own; without it they are
    refused with `NoRoute` (behind a server door the status is 404). ``order``: whose rules say which of several routes
    comes first, and what a prefix is:
    ``"gateway-api"`` (`table`), ``"envoy"`` (`envoy`) or ``"ingress-nginx"`` (`ingress_nginx`); a route's ``priority``
    stands above all of them. ``paths``: the normal form of paths. ``name``: for records and errors.
    """

    routes: tuple[Route, ...] = attrs.field(converter=_routes, validator=_are_routes)
    default: Route | None = attrs.field(default=None, validator=_default, kw_only=True)
    order: str = attrs.field(default="gateway-api", validator=among(*ORDERS), kw_only=True)
    paths: Paths = attrs.field(factory=Paths, validator=_paths, kw_only=True)
    name: str = attrs.field(default="Router", validator=attrs.validators.instance_of(str), kw_only=True)

    __call__ = no_decorator

    def __attrs_post_init__(self) -> None:
        for match in {id(match): match for route in self.every for match in route.match}.values():
            for option in ("path", "prefix", "path_separated_prefix", "starts"):
                path = getattr(match, option)
                if path is not None:
                    check("Match", option, path, self.paths)
        if any(isinstance(spec, Router) for spec in _below(self)):
            fix = "a router stands below it, and a request has one route: put the routes of both into one"
            raise ConfigError.of("Router", "routes", self.name, fix)

    @property
    def every(self) -> tuple[Route, ...]:
        """All routes, the default last."""
        return self.routes if self.default is None else (*self.routes, self.default)

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of all routes."""
        return tuple(spec for route in self.every for spec in route.specs)

    @property
    def asked(self) -> dict[str, str]:
        """The facts that the matches need, by their names, each with the option that asks."""
        return {name: option for route in self.every for match in route.match for name, option in match.asked.items()}

    holds = ("inner",)

    def start(self, rng: Random, /) -> RouterState:
        return RouterState(self, rng)

    def succeed(self, states: Iterable[Any], rng: Random, /) -> RouterState:
        """As `start`, but for a pipeline that has states already: what the router among them has of a route that is the
        very one goes on, so that with ten thousand routes a change of one is a small change.
        """
        return RouterState(self, rng, next((each for each in states if isinstance(each, RouterState)), None))


def _below(spec: Any) -> Iterator[Any]:
    """All specs within a spec, each once."""
    seen: set[int] = set()
    left = [spec]
    while left:
        above = left.pop()
        for place in type(above).holds:
            held = getattr(above, place)
            for each in held if isinstance(held, tuple) else (held,):
                if id(each) not in seen:
                    seen.add(id(each))
                    yield each
                    if hasattr(type(each), "holds"):
                        left.append(each)
