"""Who is warming up, and how far are they? A cluster of ten thousand pays for its newcomers only; see `slow_start`."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from ..balance.balancer import Balancer, Member, innermost
from ..errors import ConfigError
from .slow_start import SlowStart

__all__ = ["Warming"]


class Warming:
    """The newcomers of a cluster."""

    __slots__ = ("_expected", "_members", "_spec", "due_at")

    def __init__(self, spec: SlowStart | None, balancer: Balancer) -> None:
        if spec is not None and getattr(innermost(balancer), "whole", False):
            fix = "leave it out: a table has no weights that move, or give another balancer"
            raise ConfigError.of("Cluster", "slow_start", spec, fix)
        self._spec = spec
        self._members: dict[Member, None] = {}
        self._expected: dict[Member, None] = {}
        self.due_at = inf
        """When somebody's weight is to be another; infinite: nobody warms up."""

    def expect(self, member: Member) -> None:
        """It is new, or comes back into service: it begins to warm up at the next `begin`."""
        self._expected[member] = None

    def begin(self, now: float) -> None:
        for member in self._expected:
            member.since = now
            if self._spec is not None:
                self._members[member] = None
                self.due_at = now
        self._expected.clear()

    def leave(self, member: Member) -> None:
        """It is gone, or out of service; to be told of anybody, warming up or not."""
        self._members.pop(member, None)
        self._expected.pop(member, None)

    def again(self, member: Member) -> None:
        """Its own weight is another."""
        if member in self._members:
            self.due_at = -inf

    def factors(self, now: float) -> Iterator[tuple[Member, float]]:
        """By what to multiply the weight of each; of one that is warm now, for the last time."""
        self.due_at = inf
        for member in tuple(self._members):
            factor, again = self._spec.factor(now, member.since)  # type: ignore[union-attr]  # there are members
            self.due_at = min(self.due_at, again)
            if factor == 1:
                del self._members[member]
            yield member, factor
