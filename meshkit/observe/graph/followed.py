"""What does one call add to the graph of who calls whom? It is counted on the edge into what it was for, and each
attempt on the one to its endpoint.

::

    within a request      its route ──► cluster, host or function ──► endpoint
    within a function     function ──► ...
    else                  service ──► ...
    a request itself      callers ──► its route

Where a router or a split has taken the call to a cluster, it is for that one, also if nobody is asked in the end.
Where a fallback takes the place of what failed, the call has two parts: the one before is an error on its edge, and
what comes after counts as a call of its own, if anybody is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar, Token
from types import MappingProxyType
from typing import Any

from ...call import Failure, Verdict
from ...errors import Rejected
from ..events import AttemptBegan, AttemptEnded, CallEnded, FellBack, RejectedCall, Retried, Routed
from ..redact import text
from .edge import ERROR, REJECTED, Node, node

__all__ = ["CURRENT", "OTHER", "Followed", "Within"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
ENDS = {"failure": ERROR, "timeout": ERROR, "overloaded": ERROR, "rejected": REJECTED}
"""Outcomes that are to the caller's disadvantage."""
OTHER = "_OTHER"
CALLERS = Node("callers", "callers")

CURRENT: ContextVar[Mapping[Any, Within]] = ContextVar("meshkit.graph", default=MappingProxyType({}))
"""By graph: what runs here is on behalf of this."""


class Followed:
    """One call. What an attempt tells is counted at once and not kept: the traceback of a failure holds who called."""

    __slots__ = (
        "asked",
        "attempts",
        "began_at",
        "cluster",
        "left_over",
        "outer",
        "refused",
        "retries",
        "target",
        "watch",
    )
    detailed = False
    sending: Any = None
    answered: Any = None
    answering: Any = None
    left: Any = None

    def __init__(self, watch: Any, began_at: float, outer: Within | None, target: Node | None) -> None:
        self.watch = watch
        self.began_at = began_at
        self.outer = outer
        self.target = target
        """What it is for; of a request ``None``, until its route is known."""
        self.cluster: str = watch.cluster
        self.attempts = self.retries = 0
        self.asked: tuple[str, ...] = ()
        """Endpoints that had an attempt."""
        self.left_over = False
        """Whether a fallback has taken over, and has asked nobody yet."""
        self.refused = False
        """Whether what happened last is that a policy of this pipeline refused it, and no attempt."""

    def __call__(self, event: Any) -> None:
        kind = event.__class__
        if kind is AttemptBegan:
            return
        if kind is AttemptEnded:
            self.attempts += 1
            self.refused = False
            endpoint = event.endpoint
            if endpoint is not None:
                self._tried(event, str(endpoint))
        elif kind is CallEnded:
            if event.verdict is not SUCCESS:
                self._count(event.at, ENDS.get(event.outcome), event.failure)
            elif self.attempts or not self.left_over:
                self._count(event.at)
        elif kind is Retried:
            self.retries += 1
        elif kind is Routed:
            if event.to in self.watch.clusters and not event.here:
                self._to(event.to)
        elif kind is RejectedCall:
            self.refused = True
            if event.endpoint is not None and self.cluster:
                watch = self.watch
                with watch.lock:
                    edge = watch.beneath(self.cluster, str(event.endpoint), event.at)
                    edge.fail(event.at, REJECTED, Failure(event.reason))
        elif kind is FellBack:
            refused = self.refused and isinstance(event.reason.error, Rejected)
            self._count(event.at, REJECTED if refused else ERROR, event.reason)
            self.attempts = self.retries = 0
            self.began_at = event.at
            self.left_over = True

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        attempt = AttemptEnded(*ended)
        self.attempts = 1
        if attempt.endpoint is not None:
            self._tried(attempt, str(attempt.endpoint))
        self._count(now)

    def _to(self, cluster: str) -> None:
        """It is for this cluster; what is served is for its route, whoever is asked."""
        self.cluster = cluster
        if self.target is not None and self.target.kind != "route":
            self.target = node("cluster", cluster)

    def _tried(self, event: AttemptEnded, endpoint: str) -> None:
        verdict, watch, cluster = event.verdict, self.watch, event.cluster
        if cluster and cluster != self.cluster:
            self._to(cluster)
        if verdict is SUCCESS and event.number == 1:
            edge = watch.edges.get((cluster, endpoint))
            if edge is not None:
                self.asked = (endpoint,)
                edge.well(event.at, event.latency)
                return
        first = endpoint not in self.asked
        if first:
            self.asked += (endpoint,)
        with watch.lock:
            edge = watch.beneath(self.cluster, endpoint, event.at)
            edge.add(event.at, first, 1, event.number > 1, None if verdict is IGNORED else event.latency)
            if verdict is not SUCCESS and verdict is not IGNORED:
                edge.fail(event.at, ERROR, event.failure)

    def _count(self, at: float, end: int | None = None, failure: Failure | None = None) -> None:
        """The call, on the edge into what it was for."""
        watch, outer, attempts = self.watch, self.outer, self.attempts
        target: Any = self.target
        if target is None or target.kind == "route":
            source, target = CALLERS, self.node()
        else:
            source = watch.service if outer is None else outer.node()
        seconds = at - self.began_at if attempts else None
        if attempts == 1 and end is None and not self.retries:
            edge = watch.edges.get((source.id, target.id))
            if edge is not None:
                edge.well(at, seconds)
                return
        with watch.lock:
            edge = watch.towards(source, target, at)
            edge.add(at, 1, attempts, self.retries, seconds)
            if end is not None:
                edge.fail(at, end, failure)

    def node(self) -> Any:
        """What this is."""
        return self.target


class Within(Followed):
    """One within which others may be made: a request, or a call of a function."""

    __slots__ = ("request", "token")

    def __init__(
        self, watch: Any, began_at: float, outer: Within | None, target: Node | None = None, request: Any = None
    ) -> None:
        super().__init__(watch, began_at, outer, target)
        self.request: Asked | None = request
        """Until its route is known."""
        self.token: Token[Mapping[Any, Within]] | None = CURRENT.set({**CURRENT.get(), watch.graph: self})

    def node(self) -> Node:
        """What this is. The route of a request is found while it is served."""
        if self.target is not None:
            return self.target
        request: Any = self.request
        about = request.door.about(request)
        method = about["method"] if about["method"] in self.watch.methods else OTHER
        method = "WEBSOCKET" if about["type"] == "websocket" else method
        if "route" not in about:
            return node("route", method)
        self.target = node("route", text(f"{method} {about['route']}"))
        return self.target

    def __call__(self, event: Any) -> None:
        super().__call__(event)
        if event.__class__ is CallEnded:
            self._over()

    def well(self, call: Any, now: float, ended: tuple[Any, ...], /) -> None:
        super().well(call, now, ended)
        self._over()

    def _over(self) -> None:
        """A task left behind goes on in this context, and keeps this: but no others."""
        self.outer = None
        if self.request is not None:
            self.target, self.request = self.node(), None

    def left(self) -> None:
        token, self.token = self.token, None  # it has what was current before, and would keep that
        if token is not None:
            with suppress(ValueError):  # the collector closes a coroutine in another context
                CURRENT.reset(token)


class Asked:
    """Of a call, what its door needs to tell of the request. A call itself would hold whoever follows it."""

    __slots__ = ("door", "request")

    def __init__(self, call: Any) -> None:
        self.door = call.door
        self.request = call.request
