"""From whom is picked at once? The endpoints of one priority and one locality, and their arrangement.

The old arrangement serves until the new one is made. Making it is cut into slices, done by whoever brings a new set,
and after any other change by those who pick, one each: where nobody picks, nothing needs to be made. What is under way
is finished before the next change is begun, so changes that come faster than tables can be made delay the new table,
and never keep it from coming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..balance.balancer import Balancer, Member, untried
from ..call import Call
from ..engine import survive
from ..errors import NoEndpoint

__all__ = ["Group"]


class Group:
    """Members of one priority and one locality."""

    __slots__ = (
        "_arranged",
        "_balancer",
        "_behind",
        "_insists",
        "_random",
        "_work",
        "members",
        "pick",
        "settled",
        "usable",
        "whole",
    )

    def __init__(self, balancer: Balancer, random: Callable[[], float]) -> None:
        self._balancer = balancer
        self._random = random
        self._insists = bool(getattr(balancer, "within", ()))
        """A balancer around another one may mean somebody who is not up: whom the call names, or its session."""
        self.whole: bool = getattr(balancer, "whole", False)
        self.members: list[Member] = []
        """All that have a weight."""
        self.usable: list[Member] = []
        """Those of them that are up."""
        self.pick: Any = None
        """What picks from them, as they were when it was made; ``None``: it is not made yet."""
        self._arranged: list[Member] | None = None
        self.settled = False
        """Whether the pick is of those who are there now."""
        self._behind = True
        """Whether the pick is of other members, or of the same ones as they were."""
        self._work: Iterator[Any] | None = None

    def choose(self, call: Call, now: float) -> Member:
        """Pick one, also while there is no pick yet, or it is of members that have gone. There are usable ones.

        A balancer around another one may mean somebody who is not up: whom the call names, say, or all of a subset
        that is out of order. Nobody else is taken for those.
        """
        while self.pick is None and self._insists and self.arrange(False, idle=False):
            pass  # nobody else will do
        if self.pick is not None:
            member: Member = self.pick.pick(call, now)
            if member.up or (self._insists and member.present):
                return member
            if self._insists:
                return self._again(call, now, member)
        rest = untried(self.usable, call.avoid, self._random)
        return rest[int(self._random() * len(rest))]

    def _again(self, call: Call, now: float, gone: Member) -> Member:
        """Who else, of those that are still there?"""
        avoid = call.avoid
        call.avoid = (*avoid, gone.endpoint)
        try:
            member: Member = self.pick.pick(call, now)
        finally:
            call.avoid = avoid
        if not member.present:
            raise NoEndpoint("no endpoint to ask: whoever was to serve this has gone")
        return member

    def arrange(self, anew: bool, *, idle: bool) -> bool:
        """See to it that the pick is made of the members there are now; ``anew``: also if they are the same, because
        they themselves are not. One slice is done, unless ``idle``. Answers whether there is more to do.

        Where the balancer cannot do it (a fault of its own: no call is lost to that), the pick stays what it was until
        the next change.
        """
        wanted = self.members if self.whole else self.usable
        self._behind |= anew or wanted != self._arranged
        if self._behind:
            self.settled = False
        if not wanted:
            self._arranged, self._work, self.pick, self._behind = wanted, None, None, False
        while self._behind or self._work is not None:
            if self._work is None:
                self._behind, self._arranged = False, wanted
                self._work = iter(self._balancer.arrange(wanted, self.pick))
            if idle:
                return True
            try:
                pick = next(self._work)
            except Exception as error:
                survive(error)
                self._work = None
                return False
            except BaseException:  # Ctrl-C: the next one begins anew
                self._work, self._behind = None, True
                raise
            if pick is not None:
                self.pick, self._work, self.settled = pick, None, not self._behind
            idle = True
        return False
