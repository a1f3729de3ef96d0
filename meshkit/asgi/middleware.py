"""How does an ASGI app come behind a pipeline? As any ASGI middleware does: an app around the app.

    app.add_middleware(MeshMiddleware, pipeline=Pipeline(RateLimit("100/min", key="client"), Timeout(2.0)))

Requests and websockets go through the pipeline. The lifespan, and what else there may be, passes untouched. The app
runs in the task it was called in, so context variables survive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import chain
from typing import Any

from ..errors import ConfigError
from ..fact import check
from ..fields.deadline import NAMES
from ..policy import awaits
from ..runtime.tasks import bind
from ..section import CHOICE, RACE, REPEAT, named, within
from . import bodies
from .client import Clients
from .connection import Connection
from .door import AsgiDoor, Judge
from .exchange import Exchange, Receive, Send
from .limits import announcing
from .routed import routed
from .serving import Serving, profile, sends

__all__ = ["MeshMiddleware"]

REFUSED = {
    REPEAT: "a request comes once, and its answer may have begun: put the retry into the client's pipeline",
    RACE: "one request has one answer: put the hedge into the client's pipeline",
    CHOICE: "behind a middleware is one app, to=None (passthrough): put the cluster into the client's pipeline",
}
"""What a pipeline may not have here, and why."""
LONGEST = 1e9  # seconds, of an option
App = Callable[[Any, Receive, Send], Awaitable[None]]


class MeshMiddleware:
    """A pipeline in front of an ASGI app.

    ``judge(exchange, error)`` overrules what counts as a failure. ``trusted`` are the networks of proxies whose word on
    the client's address counts (and ``"unix"`` for a Unix socket), ``forwarded`` the one field they write,
    ``"x-forwarded-for"`` or ``"forwarded"``. ``deadline`` names the fields in which a client may say how much time
    there is, of which no more than ``most`` seconds are believed; ``reserve`` seconds of the deadline are withheld from
    the calls the app makes. ``rate_limit`` is the profile of the ``RateLimit`` fields, ``None`` for none; ``via`` the
    name of this service in ``Proxy-Status``, ``None`` for no such field. With ``translate`` a `Rejected` or `TimedOut`
    that the app lets out of a call of its own becomes a 503 or 504 as well. ``explain`` names the field by which a peer
    among ``trusted`` has this request, and the calls made for it, recorded in full where a `Recorder` listens;
    ``None``: nobody may ask.
    """

    __slots__ = ("_door", "_serving", "app", "pipeline")

    def __init__(
        self,
        app: App,
        pipeline: Any,
        *,
        judge: Judge | None = None,
        trusted: Iterable[str] = (),
        forwarded: str = "x-forwarded-for",
        deadline: Iterable[str] = NAMES,
        most: float = 3600.0,
        reserve: float = 0.0,
        rate_limit: str | None = "draft-11",
        via: str | None = "meshkit",
        translate: bool = False,
        explain: str | None = "x-meshkit-explain",
    ) -> None:
        _check(app, pipeline, judge, most, reserve)
        self.app = app
        self.pipeline = pipeline
        profile("MeshMiddleware", rate_limit)
        self._door = AsgiDoor(pipeline, Clients(trusted, forwarded), rate_limit, judge, float(reserve))
        self._door.translates = translate
        check(self._door, pipeline.specs)

        def accepts(heir: Any) -> None:
            _check_policies(heir)
            if rate_limit is not None:
                announcing(heir.states, rate_limit)

        self._door.accepts = accepts

        async def serve(exchange: Any) -> None:
            route = exchange.call.route
            if route is not None:
                scope = routed(exchange.scope, route)
                await bodies.through(exchange, lambda: app(scope, exchange.receive, exchange.send), app=True)
                return
            try:
                await app(exchange.scope, exchange.receive, exchange.send)
            except Exception as error:
                exchange.error = error
                raise

        self._serving = Serving(
            "MeshMiddleware",
            self._door,
            pipeline,
            bind(pipeline, self._door, serve),
            deadline=deadline,
            most=most,
            via=via,
            translate=translate,
            explain=explain,
        )

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            exchange: Any = Exchange(self._door, scope, receive, send)
        elif kind == "websocket":
            exchange = Connection(self._door, scope, receive, send)
        else:
            await self.app(scope, receive, send)
            return
        await self._serving.serve(exchange)

    def __repr__(self) -> str:
        return f"MeshMiddleware({self.app!r}, {self.pipeline!r})"


def _check(app: Any, pipeline: Any, judge: Any, most: Any, reserve: Any) -> None:
    if isinstance(app, type) or not callable(app):
        raise ConfigError.of("MeshMiddleware", "app", app, "give an ASGI app: an async def (scope, receive, send)")
    if not hasattr(pipeline, "root"):
        raise ConfigError.of("MeshMiddleware", "pipeline", pipeline, "give a Pipeline, such as Pipeline(Timeout(2.0))")
    inner = app
    while isinstance(inner, MeshMiddleware):
        if inner.pipeline is pipeline:
            fix = "it stands around this app already, and each request would count twice: one of the two is enough"
            raise ConfigError.of("MeshMiddleware", "pipeline", pipeline, fix)
        inner = inner.app
    if judge is not None and (not callable(judge) or awaits(judge)):
        raise ConfigError.of("MeshMiddleware", "judge", judge, "give a function of (exchange, error), a plain def")
    for option, value, least in (("most", most, 0.001), ("reserve", reserve, 0.0)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LONGEST:
            raise ConfigError.of("MeshMiddleware", option, value, f"give seconds, {least:g} or more, such as 0.5")
    _check_policies(pipeline)


def _check_policies(pipeline: Any) -> None:
    """Those that it has, or, of a `Successor`, is to have."""
    sends("MeshMiddleware", "pipeline", pipeline)
    _check_sections(pipeline.root)
    bodies.check(pipeline.states)
    for state in within(pipeline.states):
        for mirror in chain.from_iterable(getattr(state, "beside", ())):
            fix = "the app behind this door is the one there is: mirror the calls of a client"
            raise ConfigError.of("MeshMiddleware", "pipeline", mirror.name, fix)


def _check_sections(section: Any, route: str = "") -> None:
    while section is not None:
        inner = getattr(section.state, "sections", None)
        if inner is not None:
            rules = {id(rule.section): f"the route {rule.title}: " for rule in getattr(section.state, "rules", ())}
            for each in inner():
                _check_sections(each, rules.get(id(each), route))
        elif section.kind in REFUSED:
            raise ConfigError.of("MeshMiddleware", "pipeline", named(section.state), route + REFUSED[section.kind])
        section = section.after
