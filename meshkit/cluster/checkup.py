"""What is known of an endpoint by a check, and how many answers does it take to believe another thing?

::

    unknown ── first answer ───────────────────────► well or ill
    well    ── ``unhealthy`` bad answers in a row ──► ill
    ill     ── ``healthy`` good answers in a row ───► well

An endpoint is ill if one of its checks finds it so, well if all find it well, else unknown: it gets no calls. Envoy's
``handleSuccess`` and ``setUnhealthy`` (``health_checker_base_impl.cc``); there a bad status decides at once, here it
counts as any other bad answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

from .checks import HttpCheck, TcpCheck
from .ejection import nothing

if TYPE_CHECKING:
    from ..balance import Member

__all__ = ["Check", "Checkup", "checkups", "unchecked"]

Check: TypeAlias = HttpCheck | TcpCheck

FIRST = 1.0
"""Seconds over which first checks are spread, at most."""
WORDS = {None: "unknown", True: "well", False: "ill"}


def unchecked(checks: Iterable[Check]) -> bool | None:
    """What ``member.checked`` is before its first answer."""
    return together([check.initial for check in checks])


def together(answers: list[bool | None]) -> bool | None:
    """Ill if one says so, well if all do, else unknown."""
    return False if False in answers else None if None in answers else True


def _nobody(member: Member, now: float) -> None:
    pass


class Checkup:
    """What one check knows of one member."""

    __slots__ = ("beside", "changed", "due_at", "member", "passed", "random", "spec", "streak", "well", "why")

    def __init__(self, spec: Check, member: Member, now: float, rng: Random) -> None:
        self.spec = spec
        self.member = member
        self.random = rng.random
        self.well: bool | None = member.checked
        """It goes on from what was known: whoever is unknown was never asked."""
        self.streak = 0
        """Answers in a row that say otherwise."""
        self.why = ""
        """What was wrong with the last answer."""
        self.due_at = now + rng.random() * min(FIRST, spec.jitter * spec.interval)
        """When to ask; infinite while it is being asked."""
        self.beside: list[Checkup] = [self]
        """All of this member."""
        self.changed: Callable[[], None] = nothing
        """Called when ``member.checked`` is another."""
        self.passed: Callable[[Member, float], None] = _nobody
        """Called with each good answer of a member that is well, and ejected."""

    def asked(self) -> None:
        self.due_at = inf

    def told(self, ok: bool, now: float, why: str = "", *, quiet: bool = False) -> None:
        """The answer. ``quiet``: no call has gone to the cluster yet."""
        self.why = "" if ok else why
        if ok is self.well:
            self.streak = 0
        else:
            self.streak += 1
            if self.well is None or self.streak >= (self.spec.healthy if ok else self.spec.unhealthy):
                self.well = ok
                self.streak = 0
        self.due_at = now + self._pause(ok, quiet)
        member = self.member
        checked = together([each.well for each in self.beside])
        if checked is not member.checked:
            member.checked = checked
            self.changed()
        if ok and checked and member.ejected:
            self.passed(member, now)

    def _pause(self, ok: bool, quiet: bool) -> float:
        spec = self.spec
        pause = None
        if quiet:
            pause = spec.interval_no_traffic
        elif not ok:
            pause = spec.interval_unhealthy
        if pause is None:
            pause = spec.interval
        return pause * (1.0 + spec.jitter * self.random())

    def snapshot(self, now: float, /) -> dict[str, Any]:
        picture: dict[str, Any] = {"check": self.spec.protocol, "state": WORDS[self.well], "streak": self.streak}
        if self.why:
            picture["why"] = self.why
        if self.due_at < inf:
            picture["due_in"] = max(0.0, self.due_at - now)
        return picture

    def __repr__(self) -> str:
        return f"<Checkup {self.member.endpoint}: {WORDS[self.well]}>"


def checkups(checks: Iterable[Check], member: Member, now: float, rng: Random) -> list[Checkup]:
    """One for each check of a member."""
    beside = [Checkup(check, member, now, rng) for check in checks]
    for each in beside:
        each.beside = beside
    return beside
