"""Was a law broken? Stands beside every gate while a script is played, and judges what can be judged from outside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..call import Call, Verdict
from ..errors import Rejected
from ..policy import PASS, Waiter
from ..section import GATE, Section, named

__all__ = ["ROUNDING", "Broken", "Witness"]

COUNTS = {"refused", "would_reject"}
"""What a snapshot calls the number of refusals: a count of them takes nothing."""
ROUNDING = 1e-9
"""Seconds by which a sum of floats may miss the deadline it was made for."""


class Broken(AssertionError):
    """A law of policies that was not kept."""


class Witness:
    """Watches one started policy, and the gates folded with it.

    ``reading``: look at the state before and after each decision. ``counting``: a refusal may show in the state.
    """

    def __init__(self, state: Any, *, reading: bool, counting: bool) -> None:
        self.state = state
        self.reading = reading
        self.counting = counting
        self.broken: Broken | None = None

    def hold(self) -> None:
        """Raise what was seen: the engine survives what an `exit` raises."""
        if self.broken is not None:
            raise self.broken

    def look(self, now: float) -> Any:
        """The state as it shows itself, if it is to be read at all."""
        if not self.reading:
            return None
        repr(self.state)
        snapshot = getattr(self.state, "snapshot", lambda now: None)
        seen = snapshot(now)
        if seen != snapshot(now):
            raise self.found("law 3: two snapshots of one instant differ")
        return _taken(seen)

    def watch(
        self, kind: str, state: Any, enter: Callable[..., Any], exit: Callable[..., Any] | None
    ) -> tuple[Any, Any]:
        """The form of a gate that is folded: its own, with a witness."""
        if kind is not GATE:
            return enter, exit
        name = named(state)

        def observed_enter(call: Call, now: float) -> Any:
            before = self.look(now)
            try:
                answer = enter(call, now)
            except Rejected:
                after = self.look(now)
                if before != after and not self.counting:
                    self.found(f"law 2: {name} refused and yet took something: {before} became {after}")
                raise
            except Exception as error:
                text = f"{name}: enter() raised {error!r}: a gate goes, waits, queues or raises Rejected"
                raise self.found(text) from error
            self.judge(name, answer, call, now)
            return answer

        def observed_exit(call: Call, began: float, now: float, verdict: Verdict) -> None:
            try:
                exit(call, began, now, verdict)  # type: ignore[misc]  # handed out only where there is one
            except Exception as error:
                self.found(f"{name}: exit() raised {error!r}")

        return observed_enter, None if exit is None else observed_exit

    def judge(self, name: str, answer: Any, call: Call, now: float) -> None:
        """What a gate's ``enter`` may answer."""
        if not answer or answer is True or answer is PASS or isinstance(answer, Section | Waiter):
            return
        if not (isinstance(answer, int | float) and 0 < answer < math.inf):
            raise self.found(f"{name}: enter() answered {answer!r}: give seconds, a Waiter, or nothing")
        if call.deadline is not None and now + answer > call.deadline + ROUNDING:
            raise self.found(f"{name}: a delay of {answer!r} s, which crosses the call's deadline: refuse at once")

    def found(self, text: str) -> Broken:
        """Remember the first law that was broken."""
        self.broken = self.broken or Broken(text)
        return self.broken


def _taken(shown: Any) -> Any:
    """A snapshot, and those within it, without the counts of refusals."""
    if not isinstance(shown, dict):
        return shown
    return {name: _taken(value) for name, value in shown.items() if name not in COUNTS}
