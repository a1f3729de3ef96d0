"""What does a pipeline do when its upstream does this, then that? An upstream that plays a script, and writes down.

::

    upstream = Upstream(503, ConnectionError, after(2.0, 200))

    pipeline.call(upstream, ...)                          a function; `call` is the same for threads
    httpx.AsyncClient(transport=upstream.transport())     httpx and httpx2, ``Client`` as well
    upstream.app                                          ASGI

Each attempt meets the next step (see `outcomes`). After the last one it repeats, or, ``then="fail"``, the test is told
that the upstream was asked more often than scripted. Time is that of the loop or of a clock: nothing waits for real in
virtual time, or by a `ManualClock`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError
from .attempts import Attempt
from .outcomes import FOREVER, HUNG, Raised, Value, resolve, step_of

__all__ = ["Upstream"]


class Upstream:
    """A script of outcomes for any door. Called, it is an ``async def`` that takes any arguments.

    ``then``: after the last step, ``"repeat"`` it or ``"fail"`` with an `AssertionError`. No script: 200, always.
    ``clock``: that of the pipeline, where it is not the loop's; synchronous calls need one to spend time by, such as a
    `ManualClock`. Not for several threads at once.
    """

    def __init__(self, *script: Any, then: str = "repeat", clock: Callable[[], float] | None = None) -> None:
        if clock is not None and not callable(clock):
            raise ConfigError.of("Upstream", "clock", clock, "give a function that answers seconds, as ManualClock()")
        self._clock = clock
        self.attempts: list[Attempt] = []
        """All that came, in order."""
        self.books = [self.attempts]
        """Where an attempt is written down: here, and by `Upstreams`, which has those of all."""
        self.where: str | None = None
        """Which one it is among `Upstreams`."""
        self.play(*script, then=then)

    def play(self, *script: Any, then: str = "repeat") -> None:
        """From now on this script, from its beginning; what was written down stays."""
        if then not in {"repeat", "fail"}:
            raise ConfigError.of("Upstream", "then", then, "write 'repeat' or 'fail'")
        self._script = tuple(step_of(step) for step in script or (200,))
        self._then = then
        self._played = 0

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Be asked as an ``async def``: return the step's value or `Answer`, or raise."""
        attempt, seconds, step = self.meet((args, kwargs))
        await self.spend(attempt, seconds)
        return self.end(attempt, step)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Be asked as a ``def``."""
        attempt, seconds, step = self.meet((args, kwargs))
        self.spend_sync(attempt, seconds)
        return self.end(attempt, step)

    def transport(self) -> Any:
        """A transport for the clients of httpx and httpx2, of both colours. Their read timeout is kept."""
        from .doors import Transport

        return Transport(self)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        """Be asked as an ASGI application."""
        from .doors import serve

        await serve(self, scope, receive, send)

    def clock(self) -> float:
        """What time it is for the upstream: by its clock, else the loop's, else the machine's."""
        if self._clock is not None:
            return self._clock()
        from .virtual import virtual_clock

        try:
            return virtual_clock()
        except (RuntimeError, ImportError):  # no loop runs, and trio may not be there to ask
            return time.monotonic()

    # What the doors do with an attempt: meet a step, spend its time, end.

    def meet(self, request: Any) -> tuple[Attempt, float, Any]:
        """Write down an attempt: with the seconds it takes, and what comes then."""
        played, self._played = self._played, self._played + 1
        number = len(self.attempts) + 1
        if played >= len(self._script) and self._then == "fail":
            step = Raised(AssertionError(f"the upstream was asked more often than scripted: {played + 1} times"))
            return self._written(Attempt(number, self.clock(), request, "not scripted")), 0.0, step
        step = self._script[min(played, len(self._script) - 1)]
        attempt = self._written(Attempt(number, self.clock(), request, step))
        return attempt, *resolve(step, self.clock)

    def _written(self, attempt: Attempt) -> Attempt:
        attempt.where = self.where
        for book in self.books:
            book.append(attempt)
        return attempt

    async def spend(self, attempt: Attempt | None, seconds: float) -> None:
        """Let time pass on the loop; who gives up meanwhile is written down."""
        from anyio.lowlevel import checkpoint

        from ..runtime.waiting import nap

        try:
            if seconds > 0:
                await nap(seconds, self.clock if self._clock is None else self._clock)
            else:
                await checkpoint()  # as any answer lets others run
        except BaseException:
            if attempt is not None:
                attempt.cancelled = True
                attempt.ended_at = self.clock()
            raise

    def spend_sync(self, attempt: Attempt | None, seconds: float) -> None:
        """Let time pass by the clock."""
        if seconds == 0:
            return
        sleep = getattr(self._clock, "sleep", None)
        if seconds >= FOREVER or sleep is None:
            if attempt is not None:
                attempt.ended_at = self.clock()
            if seconds >= FOREVER:
                raise AssertionError(f"{HUNG}; a function without await cannot be interrupted")
            fix = "time is spent by a clock that can sleep: give the pipeline's, Upstream(..., clock=ManualClock())"
            raise ConfigError.of("Upstream", "clock", self._clock, fix)
        sleep(seconds)

    def end(self, attempt: Attempt, step: Any) -> Any:
        """Return what the step says, or raise it."""
        attempt.ended_at = self.clock()
        if isinstance(step, Raised):
            raise step.make()
        return step.value if isinstance(step, Value) else step

    def __repr__(self) -> str:
        return f"Upstream({', '.join(map(str, self._script))}; asked {len(self.attempts)} times)"
