"""What is a balancer? A load measure for each endpoint, and a pick among them, that know nothing of each other.

A load measure is a gate that refuses nobody: it stands innermost in an endpoint's pipeline, sees every attempt begin
and end, and can say what one more would cost. A pick compares costs, or takes turns, or hashes. The split is Finagle's
(``loadbalancer/``: a distributor and a load metric).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..call import Call, Verdict

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Balancer", "Load", "Member", "untried"]


class Load(Protocol):
    """A gate that measures. It never waits and never rejects; costs compare only with costs of the same measure."""

    def enter(self, call: Call, now: float, /) -> None: ...

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None: ...

    def cost(self, now: float, /) -> float:
        """What one more attempt would cost here, divided by the weight. Reading it changes nothing."""


class Member:
    """One endpoint of a started cluster, and all that belongs to it."""

    __slots__ = ("endpoint", "load", "picks", "section", "states")

    section: Section

    def __init__(self, endpoint: Any, load: Any = None, states: Sequence[Any] = ()) -> None:
        self.endpoint = endpoint
        self.load = load
        """The balancer's `Load` for this endpoint, or ``None``: the balancer measures nothing."""
        self.states = list(states)
        """The endpoint's own pipeline, outermost first, the load included."""
        self.picks = 0


class Balancer(Protocol):
    """What a balancer's spec starts. It is told who is there, and picks one of them."""

    def load(self, weight: int, /) -> Load | None:
        """A new measure for one endpoint, or ``None``."""

    def arrange(self, members: Sequence[Member], /) -> None:
        """These are the members from now on: build what picking needs."""

    def pick(self, call: Call, now: float, /) -> Member:
        """One of the members, if possible one not in ``call.avoid``. Not asked while there are no members."""


RUN = 64


def untried(members: Sequence[Member], avoid: tuple[Any, ...], random: Callable[[], float]) -> Sequence[Member]:
    """The members whose endpoint is not to be avoided; if that leaves nobody, all of them.

    Of more than 64 members a run of 64 that begins at random is looked at, and a call that more than 32 endpoints have
    turned away is past choosing: a pick stays cheap when all of a large cluster is out of order.
    """
    behind = len(members) - RUN
    if behind > 0:
        start = int(random() * len(members))
        members = [*members[start : start + RUN], *members[: max(0, start - behind)]]
    if len(avoid) > RUN // 2:
        return members
    tried = set(map(id, avoid))
    return [member for member in members if id(member.endpoint) not in tried] or members
