"""What time is it, if the test says so? A clock that moves when it is told to."""

from __future__ import annotations

__all__ = ["ManualClock"]


class ManualClock:
    """``Pipeline(..., clock=ManualClock())``: reads the same until ``advance``.

    The shells sleep by it: a backoff or the delay of a rate limit moves the clock on and returns at once. It moves no
    timer: a timeout strikes only where it is looked at (before waits and attempts), and a place in a queue is waited
    for in real time. For timeouts that strike and queues that move, see `run`. Not for several threads at once.
    """

    __slots__ = ("now",)

    def __init__(self, now: float = 0.0) -> None:
        self.now = float(now)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass. Time never goes back: raises `ValueError`."""
        if not seconds >= 0:
            raise ValueError(f"time does not go back: {seconds!r}")
        self.now += seconds

    sleep = advance
    """What the shell for threads calls instead of ``time.sleep``."""

    async def asleep(self, seconds: float) -> None:
        """What the shell for asyncio and trio awaits instead of sleeping. Lets the others run once."""
        from anyio.lowlevel import checkpoint

        self.advance(seconds)
        await checkpoint()

    def __repr__(self) -> str:
        return f"ManualClock({self.now!r})"
