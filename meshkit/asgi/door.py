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

from ..call import Call, Failure, Verdict
from ..engine import survive
from ..errors import Rejected
from ..function import judged
from ..policy import Head, Pairs
from .bodies import take, through, watch
from .client import Clients
from .facts import fact, known
from .limits import announcing
from .routed import head_of, routed

__all__ = ["AsgiDoor", "Judge"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NONE: dict[str, Any] = {}

Judge = Callable[[Any, BaseException | None], Verdict | None]
"""``(exchange, error)`` to a verdict: asked when an answer begins (``exchange.status``, ``exchange.headers``), and
again if the app raises. ``None`` leaves it to the table above."""

EARLY = 1e-6
"""Seconds by which an alarm may ring too early: trio's clock and ours differ by the last bits of a float."""


class AsgiDoor:
    """One middleware's translation."""

    __slots__ = (
        "__weakref__",
        "_judge",
        "_profile",
        "accepts",
        "announces",
        "by_status",
        "client",
        "clients",
        "clock",
        "pipeline",
        "reserve",
        "translates",
    )

    enforces_deadline = False
    takes_request = True
    judges_results = True
    copies = None
    answers_early = True
    opens = True
    hold: Any = None
    discard: Any = None
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
        self.accepts: Callable[[Any], None] | None = None
        """Asked whether the pipeline may come by other policies; raises `ConfigError`."""
        pipeline.doors.add(self)
        self.renew()
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

        async def ask() -> None:
            answer = fn(exchange)
            if isawaitable(answer):
                await answer

        await through(exchange, ask, app=False)

    async def serve(self, call: Call, app: Any, /) -> None:
        exchange = call.request
        exchange.call = call
        scope = exchange.scope if call.route is None else routed(exchange.scope, call.route)
        await through(exchange, lambda: app(scope, exchange.receive, exchange.send), app=True)

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
        """One of `meshkit.asgi.facts.FACTS`, ``None`` where there is none. Raises `ConfigError` for another name."""
        return fact(call.request.scope, name, self.client)

    def knows(self, name: str, /) -> None:
        """Raises `ConfigError` for what `fact` does not answer."""
        known(name)
