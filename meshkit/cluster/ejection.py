"""Who is out, for how long, and who may still be sent out?

::

    in ── detected, enforced, and there is room ──► ejected ── after min(n * base, longest) + jitter ──► in
                                                        └────── an active check finds it well ──────────┘

    room    (ejected + 1) / members <= max_ejected, or nobody is ejected and always_eject_one
    n       one more with each ejection, until n * base reaches the longest; one less for each interval that the
            endpoint is in and was not ejected

Rates are judged when the cluster is asked for an endpoint and the interval is over: no call, no timer. An endpoint
returns at its instant, not at the end of an interval. Where several do badly at once and there is room for some, the
worst go first.

    threshold = mean - success_rate_stdev * sqrt(mean of (rate - mean)^2)

For rates 1, 1, 1, 1, 0.5 the mean is 0.9, the deviation 0.2, and the threshold, with 1.9, is 0.52: the last one goes.

Envoy's ``DetectorImpl``: the room, the growing and shrinking times, the threshold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from math import dist, inf, sqrt
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING, Any

from .standing import EJECTED, IN, Standing

if TYPE_CHECKING:
    from ..balance import Member
    from .outliers import OutlierDetection

__all__ = ["Detector", "threshold"]

Rate = tuple[float, int, int, Standing]
"""Success rate, failures and requests of an interval, and whose they are."""

ALIKE = 1e-9
"""Success rates that differ by less are the same: rounding makes no outlier."""


def nothing() -> None:
    pass


def threshold(rates: Sequence[float], factor: float) -> tuple[float, float]:
    """The mean of success rates, and the rate below which one is an outlier among them."""
    mean = sum(rates) / len(rates)
    deviation = dist(rates, [mean] * len(rates)) / sqrt(len(rates))
    return (mean, mean - factor * deviation) if deviation > ALIKE else (mean, -inf)


class Detector:
    """What `OutlierDetection` starts: one for a cluster, with a `Standing` for each endpoint."""

    __slots__ = (
        "_judges_at",
        "_scarred",
        "average",
        "changed",
        "detected",
        "due_at",
        "ejected",
        "moves",
        "out",
        "overflows",
        "random",
        "size",
        "spec",
        "standings",
    )

    def __init__(self, spec: OutlierDetection, rng: Random) -> None:
        self.spec = spec
        self.random = rng.random
        self.size = 0
        """How many endpoints there are now: set by the cluster."""
        self.changed: Callable[[], None] = nothing
        """Called after ``member.ejected`` of one or more has changed, in the midst of `tend`, `passed` or an exit."""
        self.due_at = -inf
        """When to call `tend` next; an ejection may bring it nearer."""
        self.standings: dict[Member, Standing] = {}
        self.out: dict[Standing, None] = {}
        self._scarred: dict[Standing, None] = {}
        """Those who are in, and whose next ejection would be longer than the first."""
        self._judges_at: float | None = None
        self.average: dict[str, tuple[float, float]] = {}
        """Mean success rate and threshold of the last interval, by ``"external"`` and ``"local"`` origin."""
        self.detected: Counter[str] = Counter()
        self.ejected: Counter[str] = Counter()
        """How often each rule has found, and sent out, an endpoint."""
        self.overflows = 0
        """How often there was no room."""
        self.moves: list[tuple[Member, str, str]] = []
        """Who went out or came back in the last `tend`: (member, state before, state after)."""

    def gate(self, member: Member, /) -> Standing:
        """A new gate for the endpoint's pipeline, innermost."""
        standing = self.standings[member] = Standing(self, member)
        return standing

    def forget(self, member: Member, /) -> None:
        """The endpoint is gone. What still ends there ejects nobody; should it come back, it is in."""
        standing = self.standings.pop(member, None)
        if standing is not None:
            self.out.pop(standing, None)
            self._scarred.pop(standing, None)
            standing.state = IN
            standing.clear()
            member.ejected = False

    def passed(self, member: Member, now: float, /) -> None:
        """An active check has found the endpoint well."""
        standing = self.standings.get(member)
        if standing is not None and member.ejected and self.spec.uneject_on_check:
            self._bring_back(standing, now)
            self.changed()

    def tend(self, members: Sequence[Member], now: float, /) -> float:
        """Bring back whose time is over, and judge the interval if that is over; answers when to be called next."""
        if self._judges_at is None:
            self._judges_at = now + self.spec.interval
        moves = self.moves = []
        for standing in [each for each in self.out if each.returns_at <= now]:
            self._bring_back(standing, now)
            moves.append((standing.member, EJECTED, IN))
        if now >= self._judges_at:
            self._judges_at = now + self.spec.interval
            ejected = self._judge(self._present(members), now)
            moves += ((standing.member, IN, EJECTED) for standing in ejected)
        self.due_at = min(self._judges_at, min((each.returns_at for each in self.out), default=inf))
        if moves:
            self.changed()
        return self.due_at

    def eject(self, standing: Standing, rule: str, enforcing: float, now: float) -> None:
        """A rule has found the endpoint failing."""
        if self._ejects(standing, rule, enforcing, now):
            self.changed()

    def _ejects(self, standing: Standing, rule: str, enforcing: float, now: float) -> bool:
        member = standing.member
        if member.ejected or member not in self.standings:
            return False
        self.detected[rule] += 1
        spec = self.spec
        out = len(self.out)
        if (out + 1) / (self.size or 1) > spec.max_ejected and (out or not spec.always_eject_one):
            self.overflows += 1
            return False
        if enforcing < 1 and self.random() >= enforcing:
            return False
        self.ejected[rule] += 1
        standing.ejections += 1
        if standing.multiplier * spec.base_ejection_time < spec.max_ejection_time + spec.base_ejection_time:
            standing.multiplier += 1
        stays = min(standing.multiplier * spec.base_ejection_time, spec.max_ejection_time)
        if spec.max_ejection_jitter:
            stays += self.random() * spec.max_ejection_jitter
        standing.returns_at = now + stays
        standing.state = EJECTED
        member.ejected = True
        self.out[standing] = None
        self._scarred.pop(standing, None)
        self.due_at = min(self.due_at, standing.returns_at)
        return True

    def _bring_back(self, standing: Standing, now: float) -> None:
        standing.member.ejected = False
        standing.state = IN
        standing.clear()
        standing.since = standing.calm_at = now
        del self.out[standing]
        self._scarred[standing] = None

    def _present(self, members: Sequence[Member]) -> list[Standing]:
        """Their standings. Those of others are forgotten, those of members that came back found again."""
        standings = self.standings
        present = [each for member in members if (each := standings.get(member) or self._found(member)) is not None]
        if len(present) < len(standings):
            for member in standings.keys() - {each.member for each in present}:
                self.forget(member)
        return present

    def _found(self, member: Member) -> Standing | None:
        for state in member.states:
            if isinstance(state, Standing) and state.detector is self:
                self.standings[member] = state
                return state
        return None

    def _judge(self, present: list[Standing], now: float) -> list[Standing]:
        """End an interval; answers who was ejected."""
        spec = self.spec
        self.average = {}
        least: float = max(1, min(spec.success_rate_requests, spec.failure_ratio_requests))
        if len(present) < min(spec.success_rate_hosts, spec.failure_ratio_hosts):
            least = inf
        external: list[Rate] = []
        local: list[Rate] = []
        for each in present:
            good, bad, lost = each.good, each.bad, each.lost
            each.success_rate = None
            if good or bad or lost:
                each.good = each.bad = each.lost = 0
                answers = good + bad
                if answers >= least:
                    each.success_rate = rate = good / answers
                    external.append((rate, bad, answers, each))
                if spec.split and answers + lost >= least:
                    local.append((answers / (answers + lost), lost, answers + lost, each))
        rules = spec.enforcing_success_rate, spec.enforcing_failure_ratio
        ejected = [*self._unlike(external, "external", rules, now)]
        rules = spec.enforcing_local_success_rate, spec.enforcing_local_failure_ratio
        ejected += self._unlike(local, "local", rules, now)
        for standing in [*self._scarred]:
            calm = int((now - standing.calm_at) / spec.interval + ALIKE)
            standing.multiplier = max(0, standing.multiplier - calm)
            standing.calm_at += calm * spec.interval
            if not standing.multiplier:
                del self._scarred[standing]
        return ejected

    def _unlike(self, rates: list[Rate], origin: str, enforcing: tuple[float, float], now: float) -> Iterable[Standing]:
        """Those who are ejected, the worst first."""
        spec = self.spec
        local = "local_" if origin == "local" else ""
        if self.out:
            rates = [each for each in rates if not each[3].member.ejected]
        compared = [each[0] for each in rates if each[2] >= spec.success_rate_requests]
        if compared and len(compared) >= spec.success_rate_hosts:
            self.average[origin] = _, low = threshold(compared, spec.success_rate_stdev)
            outliers = [each for each in rates if each[0] < low - ALIKE and each[2] >= spec.success_rate_requests]
            for *_, standing in sorted(outliers, key=itemgetter(0)):
                if self._ejects(standing, f"{local}success_rate", enforcing[0], now):
                    yield standing
        enough = spec.failure_ratio_requests
        failing = [each for each in rates if each[1] and each[1] / each[2] >= spec.failure_ratio and each[2] >= enough]
        if failing and sum(each[2] >= enough for each in rates) >= spec.failure_ratio_hosts:
            for *_, standing in sorted(failing, key=itemgetter(0)):
                if self._ejects(standing, f"{local}failure_ratio", enforcing[1], now):
                    yield standing

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """How many are out, and how often each rule has found and ejected somebody."""
        picture: dict[str, Any] = {"ejected": len(self.out), "overflows": self.overflows}
        picture.update((f"detected_{rule}", times) for rule, times in self.detected.items())
        picture.update((f"ejected_{rule}", times) for rule, times in self.ejected.items())
        for origin, (mean, low) in self.average.items():
            picture[f"{origin}_success_rate"] = mean
            if low > -inf:
                picture[f"{origin}_threshold"] = low
        return picture
