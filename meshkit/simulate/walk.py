"""The shell on virtual time: it waits, and decides nothing. Each wait is an event.

The steps are those of the shells in ``runtime``, in the same order, and the functions that decide are the same. What is
left out is what simulated calls have no need of: other threads, callers that go away, streams, deadlines from outside.

::

    begin -> go -> send ... answer -> go -> send ... answer -> end
              |  sleep, queue, race     (again)

An attempt whose deadline passes ends there for its caller. Its server works on, unless it notices (`Server`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..call import Call, Verdict
from ..engine import admit, advance, again, expired, first, gather, outlived, patience, release, willing
from ..errors import Rejected
from ..policy import Waiter
from ..section import LEAF, RACE, Section
from .attempt import Attempt
from .door import no_middleware
from .race import Race

if TYPE_CHECKING:
    from .shell import Shell

__all__ = ["Then", "Walk"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

Then = Callable[["Walk", Any, "BaseException | None"], object]


class Walk:
    """One call's way through a pipeline, or that of one fork of it (``inner``).

    ``then(walk, result, error)`` is called when it has ended; ``walk.call`` and ``walk.verdict`` tell the rest.
    """

    __slots__ = (
        "attempt",
        "base",
        "call",
        "earlier",
        "error",
        "inner",
        "outer",
        "race",
        "result",
        "shell",
        "then",
        "turn",
        "verdict",
        "waiter",
    )

    def __init__(self, shell: Shell, call: Call, then: Then, inner: bool = False) -> None:
        self.shell = shell
        self.call = call
        self.then = then
        self.inner = inner
        self.base, self.outer = call.held, call.marks
        self.verdict = IGNORED
        self.result: Any = None
        self.error: BaseException | None = None
        self.earlier: Any = None
        """How the attempt before ended, while a further one may still be refused."""
        self.turn = 0
        """Which wait this is: an event that comes late belongs to an earlier one."""
        self.attempt: Attempt | None = None
        self.waiter: Waiter | None = None
        self.race: Race | None = None

    def begin(self, section: Section) -> None:
        call = self.call
        try:
            if section.facts is not None:
                gather(call, section.facts)
            wait = advance(call, section, self.shell.timeline.now)
        except Rejected as rejection:
            self._refused(rejection)
            return
        if wait is None:
            self._send()
        else:
            self._go(wait)

    def _go(self, wait: Any) -> None:
        """Do what the engine answered: until something is sent, or an event has to come."""
        call, timeline = self.call, self.shell.timeline
        try:
            while wait is not None:
                if wait.__class__ is Section:
                    self._divert(wait)
                    return
                if wait.__class__ is Waiter:
                    self._stand(wait)
                    return
                if wait > 0:
                    self.turn += 1
                    timeline.after(wait, self._woken, self.turn)
                    return
                wait = self._on(call.rest)
        except Rejected as rejection:
            self._refused(rejection)
            return
        self._send()

    def _on(self, section: Section) -> Any:
        if section.facts is not None:
            gather(self.call, section.facts)
        return advance(self.call, section, self.shell.timeline.now)

    def _woken(self, turn: int) -> None:
        if turn == self.turn:
            try:
                wait = self._on(self.call.rest)
            except Rejected as rejection:
                self._refused(rejection)
                return
            self._go(wait)

    def _stand(self, waiter: Waiter) -> None:
        """Wait for the grant of a place in a queue, until the gate's limit or the call's deadline."""
        timeline = self.shell.timeline
        self.turn += 1
        self.waiter = waiter
        entered = (self.turn, timeline.now)
        waiter.wake = lambda: timeline.after(0.0, self._leave_queue, entered)
        until = patience(self.call, waiter)
        if waiter.granted:
            waiter.wake()
        elif until is not None:
            timeline.at(until, self._leave_queue, entered)

    def _leave_queue(self, entered: tuple[int, float]) -> None:
        if entered[0] != self.turn or self.waiter is None:
            return
        now = self.shell.timeline.now
        waiter, self.waiter = self.waiter, None
        self.turn += 1
        try:
            section = admit(self.call, waiter, now)
            if section is None:
                section = outlived(self.call, now - entered[1], now)
            wait = self._on(section)
        except Rejected as rejection:
            self._refused(rejection)
            return
        self._go(wait)

    def _divert(self, section: Section) -> None:
        """Something is run in place of sending."""
        if section.kind is RACE:
            self._out()
            if not self._late():
                self.race = Race(self, section)
                self.race.begin()
        elif section.kind is LEAF:
            self._out()
            self._made_here(section.step)
        else:
            raise no_middleware(section.step)

    def _made_here(self, destination: Callable[..., Any]) -> None:
        result, error = None, None
        try:
            result = destination(self.call)
        except Exception as raised:
            error = raised
        self.answer(result, error)

    def _out(self) -> None:
        """The attempt before is past: what comes of this one counts."""
        if self.earlier is not None:
            self.earlier = self.call.failure = self.call.failed = None
        self.result = self.error = None

    def _late(self) -> bool:
        """Whether the call's deadline has passed; if not, have it strike."""
        call, timeline = self.call, self.shell.timeline
        if call.deadline is None:
            return False
        if call.deadline <= timeline.now:
            self.answer(None, expired(call, call.began_at, timeline.now))
            return True
        self.turn += 1
        timeline.at(call.deadline, self._strike, (self.turn, timeline.now))
        return False

    def _send(self) -> None:
        call = self.call
        if self.earlier is not None:
            self._out()
        if call.deadline is None or not self._late():
            attempt = self.attempt = Attempt(call, self)
            self.shell.send(attempt)

    def _strike(self, armed: tuple[int, float]) -> None:
        turn, began = armed
        if turn == self.turn and (self.attempt is not None or self.race is not None):
            now = self.shell.timeline.now
            self._forget(now)
            self.answer(None, expired(self.call, began, now))

    def _forget(self, now: float) -> None:
        """Nobody waits any more for what is out."""
        if self.attempt is not None:
            self.attempt.over = True
            self.attempt.walk = None
        if self.race is not None:
            self.race.give_up(now)

    def answer(self, result: Any, error: BaseException | None) -> None:
        """The attempt has ended."""
        call, shell = self.call, self.shell
        now = shell.timeline.now
        self.attempt = self.race = None
        self.turn += 1
        self.result, self.error = result, error
        call.answered_at = now
        verdict = SUCCESS if error is None and not shell.judging else shell.judge(call, result, error)
        if (
            verdict is not SUCCESS
            and (verdict is not IGNORED or isinstance(error, Rejected))
            and (call.marks is not self.outer or call.events is not None or shell.tree.reads_failure)
        ):
            call.failure = shell.door.failure(call, result, error)
            marks = willing(call, self.outer, verdict)
            wait = again(call, marks, now, verdict)
            if wait is not None:
                self.earlier = (verdict, call.held)
                self._go(wait)
                return
        self._end(verdict, now)

    def _refused(self, rejection: Rejected) -> None:
        """A gate has rejected, and there is nowhere else to go."""
        call, now = self.call, self.shell.timeline.now
        if self.earlier is None:
            if self.inner:
                call.marks, call.deadline = self.outer, self.outer[3]
            if call.held is not self.base:
                release(call, self.base, now, IGNORED)
            self.result, self.error = None, rejection
            if call.failed is not None:
                self.error = first(call) or rejection  # what stands instead was refused as well
            self.then(self, None, self.error)
            return
        # A further attempt was refused. The call was sent, so it ends as the attempt before did.
        verdict, held = self.earlier
        call.attempt, call.route = call.failed[5:]
        call.stopped = rejection.policy or type(rejection).__name__
        release(call, held, now, IGNORED)
        self._end(verdict, now)

    def _end(self, verdict: Verdict, now: float) -> None:
        call = self.call
        self.verdict = verdict
        if self.inner:
            call.marks, call.deadline, call.verdict = self.outer, self.outer[3], verdict
        if call.held is not self.base:
            release(call, self.base, now, verdict)
        self.then(self, self.result, self.error)

    def give_up(self, now: float) -> None:
        """End here, for the sake of a better answer or because time is over; nobody is told."""
        call = self.call
        verdict = IGNORED
        if (self.attempt is not None or self.race is not None) and call.deadline is not None and now >= call.deadline:
            verdict = FAILURE  # it was out for too long
        self._forget(now)
        self.turn += 1
        if self.waiter is not None:
            admit(call, self.waiter, now)
        self.attempt = self.race = self.waiter = None
        call.marks, call.deadline = self.outer, self.outer[3]
        if call.held is not self.base:
            release(call, self.base, now, verdict)
