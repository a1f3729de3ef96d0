"""Shall we ask at all, when the upstream turns most of us away? Throttling at the client, by what was accepted.

Over the last ``window`` seconds, a call is refused here with the probability ::

    p = min(ceiling, max(0, (requests - k * accepts) / (requests + 1)))       0 while requests < minimum

=======================================  ==========  =========
what happened                            requests    accepts
=======================================  ==========  =========
refused here                             + 1
ended SUCCESS                            + 1         + 1
ended FAILURE                            + 1         + 1, or nothing with ``failures="refused"``
ended OVERLOADED                         + 1
ended IGNORED (cancelled, rejected)
=======================================  ==========  =========

So an upstream that accepts ``a`` calls per second is sent about ``k * a`` of them, however many are asked of us: it
spends about ``k - 1`` refusals on each call that it serves. That calls refused here count as requests is what makes
``p`` grow with the demand.

The formula and k = 2 over two minutes are from *Site Reliability Engineering* (Google, 2016), chapter 21, "Client-Side
Throttling". Three things differ. A call counts when it ends, with its verdict, not when it goes: a hundred slow calls
under way are no sign of refusal. ``minimum``: a single refusal at the start is no evidence. ``ceiling``: with nothing
accepted the formula itself lets about one call through in a window, and what is accepted then grows by ``e ** k`` in a
window only: after an outage at 100 calls per second it takes six windows until nothing is refused. With the ceiling it
takes two, whatever the rate.

Envoy's admission_control filter is the same idea with a threshold for k (``k = 1 / sr_threshold``, 95 % by default) and
the same ceiling (``max_rejection_probability``, 80 %). It has an exponent besides (``aggression``), which makes it
steeper or flatter; we leave it at 1. Its minimum is a rate, ours a count. It measures the success rate of what went
out; we follow the book, where the refused count.

Counted in ten slots of ``window / 10`` on a fixed grid: what happened counts for at least 0.9 and at most 1 ``window``.
The counts only grow; each slot remembers where they stood when it began.
"""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import attrs

from .. import fact, options
from ..call import Call, Verdict
from ..errors import Overloaded

__all__ = ["Throttle", "ThrottleState", "refusing"]

SLOTS = 10
SUCCESS, FAILURE, OVERLOADED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED


def refusing(requests: float, accepts: float, k: float) -> float:
    """The book's probability of refusing the next call."""
    return max(0.0, (requests - k * accepts) / (requests + 1))


@attrs.frozen
class Throttle:
    """Refuses a share of the calls, with `Overloaded`, while the upstream turns calls away; the more, the more it does.

    ``k``: calls sent for each one accepted, 1 or more; nothing is refused while at least ``1 / k`` of the calls is
    accepted. ``window``: seconds looked back. ``minimum``: with fewer requests in the window nothing is refused.
    ``ceiling``: the largest share that is ever refused; the rest finds out when the upstream is back. ``failures``:
    ``"accepted"``, because an upstream that fails did take the call; ``"refused"`` where failing is how it shows that
    it is overloaded.
    """

    k: float = attrs.field(default=2.0, validator=options.number(1, 1000))
    window: float = attrs.field(default=120.0, validator=options.seconds(), kw_only=True)
    minimum: int = attrs.field(default=20, validator=options.count(), kw_only=True)
    ceiling: float = attrs.field(default=0.9, validator=options.ratio(), kw_only=True)
    failures: str = attrs.field(default="accepted", validator=options.among("accepted", "refused"), kw_only=True)
    name: str = attrs.field(default="Throttle", validator=fact.text, kw_only=True)

    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> ThrottleState:
        return ThrottleState(self, rng)


class ThrottleState:
    """A `Gate` that holds nothing for a call; a refused one leaves its trace in the counts."""

    __slots__ = (
        "_accepts",
        "_ceiling",
        "_draw",
        "_failures_accepted",
        "_k",
        "_marks",
        "_minimum",
        "_requests",
        "_since",
        "_slot",
        "_turns_at",
        "_width",
        "name",
        "refused",
    )

    def __init__(self, spec: Throttle, rng: Random) -> None:
        self.name = spec.name
        self.refused = 0
        """Refused here since the start."""
        self._k = spec.k
        self._ceiling = spec.ceiling
        self._minimum = spec.minimum
        self._failures_accepted = spec.failures == "accepted"
        self._draw = rng.random
        self._width = spec.window / SLOTS
        self._requests = 0
        self._accepts = 0
        self._since = (0, 0)
        """What the counts were when the window began."""
        self._marks = deque([(0, 0)] * SLOTS, SLOTS)
        """The same for each slot of the window, the present one last."""
        self._slot = 0
        self._turns_at = float("-inf")

    def enter(self, call: Call, now: float, /) -> None:
        if now >= self._turns_at:
            self._turn(now)
        requests, accepts = self._since
        requests = self._requests - requests
        if requests < self._minimum:
            return
        accepts = self._accepts - accepts
        if requests <= self._k * accepts:
            return
        share = min(self._ceiling, refusing(requests, accepts, self._k))
        if self._draw() < share:
            self._requests += 1
            self.refused += 1
            raise Overloaded(
                "%d of the last %d calls were accepted, refusing %.3g %%",
                accepts,
                requests,
                100.0 * share,
                policy=self.name,
                endpoint=call.endpoint,
            )

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        if now >= self._turns_at:
            self._turn(now)
        if verdict is SUCCESS or (verdict is FAILURE and self._failures_accepted):
            self._accepts += 1
        elif verdict is not OVERLOADED and verdict is not FAILURE:
            return
        self._requests += 1

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Requests and accepts in the window, ``refusing``: the share refused now, ``refused``: since the start."""
        passed = max(0, int(now // self._width) - self._slot)
        since = self._marks[passed] if passed < SLOTS else (self._requests, self._accepts)
        requests, accepts = self._requests - since[0], self._accepts - since[1]
        share = 0.0 if requests < self._minimum else min(self._ceiling, refusing(requests, accepts, self._k))
        return {"requests": requests, "accepts": accepts, "refusing": share, "refused": self.refused}

    def numbers(self, call: Call, now: float, /) -> dict[str, float]:
        """The requests and accepts in the window, one refused just now among them, and the share refused now."""
        shown = self.snapshot(now)
        del shown["refused"]
        return shown

    def idle(self) -> bool:
        """A throttle holds nothing for a call."""
        return True

    def _turn(self, now: float) -> None:
        slot = int(now // self._width)
        for _ in range(min(slot - self._slot, SLOTS)):
            self._marks.append((self._requests, self._accepts))
        self._slot = slot
        self._since = self._marks[0]
        self._turns_at = (slot + 1) * self._width
