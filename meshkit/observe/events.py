"""What can be told of a call? The typed events of the one stream."""

from __future__ import annotations

from typing import Any, TypeAlias

import attrs

from ..call import Failure, Verdict

__all__ = [
    "AttemptEnded",
    "Event",
    "FaultInjected",
    "FellBack",
    "Hedged",
    "RejectedCall",
    "StateChanged",
    "WouldReject",
]


@attrs.frozen
class RejectedCall:
    """A policy refused a call. ``at`` is on the pipeline's clock, ``reason`` the error it raised."""

    at: float
    policy: str
    endpoint: Any
    reason: Exception


@attrs.frozen
class AttemptEnded:
    """One attempt was sent and has ended: with its number under the innermost retry, the endpoint, the verdict, and the
    seconds until the answer began (``latency``) and until all was given back (``duration``).
    """

    at: float
    attempt: int
    endpoint: Any
    verdict: Verdict
    latency: float
    duration: float
    failure: Failure | None = None


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
    reason: Exception


Event: TypeAlias = RejectedCall | AttemptEnded | StateChanged | FellBack | Hedged | FaultInjected | WouldReject
