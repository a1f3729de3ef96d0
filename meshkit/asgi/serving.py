"""How is one request served? Its deadline, its trace and its errors are seen to around the pipeline, whoever serves it.

What came to nothing is answered here, unless an answer has begun; then whoever serves breaks it off by what is raised.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar, Token
from math import inf
from typing import Any

from ..call import Call
from ..deadline import CURRENT, Scope, until
from ..errors import ConfigError, MeshError, TimedOut
from ..fallback import Fallback
from ..fields.deadline import NAMES, parse
from ..fields.problem import quoted
from ..fields.rate_limit import PROFILES
from ..fields.trace_context import NAMES as TRACE
from ..fields.trace_context import taken
from ..observe.passing import PASSING
from ..observe.record.recorder import ASKED, Following
from ..order import every
from ..runtime.settle import LEFT, collect
from ..runtime.telling import answering
from ..share import SingleFlight, StaleIfError
from .end import left
from .limits import told
from .refusal import REFUSED as TOLD
from .refusal import Refusals

__all__ = ["Serving", "names", "profile", "reset", "sends"]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
LONGEST = 1e9  # seconds, of an option
NOT_AGAIN = (b"x-should-retry", b"false")
"""What the clients of OpenAI and Anthropic obey, and our own: the caller has a little time left (``reserve``, the way
back), and asking again in it cannot succeed."""

NOT_ASKED = (b"", b"0", b"false", b"no")


class Serving:
    """Serves the exchanges of one door. The options are those of `MeshMiddleware`, whose name ``policy`` is."""

    __slots__ = (
        "_asks",
        "_deadlines",
        "_door",
        "_explain",
        "_invoke",
        "_most",
        "_pipeline",
        "_refusals",
        "_relays",
        "_translate",
    )

    def __init__(
        self,
        policy: str,
        door: Any,
        pipeline: Any,
        invoke: Callable[[Any], Awaitable[Any]],
        *,
        deadline: Iterable[str] = NAMES,
        most: float = 3600.0,
        via: str | None = "meshkit",
        translate: bool = False,
        explain: str | None = "x-meshkit-explain",
        relays: bool = False,
    ) -> None:
        self._relays = relays
        """Whether what comes out of the pipeline is an answer, which the exchange is to relay."""
        self._door = door
        self._pipeline = pipeline
        self._invoke = invoke
        self._deadlines = names(policy, deadline)
        self._most = float(most)
        self._refusals = Refusals(via, policy)
        self._translate = translate
        self._explain = None if explain is None else next(iter(names(policy, [explain])))
        self._asks = frozenset((*TRACE, *self._deadlines, *(() if explain is None else (self._explain,))))
        """The fields that say something here."""

    async def serve(self, exchange: Any) -> None:
        """Have the exchange come through the pipeline, and answer it where that refuses."""
        if LEFT:
            collect()
        token = least = passing = asking = None
        asked = False
        deadlines = self._deadlines
        headers = exchange.scope["headers"]
        for name, value in headers:
            if name not in self._asks:
                continue
            if name in deadlines:
                seconds = parse(deadlines[name], value.decode("latin-1"))
                if seconds is not None and (least is None or seconds < least):
                    least = seconds
            elif name == self._explain:
                asked = value.strip().lower() not in NOT_ASKED and self._door.clients.itself(exchange.scope)
            else:
                passing = name
        if least is not None:
            token = CURRENT.set(self._inherited(exchange, least))
        if passing is not None:
            fields = [*taken(headers)]
            passing = PASSING.set(fields)
        if asked:
            asking = ASKED.set(asks := [True])
        try:
            answer = await self._invoke(exchange)
            if self._relays and answer is not None:
                await exchange.relay(answer)
        except MeshError as error:
            theirs = error is exchange.error
            if exchange.started and not theirs and isinstance(error, TimedOut):
                self._broken_off(exchange, error)
            if exchange.started or (theirs and not self._translate) or not isinstance(error, TOLD):
                raise
            await self.refuse(exchange, error, ours=not theirs)
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

    async def refuse(self, exchange: Any, error: BaseException, *, ours: bool = True) -> None:
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
            headers += answering(self._pipeline, exchange.followed, status)
        with suppress(OSError):  # the client does not wait for it
            await exchange.refuse(status, headers, body)


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


def sends(policy: str, option: str, pipeline: Any) -> None:
    """Raises `ConfigError` for policies that want an answer to give it again, or have one that nobody sends."""
    for spec in every(pipeline.specs):
        if isinstance(spec, SingleFlight | StaleIfError):
            fix = "an answer that is sent as it comes cannot be given to another: put it into a client's pipeline"
            raise ConfigError.of(policy, option, spec.name, fix)
        if isinstance(spec, Fallback) and spec.fixed:
            fix = "nobody sends a value: give a function of the exchange that sends an answer"
            raise ConfigError.of(policy, option, spec.name, fix)


def names(policy: str, fields: Any) -> dict[bytes, str]:
    """Names of header fields, by what they are on the wire. Raises `ConfigError`."""
    fields = fields if isinstance(fields, str) else [*fields]
    if isinstance(fields, str) or not all(isinstance(name, str) and TOKEN.fullmatch(name) for name in fields):
        fix = f"give a list of header fields, such as {list(NAMES)}, or () for none"
        raise ConfigError.of(policy, "deadline", fields, fix)
    return {name.lower().encode("ascii"): name.lower() for name in fields}


def profile(policy: str, name: str | None) -> None:
    """Raises `ConfigError` for what is no profile of the ``RateLimit`` fields."""
    if name is not None and name not in PROFILES:
        fix = f"write one of {', '.join(map(repr, PROFILES))}, or None"
        raise ConfigError.of(policy, "rate_limit", name, fix)
