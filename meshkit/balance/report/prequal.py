"""Who is quick, and not yet busy, by its own word? Probes that run ahead of the calls they are for.

With each pick ``probes`` endpoints, drawn at random and all different, are named to whoever carries out probes. Their
answers come when they come, and go into a pool (`probes`): a call never waits for one. It goes to the best in the pool
by the hot-cold rule, and to an endpoint at random while there are fewer than two to choose from.

An answer may decide ``reuse`` times, rounded up or down at random so that it is right on average::

    reuse = max(1, (1 + slack) / ((1 - pool / endpoints) x probes - removals))

The divisor is how much the pool gains with each pick: of the endpoints probed the share ``pool / endpoints`` is in it
already. Where it gains nothing an answer may be used until it expires. Of a pool as large as the cluster that would be
each of them, and all would go by what was so a second ago: with fewer than 64 endpoints the pool has room for a
quarter of them, and for three at least.

An endpoint is known here by what it says, so its weight is not looked at: a larger one answers sooner. A failure is
known as little: what fails at once looks quick, unless its own answers count failures as slow, as those of
`meshkit.asgi.probe` do.

Wydrowski, Kleinberg, Rumble, Archer, "Load is not what you should balance: Introducing Prequal" (NSDI 2024), the
asynchronous form, and its defaults: 16 answers, 3 probes, 1 s, 1 removal, slack 1, the quantile 2 ** -0.25.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from math import inf
from random import Random
from typing import Any

import attrs

from ...call import Call
from ...errors import ConfigError
from ...options import count, no_decorator, number, ratio, seconds
from ..balancer import Member, places, untried
from .probes import FEWEST, PATH, Answer, Pool, best

__all__ = ["Errands", "Prequal", "Probed", "reuse"]

SHARE, LEAST = 4, 3
"""The pool has at most one place in four of the endpoints, and at least three."""
UNDER_WAY = 64
"""Probes that may be asked for and not answered, of all picks of a balancer."""
LOST = 10.0
"""Times ``expiry``: after so long a probe that was not answered, nor given up, no longer counts as under way."""


def reuse(pool: int, endpoints: int, probes: float, removals: float, slack: float) -> float:
    """How often an answer may decide; infinite where the pool would else run empty."""
    gained = max(0.0, 1 - pool / endpoints) * probes - removals
    return max(1.0, (1 + slack) / gained) if gained > 0 else inf


def _path(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.startswith("/") or not value.isascii() or not value.isprintable():
        raise ConfigError.of(
            "Prequal", attribute.name, value, 'give the path where endpoints answer, such as "/-/load"'
        )
    if " " in value or "#" in value:
        raise ConfigError.of("Prequal", attribute.name, value, "write blanks and # as %20 and %23")


@attrs.frozen(kw_only=True)
class Prequal:
    """Picks the endpoint that says it is quick and not too busy, as it was asked a moment ago.

    ``probes`` endpoints are probed for each pick, less than 1 being one in several. ``pool`` answers are kept at most,
    for ``expiry`` seconds at most; ``removals`` go with each pick. An answer whose requests in flight are above the
    ``quantile`` of all is hot: 0 looks only at requests in flight, 1 only at latency. ``slack`` is what an answer may
    be used more often than it takes to keep the pool filled. ``path`` is where endpoints answer probes.
    """

    probes: float = attrs.field(default=3.0, validator=number(0.01, 16))
    pool: int = attrs.field(default=16, validator=count(2, 64))
    expiry: float = attrs.field(default=1.0, validator=seconds())
    removals: float = attrs.field(default=1.0, validator=number(0, 16))
    quantile: float = attrs.field(default=2**-0.25, validator=ratio(zero=True))
    slack: float = attrs.field(default=1.0, validator=number(0, 100))
    path: str = attrs.field(default=PATH, validator=_path)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Errands:
        return Errands(self, rng)


class Errands:
    """The balancer that `Prequal` starts. A shell carries out its ``errands``: under the lock it takes a member from
    the left and later says `answered` or `unanswered`; the probe itself it makes outside.
    """

    __slots__ = ("errands", "random", "spec", "under_way", "wake")

    def __init__(self, spec: Prequal, rng: Random) -> None:
        self.spec = spec
        self.random = rng.random
        self.errands: deque[Member] = deque()
        """Who is to be probed: ``GET`` of ``spec.path``, the sooner the better; read it with `probes.read`. An answer
        later than ``spec.expiry`` is of no use."""
        self.wake: Callable[[], None] | None = None
        """Called, under the lock, when there are errands again."""
        self.under_way: dict[Member, tuple[Probed, float]] = {}
        """Who was asked, for which pick and when, the oldest first."""

    def load(self, weight: float, /) -> None:
        return None

    def arrange(self, members: Sequence[Member], before: Any, /) -> Iterator[Any]:
        spec = self.spec
        size = min(spec.pool, max(LEAST, len(members) // SHARE))
        pool = before.pool if isinstance(before, Probed) else Pool(size, spec.expiry, spec.quantile)
        pool.resize(size)
        yield Probed(self, members, pool)

    def answered(self, member: Member, rif: float, latency: float, now: float, /) -> None:
        """A member has answered its probe. Passed over, if nobody waits for it any more."""
        asked = self.under_way.pop(member, None)
        if asked is not None:
            pick = asked[0]
            uses = inf if pick.reuse == inf else int(pick.reuse + self.random())
            pick.pool.add(member, rif, latency, now, uses)

    def unanswered(self, member: Member, now: float, /) -> None:
        """A member has not answered, or not in time: that decides nothing, and it may be asked again."""
        self.under_way.pop(member, None)

    def send(self, pick: Probed, member: Member, now: float) -> None:
        """Have a member probed, if it is not being probed already, and not too many are."""
        under_way = self.under_way
        if member in under_way:
            return
        if len(under_way) >= UNDER_WAY:
            first = next(iter(under_way))
            if now - under_way[first][1] < LOST * self.spec.expiry:
                return
            del under_way[first]
            if self.errands and self.errands[0] is first:
                self.errands.popleft()
        under_way[member] = (pick, now)
        self.errands.append(member)
        if self.wake is not None and len(self.errands) == 1:
            self.wake()


class Probed:
    """Picks the best of those that have answered lately."""

    __slots__ = ("_due", "_errands", "_own", "members", "pool", "reuse")

    def __init__(self, errands: Errands, members: Sequence[Member], pool: Pool) -> None:
        spec = errands.spec
        self.members = members
        self.pool = pool
        """The same as that of the pick before: what is known stays known."""
        self.reuse = reuse(pool.size, len(members), spec.probes, spec.removals, spec.slack)
        self._errands = errands
        self._own = frozenset(members)
        self._due = 0.0
        """Probes that are owed: a part of one, between picks."""

    def pick(self, call: Call, now: float, /) -> Member:
        members = self.members
        if len(members) == 1:
            return members[0]
        self._probe(now)
        pool = self.pool
        pool.expire(now)
        own = self._own
        answers: list[Answer] = [each for each in pool.answers if each.member in own]
        if len(answers) < len(pool.answers):
            pool.answers = answers  # the others have left
        avoid = call.avoid
        if avoid:
            tried = places(avoid)
            answers = [each for each in answers if each.member.place not in tried]
        if len(answers) < FEWEST:
            rest = untried(members, avoid, self._errands.random) if avoid else members
            member = rest[int(self._errands.random() * len(rest))]
            pool.sent(member)
        else:
            answer = best(answers, pool.threshold)
            member = answer.member
            pool.use(answer)
        pool.wear(self._errands.spec.removals)
        return member

    def _probe(self, now: float) -> None:
        """Draw who is to be probed, each set of so many with equal chance (Floyd's sampling)."""
        errands = self._errands
        self._due += errands.spec.probes
        draws = int(self._due)
        self._due -= draws
        members = self.members
        drawn: set[int] = set()
        for last in range(max(0, len(members) - draws), len(members)):
            place = int(errands.random() * (last + 1))
            if place in drawn:
                place = last
            drawn.add(place)
            errands.send(self, members[place], now)
