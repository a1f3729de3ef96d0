"""How late is the running event loop, in seconds?

A loop that is busy runs everything late, also what would end the overload. A beat every `BEAT` seconds measures it::

    late    = now - when the beat was due
    lag     = max(the worst late beat, halved every HALVES seconds since; the present beat's, where it is overdue now)

The second part counts because whoever asks right after the loop stood still is often ahead of the beat.

Nobody pays who does not ask. The first question on a loop starts its beat, in an empty context; after `SILENCE` beats
without a question it stops, and the next question starts it anew. A beat is one timer of asyncio, or one system task of
trio: neither keeps a loop alive, and both end with it. Each loop has its own, so no two threads meet.

A loop that was stopped, and is run again, counts as late by all that time: what was due in between is.

Node's toobusy measures the same way, and calls a process too busy at 70 ms; there the lag is smoothed, here its maximum
fades, so that one long block is not averaged away.
"""

from __future__ import annotations

import asyncio
import math
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any
from weakref import WeakKeyDictionary, ref

__all__ = ["BEAT", "HALVES", "SILENCE", "Pulse", "loop_lag"]

BEAT = 0.05
HALVES = 0.5
SILENCE = 40
"""Beats: two seconds."""


class Pulse:
    """What is known of one loop's lag. Time is an argument."""

    __slots__ = ("due", "silent", "worst", "worst_at")

    def __init__(self) -> None:
        self.due = math.inf
        """When the next beat must come; infinite: it does not beat."""
        self.silent = 0
        """Beats since somebody asked."""
        self.worst = 0.0
        self.worst_at = 0.0

    def start(self, now: float) -> None:
        self.due = now + BEAT

    def beat(self, now: float) -> float | None:
        """The instant of the next beat; ``None``: nobody has asked for long, this was the last."""
        late = now - self.due
        if late > self.faded(now):
            self.worst, self.worst_at = late, now
        self.silent += 1
        if self.silent > SILENCE:
            self.due = math.inf
            return None
        self.due = now + BEAT
        return self.due

    def faded(self, now: float) -> float:
        """What the worst late beat still counts."""
        return self.worst * 0.5 ** ((now - self.worst_at) / HALVES)  # type: ignore[no-any-return]

    def lag(self, now: float) -> float:
        self.silent = 0
        overdue = now - self.due
        faded = self.faded(now) if self.worst else 0.0
        return faded if faded > overdue else overdue  # 0.0, while nothing is late: the next beat is still to come


_pulses: WeakKeyDictionary[Any, Pulse] = WeakKeyDictionary()
"""By loop, or by trio's token of a run. A pulse knows neither, so both can go."""


class Here(threading.local):
    """The loop this thread asked about last, and its pulse: asking the dict takes longer than all the rest."""

    loop: Callable[[], Any] = staticmethod(lambda: None)
    pulse = Pulse()


_here = Here()


def loop_lag() -> float:
    """How late the running event loop is, in seconds; 0.0 outside one, and at the first question.

    For `LoadShed(signal=loop_lag, threshold=0.1)`, for metrics, for a health check.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return _trio_lag() if "trio" in sys.modules else 0.0
    pulse = _here.pulse if _here.loop() is loop else _pulse_of(loop)
    now = loop.time()
    if pulse.due == math.inf:
        pulse.start(now)
        loop.call_later(BEAT, _beat, pulse, context=Context())
    return pulse.lag(now)


def _pulse_of(loop: Any) -> Pulse:
    pulse = _pulses.get(loop)
    if pulse is None:
        pulse = _pulses[loop] = Pulse()
    _here.loop, _here.pulse = ref(loop), pulse
    return pulse


def _beat(pulse: Pulse) -> None:
    loop = asyncio.get_running_loop()
    if pulse.beat(loop.time()) is not None:
        loop.call_later(BEAT, _beat, pulse, context=Context())


def _trio_lag() -> float:
    import trio

    try:
        run: Any = trio.lowlevel.current_trio_token()
    except RuntimeError:
        return 0.0
    pulse = _here.pulse if _here.loop() is run else _pulse_of(run)
    now = trio.current_time()
    if pulse.due == math.inf:
        with suppress(RuntimeError):  # a run that is ending takes no new tasks
            trio.lowlevel.spawn_system_task(_beats, pulse, name="meshkit loop_lag")
            pulse.start(now)
    return pulse.lag(now)


async def _beats(pulse: Pulse) -> None:
    import trio

    due: float | None = pulse.due
    while due is not None:
        await trio.sleep_until(due)
        due = pulse.beat(trio.current_time())
