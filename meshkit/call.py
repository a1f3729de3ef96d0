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
        return f"Failure({self.error!r})" if self.status is None else f"Failure(status={self.status})"


class Call:
    """One call on its way through a pipeline.

    ``request`` is what the door was given (an ``httpx.Request``, a function's arguments); instants are seconds on the
    shell's clock. ``held`` and ``marks`` are the engine's: immutable linked lists of what is to be given back, and of
    the places to come back to.
    """

    clock: Callable[[], float]
    """What the instants are read from; set where calls below inherit the deadline."""

    __slots__ = (
        "__dict__",
        "answered_at",
        "attempt",
        "began_at",
        "clock",
        "deadline",
        "door",
        "endpoint",
        "facts",
        "held",
        "marks",
        "request",
        "rest",
    )

    # What most calls never need stands in the class, and costs a call nothing until it is set.
    avoid: tuple[Any, ...] = ()
    """Endpoints that failed or refused this call: picked again only if there is no other."""
    bounds: tuple[Any, ...] = ()
    """On trio: the cancel scopes around this call."""
    delay = 0.0
    """The backoff before this attempt, in seconds."""
    events: list[Any] | None = None
    """Where watching gates write; ``None``: nobody listens."""
    failure: Failure | None = None
    """Of the last attempt that was no success."""
    fell: Failure | None = None
    """What a fallback has taken the place of, until what stands instead is repeated."""
    origin: Call | None = None
    """Of a fork: the call it was forked from."""
    quota: tuple[float, float] | None = None
    """What the upstream says of its own limit in this answer: (calls remaining, seconds until more)."""
    lines: list[Any] | None = None
    """The ledger, where this call is the outermost; see `deadline`."""
    over = False
    """Whether it was told already that the call has ended."""
    reserve = 0.0
    """Seconds of the deadline that are not left to the calls made within this one."""
    scope: Any = None
    """What this call was made within; see `deadline`."""
    spent: float | None = None
    """What the call turned out to cost (tokens, bytes), once somebody knows."""
    stopped: str | None = None
    """Why the last retry asked made no further attempt: "attempts", "deadline", "budget", "retry-after"."""
    verdict = Verdict.IGNORED
    """Of a fork that has ended."""

    def __init__(self, door: Any, request: Any, now: float) -> None:
        self.door = door
        self.request = request
        self.began_at = now
        self.deadline: float | None = None
        """The instant by which the present attempt must be over; ``None``: unbounded."""
        self.attempt = 1
        """The number of this attempt under the innermost retry, from 1."""
        self.endpoint: Any = None
        """The endpoint that was picked last."""
        self.facts: dict[Any, Any] | None = None
        """What gates asked to know of the request (a key, a cost), by gate."""
        self.answered_at: float | None = None
        """When the last attempt's answer began."""
        self.held: Any = None
        self.marks: Any = None
        self.rest: Any = None
        """The engine's: where the walk goes on after a wait."""
