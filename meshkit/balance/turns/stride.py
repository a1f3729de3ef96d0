"""Who is next, if a turn may neither search nor sort? Static stride: gRPC's scheduler for weights that change often.

Weights are scaled so that the largest is 65535. All are gone through again and again; in the gth round the ith, of
weight W, has its turn where

    (W * g + i * 32767) mod 65535 >= 65535 - W

so in W of 65535 rounds, evenly spread, and out of step with its neighbours. To build it is one pass over the weights,
and a turn is a hundred steps at most on average: a weight above ten times the average counts as that, and one below a
hundredth of the largest as a hundredth. Weight 0 means unknown and counts as the average of the others.

gRFC A58; grpc-go's ``balancer/weightedroundrobin/scheduler.go``. The bounds are those of gRPC core's
``static_stride_scheduler.cc``, the lower one a hundredth of the average there: among ten thousand a turn could take a
thousand steps.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from ..balancer import Member
from .smooth import SLICE

__all__ = ["Stride", "scaled"]

WHOLE = 65535
OFFSET = WHOLE // 2
HEAVIEST = 10.0
LIGHTEST = 0.01


def scaled(weights: Sequence[float]) -> Generator[None, None, list[int]]:
    """The weights as shares of 65535, which is the largest's. All equal if fewer than two are known."""
    known = len(weights) - weights.count(0.0)
    if not known:
        return [WHOLE] * len(weights)
    mean = sum(weights) / known
    most = min(max(weights), HEAVIEST * mean)
    scale = WHOLE / most
    average = int(scale * mean + 0.5)
    least = max(1, int(WHOLE * LIGHTEST))
    shares: list[int] = []
    for begin in range(0, len(weights), SLICE):
        if begin:
            yield
        shares += [
            max(int(min(weight, most) * scale + 0.5), least) if weight else average
            for weight in weights[begin : begin + SLICE]
        ]
    return shares


class Stride:
    """Turns by static stride."""

    __slots__ = ("members", "sequence", "strides")

    def __init__(self, members: Sequence[Member], strides: list[int], sequence: int) -> None:
        self.members = members
        self.strides = strides
        self.sequence = sequence

    @classmethod
    def arranged(
        cls, members: Sequence[Member], weights: Sequence[float], before: Any, random: Callable[[], float]
    ) -> Generator[None, None, Stride]:
        """``before``: the `Stride` until now; ``None``: where in the sequence it begins is drawn."""
        strides = yield from scaled(weights)
        return cls(members, strides, int(random() * len(members)) if before is None else before.onward(members))

    def onward(self, members: Sequence[Member]) -> int:
        """Where the sequence goes on with these members: in the same round, at whoever was next and still is there."""
        if members == self.members:
            return self.sequence
        generation, place = divmod(self.sequence, len(self.members))
        places = {member: k for k, member in enumerate(members)}
        left = (places[member] for member in self.members[place:] if member in places)
        return generation * len(members) + next(left, len(members))

    def next(self) -> Member:
        strides = self.strides
        size = len(strides)
        sequence = self.sequence
        while True:
            generation, place = divmod(sequence, size)
            sequence += 1
            stride = strides[place]
            if (stride * generation + place * OFFSET) % WHOLE >= WHOLE - stride:
                self.sequence = sequence
                return self.members[place]
