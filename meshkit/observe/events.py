"""What can be told of a call? The typed events of the one stream that records, metrics, traces and logs are made of.

::

    a call          an attempt       a policy                                         an endpoint
    ──────────      ────────────     ─────────────────────────────────────────────    ────────────
    CallEnded       AttemptBegan     RejectedCall  WouldReject  Retried  GaveUp       StateChanged
    Routed          AttemptEnded     FellBack  Hedged  FaultInjected  StateChanged
                    Step             Passed  Bounded  Picked

The last line is written down only where somebody wants a call in full (`meshkit.observe.trail.Follower.detailed`).
``at`` is always the instant, on the pipeline's clock. Events are values: nobody changes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from ..call import Failure, Verdict
from ..errors import Rejected, TimedOut

__all__ = [
    "AttemptBegan",
    "AttemptEnded",
    "Bounded",
    "CallEnded",
    "Event",
    "FaultInjected",
    "FellBack",
    "GaveUp",
    "Hedged",
    "Passed",
    "Picked",
    "RejectedCall",
    "Retried",
    "Routed",
    "StateChanged",
    "Step",
    "WouldReject",
]


def _kind(error: Exception) -> str:
    """An error's text may quote what was asked for: an event shown says its kind."""
    return type(error).__name__


# Those that every call has are not frozen: that would take them three times as long to make.


@attrs.frozen
class RejectedCall:
    """A policy refused a call. ``reason`` is the error it raised; ``numbers`` what it knew, where that was wanted."""

    at: float
    policy: str
    endpoint: Any
    reason: Exception = attrs.field(repr=_kind)
    numbers: Mapping[str, Any] | None = attrs.field(default=None, eq=False, repr=False)


@attrs.define(unsafe_hash=True)
class AttemptBegan:
    """One attempt is let go: the ``number``-th of its call, from 1, whoever made it (a retry, a hedge); ``attempt`` is
    its number under the innermost retry. ``cluster`` names the one that ``endpoint`` is of; empty without.
    """

    at: float
    number: int
    attempt: int
    endpoint: Any
    cluster: str


@attrs.define(unsafe_hash=True)
class AttemptEnded:
    """One attempt was sent and has ended: with its number under the innermost retry, the endpoint, the verdict, and the
    seconds until the answer began (``latency``) and until all was given back (``duration``). ``number`` and ``cluster``
    are those of its `AttemptBegan`.
    """

    at: float
    attempt: int
    endpoint: Any
    verdict: Verdict
    latency: float
    duration: float
    failure: Failure | None = None
    number: int = 0
    cluster: str = ""
    status: int | None = None
    """What it was answered with, where the protocol has one."""


@attrs.define(unsafe_hash=True)
class CallEnded:
    """A call is over, and nothing more is told of it. ``attempts`` were sent; ``failure`` says what it has come to
    where that is no success, and its ``error`` is what the caller was given, or ``None`` where that is a response.
    """

    at: float
    began_at: float
    verdict: Verdict
    attempts: int
    failure: Failure | None
    own: bool = True
    """Whether the error is this pipeline's: its refusal, or a deadline that it keeps; and not one from further in, of
    another pipeline that the function or the app has called.
    """
    route: str = ""
    """The one it took last, and the branch of a split; empty: none."""
    branch: str = ""

    @property
    def duration(self) -> float:
        return self.at - self.began_at

    @property
    def outcome(self) -> str:
        """In one word: ``"success"``, ``"failure"``, ``"overloaded"``, ``"rejected"``, ``"timeout"``, ``"cancelled"``,
        or ``"ignored"``: the caller's own mistake, or one of which nothing is learnt.
        """
        error = None if self.failure is None else self.failure.error
        if isinstance(error, Rejected | TimedOut):
            if not self.own:
                return "failure"
            return "rejected" if isinstance(error, Rejected) else "timeout"
        if error is not None and not isinstance(error, Exception):
            return "cancelled"
        return self.verdict.value


@attrs.define(unsafe_hash=True)
class Routed:
    """A router took a route for the call, or a split a branch: ``kind`` is ``"route"`` or ``"branch"``. ``to``: what
    that ends in, a cluster, another split, ``"Redirect"``; empty: where the call was going. ``here``: it is answered
    within this process. Told when it is taken first; a further attempt that goes the same way is not told of.
    """

    at: float
    policy: str
    route: str
    kind: str = "route"
    to: str = ""
    here: bool = False


@attrs.frozen
class StateChanged:
    """What has named states went from one to another: a circuit breaker, or an endpoint of a cluster.

    A breaker is ``"closed"``, ``"open"``, ``"half-open"``, ``"isolated"``. An endpoint goes from ``"in"`` to
    ``"ejected"`` under the name of the cluster's outlier detection, where an attempt ejects it; and from ``"in"`` to
    ``"out"`` and back under the name of the cluster, whatever the cause: told by the next call that is to pick one.
    """

    at: float
    policy: str
    endpoint: Any
    before: str
    after: str


@attrs.frozen
class Retried:
    """A retry has the call try again, ``delay`` seconds later. ``attempt`` is the number of the one that failed,
    ``numbers`` what is left of the budget, where it has one.
    """

    at: float
    policy: str
    attempt: int
    delay: float
    failure: Failure | None
    numbers: Mapping[str, Any]


@attrs.frozen
class GaveUp:
    """A retry was asked, and makes no further attempt. ``reason``: ``"attempts"``, ``"deadline"``, ``"budget"``,
    ``"retry-after"``, or empty where it does not say.
    """

    at: float
    policy: str
    attempt: int
    reason: str
    failure: Failure | None
    numbers: Mapping[str, Any]


@attrs.frozen
class FellBack:
    """A fallback took the place of what failed; ``reason`` is that failure."""

    at: float
    policy: str
    reason: Failure


@attrs.frozen
class Hedged:
    """A further attempt began beside those under way; it is number ``attempt`` of the race."""

    at: float
    policy: str
    attempt: int


@attrs.frozen
class FaultInjected:
    """A fault was injected into this attempt on purpose: it was delayed, or ended without being sent."""

    at: float
    policy: str
    endpoint: Any


@attrs.frozen
class WouldReject:
    """A policy on trial (`Shadow`) would have refused this call or kept it waiting; it went. ``reason`` says which."""

    at: float
    policy: str
    endpoint: Any
    reason: Exception = attrs.field(repr=_kind)


@attrs.define(unsafe_hash=True)
class Passed:
    """A policy let the call go on; ``numbers`` are what it knew just then. ``wait``: it goes after so many seconds;
    ``queued``: it stands in a queue, in which that many stood before it.
    """

    at: float
    policy: str
    endpoint: Any
    numbers: Mapping[str, Any]
    wait: float = 0.0
    queued: bool = False


@attrs.define(unsafe_hash=True)
class Bounded:
    """A timeout or the like bounds what follows: it is to be over at the instant ``until``."""

    at: float
    policy: str
    until: float


@attrs.define(unsafe_hash=True)
class Picked:
    """A cluster picked an endpoint. ``candidates`` are the first few endpoints it has, the one picked among them, each
    with what its load measure knew; ``of`` is how many there are.
    """

    at: float
    policy: str
    endpoint: Any
    candidates: tuple[tuple[Any, Mapping[str, Any]], ...]
    of: int


@attrs.define(unsafe_hash=True)
class Step:
    """A step of an attempt on the wire is over: ``"connect"``, ``"tls"``, ``"send"``, ``"first byte"``, ``"body"``; it
    took ``seconds``.
    """

    at: float
    number: int
    name: str
    seconds: float


Event: TypeAlias = (
    AttemptBegan
    | AttemptEnded
    | Bounded
    | CallEnded
    | FaultInjected
    | FellBack
    | GaveUp
    | Hedged
    | Passed
    | Picked
    | RejectedCall
    | Retried
    | Routed
    | StateChanged
    | Step
    | WouldReject
)
