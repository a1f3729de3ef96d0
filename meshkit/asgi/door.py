"""What does the answer of an ASGI app mean, and who asked for it? Translates for the policies; decides nothing.

==========================================================  ==========
outcome                                                     verdict
==========================================================  ==========
status 429                                                  IGNORED
503 with ``Retry-After``                                    OVERLOADED
another 5xx                                                 FAILURE
any other status                                            SUCCESS
the app raises                                              FAILURE
it raises a `Rejected` of a call further in                 IGNORED
it returns without an answer, or with half of one           FAILURE
the client has gone, and it raises, fails or returns early  IGNORED
the deadline passes                                         FAILURE
it passes, and the client was waited for                    IGNORED
the client's own has passed, and it raises or fails         IGNORED
==========================================================  ==========

A client may be as impatient as it likes: that says nothing of the app, and must not open a breaker for the others. Nor
may what the app's own calls make of it: they end by the same deadline. As little does its slowness, see `exchange`;
and a 429 is about who asks: it shows neither that the app is well nor how quick it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from inspect import isawaitable
from math import inf
from typing import Any
from urllib.parse import quote
from uuid import UUID

from ..call import Call, Failure, Verdict
from ..engine import survive
from ..errors import ConfigError, Rejected
from ..fields.pairs import cookie, parameter
from ..function import judged
from ..policy import Head, Pairs
from .bodies import take, watch
from .client import Clients, network_of
from .limits import announcing
from .routed import head_of, routed

__all__ = ["AsgiDoor", "Judge"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NONE: dict[str, Any] = {}

Judge = Callable[[Any, BaseException | None], Verdict | None]
"""``(exchange, error)`` to a verdict: asked when an answer begins (``exchange.status``, ``exchange.headers``), and
again if the app raises. ``None`` leaves it to the table above."""

ALONE = ("client", "client-network", "host", "method", "path", "scheme", "uri", "user")
UNDER_A_NAME = ("header", "cookie", "query", "state")
FACTS = (*ALONE, *(f"{kind}:<name>" for kind in UNDER_A_NAME))
PLAIN = (str, int, bytes, tuple, UUID)
NAMED = ("identity", "pk", "id", "username", "display_name")
EARLY = 1e-6
"""Seconds by which an alarm may ring too early: trio's clock and ours differ by the last bits of a float."""


class AsgiDoor:
    """One middleware's translation."""

    __slots__ = ("__weakref__", "_judge", "_profile", "announces", "by_status", "client", "clients", "clock", "pipeline", "reserve", "translates")

    enforces_deadline = False
    takes_request = True
    judges_results = True
    copies = None
    answers_early = True
    opens = True
    hold = None
    discard = None
    take = staticmethod(take)
    wall = staticmethod(time.time)

    def __init__(
        self, pipeline: Any, clients: Clients, profile: str | None, judge: Judge | None, reserve: float
    ) -> None:
        self.pipeline = pipeline
        self.clock = pipeline.clock
        self.clients = clients
        self.client = clients.of
        self._profile = profile
        self.renew()
        pipeline.doors.add(self)
        self.by_status = judge is None
        """Whether the status of an answer says all there is to say."""
        self._judge = judge
        self.reserve = reserve
        self.translates = False
        """Whether errors of the app's own calls become answers of ours as well."""

    def renew(self) -> None:
        """The pipeline has come by other policies."""
        self.announces = None if self._profile is None else announcing(self.pipeline.states, self._profile)
        """The ``RateLimit`` fields of an answer; ``None``: there is nothing to say."""

    def address(self, call: Call, /) -> tuple[tuple[Any, ...], dict[str, Any]]:
        exchange = call.request
        before = exchange.call
        if before is not None and before is not call and before.deadline is not None:
            before.deadline = -inf  # a middleware has called twice; see `end.left`
        exchange.call = call
        if call.route is not None and call.route.plan.incoming:
            watch(exchange, call.route.plan)
        return (exchange,), NONE

    def verdict(self, exchange: Any) -> Verdict:
        """Of an answer that begins."""
        if self._judge is not None:
            verdict = self._asked(exchange, None)
            if verdict is not None:
                return verdict
        status = exchange.status
        if status < 500:
            return IGNORED if status == 429 else SUCCESS
        if self._late(exchange, status == 504):
            return IGNORED
        if status == 503 and any(name.lower() == b"retry-after" for name, _ in exchange.headers):
            return OVERLOADED
        return FAILURE

    def judge(self, call: Call, result: Any, error: BaseException | None, /) -> Verdict:
        exchange = call.request
        if error is None:
            return exchange.verdict if exchange.over else exchange.outcome()  # type: ignore[no-any-return]
        if exchange.status is None and exchange.call is call:
            call.answered_at -= exchange.waited
        if exchange.gone:
            return IGNORED
        if self._judge is not None:
            verdict = self._asked(exchange, error)
            if verdict is not None:
                return verdict
        late = isinstance(error, Rejected) or self._late(exchange, isinstance(error, TimeoutError))
        return IGNORED if late else FAILURE

    def _asked(self, exchange: Any, error: BaseException | None) -> Verdict | None:
        """What the judge says. One that raises, or answers what is no verdict, is counted; no answer is lost to it."""
        try:
            return judged(self._judge(exchange, error))  # type: ignore[misc]  # there is one
        except Exception as fault:
            survive(fault)
            return None

    def _late(self, exchange: Any, ran_out: bool) -> bool:
        """Whether time ran out by the client's doing: the deadline it had set has passed, as the app's own calls see
        it; or another one has, and the client has taken the time. ``ran_out``: whoever says so.
        """
        now = self.clock()
        scope = exchange.inherited
        if scope is not None and scope.stranger and now >= scope.deadline - self.reserve - EARLY:
            return True
        deadline = exchange.call.deadline
        ran_out = ran_out or (deadline is not None and now >= deadline - self.reserve - EARLY)
        return ran_out and exchange.dawdles(now)

    def excuses(self, call: Call, /) -> bool:
        """Whether the client has taken the time of a call that ran out of it; see `meshkit.deadline.impatient`."""
        return call.request.dawdles(self.clock())  # type: ignore[no-any-return]

    def waits_no_longer(self, exchange: Any) -> bool:
        """Whether the time the client gave is over, by its own word: a further attempt within it cannot succeed."""
        until = exchange.waits_until
        return until is not None and self.clock() >= until - self.reserve - EARLY

    def failure(self, call: Call, result: Any, error: BaseException | None, /) -> Failure:
        return Failure(error, status=call.request.status)

    def twice(self, call: Call, /) -> tuple[bool, bool]:
        """Never: the body of a request can be received once."""
        return False, False

    def head(self, call: Call, /) -> Head:
        call.request.facts = call.facts
        return head_of(call.request.scope)

    async def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"", /) -> None:
        """Answer as the app would have."""
        exchange = call.request
        exchange.call = call
        await exchange.respond(status, headers, body)

    async def hand(self, call: Call, fn: Callable[..., Any], /) -> None:
        """A function of the exchange, which sends an answer."""
        exchange = call.request
        exchange.call = call
        answer = fn(exchange)
        if isawaitable(answer):
            await answer

    async def serve(self, call: Call, app: Any, /) -> None:
        exchange = call.request
        exchange.call = call
        try:
            await app(routed(exchange.scope, call.route), exchange.receive, exchange.send)
        except Exception as error:
            exchange.error = None if error is exchange.refused else error
            raise

    def same(self, call: Call, own: Any = None, /) -> None:
        """To none: an answer goes out as it is made, and nobody else can have it."""

    def who(self, call: Call, /) -> str:
        scope = call.request.scope
        return f"{scope.get('method', 'GET')} {scope['path']}"

    def followed(self, call: Call, /) -> None:
        """Somebody follows it: also where it is refused, what they want added to the answer is asked for."""
        call.request.followed = call

    def about(self, call: Call, /) -> dict[str, Any]:
        """What may be told of the request. The route's template and the status are there as soon as they are known."""
        exchange = call.request
        scope = exchange.scope
        kind = scope["type"]
        told = {
            "kind": "server",
            "type": kind,
            "method": scope.get("method", "GET"),
            "scheme": scope.get("scheme", "http" if kind == "http" else "ws"),
            "path": scope["path"],
        }
        route = exchange.route
        if route is not None:
            told["route"] = route
        if exchange.status is not None:
            told["status"] = exchange.status
        return told

    def fact(self, call: Call, name: str, /) -> Any:
        """One of `FACTS`, ``None`` where there is none. Raises `ConfigError` for another name."""
        scope = call.request.scope
        if name == "client":
            return self.client(scope)
        if name == "client-network":
            client = self.client(scope)
            return client and (network_of(client) or client)
        if name == "path":
            return scope["path"]
        if name == "method":
            return scope.get("method", "GET")  # a websocket's handshake is one
        if name == "host":
            host = field(scope, b"host")
            return host and host.lower()
        if name == "scheme":
            return scope.get("scheme", "http")
        if name == "user":
            return user(scope.get("user"))
        if name == "uri":
            return uri(scope)
        kind, _, which = name.partition(":")
        if kind == "header" and which:
            return field(scope, which.lower().encode("latin-1", "replace"))
        if kind == "cookie" and which:
            return cookie(lines(scope, b"cookie"), which)
        if kind == "query" and which:
            return parameter(scope.get("query_string", b"").decode("latin-1"), which)
        if kind == "state" and which:
            return (scope.get("state") or NONE).get(which)
        raise _unknown(name)

    def knows(self, name: str, /) -> None:
        """Raises `ConfigError` for what is none of `FACTS`."""
        kind, _, which = name.partition(":")
        if name not in ALONE and not (which and kind in UNDER_A_NAME):
            raise _unknown(name)


def _unknown(name: str) -> ConfigError:
    return ConfigError.of("meshkit.asgi", "key", name, f"name one of {', '.join(FACTS)}, or give a function")


def field(scope: Any, name: bytes) -> str | None:
    """The field's value, its lines joined in order."""
    found = lines(scope, name)
    return ", ".join(found) if found else None


def lines(scope: Any, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]


def uri(scope: Any) -> str:
    """The path with the query, as sent; where the server tells no more than the decoded path, that one encoded."""
    raw = scope.get("raw_path")
    path = raw.partition(b"?")[0].decode("latin-1") if raw else quote(scope["path"], safe="/!$&'()*+,;=:@~")
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{path}?{query}" if query else path


def user(value: Any) -> Any:
    """Who the user is: what is one of `PLAIN` stands for itself, of an object it is the first of `NAMED` that it has;
    ``None`` where it says that nobody is authenticated. An object as such may be a new one for each request.
    """
    if value is None or isinstance(value, PLAIN):
        return value
    if not getattr(value, "is_authenticated", True):
        return None
    for name in NAMED:
        try:
            found = getattr(value, name)
        except (AttributeError, NotImplementedError):
            continue
        if isinstance(found, PLAIN) and found != "":
            return found
    kind = type(value).__name__
    raise TypeError(f"the user is a {kind} with none of {', '.join(NAMED)}: give a function of the call that tells who")
