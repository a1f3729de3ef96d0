"""What travels: the one record of a call, and what was made of its outcome.

A `Call` is made by a door, walked through the policies by the engine, and dropped when all it held is given back. It is
the only object made per call on the hot path.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

__all__ = ["Call", "Failure", "Verdict"]


class Verdict(enum.Enum):
    """What an outcome means to the policies. Judged by the door the call came through, never by a policy."""

    SUCCESS = "success"
    FAILURE = "failure"
    OVERLOADED = "overloaded"
    """The upstream said "not now" (429, or 503 with Retry-After)."""
    IGNORED = "ignored"
    """Cancelled, or rejected further in: nothing to learn from."""


class Failure:
    """What a door can say of an outcome that is not a success. Made only then.

    ``error`` is the exception, or ``None`` where the outcome is a result (a response with status 503, say); ``kind``
    the builtin exception that a transport's own amounts to, `ConnectionError` or `TimeoutError`; ``status``
    an integer code where the protocol has one; ``retry_after`` what the upstream asked for, in seconds; ``sent`` is
    false only when certainly nothing reached the upstream; ``replayable`` is false when the request cannot be sent a
    second time (a consumed stream); ``idempotent`` is false when sending it twice may do it twice; ``stale`` is true
    when a kept-alive connection turned out closed before any byte of a response came; ``final`` is true when the
    upstream asks not to be asked again.
    """

    __slots__ = ("error", "final", "idempotent", "kind", "replayable", "retry_after", "sent", "stale", "status")

    def __init__(
        self,
        error: BaseException | None = None,
        *,
        kind: type[Exception] | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
        replayable: bool = True,
        idempotent: bool = True,
        stale: bool = False,
        final: bool = False,
    ) -> None:
        self.error = error
        self.kind = kind
        self.status = status
        self.retry_after = retry_after
        self.sent = sent
        self.replayable = replayable
        self.idempotent = idempotent
        self.stale = stale
        self.final = final

    def __repr__(self) -> str:
        return f"Failure({type(self.error).__name__})" if self.status is None else f"Failure(status={self.status})"


class Call:
    """One call on its way through a pipeline.

    ``request`` is what the door was given (an ``httpx.Request``, a function's arguments); instants are seconds on the
    shell's clock. ``held`` and ``marks`` are the engine's: immutable linked lists of what is to be given back, and of
    the places to come back to.
    """

    __slots__ = (
        "answered_at",
        "attempt",
        "avoid",
        "began_at",
        "bounds",
        "clock",
        "cluster",
        "cookies",
        "deadline",
        "delay",
        "door",
        "endpoint",
        "events",
        "facts",
        "failed",
        "failure",
        "held",
        "lines",
        "marks",
        "number",
        "origin",
        "over",
        "quota",
        "report",
        "request",
        "reserve",
        "rest",
        "route",
        "scope",
        "spent",
        "status",
        "stopped",
        "verdict",
    )

    # What most calls never need is left unset, and costs a call nothing until it is.
    bounds: tuple[Any, ...]
    """On trio: the cancel scopes around this call."""
    clock: Callable[[], float]
    """What the instants are read from; set, as the next, where calls below inherit the deadline."""
    reserve: float
    """Seconds of the deadline that are not left to the calls made within this one."""
    cluster: str
    """Where somebody listens: the cluster that ``endpoint`` is of; empty without."""
    number: int
    """Where somebody listens: which attempt of the call this is, of all that were sent, from 1."""
    status: int | None
    """Where somebody listens: the status that this attempt was answered with; ``None``: none, or not yet."""
    over: bool
    """Whether it was told already that the call has ended; set where it is made within another one."""
    rest: Any
    """The engine's: where the walk goes on after a wait; set with each wait."""
    verdict: Verdict
    """Of a fork, and of the last walk by one."""

    def __init__(self, door: Any, request: Any, now: float) -> None:
        self.door = door
        self.request = request
        self.began_at = now
        self.deadline: float | None = None
        """The instant by which the present attempt must be over; ``None``: unbounded."""
        self.attempt = 1
        """The number of this attempt under the innermost retry, from 1."""
        self.delay = 0.0
        """The backoff before this attempt, in seconds."""
        self.endpoint: Any = None
        """The endpoint that was picked last."""
        self.avoid: tuple[Any, ...] = ()
        """Endpoints that failed or refused this call: picked again only if there is no other."""
        self.facts: dict[Any, Any] | None = None
        """What gates asked to know of the request (a key, a cost), by gate."""
        self.answered_at: float | None = None
        """When the last attempt's answer began."""
        self.failure: Failure | None = None
        """Of the last attempt that was no success."""
        self.failed: Any = None
        """The engine's: what the call has come to, if what it goes on to is refused."""
        self.stopped: str | None = None
        """Why the last retry asked made no further attempt: "attempts", "deadline", "budget", "retry-after"."""
        self.spent: float | None = None
        """What the call turned out to cost (tokens, bytes), once somebody knows."""
        self.quota: tuple[float, float] | None = None
        """What the upstream says of its own limit in this answer: (calls remaining, seconds until more)."""
        self.report: dict[str, float] | None = None
        """What the endpoint says in this answer of its load: see `meshkit.fields.orca`."""
        self.cookies: list[tuple[str, str, str]] | None = None
        """Cookies for whoever is answered: (name, value, attributes)."""
        self.route: Any = None
        """What a router has decided of it, a `meshkit.route.plan.Decision`: how it is sent, and what becomes of its
        answer; ``None``: no router was asked."""
        self.held: Any = None
        self.marks: Any = None
        self.events: Any = None
        """Where watching gates write, a `meshkit.observe.trail.Trail`; ``None``: nobody listens."""
        self.scope: Any = None
        """What this call was made within; see `deadline`."""
        self.lines: list[Any] | None = None
        """The ledger, where this call is the outermost; see `deadline`."""
        self.origin: Call | None = None
        """Of a fork: the call it was forked from."""
