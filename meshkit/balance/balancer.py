"""What is a balancer? A load measure for each endpoint, and a pick among them, that know nothing of each other.

A load measure is a gate that refuses nobody: it stands innermost in an endpoint's pipeline, sees every attempt begin
and end, and can say what one more would cost. A pick compares costs, or takes turns, or hashes. The split is Finagle's
(``loadbalancer/``: a distributor and a load metric).

A balancer is one for a cluster, its picks are many: one for each priority, locality or subset, and a new one whenever
the members of it change. So the old one serves until the new one is made, in slices where that takes long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from ..call import Call, Verdict

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Balancer", "Load", "Member", "Pick", "innermost", "place_of", "places", "untried"]


class Load(Protocol):
    """A gate that measures. It never waits and never rejects; costs compare only with costs of the same measure."""

    weight: float
    """The endpoint's, as it is now: the cluster sets it when it changes, and while the endpoint warms up."""

    def enter(self, call: Call, now: float, /) -> None: ...

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None: ...

    def cost(self, now: float, /) -> float:
        """What one more attempt would cost here, divided by the weight. Reading it changes nothing."""


class Member:
    """One endpoint of a started cluster, and all that belongs to it; it outlives changes of the endpoint set."""

    __slots__ = (
        "checked",
        "checkups",
        "ejected",
        "endpoint",
        "load",
        "picks",
        "place",
        "present",
        "proven",
        "section",
        "since",
        "states",
        "up",
        "weight",
        "well",
    )

    section: Section

    def __init__(self, endpoint: Any, load: Any = None, states: Sequence[Any] = ()) -> None:
        self.endpoint = endpoint
        self.place = place_of(endpoint)
        """Its address, by which a call knows whom it has tried: the endpoint may be another one by then."""
        self.load = load
        """The balancer's `Load` for this endpoint, or ``None``: the balancer measures nothing."""
        self.states = list(states)
        """The endpoint's own pipeline, outermost first, the load included."""
        self.picks = 0
        self.weight: float = endpoint.weight or 1
        """As it is now: the endpoint's own, less while it warms up. That it is drained says its endpoint's alone."""
        self.up = True
        """Whether it may be picked: present, not ejected, not found ill, its weight not 0."""
        self.well: bool | None = True
        """Neither ejected nor found ill; ``None``: nobody knows yet, and it was there from the beginning. `up` says
        more: in panic, all are."""
        self.present = True
        """Whether it is in the set of endpoints; its weight may be 0."""
        self.proven = True
        """Whether it was ever well: until its checks have found it so, it does not count as a part of the cluster."""
        self.checkups: list[Any] = []
        """What each check knows of it."""
        self.ejected = False
        """By outlier detection."""
        self.checked: bool | None = True
        """What active checks say; ``None``: nothing yet, there are some."""
        self.since: float | None = None
        """When it was last put (back) into service; ``None``: it was there from the beginning."""


class Pick(Protocol):
    """An arrangement of members from which to pick."""

    def pick(self, call: Call, now: float, /) -> Member:
        """One of the members, if possible one that is ``up`` and not in ``call.avoid``."""


class Balancer(Protocol):
    """What a balancer's spec starts.

    Optional: ``whole = True``: `arrange` is given all members of a level, also those not up, and its picks step over
    them; otherwise only those that may be picked. A table is whole: so the keys of those that are well stay where they
    are while another one is ill. ``askers``: objects with ``facts(call)``, asked outside the lock before a pick;
    ``call.facts[asker]`` is the answer. ``tend(members, now)``: called at the first pick, and
    then at the first one after each instant it has answered; it may set ``member.weight`` and ``member.load.weight``,
    and answers ``(the next instant, whether weights changed and the picks are to be arranged anew)``. ``within``:
    further started balancers inside this one. ``narrowed(key, admits)``: see `meshkit.balance.around.part`.
    """

    def load(self, weight: float, /) -> Load | None:
        """A new measure for one endpoint, or ``None``."""

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Any]:
        """Make what picking from these members needs. They are at least one. ``before`` is the pick until now, or
        ``None``: turns go on from it, and a table takes over from it what has not changed.

        Yields ``None`` after each slice of the work, of a millisecond or so, and at last the `Pick`.
        """


def place_of(endpoint: Any) -> Any:
    return getattr(endpoint, "address", None) or id(endpoint)


def places(avoid: tuple[Any, ...]) -> set[Any]:
    """The addresses of those to be avoided, as `Member.place`."""
    return set(map(place_of, avoid))


def innermost(balancer: Any) -> Any:
    """The one that picks, in all that stand around it."""
    while within := getattr(balancer, "within", ()):
        balancer = within[0]
    return balancer


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
    tried = places(avoid)
    return [member for member in members if member.place not in tried] or members
