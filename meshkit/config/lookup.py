"""What would become of this request? Which route it takes, in which words it is sent, and why no other one has it.

Nothing is sent, and no policy is asked: only the router decides, as it would for a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..asgi.client import canonical
from ..call import Call
from ..cluster import Cluster
from ..errors import ConfigError, NoRoute
from ..fields.pairs import cookie, parameter
from ..route.answer import Redirect, Respond
from ..route.reasons import misses
from ..route.route import Route
from ..route.router import Router, RouterState
from ..shared import bare

__all__ = ["Found", "Lookup", "Request"]


def _url(value: Any) -> Any:
    if not isinstance(value, str) or "://" not in value:
        raise ConfigError.of("Request", "url", value, 'give a whole URL, such as "http://orders/stock/7"')
    return value


def _fields(value: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): text for name, text in dict(value or {}).items()}


@attrs.frozen
class Request:
    """A request that is only asked about: ``Request("GET", "http://orders/stock/7")``.

    ``client`` is the address it comes from; ``facts`` is whatever else a route asks for, by the name of the fact
    (``{"sni": "shop.example"}``). Raises `ConfigError`.
    """

    method: str
    url: str = attrs.field(converter=_url)
    headers: dict[str, str] = attrs.field(factory=dict, converter=_fields, kw_only=True)
    client: str | None = attrs.field(default=None, kw_only=True)
    facts: dict[str, Any] = attrs.field(factory=dict, kw_only=True)

    def head(self) -> tuple[str, str, str, int | None, str, str | None]:
        """See `meshkit.policy.Door.head`."""
        parts = urlsplit(self.url)
        try:
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError.of("Request", "url", self.url, str(error)) from None
        if ":" in host:
            host = f"[{host}]"
        return self.method, parts.scheme, host.removesuffix("."), port, parts.path or "/", parts.query or None


@attrs.frozen(kw_only=True)
class Found:
    """What becomes of a request. ``route`` is ``None`` where no route matches; ``reason`` then says so."""

    route: Route | None
    reason: str = ""
    to: str = ""
    """The cluster, or what else it leads to, in words."""
    method: str = "GET"
    host: str = ""
    """Under which host it is sent."""
    path: str = ""
    """The path and the query that are sent."""
    status: int | None = None
    """Of an answer that is made here: a redirect, a direct answer, a refusal."""
    location: str | None = None
    """Of a redirect."""
    missed: tuple[tuple[Route, str], ...] = ()
    """The other routes, each with why it does not match; or that this one came first."""

    @property
    def name(self) -> str:
        """The route's name; empty without one."""
        return "" if self.route is None else str(self.route)


class Lookup:
    """Asks a router about requests."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self._state: RouterState = router.start(Random(0))  # noqa: S311  # which branch of a split is not asked

    def find(self, request: Request, *, reasons: bool = False) -> Found:
        """What becomes of it. ``reasons``: also why each other route does not have it."""
        call = Call(_Door(), request, 0.0)
        decision = self._state.facts(call)
        missed = tuple(self._missed(call, decision)) if reasons else ()
        try:
            call.facts = {self._state: decision}
            if not hasattr(decision, "rule"):
                self._state.pick(call, 0.0)
        except NoRoute as error:
            return Found(route=None, reason=str(error), status=error.status, method=request.method, missed=missed)
        return self._found(call, request, decision, missed)

    def _found(self, call: Call, request: Request, decision: Any, missed: Any) -> Found:
        method, scheme, host, port, _, _ = request.head()
        route = decision.rule.route
        sent = decision.path if decision.query is None else f"{decision.path}?{decision.query}"
        to = route.to[-1] if isinstance(route.to, tuple) and route.to else route.to
        found = {"route": route, "to": told(to), "method": method, "host": decision.host or host, "path": sent}
        last = bare(to)
        if isinstance(last, Redirect):
            where = last.location(scheme, decision.host or host, port, decision.path, decision.query)
            return Found(**found, status=last.status, location=where, missed=missed)
        return Found(**found, status=last.status if isinstance(last, Respond) else None, missed=missed)

    def _missed(self, call: Call, decision: Any) -> Any:
        head = call.door.head(call)
        chosen = getattr(decision, "rule", None)
        path = self._state.normal(head[4])
        told: dict[int, tuple[Route, list[str]]] = {}
        for rule in self._state.rules:
            if chosen is not None and rule.route is chosen.route:
                continue
            why = misses(rule, call, head, path)
            told.setdefault(id(rule.route), (rule.route, []))[1].append(", ".join(why) or "it matches, but comes later")
        return [(route, "; or ".join(whys)) for route, whys in told.values()]


def told(to: Any) -> str:
    """A destination in a few words."""
    spec = bare(to)
    if spec is None:
        return "where it was going"
    if isinstance(spec, Cluster):
        return f"cluster {spec.name}"
    if isinstance(spec, Redirect):
        return "a redirect"
    if isinstance(spec, Respond):
        return "a direct answer"
    return type(spec).__name__.lower()


class _Door:
    """Translates a `Request`."""

    def head(self, call: Call, /) -> Any:
        return call.request.head()

    def knows(self, name: str, /) -> None:
        """Every name."""

    def fact(self, call: Call, name: str, /) -> Any:
        request: Request = call.request
        if name in request.facts:
            return request.facts[name]
        if name == "client":
            return request.client and (canonical(request.client) or request.client)
        kind, _, which = name.partition(":")
        if kind == "header":
            return request.headers.get(which)
        if kind == "cookie":
            return cookie([request.headers.get("cookie", "")], which)
        if kind == "query":
            return parameter(urlsplit(request.url).query, which)
        return None
