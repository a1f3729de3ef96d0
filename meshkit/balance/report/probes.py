"""What has been heard of whom? A probe's answer, and the pool of the latest few.

An endpoint answers a probe with two numbers: how many requests it has in flight (``rif``), and how long one takes that
comes while so many are (``latency``, seconds). The pool keeps ``size`` answers, at most one of each endpoint, and lets
go of them::

    it is ``expiry`` seconds old          it goes
    it was used as often as it may be     it goes
    the pool is full                      the oldest makes room
    with each pick, ``removals``          in turn: the worst, the oldest; two always stay

Hot is an answer whose rif is above the threshold, the ``quantile`` of the rif in the last 128 answers (nearest rank;
0: all are hot, 1: none). The order is lexicographic: the best is the cold one of the lowest latency, or, if all are
hot, the hot one of the lowest rif; the worst is the hot one of the highest rif, or, if none is hot, the cold one of the
highest latency.

Wydrowski, Kleinberg, Rumble, Archer, "Load is not what you should balance: Introducing Prequal" (NSDI 2024). That two
stay is ours: with few endpoints the answers would be taken away sooner than new ones come.
"""

from __future__ import annotations

import json
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from math import ceil, inf
from typing import Any, NoReturn

from ..balancer import Member

__all__ = ["PATH", "Answer", "Pool", "best", "read", "worst", "written"]

PATH = "/-/load"
"""Where an endpoint answers probes, unless told otherwise."""
LONGEST = 256
"""Bytes of an answer."""
MOST = 1e6
"""Requests in flight, of an answer."""
SLOWEST = 86_400.0
"""Seconds of latency, of an answer."""
RECENT = 128
"""Answers by whose rif hot is told from cold."""
FEWEST = 2
"""Answers that make a choice."""


def written(rif: int, latency: float) -> bytes:
    """The body of an answer: ``{"rif": 3, "latency": 0.012}``, with microseconds."""
    return b'{"rif": %d, "latency": %.6f}' % (rif, latency)


def read(body: bytes) -> tuple[float, float]:
    """The rif and the latency in the body of an answer; further members are passed over. Raises `ValueError` for what
    is no such body: longer than 256 bytes, no finite numbers, below 0, above a million requests or a day.
    """
    if len(body) > LONGEST:
        raise ValueError(f"a probe's answer has {len(body)} bytes: more than {LONGEST}")
    answer = json.loads(body, parse_constant=_constant)
    if not isinstance(answer, dict):
        raise ValueError(f"a probe's answer is a JSON object, not {type(answer).__name__}")  # noqa: TRY004  # the peer's
    return _number(answer, "rif", MOST), _number(answer, "latency", SLOWEST)


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _number(answer: dict[str, Any], name: str, most: float) -> float:
    value = answer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError(f"a probe's answer has {name}={value!r}: not a number from 0 to {most:g}")
    return float(value)


class Answer:
    """What one endpoint has said."""

    __slots__ = ("latency", "member", "received_at", "rif", "uses")

    def __init__(self, member: Member, rif: float, latency: float, received_at: float, uses: float) -> None:
        self.member = member
        self.rif = rif
        """As it was told, and one more for each call we have sent there since."""
        self.latency = latency
        self.received_at = received_at
        self.uses = uses
        """How often it may still decide."""


def best(answers: Sequence[Answer], threshold: float) -> Answer:
    """The one to send a call to. Ties: of cold ones the lower rif, of hot ones the lower latency, then the older."""
    cold: Answer | None = None
    hot: Answer | None = None
    for each in answers:
        if each.rif > threshold:
            if hot is None or each.rif < hot.rif or (each.rif == hot.rif and each.latency < hot.latency):
                hot = each
        elif cold is None or each.latency < cold.latency or (each.latency == cold.latency and each.rif < cold.rif):
            cold = each
    return cold or hot  # type: ignore[return-value]  # there is one


def worst(answers: Sequence[Answer], threshold: float) -> Answer:
    """The one to forget first. Ties as in `best`, the other way round."""
    cold: Answer | None = None
    hot: Answer | None = None
    for each in answers:
        if each.rif > threshold:
            if hot is None or each.rif > hot.rif or (each.rif == hot.rif and each.latency > hot.latency):
                hot = each
        elif cold is None or each.latency > cold.latency or (each.latency == cold.latency and each.rif > cold.rif):
            cold = each
    return hot or cold  # type: ignore[return-value]  # there is one


class Pool:
    """The latest answers, the oldest first."""

    __slots__ = ("_due", "_quantile", "_ranked", "_recent", "_worst_next", "answers", "expiry", "size", "threshold")

    def __init__(self, size: int, expiry: float, quantile: float) -> None:
        self.size = size
        self.expiry = expiry
        self._quantile = quantile
        self.answers: list[Answer] = []
        self.threshold = inf if quantile == 1 else -inf
        """Above this rif an answer is hot."""
        self._recent: deque[float] = deque()
        self._ranked: list[float] = []
        self._due = 0.0
        """Removals that are owed: a part of one, between picks."""
        self._worst_next = True

    def resize(self, size: int) -> None:
        """Have room for so many from now on: the oldest leave."""
        self.size = size
        del self.answers[: max(0, len(self.answers) - size)]

    def add(self, member: Member, rif: float, latency: float, now: float, uses: float) -> None:
        answers = self.answers
        for place, each in enumerate(answers):
            if each.member is member:
                del answers[place]
                break
        else:
            if len(answers) == self.size:
                del answers[0]
        answers.append(Answer(member, rif, latency, now, uses))
        if 0 < self._quantile < 1:
            self._learn(rif)

    def _learn(self, rif: float) -> None:
        recent, ranked = self._recent, self._ranked
        if len(recent) == RECENT:
            del ranked[bisect_left(ranked, recent.popleft())]
        recent.append(rif)
        insort(ranked, rif)
        self.threshold = ranked[ceil(self._quantile * len(ranked)) - 1]

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        answers = self.answers
        last = now - self.expiry
        if answers and answers[0].received_at <= last:
            self.answers = [each for each in answers if each.received_at > last]

    def sent(self, member: Member) -> None:
        """A call goes there, by chance: it is in flight, and the member has not counted it."""
        for each in self.answers:
            if each.member is member:
                each.rif += 1

    def use(self, answer: Answer) -> None:
        """A call goes there, by this answer."""
        answer.rif += 1
        answer.uses -= 1
        if answer.uses <= 0:
            self.answers.remove(answer)

    def wear(self, removals: float) -> None:
        """Let go of ``removals`` answers, on average: what stays longest in a pool is what nobody wants."""
        self._due += removals
        while self._due >= 1:
            self._due -= 1
            answers = self.answers
            if len(answers) > FEWEST:
                if self._worst_next:
                    answers.remove(worst(answers, self.threshold))
                else:
                    del answers[0]
                self._worst_next = not self._worst_next
