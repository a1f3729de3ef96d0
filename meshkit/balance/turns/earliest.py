"""Who is next by the earliest deadline? Each turn costs ``1 / weight``; whoever is due first is next.

    deadline = instant of the last turn + 1 / weight         the instant is the deadline of whoever went last

The weight is read anew with each turn, so that one that changes needs no new arrangement. A pick costs log n, however
many different weights there are. On a tie:

=====================  ==================================================================
``fresh=True``         whoever has waited longer: each turn puts behind all others; Envoy
``fresh=False``        whoever stands first in order; gRPC-go
=====================  ==================================================================

Envoy's ``edf_scheduler.h``, grpc-go's ``internal/wrr/edf.go``. As Envoy does, a new arrangement begins as if a random
number of turns, fewer than there are members, were over.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from heapq import heapify, heapreplace
from typing import Any

from ..balancer import Member
from .smooth import SLICE

__all__ = ["Earliest"]

Weigh = Callable[[Member], float]
Entry = tuple[float, int, float, Member]
"""Deadline, place among those due at once, the weight the deadline was made with."""
LEAST = 1e-9
"""Of a weight: one that is drained until the next arrangement has no turn before that."""

LEAD = 1e-13
"""Envoy adds it to each weight at the beginning: of two that weigh differently and are due at once the lighter goes."""


class Earliest:
    """Turns by deadline."""

    __slots__ = ("fresh", "heap", "now", "number", "weigh")

    def __init__(self, heap: list[Entry], now: float, number: int, weigh: Weigh, fresh: bool) -> None:
        self.heap = heap
        self.now = now
        self.number = number
        self.weigh = weigh
        self.fresh = fresh

    @classmethod
    def arranged(
        cls, members: Sequence[Member], weigh: Weigh, before: Any, random: Callable[[], float], *, fresh: bool = True
    ) -> Generator[None, None, Earliest]:
        """``before``: the order until now, whichever; ``None``: begin."""
        waiting = dict.fromkeys(members)
        heap: list[Entry] = []
        now, last = 0.0, -1
        if isinstance(before, Earliest):
            now, last = before.now, before.number - 1
            for n, (deadline, number, old, member) in enumerate(before.heap, 1):
                if member in waiting:
                    del waiting[member]
                    weight = max(weigh(member), LEAST)
                    deadline = deadline if weight == old else now + (deadline - now) * old / weight  # noqa: PLW2901
                    heap.append((deadline, number, weight, member))
                if not n % SLICE:
                    yield
        elif before is not None:
            for n, (member, phase, number) in enumerate(before.phases(), 1):
                last = max(last, number)
                if member in waiting:
                    del waiting[member]
                    weight = max(weigh(member), LEAST)
                    heap.append((phase / weight, number, weight, member))
                if not n % SLICE:
                    yield
        lead = LEAD if fresh else 0.0
        for n, member in enumerate(waiting, 1):
            weight = max(weigh(member), LEAST)
            heap.append((now + 1 / (weight + lead), last + n, weight, member))
            if not n % SLICE:
                yield
        heapify(heap)
        order = cls(heap, now, last + len(waiting) + 1, weigh, fresh)
        if before is None:
            for n in range(1, int(random() * len(heap)) + 1):
                order.next()
                if not n % SLICE:
                    yield
        return order

    def next(self) -> Member:
        heap = self.heap
        deadline, number, _, member = heap[0]
        self.now = deadline
        if self.fresh:
            number = self.number
            self.number = number + 1
        weight = self.weigh(member)
        if weight < LEAST:
            weight = LEAST
        heapreplace(heap, (deadline + 1 / weight, number, weight, member))
        return member

    def phases(self) -> Iterator[tuple[Member, float, int]]:
        """Each member, the share of a whole turn until its next one, and its place on a tie."""
        for deadline, number, weight, member in self.heap:
            yield member, (deadline - self.now) * weight, number
