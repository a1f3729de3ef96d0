"""How do several attempts of one call run at once? Each in a task; those that lose are given up, and waited for.

When a further attempt begins, and whether, is decided by the policy (`retry.hedge`). What is here waits: for the first
answer that is good, until all have ended, or until it is time to ask the policy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

import anyio

from ..call import Call, Verdict
from ..engine import fork
from ..observe.events import Hedged
from .alarm import current_task, remind
from .bell import Bell, TrioBell
from .lock import LOCK
from .settle import settle_walks
from .waiting import close

__all__ = ["Race"]

SUCCESS = Verdict.SUCCESS


class Race:
    """The attempts of one call at one place of its pipeline. ``walk`` takes a fork through what stands behind it."""

    __slots__ = (
        "answers",
        "before",
        "bell",
        "call",
        "caller",
        "cancelled",
        "clock",
        "context",
        "discard",
        "scope",
        "state",
        "struck",
        "tasks",
        "twins",
        "walk",
        "winner",
    )

    def __init__(
        self,
        call: Call,
        state: Any,
        clock: Callable[[], float],
        walk: Callable[[Call], Awaitable[Any]],
        discard: Callable[[Any], Awaitable[Any]] | None,
    ) -> None:
        self.call = call
        self.state = state
        self.clock = clock
        self.walk = walk
        self.discard = discard
        """Closes an answer that nobody takes."""
        self.twins: list[Call] = []
        self.answers: dict[Call, tuple[Any, BaseException | None]] = {}
        self.winner: Call | None = None
        self.bell: Bell | TrioBell | None = None
        self.cancelled: type[BaseException] = asyncio.CancelledError
        self.caller: Any = None
        """On asyncio: the task in which the first attempt runs, while it does."""
        self.before = 0
        """How often that had been cancelled when the race began."""
        self.context: Any = None
        """The caller's, for the further attempts."""
        self.struck = False
        """Whether that was cancelled for the sake of a better answer."""
        self.scope: Any = None
        """On trio: the cancel scope around the first attempt."""
        self.tasks: list[asyncio.Task[None]] = []

    async def run(self) -> Any:
        """The first good answer, or else the first attempt's; an attempt's exception is raised."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            loop = None
        kept = None
        try:
            await (self._on_trio() if loop is None else self._on_asyncio(loop))
            kept = self.winner or self.twins[0]
            if kept is not self.twins[0]:
                with LOCK:
                    self.state.won += 1
        finally:
            settle_walks(self.call, self.call.held, self.twins, kept, self.clock)
            result, error = self.answers.pop(kept) if kept is not None else (None, None)
            try:
                if self.answers:
                    await self._close_all()
            except BaseException:  # cancelled meanwhile: nobody takes the answer that was kept
                if kept is not None and error is None and self.discard is not None:
                    await close(self.discard, result)
                raise
        if error is None:
            return result
        try:
            raise error
        finally:
            error = None

    async def _close_all(self) -> None:
        """Close the answers that are left; where this is cancelled, the rest of them first."""
        cancelled = None
        while self.answers:
            _, (result, error) = self.answers.popitem()  # an exception's traceback holds this frame
            if error is None and self.discard is not None:
                try:
                    await close(self.discard, result)
                except BaseException as raised:
                    cancelled = raised
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                cancelled = None

    async def _on_asyncio(self, loop: asyncio.AbstractEventLoop) -> None:
        """The first attempt runs in the caller's own task, which costs no task where nothing is hedged. One that wins
        meanwhile cancels it, with the bookkeeping of `alarm`.
        """
        caller: Any = current_task(loop)
        self.before = before = caller.cancelling()
        delay = self.state.delay
        alarms = None
        if delay is not None:
            self.context = copy_context()
            alarms = remind(self, self.call, delay, loop, self.clock)
        self.caller = caller
        try:
            try:
                await self._attempt(self._begin())
            except asyncio.CancelledError:
                if not self.struck or caller.uncancel() > before:
                    raise
            else:
                if self.struck:  # and yet it has answered
                    caller.uncancel()
            self.caller = None
            while not self._over():
                bell = self.bell = Bell(loop)
                await bell.wait(None)
        finally:
            self.caller = self.bell = None
            if alarms is not None:
                alarms.pop(self, None)
            if self.tasks:
                await given_up(self.tasks)

    def due(self) -> None:
        """It is time to ask the policy; but not on behalf of a caller who is going away."""
        leaving = self.caller is not None and self.caller.cancelling() > self.before
        if not leaving and not self._over() and self._another():
            loop = asyncio.get_running_loop()
            attempt = self._attempt(self._begin())
            self.tasks.append(loop.create_task(attempt, context=self.context.copy()))
            if self.state.delay is not None:
                remind(self, self.call, self.state.delay, loop, self.clock)

    async def _on_trio(self) -> None:
        import trio

        self.cancelled = trio.Cancelled
        ended: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as self.scope:
                    if self.state.delay is not None:
                        nursery.start_soon(self._asking, nursery, self.state.delay)
                    await self._attempt(self._begin())
                self.scope = None
                while not self._over():
                    bell = self.bell = TrioBell()
                    await bell.wait(None)
                self.bell = None
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            ended = one_of(group, trio.Cancelled)
        if ended is not None:
            try:
                raise ended
            finally:
                ended = None

    async def _asking(self, nursery: Any, delay: float) -> None:
        """Asks the policy whenever it is time."""
        import trio

        await trio.sleep(delay)
        while not self._over() and self._another():
            nursery.start_soon(self._attempt, self._begin())
            await trio.sleep(delay)

    def _over(self) -> bool:
        return self.winner is not None or len(self.answers) == len(self.twins)

    def _begin(self) -> Call:
        """A fork for one more attempt, which goes elsewhere than those under way, if it can."""
        twin = fork(self.call)
        if self.twins:
            twin.avoid = (*twin.avoid, *(other.endpoint for other in self.twins if other.endpoint is not None))
        self.twins.append(twin)
        return twin

    def _another(self) -> bool:
        call, now = self.call, self.clock()
        with LOCK:
            if not self.state.another(call, now, len(self.twins)):
                return False
            if call.events is not None:
                call.events.append(Hedged(now, self.state.name, len(self.twins) + 1))
        return True

    async def _attempt(self, twin: Call) -> None:
        began = 0.0 if self.state.learn is None else self.clock()
        result = error = None
        try:
            result = await self.walk(twin)
        except BaseException as raised:
            error = raised
            if isinstance(raised, self.cancelled):
                raise
            if not isinstance(raised, Exception):  # Ctrl-C: it is raised by who waits here, and ends the race
                self.winner = twin
        finally:
            self.answers[twin] = (result, error)
            if self.winner is None and error is None and twin.verdict is SUCCESS:
                self.winner = twin
            if self.state.learn is not None:
                now = self.clock()
                with LOCK:
                    self.state.learn(now - began, now, twin.verdict)
            if self.bell is not None and self._over():
                self.bell.ring()
            elif self.winner is twin and twin is not self.twins[0]:
                self._strike()
            error = None

    def _strike(self) -> None:
        """End the first attempt, for the sake of a better answer."""
        if self.caller is not None:
            self.struck = True
            self.caller.cancel()
        elif self.scope is not None:
            self.scope.cancel()


def one_of(group: BaseExceptionGroup[BaseException], cancelled: type[BaseException]) -> BaseException:
    """What a nursery has bundled is one cancellation, seen by several tasks, unless Ctrl-C is among it: as one."""
    cancellations, others = group.split(cancelled)
    found: BaseException = others or cancellations or group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


async def given_up(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what still runs, and wait until it has ended, also where this very task is being cancelled."""
    for task in tasks:
        task.cancel()
    cancelled = None
    while any(not task.done() for task in tasks):
        try:
            with anyio.CancelScope(shield=True):  # a scope of anyio's cancels again in each turn of the loop
                await asyncio.wait(tasks)
        except asyncio.CancelledError as again:
            cancelled = again
    if cancelled is not None:
        raise cancelled
