"""Who is in the cluster now, who has come, and who has gone? What the sources say, put together.

An endpoint that stays is the same `Member` as before, whatever else of it has changed. Looking through ten thousand is
cut into slices; nothing is another until the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from ..balance import Member
from ..section import numbered
from .endpoint import Endpoint

__all__ = ["Change", "Membership", "first_of"]

SLICE = 250
"""Endpoints that are looked at in one slice."""


class Change(NamedTuple):
    """What has become of the members."""

    come: list[Member]
    gone: list[Member]
    altered: list[tuple[Member, Endpoint]]
    """Those whose endpoint is another at the same address, it has another weight, say; and that one."""
    members: dict[str, Member]
    """All of them, by address."""


class Membership:
    """The members, by what each source has said."""

    __slots__ = ("_known", "_make", "_version", "leaving", "members", "owner", "sets", "stale")

    def __init__(self, sets: list[Sequence[Endpoint] | None], make: Callable[[Endpoint], Member]) -> None:
        self.sets = sets
        """What each source has said last; ``None``: nothing yet. Of an address in several, the first one counts."""
        self._make = make
        self._known: dict[str, Member] = {}
        self._version = 0
        self.stale = True
        """Whether the sets are others than the members go by."""
        self.owner: object = None
        """Who is in the midst of `replace`."""
        self.members: list[Member] = []
        self.leaving: list[Member] = []
        """Those that have gone, and have calls under way."""

    def says(self, number: int, endpoints: Sequence[Endpoint] | None) -> None:
        """What a source has said, to be gone by in `replace`."""
        self.sets[number] = endpoints
        self._version += 1
        self.stale = True

    def replace(self) -> Iterator[Change | None]:
        """Go by the ``sets``: ``None`` after each slice, and once what has changed, for `commit`.

        Whoever comes last puts together what all have said; the others wait for that, and take over if it is given up.
        """
        mine = object()
        self.owner = mine
        gone: list[Member] = []
        try:
            while self.stale:
                if self.owner is None:
                    self.owner = mine
                if self.owner is mine:
                    change = yield from self._through(mine)
                    if change is not None:
                        gone = change.gone
                        yield change
                else:
                    yield None
        finally:
            if self.owner is mine:
                self.owner = None
        for begin in range(0, len(gone), SLICE):
            yield None
            over = set(filter(idle, gone[begin : begin + SLICE]))
            self.leaving = [member for member in self.leaving if member not in over]

    def _through(self, mine: object) -> Generator[None, None, Change | None]:
        """``None``: somebody else has come, or a set is another by now."""
        version = self._version
        members: dict[str, Member] = {}
        altered: list[tuple[Member, Endpoint]] = []
        for count, endpoint in enumerate(endpoint for each in tuple(self.sets) for endpoint in each or ()):
            if count % SLICE == SLICE - 1:
                yield None
                if self.owner is not mine or version != self._version:
                    return None
            if endpoint.address in members:
                continue
            member = self._known.get(endpoint.address)
            if member is None:
                member = self._make(endpoint)
            elif member.endpoint != endpoint:
                altered.append((member, endpoint))
            members[endpoint.address] = member
        gone = [member for address, member in self._known.items() if address not in members]
        come = [member for address, member in members.items() if address not in self._known]
        return Change(come, gone, altered, members)

    def commit(self, change: Change, members: list[Member]) -> None:
        """From now on these are the members."""
        self._known, self.members = change.members, members
        self.leaving += change.gone
        self.stale = False

    def idle(self) -> bool:
        """Whether no member has a call under way, those that have gone included."""
        self.leaving = [member for member in self.leaving if not idle(member)]
        return not self.leaving and all(map(idle, self.members))

    def snapshot(self, now: float) -> dict[str, Any]:
        total = sum(member.picks for member in self.members) or 1
        picture: dict[str, Any] = {}
        for member in self.members:
            name = str(member.endpoint)
            picture[name if name not in picture else member.endpoint.address] = {
                "up": member.up,
                "well": member.well,
                "weight": member.weight if member.endpoint.weight else 0,
                "picks": member.picks,
                "share": member.picks / total,
                **({"checks": [each.snapshot(now) for each in member.checkups]} if member.checkups else {}),
                **(member.load.snapshot(now) if member.load is not None else {}),
                **{
                    name: state.snapshot(now)
                    for name, state in numbered(member.states)
                    if state is not member.load and hasattr(state, "snapshot")
                },
            }
        return picture


def first_of(source: Any) -> Sequence[Endpoint] | None:
    """What a source can say at once; ``None``: nothing yet."""
    first = getattr(source, "first", None)
    return None if first is None else first()


def idle(member: Member) -> bool:
    return all(state.idle() for state in member.states if hasattr(state, "idle"))
