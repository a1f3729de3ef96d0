"""How does an ASGI app come behind a pipeline? As any ASGI middleware does: an app around the app.

    app.add_middleware(MeshMiddleware, pipeline=Pipeline(RateLimit("100/min", key="client"), Timeout(2.0)))

Requests and websockets go through the pipeline. The lifespan, and what else there may be, passes untouched. The app
runs in the task it was called in, so context variables survive.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from itertools import chain
from math import inf
from typing import Any

from ..call import Call
from ..deadline import CURRENT, Scope, until
from ..errors import ConfigError, MeshError, TimedOut
from ..fact import check
from ..fallback import Fallback
from ..fields.deadline import NAMES, parse
from ..fields.problem import quoted
from ..fields.rate_limit import PROFILES
from ..fields.trace_context import NAMES as TRACE
from ..fields.trace_context import taken
from ..observe.passing import PASSING
from ..observe.record.recorder import ASKED, Following
from ..order import every
from ..policy import awaits
from ..runtime.settle import LEFT, collect
from ..runtime.tasks import bind
from ..runtime.telling import answering
from ..section import CHOICE, RACE, REPEAT, named, within
from ..share import SingleFlight, StaleIfError
from . import bodies
from .client import Clients
from .connection import Connection
from .door import AsgiDoor, Judge
from .end import left
from .exchange import Exchange, Receive, Send
from .limits import announcing, told
from .refusal import REFUSED as TOLD
from .refusal import Refusals
from .routed import routed

__all__ = ["MeshMiddleware"]

REFUSED = {
    REPEAT: "a request comes once, and its answer may have begun: put the retry into the client's pipeline",
    RACE: "one request has one answer: put the hedge into the client's pipeline",
    CHOICE: "behind a middleware is one app, to=None (passthrough): put the cluster into the client's pipeline",
}
"""What a pipeline may not have here, and why."""
LONGEST = 1e9  # seconds, of an option
NOT_AGAIN = (b"x-should-retry", b"false")
"""What the clients of OpenAI and Anthropic obey, and our own: the caller has a little time left (``reserve``, the way
back), and asking again in it cannot succeed."""

NOT_ASKED = (b"", b"0", b"false", b"no")

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

    __slots__ = ("_deadlines", "_door", "_explain", "_invoke", "_most", "_refusals", "_translate", "app", "pipeline")

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
        self._deadlines = _names(deadline)
        self._most = float(most)
        self._refusals = Refusals(via)
        self._explain = None if explain is None else next(iter(_names([explain])))
        if rate_limit is not None and rate_limit not in PROFILES:
            fix = f"write one of {', '.join(map(repr, PROFILES))}, or None"
            raise ConfigError.of("MeshMiddleware", "rate_limit", rate_limit, fix)
        self._door = AsgiDoor(pipeline, Clients(trusted, forwarded), rate_limit, judge, float(reserve))
        self._door.translates = self._translate = translate
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

        self._invoke = bind(pipeline, self._door, serve)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            exchange: Any = Exchange(self._door, scope, receive, send)
        elif kind == "websocket":
            exchange = Connection(self._door, scope, receive, send)
        else:
            await self.app(scope, receive, send)
            return
        if LEFT:
            collect()
        token = least = passing = asking = None
        asked = False
        deadlines = self._deadlines
        for name, value in scope["headers"]:
            if name in TRACE:
                passing = name
            elif name == self._explain:
                asked = value.strip().lower() not in NOT_ASKED and self._door.clients.itself(scope)
            elif name in deadlines:
                seconds = parse(deadlines[name], value.decode("latin-1"))
                if seconds is not None and (least is None or seconds < least):
                    least = seconds
        if least is not None:
            token = CURRENT.set(self._inherited(exchange, least))
        if passing is not None:
            fields = [*taken(scope["headers"])]
            passing = PASSING.set(fields)
        if asked:
            asking = ASKED.set(asks := [True])
        try:
            await self._invoke(exchange)
        except MeshError as error:
            theirs = error is exchange.error
            if exchange.started and not theirs and isinstance(error, TimedOut):
                self._broken_off(exchange, error)
            if exchange.started or (theirs and not self._translate) or not isinstance(error, TOLD):
                raise
            await self._refuse(exchange, error, ours=not theirs)
        finally:
            call = exchange.call
            if call is not None and call.deadline is not None and call.deadline != inf:
                left(call)
            # No cycle: the call holds the exchange, and so does a traceback.
            exchange.call = exchange.followed = exchange.error = call = None
            if not exchange.over:
                exchange.close()
            if token is not None:
                exchange.inherited.deadline = inf
                reset(CURRENT, token)
            # Whoever the app has left running has the very lists, and takes part in this request no longer.
            if passing is not None:
                fields.clear()
                reset(PASSING, passing)
            if asking is not None:
                asks.clear()
                reset(ASKED, asking)

    def _inherited(self, exchange: Any, seconds: float) -> Scope:
        """The deadline that came with the request, or a smaller one around this app."""
        clock = self._door.clock
        now = clock()
        at = now + min(seconds, self._most)
        outer = CURRENT.get()
        around = None if outer is None else until(outer, clock, now)
        if around is None or at < around:
            scope = Scope(at, clock, stranger=not self._door.clients.itself(exchange.scope))
        else:
            scope = Scope(around, clock)
        exchange.inherited = scope
        exchange.waits_until = now + seconds
        return scope

    def _broken_off(self, exchange: Any, error: TimedOut) -> None:
        """There was an answer, if not the whole of it."""
        seconds = self._door.clock() - exchange.call.began_at
        error.args = (f"the answer was not complete {seconds:.3g} s after the call began",)

    async def _refuse(self, exchange: Any, error: MeshError, *, ours: bool) -> None:
        """Answer with what the error amounts to, and what is left of the limits."""
        status, headers, body = self._refusals.of(error, ours=ours)
        door = self._door
        if status == 504 and door.waits_no_longer(exchange):
            headers.append(NOT_AGAIN)
        if door.announces is not None:
            now = door.clock()
            with suppress(Exception):  # a key the app's owner asks for, and which was the reason to refuse
                headers += door.announces(exchange.call or told(door, exchange, now), now, door.wall())
        if exchange.followed is not None:
            _explained(headers, exchange.followed)
            headers += answering(self.pipeline, exchange.followed, status)
        with suppress(OSError):  # the client does not wait for it
            await exchange.refuse(status, headers, body)

    def __repr__(self) -> str:
        return f"MeshMiddleware({self.app!r}, {self.pipeline!r})"


def _explained(headers: list[tuple[bytes, bytes]], call: Call) -> None:
    """Add what a record says to ``Proxy-Status`` (RFC 9209, 2.1.7), where a peer that is trusted has asked for it."""
    for k, (name, value) in enumerate(headers):
        if name == b"proxy-status" and ASKED.get():
            for follower in call.events.followers:
                if isinstance(follower, Following):
                    headers[k] = (name, value + b"; details=" + quoted(follower.record.summary))
                    return


def reset(variable: ContextVar[Any], token: Token[Any]) -> None:
    try:  # noqa: SIM105  # as in runtime/tasks.py
        variable.reset(token)
    except ValueError:  # the collector closes a coroutine in another context
        pass


def _names(deadline: Any) -> dict[bytes, str]:
    if isinstance(deadline, str) or not all(isinstance(name, str) and name.isascii() and name for name in deadline):
        fix = f"give a list of header fields, such as {list(NAMES)}, or () for none"
        raise ConfigError.of("MeshMiddleware", "deadline", deadline, fix)
    return {name.lower().encode("ascii"): name.lower() for name in deadline}


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
    for spec in every(pipeline.specs):
        if isinstance(spec, SingleFlight | StaleIfError):
            fix = "an answer that is sent as it comes cannot be given to another: put it into a client's pipeline"
            raise ConfigError.of("MeshMiddleware", "pipeline", spec.name, fix)
        if isinstance(spec, Fallback) and spec.fixed:
            fix = "nobody sends a value: give a function of the exchange that sends an answer"
            raise ConfigError.of("MeshMiddleware", "pipeline", spec.name, fix)
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
