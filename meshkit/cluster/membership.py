"""Who is in the cluster now, who has come, and who has gone? What the sources say, put together.

An endpoint that stays is the same `Member` as before, whatever else of it has changed. Looking through ten thousand is
cut into slices; nothing is another until the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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


class Membership:
    """The members, by what each source has said."""

    __slots__ = ("_known", "_make", "_version", "leaving", "members", "sets")

    def __init__(self, sets: list[Sequence[Endpoint] | None], make: Callable[[Endpoint], Member]) -> None:
        self.sets = sets
        """What each source has said last; ``None``: nothing yet. Of an address in several, the first one counts."""
        self._make = make
        self._known: dict[str, Member] = {}
        self._version = 0
        self.members: list[Member] = []
        self.leaving: list[Member] = []
        """Those that have gone, and have calls under way."""

    def replace(self) -> Iterator[Change | None]:
        """Go by the ``sets``: ``None`` after each slice, and at last what has changed; or nothing, where the sets have
        become others meanwhile: then whoever changed them goes by all of them.
        """
        self._version = version = self._version + 1
        members: dict[str, Member] = {}
        altered: list[tuple[Member, Endpoint]] = []
        for count, endpoint in enumerate(endpoint for each in self.sets for endpoint in each or ()):
            if count % SLICE == SLICE - 1:
                yield None
                if version != self._version:
                    return
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
        self._known, self.members = members, list(members.values())
        self.leaving += gone
        yield Change(come, gone, altered)
        for begin in range(0, len(gone), SLICE):
            yield None
            over = set(filter(idle, gone[begin : begin + SLICE]))
            self.leaving = [member for member in self.leaving if member not in over]

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
