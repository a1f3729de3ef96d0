"""Does a rollout go on, stay, or go back? The state machine of `Rollout`.

=====================  ==================================================  =====================  =====================
state                  event                                               next state             share of the canary
=====================  ==================================================  =====================  =====================
step k                 a call ends, and it is certain that a limit is      rolled-back            0, at once
                       broken
step k                 a call ends, ``every`` seconds after the step       step k + 1             the next one
                       began or later; ``calls`` of the canary have
                       ended; all limits are kept
last step              the same                                            done                   stays
step k                 the same, and a limit is not kept                   step k: it is held     stays
paused                 it is certain that a limit is broken                rolled-back            0, at once
paused                 the time and the calls of a step have gone by       paused: counted anew   stays
done, rolled-back      anything                                            no change              stays
any                    a call ends that began before `reset`               no change
any                    a call ends without a verdict                       no change
=====================  ==================================================  =====================  =====================

By hand: `advance` (to the next step, however it looks), `roll_back`, `pause`, `resume` (the step begins anew) and
`reset` (the first step begins anew).

A call counts in the step in which it ends: what takes longest fails most, and must not fall between two steps. In a
step in which the main branch has no share its calls of the step before are the ones to compare with.

A canary that refuses a call (a breaker, no endpoint) has failed: nothing was sent, and the main branch serves it. With
a rollback, further attempts of its calls go to the main branch too.

It is a gate and a choice at once: it picks a branch for an attempt, and learns what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nextafter
from random import Random
from typing import TYPE_CHECKING, Any

from ..call import Call, Verdict
from .branch import BranchState, names, unrouted
from .evidence import Counts, above, ceiling
from .lot import Lot, Lots, Shares, drawn

if TYPE_CHECKING:
    from ..section import Section
    from .rollout import Rollout

__all__ = ["DONE", "ROLLED_BACK", "RolloutState"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED
DONE, ROLLED_BACK = "done", "rolled-back"
DIGITS = 12
NEW = (None, False)


class RolloutState:
    """The choice that `Rollout` starts, and the gate in front of it."""

    __slots__ = (
        "__weakref__",
        "_acts",
        "_branches",
        "_counts",
        "_due",
        "_lots",
        "_paused",
        "_risk",
        "_shares",
        "_since",
        "_slow_share",
        "_step",
        "_tell",
        "beside",
        "branches",
        "name",
        "spec",
        "state",
        "titles",
    )

    kind = "branch"

    state: str
    """``"step 2 (5%)"``, ``"paused at step 2 (5%)"``, ``"done"`` or ``"rolled-back"``."""
    _step: int
    """Of ``steps``, from 0; -1: it is over."""
    _paused: bool
    _due: float
    """When the step has lasted long enough; infinite: it has not begun."""
    _since: float
    """What began earlier teaches nothing."""

    def __init__(self, spec: Rollout, rng: Random) -> None:
        self.spec = spec
        self.name = spec.name
        self.titles = names("Rollout", spec.branches)
        """What the branches are called."""
        pairs = zip(spec.branches, self.titles, strict=True)
        self._branches = [BranchState(branch, title, rng) for branch, title in pairs]
        self.branches = [branch.states for branch in self._branches]
        """The states of each."""
        self.beside = [branch.plan.mirrors for branch in self._branches]
        """What each does besides: the states of its `Mirror`s."""
        self._lots = Lots(spec.name, spec.sticky, spec.cookie, self.titles, rng)
        self._tell = None if spec.cookie is None else spec.cookie.telling()
        self._acts = spec.asked is not None
        limits = (spec.max_error_rate, spec.margin, spec.max_latency)
        self._risk = spec.risk / sum(limit is not None for limit in limits)
        self._slow_share = round(1 - spec.quantile, DIGITS)
        self._counts = [Counts(), Counts()]
        self._since = -inf
        self._begin(0, inf)

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        for branch in self._branches:
            branch.fold(fold)

    def sections(self) -> list[Section]:
        """Of both branches."""
        return [branch.section for branch in self._branches]

    def facts(self, call: Call, /) -> Lot:
        lot = drawn(self, call, self._drawn)
        if self._acts and call.route is None:
            lot.route = unrouted(call)
        return lot

    def _drawn(self, call: Call) -> Lot:
        lot = self._lots.draw(call)
        lot.attempts = {}
        return lot

    def enter(self, call: Call, now: float, /) -> None:
        """An attempt begins; the first of all begins the first step."""
        if self._due == inf and self._step >= 0:
            self._due = now + self.spec.every
        call.facts[self].attempts[call] = NEW  # type: ignore[index]  # gathered: there are facts

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the call's branch. Asked again, because that has refused the call, it is the main one's."""
        lot: Lot = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        branch: BranchState | None = lot.branch
        main, canary = self._branches
        before, refused = lot.attempts.get(call, NEW)
        if before is not None:
            refused = refused or before is canary
            branch = lot.branch = main
        elif branch is None:
            branch = lot.branch = canary if self._shares.of(lot) else main
            branch.calls += 1
        elif branch is canary and not self._shares.weights[1]:
            branch = lot.branch = main
        lot.attempts[call] = branch, refused
        if self._acts:
            branch.edit(call, lot)
        if lot.token is not None:
            self._tell(call, lot.token)  # type: ignore[misc]  # only a cookie makes tokens
        return branch.section

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        """Learn what came of an attempt, and go on or back."""
        lot: Lot = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        branch, refused = lot.attempts.pop(call, NEW)
        if self._step < 0 or began < self._since or (verdict is IGNORED and not refused):
            return
        main, canary = self._counts
        slow = False
        if refused:
            canary.add(True, slow)
        if verdict is not IGNORED:
            answered = call.answered_at
            if answered is None or answered < began:  # no answer, or an earlier attempt's
                answered = now
            slow = self.spec.max_latency is not None and answered - began > self.spec.max_latency
            counts = canary if branch is self._branches[1] else main
            counts.add(verdict is not SUCCESS, slow)
        if (refused or verdict is not SUCCESS or slow) and self._worse():
            self._over(ROLLED_BACK, 0.0)
        elif now >= self._due and canary.calls >= self.spec.calls:
            if self._paused:
                self._count_anew(now)
            elif self._good():
                self.advance(now)

    def taken(self, call: Call, /) -> str:
        """The name of the branch that was picked just now."""
        return call.facts[self].branch.name  # type: ignore[index,no-any-return]  # gathered: there are facts

    def _worse(self) -> bool:
        """Whether it is certain that the canary breaks a limit."""
        spec, risk = self.spec, self._risk
        main, canary = self._counts
        if canary.calls < spec.minimum:
            return False
        if spec.max_error_rate is not None and above(canary.calls, canary.failed, spec.max_error_rate, risk):
            return True
        if spec.margin is not None and canary.rate > main.rate + spec.margin:
            limit = ceiling(main.calls, main.failed, risk / 2) + spec.margin
            if above(canary.calls, canary.failed, limit, risk / 2):
                return True
        return spec.max_latency is not None and above(canary.calls, canary.slow, self._slow_share, risk)

    def _good(self) -> bool:
        """Whether the canary has kept all limits."""
        spec = self.spec
        main, canary = self._counts
        return (
            (spec.max_error_rate is None or canary.rate <= spec.max_error_rate)
            and (spec.margin is None or canary.rate <= main.rate + spec.margin)
            and (spec.max_latency is None or canary.slow / canary.calls <= self._slow_share)
        )

    def advance(self, now: float, /) -> None:
        """Take the next step, or be done with the last one; ends a pause. Nothing, where it is over."""
        if self._step < 0:
            return
        if self._step + 1 == len(self.spec.steps):
            self._over(DONE, self.spec.steps[-1])
        else:
            self._begin(self._step + 1, now + self.spec.every)

    def roll_back(self, now: float, /) -> None:
        """Take the canary back, also one that is done."""
        self._over(ROLLED_BACK, 0.0)

    def pause(self, now: float, /) -> None:
        """Take no step from now on; what is worse goes back all the same."""
        if self._step >= 0 and not self._paused:
            self._paused = True
            self.state = f"paused at {self.state}"

    def resume(self, now: float, /) -> None:
        """End a pause: the step begins anew."""
        if self._paused:
            self._begin(self._step, now + self.spec.every)

    def reset(self, now: float, /) -> None:
        """Begin anew, whatever has come of it; what is under way teaches nothing."""
        self._since = nextafter(now, inf)
        self._begin(0, inf)

    def _begin(self, step: int, due: float) -> None:
        share = self.spec.steps[step]
        self.state = f"step {step + 1} ({100 * share:.6g}%)"
        self._step, self._due, self._paused = step, due, False
        self._shares = Shares((1 - share, share))
        self._counts = [self._counts[0] if share == 1 else Counts(), Counts()]

    def _count_anew(self, now: float) -> None:
        self._counts = [self._counts[0] if self._shares.weights[0] == 0 else Counts(), Counts()]
        self._due = now + self.spec.every

    def _over(self, state: str, share: float) -> None:
        self.state, self._step, self._due, self._paused = state, -1, inf, False
        self._shares = Shares((1 - share, share))

    def numbers(self, call: Call, now: float, /) -> dict[str, Any]:
        """What its next decision rests on."""
        main, canary = self._counts
        left = 0.0 if self._due == inf else max(0.0, self._due - now)
        return {
            "state": self.state,
            "calls": canary.calls,
            "failed": canary.failed,
            "slow": canary.slow,
            "main_calls": main.calls,
            "main_failed": main.failed,
            "step_over_in": left,
        }

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """The state; how long the step is to last yet; of each branch its share, how many calls it was given, and what
        has come of those that have ended in this step.
        """
        picture: dict[str, Any] = {"state": self.state}
        if self._due < inf:
            picture["step_over_in"] = max(0.0, self._due - now)
        for branch, share, counts in zip(self._branches, self._shares.weights, self._counts, strict=True):
            known = {"share": share, "calls": branch.calls, "ended": counts.calls, "failed": counts.failed}
            picture[branch.name] = known if self.spec.max_latency is None else {**known, "slow": counts.slow}
        return picture

    def idle(self) -> bool:
        return all(branch.idle() for branch in self._branches)

    def __repr__(self) -> str:
        return f"<Rollout {self.name}: {self.state}>"
