"""May a call come in at all? It waits for the first endpoints, and there are only so many at once.

=============  ======================================================================
ceiling        counts
=============  ======================================================================
``requests``   attempts under way in the whole cluster
``retries``    those of them that a retry has sent once more
=============  ======================================================================

Above a ceiling an attempt is refused with `Overloaded` at once. Envoy's circuit breakers (``max_requests``,
``max_retries``); its ``max_connections`` and ``max_pending_requests`` are the connection pool's `Limits`.
"""

from __future__ import annotations

from typing import Any

import attrs

from ..call import Call, Verdict
from ..errors import NoEndpoint, Overloaded
from ..options import count, optional
from ..policy import Waiter

__all__ = ["Admission", "Ceilings"]


@attrs.frozen(kw_only=True)
class Ceilings:
    """How much may be under way in a cluster at once; ``None``: no ceiling."""

    requests: int | None = attrs.field(default=1024, validator=optional(count(1)))
    retries: int | None = attrs.field(default=3, validator=optional(count(0)))


class Admission:
    """The gate in front of a cluster's choice. Whoever waits for the first endpoints counts as under way."""

    __slots__ = ("_patience", "_requests", "_retries", "name", "open", "queue", "requests", "retries")

    outlived = (NoEndpoint, "no endpoint to ask: none is known after %.3g s")

    def __init__(self, name: str, ceilings: Ceilings | None, patience: float) -> None:
        self.name = name
        self._requests = None if ceilings is None else ceilings.requests
        self._retries = None if ceilings is None else ceilings.retries
        self._patience = patience
        self.open = False
        """Whether the first endpoints are known, and what their checks say of them, if there are any."""
        self.queue: dict[Waiter, None] = {}
        self.requests = 0
        self.retries: set[Call] = set()
        """Not a number: between entry and exit ``call.attempt`` may have changed."""

    def enter(self, call: Call, now: float, /) -> Waiter | None:
        if self._requests is not None and self.requests >= self._requests:
            raise Overloaded("%s attempts are under way", self.requests, policy=self.name)
        if call.attempt > 1 and self._retries is not None and len(self.retries) >= self._retries:
            raise Overloaded("%s further attempts are under way", len(self.retries), policy=self.name)
        waiter = None
        if not self.open:
            if not self._patience or (call.deadline is not None and call.deadline <= now):
                raise NoEndpoint("no endpoint to ask: none is known yet", policy=self.name)
            waiter = Waiter(call, until=now + self._patience)
            self.queue[waiter] = None
        self.requests += 1
        if call.attempt > 1:
            self.retries.add(call)
        return waiter

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        self.requests -= 1
        self.retries.discard(call)

    def leave(self, waiter: Waiter, /) -> None:
        if waiter in self.queue:
            del self.queue[waiter]
            self.requests -= 1
            self.retries.discard(waiter.call)

    def begin(self) -> None:
        """The first endpoints are known: let in whoever waits for them."""
        self.open = True
        places, self.queue = self.queue, {}
        for waiter in places:
            if not waiter.grant():  # its loop has ended
                self.requests -= 1
                self.retries.discard(waiter.call)

    def idle(self) -> bool:
        return not self.requests and not self.queue

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """What is under way, this attempt among it if it goes, and the ceilings there are; how many wait for the first
        endpoints.
        """
        shown: dict[str, float] = {"requests": self.requests, "retries": len(self.retries), "waiting": len(self.queue)}
        if self._requests is not None:
            shown["requests_ceiling"] = self._requests
        if self._retries is not None:
            shown["retries_ceiling"] = self._retries
        return shown

    def snapshot(self) -> dict[str, Any]:
        return {"requests": self.requests, "retries": len(self.retries), "waiting": len(self.queue)}
