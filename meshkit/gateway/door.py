"""What does an answer from an upstream mean, and can its request be sent again? Translates; decides nothing.

======================================================  ==========
outcome                                                 verdict
======================================================  ==========
429, or 503 with ``Retry-After``                        OVERLOADED
another 5xx; what a retry or a fallback names           FAILURE
any other status                                        SUCCESS
the upstream fails: a `WireError`                       FAILURE
the client fails: it has gone, or what it sends is no   IGNORED
request
======================================================  ==========

What is answered within this process means what it means behind `MeshMiddleware` (`meshkit.asgi.door`).
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from functools import partial
from ssl import SSLCertVerificationError
from typing import Any

from ..asgi.client import Clients
from ..asgi.door import AsgiDoor
from ..call import Call, Failure, Verdict
from ..deadline import impatient
from ..engine import expired
from ..errors import Rejected, TimedOut, Unread
from ..httpx.door import IDEMPOTENT, final, wait_of
from ..httpx.notes import Statuses, notes_for
from ..observe.trail import RETURNED
from ..policy import Head, Pairs
from ..runtime.alarm import arm
from ..runtime.settle import settle
from ..runtime.telling import returned
from ..upstream.errors import Misused, WireError
from .body import Behind, Left
from .fields import Fields
from .forward import numeric, spent

__all__ = ["GatewayDoor"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NONE: dict[str, Any] = {}
OURS = (WireError, TimedOut, Left, Unread, Behind)
"""What comes of sending it on, and of nobody's app."""
THEIRS = (Misused, Left, Unread, Behind)
"""What ends a call by the client's doing; and what says nothing of an upstream."""


class GatewayDoor(AsgiDoor):
    """One listener's translation."""

    __slots__ = ("_fails", "_listens", "_named", "_notes", "draining", "fields", "finishes", "prepare", "replay")

    enforces_deadline = True

    def __init__(
        self,
        pipeline: Any,
        listens: Callable[[], tuple[Clients, Fields]],
        profile: str | None,
        *,
        replay: int,
        finishes: bool,
    ) -> None:
        self._listens = listens
        """What the listener says of clients, in the version that is in force."""
        self.replay = replay
        """Bytes of a request's body that are kept."""
        self.finishes = finishes
        """Whether an upstream goes on when the client has gone."""
        self.draining = False
        """Whether connections are to be closed after what is under way."""
        self.prepare: Callable[[Any], None] | None = None
        """Asked to make ready for the states of other policies; raises `ConfigError`."""
        clients, self.fields = listens()
        super().__init__(pipeline, clients, profile, None, 0.0)

    def renew(self) -> None:
        super().renew()
        self.clients, self.fields = self._listens()
        self.client = self.clients.of
        states = self.pipeline.states
        statuses = Statuses(states)
        self._named, self._fails = statuses.named, statuses.fails
        self._notes = notes_for(states)

    def head(self, call: Call, /) -> Head:
        exchange = call.request
        exchange.facts = call.facts
        return exchange.head or exchange.read()  # type: ignore[no-any-return]  # of either kind

    def address(self, call: Call, /) -> tuple[tuple[Any, ...], dict[str, Any]]:
        super().address(call)
        return (call,), NONE

    def judge(self, call: Call, result: Any, error: BaseException | None, /) -> Verdict:
        if result is None and not isinstance(error, OURS):
            return super().judge(call, result, error)
        if call.events is not None:
            if error is None:
                call.status = result.status
            if call.events.wants & RETURNED:
                returned(self.pipeline, call)
        if error is not None:
            if isinstance(error, THEIRS) or call.request.gone or misnamed(call, error) or spent(error):
                return IGNORED
            if call.scope is not None and isinstance(error, TimedOut) and impatient(call):
                return IGNORED
            return FAILURE
        if self._notes:
            seen = Seen(result)
            for note in self._notes:
                note(call, seen)
        status = result.status
        if status < 500:
            if status == 429:
                return OVERLOADED
            return FAILURE if status in self._named and self._fails(call, status) else SUCCESS
        return OVERLOADED if status == 503 and "retry-after" in Seen(result).headers else FAILURE

    def failure(self, call: Call, result: Any, error: BaseException | None, /) -> Failure:
        replayable, idempotent = self.twice(call)
        if result is not None:
            headers = Seen(result).headers
            return Failure(
                status=result.status,
                retry_after=wait_of(headers),
                replayable=replayable,
                idempotent=idempotent,
                final=final(headers),
            )
        if not isinstance(error, WireError):
            return Failure(
                error,
                status=call.request.status,
                sent=not isinstance(error, Rejected),
                replayable=replayable,
                idempotent=idempotent,
            )
        return Failure(
            error,
            kind=TimeoutError if isinstance(error, TimeoutError) else ConnectionError,
            sent=error.sent,
            replayable=replayable,
            idempotent=idempotent,
            stale=error.stale,
        )

    def twice(self, call: Call, /) -> tuple[bool, bool]:
        exchange = call.request
        if exchange.started or exchange.apart:
            return False, False
        body, scope = exchange.body, exchange.scope
        if scope["type"] != "http":
            return True, True
        idempotent = scope["method"] in IDEMPOTENT or any(name == b"idempotency-key" for name, _ in scope["headers"])
        return body is None or body.replayable, idempotent

    def hold(self, tree: Any, call: Call, result: Any, verdict: Verdict) -> Any:
        """An upstream's answer is still to be relayed; one that was made here has ended the call, or failed to."""
        exchange = call.request
        if result is not None:
            exchange.call = call
            exchange.verdict = verdict
            return result
        settle(tree, call, self.clock(), verdict)
        return None

    async def discard(self, result: Any) -> None:
        close = getattr(result, "close", None)
        if close is not None:
            close()

    async def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"", /) -> None:
        call.request.apart = True
        await super().respond(call, status, headers, body)

    async def hand(self, call: Call, fn: Any, /) -> None:
        await self._here(call, partial(super().hand, call, fn))

    async def serve(self, call: Call, app: Any, /) -> None:
        await self._here(call, partial(super().serve, call, app))

    async def _here(self, call: Call, ask: Callable[..., Any]) -> None:
        """Have somebody of this process answer, who knows of no deadline: it strikes as behind `MeshMiddleware`."""
        await call.request.depart()
        began, alarms = self.clock(), None
        send = ask
        if call.deadline is not None:
            send, alarms = arm(ask, call, ask, began, self.clock)
        try:
            await send()
        except CancelledError:
            if alarms is None or not alarms.expired(ask):
                raise
            alarms = None
            raise expired(call, began, self.clock()) from None
        finally:
            if alarms is not None:
                alarms.drop(ask)


def misnamed(call: Call, error: BaseException) -> bool:
    """Whether an endpoint has shown no certificate of the name that its client has asked for: any name, where the route
    says none.
    """
    route, endpoint = call.route, call.endpoint
    if not isinstance(error.__cause__, SSLCertVerificationError) or route is None or route.host is not None:
        return False
    hosts = getattr(route.rule.match, "host", ())
    return numeric(endpoint.host) and not (hosts and all("*" not in host for host in hosts))


class Seen:
    """An upstream's answer, as those want it who know httpx. What takes work is done when somebody asks."""

    __slots__ = ("_answer", "_headers", "status_code")

    def __init__(self, answer: Any) -> None:
        self.status_code = answer.status
        self._answer = answer
        self._headers: Named | None = None

    @property
    def headers(self) -> Named:
        headers = self._headers
        if headers is None:
            headers = self._headers = Named(self._answer.headers)
        return headers

    @property
    def extensions(self) -> dict[str, Any]:
        return {"http_version": self._version}

    @property
    def http_version(self) -> str:
        return self._version.decode("latin-1")

    @property
    def _version(self) -> bytes:
        return getattr(self._answer, "version", b"HTTP/1.1")  # of a handshake there is no other


class Named(dict[str, str]):
    """Fields by name, in lower case, those of one name joined."""

    def __init__(self, pairs: Any) -> None:
        super().__init__()
        self.raw = pairs
        for name, value in pairs:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self[key] = f"{self[key]}, {text}" if key in self else text
