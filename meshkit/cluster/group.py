"""From whom is picked at once? The endpoints of one priority and one locality, and their arrangement.

The old arrangement serves until the new one is made. Making it is cut into slices, and those who pick pay for them, one
each: where nobody picks, nothing needs to be made. What is under way is finished before the next change is begun, so
changes that come faster than tables can be made delay the new table, and never keep it from coming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..balance import Balancer, Member
from ..call import Call

__all__ = ["Group"]


class Group:
    """Members of one priority and one locality."""

    __slots__ = ("_arranged", "_balancer", "_behind", "_random", "_work", "members", "pick", "usable", "whole")

    def __init__(self, balancer: Balancer, random: Callable[[], float]) -> None:
        self._balancer = balancer
        self._random = random
        self.whole: bool = getattr(balancer, "whole", False)
        self.members: list[Member] = []
        """All that have a weight."""
        self.usable: list[Member] = []
        """Those of them that are up."""
        self.pick: Any = None
        """What picks from them, as they were when it was made; ``None``: it is not made yet."""
        self._arranged: list[Member] | None = None
        self._behind = True
        """Whether the pick is of other members, or of the same ones as they were."""
        self._work: Iterator[Any] | None = None

    def choose(self, call: Call, now: float) -> Member:
        """Pick one, also while there is no pick yet, or it is of members that have gone. There are usable ones."""
        if self.pick is not None:
            member: Member = self.pick.pick(call, now)
            if member.up or (self.whole and not member.well):  # not: gone, or drained
                return member
        return self.usable[int(self._random() * len(self.usable))]

    def arrange(self, anew: bool, *, idle: bool) -> bool:
        """See to it that the pick is made of the members there are now; ``anew``: also if they are the same, because
        they themselves are not. One slice is done, unless ``idle``. Answers whether there is more to do.
        """
        wanted = self.members if self.whole else self.usable
        self._behind |= anew or wanted != self._arranged
        if not wanted:
            self._arranged, self._work, self.pick, self._behind = wanted, None, None, False
        while self._behind or self._work is not None:
            if self._work is None:
                self._behind, self._arranged = False, wanted
                self._work = iter(self._balancer.arrange(wanted, self.pick))
            if idle:
                return True
            pick = next(self._work)
            if pick is not None:
                self.pick, self._work = pick, None
            idle = True
        return False
