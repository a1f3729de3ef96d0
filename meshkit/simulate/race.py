"""How do several attempts of one call run at once, on virtual time? The twin of ``runtime.race``, without tasks.

When a further attempt begins, and whether, is decided by the policy (`retry.hedge`). What is here takes the first good
answer, gives the others up, and otherwise waits until all have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..call import Call, Verdict
from ..engine import adopt, fork, learn, release
from ..observe.events import Hedged
from ..section import Section

if TYPE_CHECKING:
    from .walk import Walk

__all__ = ["Race"]

SUCCESS, IGNORED = Verdict.SUCCESS, Verdict.IGNORED


class Race:
    """The attempts of one call at one place of its pipeline."""

    __slots__ = ("after", "answers", "began", "learn", "over", "state", "walk", "walks")

    def __init__(self, walk: Walk, section: Section) -> None:
        self.walk = walk
        self.state: Any = section.step
        self.after: Any = section.after
        self.walks: list[Walk] = []
        self.began: list[float] = []
        self.answers: dict[Call, tuple[Any, BaseException | None]] = {}
        self.over = False
        self.learn = self.state.learn

    def begin(self) -> None:
        call, state, shell = self.walk.call, self.state, self.walk.shell
        replayable, idempotent = shell.door.twice(call)
        if not (replayable and (idempotent or state.non_idempotent)):
            self.learn = None
        elif state.delay is not None:
            shell.timeline.after(state.delay, self._due)
        self._another()

    def _due(self, _: None) -> None:
        """It is time to ask the policy."""
        if self.over:
            return
        call, timeline = self.walk.call, self.walk.shell.timeline
        now = timeline.now
        if self.state.another(call, now, len(self.walks)):
            if call.events is not None:
                call.events.append(Hedged(now, self.state.name, len(self.walks) + 1))
            if self.state.delay is not None:
                timeline.after(self.state.delay, self._due)
            self._another()

    def _another(self) -> None:
        """One more attempt, which goes elsewhere than those under way, if it can."""
        shell, call = self.walk.shell, self.walk.call
        twin = fork(call)
        if self.walks:
            twin.avoid = (*twin.avoid, *(w.call.endpoint for w in self.walks if w.call.endpoint is not None))
        walk = type(self.walk)(shell, twin, self._ended, inner=True)
        self.walks.append(walk)
        self.began.append(shell.timeline.now)
        walk.begin(self.after)

    def _ended(self, walk: Walk, result: Any, error: BaseException | None) -> None:
        if self.over:
            return
        now = walk.shell.timeline.now
        self.answers[walk.call] = (result, error)
        good = error is None and walk.call.verdict is SUCCESS
        self._learn(walk, now)
        if good or len(self.answers) == len(self.walks):
            self._finish(walk if good else self.walks[0], now)

    def _finish(self, kept: Walk, now: float) -> None:
        self.give_up(now, kept)
        if kept is not self.walks[0]:
            self.state.won += 1
        call, twin = self.walk.call, kept.call
        if twin.held is call.held:
            learn(call, twin)
        else:
            adopt(call, call.held, twin, now)
        result, error = self.answers[twin]
        self.walks.clear()  # no cycle of race, walks and answers: there are millions of them
        self.answers.clear()
        self.walk.answer(result, error)

    def give_up(self, now: float, kept: Walk | None = None) -> None:
        """End those that are still under way, and take back what those that have ended left behind."""
        self.over = True
        base = self.walk.call.held
        for walk in self.walks:
            if walk.call not in self.answers:
                walk.give_up(now)
                self._learn(walk, now)
            if walk is not kept:
                release(walk.call, base, now, walk.call.verdict)
                walk.call.failure = None

    def _learn(self, walk: Walk, now: float) -> None:
        if self.learn is not None:
            self.learn(now - self.began[self.walks.index(walk)], now, walk.call.verdict)
