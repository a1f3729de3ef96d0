"""Whom does a balancer inside another one pick from? From those of a part of the members that are up.

The one outside is given all members, ill or well, and hears nothing when that changes. So a part looks for itself: at
most every tenth of a second, and at once when somebody is picked who is not up any more. Less than ``panic`` of it up:
all its members are, as in a cluster's panic; with ``panic`` 0 and nobody up there is nobody.

It is arranged together with the one outside, in the same slices: so a key has its place from the first call on. One of
many subsets, which may never be asked, is arranged when it is: a list at once; a table in slices, one with each pick,
and until it is done members are drawn at random. So no pick ever waits for a table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from math import inf
from typing import Any

from ...call import Call
from ...errors import NoEndpoint
from ..balancer import Balancer, Member, untried

__all__ = ["Part", "narrowed"]

LOOK = 0.1
"""Seconds after which a part looks again who of it is up."""


def narrowed(balancer: Any, key: Hashable, admits: Callable[[Member], bool]) -> Any:
    """The started balancer, for picks among those ``admits`` says, which are called ``key``.

    Some remember members, and bring them in from outside of a pick's own: such a balancer has ``narrowed(key, admits)``
    and answers one that shares its measures, its askers and its memory, and brings in no others. All else is as it is.
    """
    narrow = getattr(balancer, "narrowed", None)
    return balancer if narrow is None else narrow(key, admits)


class Part:
    """Some members, and what picks from them."""

    __slots__ = ("_balancer", "_made", "_made_of", "_panic", "_random", "_usable", "_work", "due", "members", "up")

    def __init__(self, members: list[Member], balancer: Balancer, panic: float, random: Callable[[], float]) -> None:
        self.members = members
        self._balancer = balancer
        self._panic = panic
        self._random = random
        self.due = -inf
        """When to look again who is up."""
        self.up = 0
        """How many are, at the last look."""
        self._usable = members
        self._made: Any = None
        """The inner pick, as it was last made; ``None``: it is not done yet, or nobody has asked for it."""
        self._made_of: tuple[list[Member], list[float]] = ([], [])
        """Those it was made of, or is being made of, and their weights."""
        self._work: Iterator[Any] | None = None

    @property
    def whole(self) -> bool:
        return getattr(self._balancer, "whole", False)

    @property
    def begun(self) -> bool:
        """Whether it is arranged, or about to be."""
        return self._made is not None or self._work is not None

    def alight(self, now: float) -> bool:
        """Whether anybody is up."""
        if now >= self.due:
            self.due = now + LOOK
            self._look()
        return self.up > 0

    def pick(self, call: Call, now: float, /) -> Member:
        """A member that is up, if there is one. Raises `NoEndpoint` where there is none, and no panic either."""
        if now >= self.due or not self.up:
            self._look_again(now)
        if self._made is None:
            self._make()
        member = self._choose(call, now)
        if not member.up and not self._panics():
            self.due = now
            self._look_again(now)
            member = self._choose(call, now)
        return member

    def _look_again(self, now: float) -> None:
        if not self.alight(now) and not self._panic:
            raise NoEndpoint("no endpoint to ask: nobody of the subset is up", policy="Subset")

    def follow(self, before: Part | None) -> Iterator[None]:
        """Arrange it, in slices; go on from what was made of the members until now."""
        if before is not None:
            self._made, self._made_of = before._made, before._made_of
        self._look(begin=False)
        wanted = self._wanted()
        if self._made is not None and self._made_of == (wanted, [member.weight for member in wanted]):
            return
        self._begin(wanted)
        while self._work is not None:
            self._go_on()
            yield

    def _look(self, *, begin: bool = True) -> None:
        """Find out who is up, and see to it that a list is made of them."""
        up = [member for member in self.members if member.up]
        self.up = len(up)
        if self._panics():
            up = [member for member in self.members if member.up or (member.present and not member.well)]
        self._usable = up or self.members
        if begin and self._made is not None and not self.whole and self._made_of[0] != self._usable:
            self._begin(self._usable)
            self._make()

    def _panics(self) -> bool:
        return self.up < self._panic * len(self.members)

    def _wanted(self) -> list[Member]:
        return self.members if self.whole else self._usable

    def _begin(self, wanted: list[Member]) -> None:
        self._made_of = (wanted, [member.weight for member in wanted])
        self._work = iter(self._balancer.arrange(wanted, self._made))

    def _make(self) -> None:
        """One slice of a table, or all of a list."""
        if self._work is None:
            self._begin(self._wanted())
        self._go_on()
        while self._work is not None and not self.whole:
            self._go_on()

    def _go_on(self) -> None:
        if self._work is not None:
            made = next(self._work)
            if made is not None:
                self._made, self._work = made, None

    def _choose(self, call: Call, now: float) -> Member:
        if self._made is not None:
            return self._made.pick(call, now)  # type: ignore[no-any-return]
        rest = untried(self._usable, call.avoid, self._random)
        return rest[int(self._random() * len(rest))]
