"""What number does a call draw, and whose session is it of? Once for a call, so that all its attempts go one way.

A call without a session draws a point from 0 to 1; the branches lie side by side there, each as wide as its share.

A session has its own numbers, one for each branch: ``u``, a hash (BLAKE2, RFC 7693) of the session and of the branch's
name, taken for a number from 0 to 1. It goes to the branch with the least ``-ln(u) / weight``. Those are exponentially
distributed, and the first of several exponential clocks is the kth with a probability of ``weight / sum``: shares are
exact. A branch that grows takes sessions from others and none from itself to elsewhere, one that shrinks gives of its
own, and no session moves between two others. It is rendezvous hashing (Thaler, Ravishankar 1998) with the weights of
Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (2005).

The policy's name is hashed too: two experiments with names of their own do not have the same guinea pigs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate
from math import inf, log
from random import Random
from typing import Any

from ..call import Call
from ..fact import asking, hashable
from .cookie import TOKEN, Cookie

__all__ = ["Lot", "Lots", "Shares", "drawn"]

PERSON = b"meshkit.split"
SHIFT, STEP = 64 - 53, 2.0**-53
"""Of a hash of 64 bits, the 53 that a double has room for; one more than that is a number above 0 and up to 1."""
LONG = 128
"""Bytes of a session that are hashed for each branch; of longer ones, a hash is."""


class Lot:
    """What one call has drawn, and where that has led it."""

    __slots__ = ("attempts", "branch", "point", "route", "scores", "token")

    attempts: dict[Call, tuple[Any, bool]]
    """A `Rollout`'s: of each attempt under way its branch, and whether the canary has refused it before."""

    def __init__(self, point: float = 0.0, scores: tuple[float, ...] | None = None, token: str | None = None) -> None:
        self.point = point
        self.scores = scores
        """Of a session: ``-ln(u)`` for each branch; ``None``: the point counts."""
        self.token = token
        """The session that was made for it, which the client is to be told."""
        self.branch: Any = None
        """Where it went; ``None``: it was not asked yet."""
        self.route: Any = None
        """The decision about a request that no router has seen."""


def drawn(asker: Any, call: Call, draw: Callable[[Call], Lot]) -> Lot:
    """The lot of a call. Attempts that run side by side have the one of the call they were forked from."""
    origin = call.origin
    if origin is None:
        return draw(call)
    while origin.origin is not None:
        origin = origin.origin
    if origin.facts is None:
        origin.facts = {}
    lot: Lot | None = origin.facts.get(asker)
    if lot is None:
        lot = origin.facts[asker] = draw(call)
    return lot


class Lots:
    """Draws the lots of one policy. Outside the lock: functions of the user's are asked, and there is hashing."""

    __slots__ = ("_ask", "_bits", "_names", "_policy", "_random", "draw")

    draw: Callable[[Call], Lot]

    def __init__(self, policy: str, sticky: Any, cookie: Cookie | None, names: Sequence[str], rng: Random) -> None:
        self._policy = policy
        self._random = rng.random
        self._bits = rng.getrandbits
        self._names = [
            blake2b(f"{policy}\0{name}\0".encode("utf-8", "surrogatepass"), digest_size=8, person=PERSON)
            for name in names
        ]
        self._ask = asking(sticky if cookie is None else cookie.source)
        self.draw = self._made if cookie is not None else self._plain if sticky is None else self._session

    def _plain(self, call: Call) -> Lot:
        return Lot(self._random())

    def _session(self, call: Call) -> Lot:
        session = octets(self._policy, self._ask(call))
        return Lot(self._random()) if session is None else Lot(0.0, self.scores(session))

    def _made(self, call: Call) -> Lot:
        """Of a cookie of ours. Whoever forges one has chosen numbers, and nothing else."""
        token = self._ask(call)
        if isinstance(token, str) and TOKEN.fullmatch(token):
            return Lot(0.0, self.scores(token.encode("ascii")))
        token = f"{self._bits(64):016x}"
        return Lot(0.0, self.scores(token.encode("ascii")), token)

    def scores(self, session: bytes) -> tuple[float, ...]:
        """``-ln(u)`` for each branch."""
        if len(session) > LONG:
            session = blake2b(session).digest()
        found = []
        for name in self._names:
            each = name.copy()
            each.update(session)
            found.append(-log(((int.from_bytes(each.digest()) >> SHIFT) + 1) * STEP))
        return tuple(found)


def octets(policy: str, session: Any) -> bytes | None:
    """What is hashed of a session; ``None``: there is none. What is no text, number or tuple of these is a `TypeError`:
    it would be another session for each call.
    """
    if session is None or (isinstance(session, str | bytes) and not session):
        return None
    if isinstance(session, str):
        return session.encode("utf-8", "surrogatepass")
    if isinstance(session, bytes):
        return session
    if isinstance(hashable(policy, session), int | float | tuple):
        return repr(session).encode("utf-8", "surrogatepass")
    raise TypeError(f"{policy}: the session is a {type(session).__name__}: make it a string")


class Shares:
    """Who gets what, by weight. Never changed: other weights are other shares."""

    __slots__ = ("_ends", "_last", "total", "weights")

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = tuple(weights)
        self._ends = [*accumulate(self.weights)]
        self.total = self._ends[-1]
        self._last = max((k for k, weight in enumerate(self.weights) if weight), default=0)

    def of(self, lot: Lot) -> int:
        """The place of the lot's branch, where one has a weight."""
        scores = lot.scores
        if scores is None:
            place = bisect_right(self._ends, lot.point * self.total)
            return place if place <= self._last else self._last  # a sum of floats may be less than what is drawn
        best, place = inf, self._last
        for k, weight in enumerate(self.weights):
            if weight and scores[k] < best * weight:
                best, place = scores[k] / weight, k
        return place
