"""How does an hour of waiting pass in no time? When nobody is ready, time jumps to the earliest timer.

An async scenario with sleeps, timeouts and queues then runs as fast as it can be computed. On asyncio it is an event
loop whose selector never waits, and the same scenario runs the same way each time; on trio it is
``trio.testing.MockClock``, from which the idea is, and tasks that are ready together go in an order that trio shuffles.

Within virtual time nothing outside can be waited for: a socket or another thread is never given the time to answer
while any timer is set.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from ..errors import ConfigError

__all__ = ["VirtualLoop", "run", "virtual_clock"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TICK = time.get_clock_info("monotonic").resolution
"""Seconds by which asyncio lets a timer ring too early."""
PATIENCE = 5.0
"""Real seconds that a loop without any timer waits for another thread, before it calls that a deadlock."""
SWEEP = 1000
"""Timers below which looking for the cancelled ones is not worth it."""


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting, moves the loop's time on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        """A heap of the timers by when they are due. They leave it as time passes them; the cancelled ones among them
        are swept out whenever it has doubled, so that it is never longer than twice those that wait.
        """
        self._count = 0
        self._sweep_at = SWEEP

    def add(self, timer: asyncio.TimerHandle) -> None:
        """Remember when a timer is due."""
        self._count += 1
        heapq.heappush(self._timers, (timer.when(), self._count, timer))
        if len(self._timers) > self._sweep_at:
            self._timers = [each for each in self._timers if not each[2].cancelled()]
            heapq.heapify(self._timers)
            self._sweep_at = max(SWEEP, 2 * len(self._timers))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(PATIENCE if timeout is None else 0)
        if not ready:
            if timeout is None:
                raise RuntimeError("nobody is ready and no timer is set: everybody would wait for ever")
            if timeout > 0:
                self._jump(self.now + timeout)
            elif self.now + TICK == self.now:
                self._nudge()
        return ready

    def _jump(self, until: float) -> None:
        """To exactly when the timer is due, whatever the sum rounds to.

        Of several within a tick, to the last: asyncio lets them all ring then, and none must ring early.
        """
        while self._timers and self._timers[0][0] < until + TICK:
            instant = heapq.heappop(self._timers)[0]
            if instant > until - TICK:
                until = instant
        self.now = until

    def _nudge(self) -> None:
        """Go on by the last bit, if a timer is due.

        After some 97 days a tick is lost in rounding. To asyncio, a timer is due at less than now and a tick: it would
        ask again for ever at the very instant that the timer is set for.
        """
        due = False
        while self._timers and self._timers[0][0] <= self.now:
            due |= not heapq.heappop(self._timers)[2].cancelled()
        if due:
            self.now = math.nextafter(self.now, math.inf)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time()`` begins at 0 and jumps when nobody is ready.

    For runners that take a loop factory: ``asyncio.Runner(loop_factory=VirtualLoop)``, and in tests run by anyio
    ``anyio_backend = ("asyncio", {"loop_factory": VirtualLoop})``.
    """

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        self._jumping.add(timer)
        return timer

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for its threads without a limit: they work in real time, and virtual minutes are over at once."""
        await super().shutdown_default_executor()


def run(main: Callable[..., Awaitable[T]], *args: Any, backend: str = "asyncio") -> T:
    """Run ``main(*args)`` in virtual time, on ``"asyncio"`` or ``"trio"``, and answer its result.

    Use ``Pipeline(..., clock=virtual_clock)`` within. On asyncio, raises `RuntimeError` where everybody would wait for
    ever; for ``"trio"`` a `ConfigError` where it is not installed.
    """
    if backend == "trio":
        try:
            import trio
            import trio.testing
        except ImportError:
            fix = "trio is not installed: install meshkit with its extra [trio]"
            raise ConfigError.of("run", "backend", backend, fix) from None

        result: T = trio.run(main, *args, clock=trio.testing.MockClock(autojump_threshold=0))
        return result
    if backend != "asyncio":
        raise ConfigError.of("run", "backend", backend, "write 'asyncio' or 'trio'")

    async def whole() -> T:
        return await main(*args)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


def virtual_clock() -> float:
    """The time of the event loop that runs: the clock of a pipeline used within `run`.

    It works on any loop, virtual or not; outside a loop there is no time to tell, and it raises `RuntimeError`.
    """
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        import trio

        return trio.current_time()
