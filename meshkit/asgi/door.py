"""What does the answer of an ASGI app mean, and who asked for it? Translates for the policies; decides nothing.

==========================================================  ==========
outcome                                                     verdict
==========================================================  ==========
status 429, or 503 with ``Retry-After``                     OVERLOADED
another 5xx                                                 FAILURE
any other status                                            SUCCESS
the app raises                                              FAILURE
it raises a `Rejected` of a call further in                 IGNORED
it returns without an answer, or with half of one           FAILURE
the client has gone, and it raises, fails or returns early  IGNORED
the deadline passes                                         FAILURE
the client's own has passed, and it raises or fails         IGNORED
==========================================================  ==========

A client may be as impatient as it likes: that says nothing of the app, and must not open a breaker for the others. Nor
may what the app's own calls make of it: they end by the same deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..call import Call, Failure, Verdict
from ..errors import ConfigError, Rejected
from ..function import judged
from .client import Clients, network_of

__all__ = ["AsgiDoor", "Judge"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NONE: dict[str, Any] = {}

Judge = Callable[[Any, BaseException | None], Verdict | None]
"""``(exchange, error)`` to a verdict: asked when an answer begins (``exchange.status``, ``exchange.headers``), and
again if the app raises. ``None`` leaves it to the table above."""

FACTS = ("client", "client-network", "host", "method", "path", "scheme", "user", "header:<name>", "state:<name>")


class AsgiDoor:
    """One middleware's translation."""

    __slots__ = ("_judge", "announces", "by_status", "client", "clock", "pipeline", "reserve")

    enforces_deadline = False
    takes_request = True
    judges_results = True
    copies = None
    answers_early = True
    opens = True
    hold = None
    discard = None
    wall = staticmethod(time.time)

    def __init__(self, pipeline: Any, clients: Clients, announced: Any, judge: Judge | None, reserve: float) -> None:
        self.pipeline = pipeline
        self.clock = pipeline.clock
        self.client = clients.of
        self.announces = announced.fields if announced else None
        """The ``RateLimit`` fields of an answer; ``None``: there is nothing to say."""
        self.by_status = judge is None
        """Whether the status of an answer says all there is to say."""
        self._judge = judge
        self.reserve = reserve

    def address(self, call: Call, /) -> tuple[tuple[Any, ...], dict[str, Any]]:
        exchange = call.request
        exchange.call = call
        return (exchange,), NONE

    def verdict(self, exchange: Any) -> Verdict:
        """Of an answer that begins."""
        if self._judge is not None:
            verdict = judged(self._judge(exchange, None))
            if verdict is not None:
                return verdict
        status = exchange.status
        if status < 500 and status != 429:
            return SUCCESS
        if self._late(exchange):
            return IGNORED
        if status == 429:
            return OVERLOADED
        if status == 503 and any(name.lower() == b"retry-after" for name, _ in exchange.headers):
            return OVERLOADED
        return FAILURE

    def judge(self, call: Call, result: Any, error: BaseException | None, /) -> Verdict:
        exchange = call.request
        if error is None:
            return exchange.verdict if exchange.over else exchange.outcome()  # type: ignore[no-any-return]
        if exchange.gone:
            return IGNORED
        if self._judge is not None:
            verdict = judged(self._judge(exchange, error))
            if verdict is not None:
                return verdict
        return IGNORED if isinstance(error, Rejected) or self._late(exchange) else FAILURE

    def _late(self, exchange: Any) -> bool:
        """Whether the deadline the client had set has passed, as the app's own calls see it."""
        scope = exchange.inherited
        return scope is not None and self.clock() >= scope.deadline - self.reserve

    def failure(self, call: Call, result: Any, error: BaseException | None, /) -> Failure:
        return Failure(error, status=call.request.status)

    def twice(self, call: Call, /) -> tuple[bool, bool]:
        """Never: the body of a request can be received once."""
        return False, False

    async def respond(self, call: Call, status: int, /) -> None:
        """Answer with a status and nothing else, as the app would have."""
        exchange = call.request
        exchange.call = call
        await exchange.respond(status)

    def same(self, call: Call, own: Any = None, /) -> None:
        """To none: an answer goes out as it is made, and nobody else can have it."""

    def who(self, call: Call, /) -> str:
        scope = call.request.scope
        return f"{scope.get('method', 'GET')} {scope['path']}"

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
        kind, _, which = name.partition(":")
        if kind == "header" and which:
            return field(scope, which.lower().encode("latin-1", "replace"))
        if kind == "state" and which:
            return scope.get("state", NONE).get(which)
        raise ConfigError.of("meshkit.asgi", "key", name, f"name one of {', '.join(FACTS)}, or give a function")


def field(scope: Any, name: bytes) -> str | None:
    """The field's value, its lines joined in order."""
    lines = [value for each, value in scope["headers"] if each == name]
    return b", ".join(lines).decode("latin-1") if lines else None


def user(value: Any) -> Any:
    """Who the user is, by Starlette's interface: ``None`` unless authenticated. What is no object stands for itself."""
    if not hasattr(value, "is_authenticated"):
        return value
    if not value.is_authenticated:
        return None
    for name in ("identity", "pk", "display_name"):
        try:
            found = getattr(value, name)
        except (AttributeError, NotImplementedError):
            continue
        if found is not None and found != "":
            return found
    return value
