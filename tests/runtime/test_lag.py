"""How late a loop is, in virtual time: a loop that stands still is one whose clock was moved on within a callback."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

from meshkit import Overloaded, Pipeline
from meshkit.limit.shed import LoadShed
from meshkit.runtime import lag
from meshkit.runtime.lag import BEAT, HALVES, SILENCE, Pulse, loop_lag
from meshkit.testing import run, virtual_clock

SECOND = 1.0
pause = anyio.sleep  # in virtual time
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def stand_still(seconds):
    """What a callback does that computes for so long."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        # The clock of the run: MockClock, which jumps when it is told to.
        trio.lowlevel.current_clock().jump(seconds)
    else:
        loop._jumping.now += seconds


@pytest.mark.parametrize(
    ("beats", "asked_at", "lag"),
    [
        ([], 0.0, 0.0),
        ([], BEAT, 0.0),
        ([], 1.05, 1.0),  # overdue now
        ([BEAT], 0.06, 0.0),
        ([1.05], 1.05, 1.0),  # it was late
        ([1.05], 1.05 + HALVES, 0.5),  # which fades
        ([1.05, 1.10, 1.15], 1.05 + 2 * HALVES, 0.7 + 0.05 - 0.3 + 0.4),  # here the next beat is overdue by more
        ([1.05, 1.35], 1.35, 2**-0.6),  # a smaller one does not hide the worst
        ([1.05, 4.10], 4.10, 3.0),  # a larger one does
        ([1.05, 1.90], 1.90, 0.8),  # and so does one that is larger than what is left of it
    ],
)
def test_a_pulse(beats, asked_at, lag):
    pulse = Pulse()
    pulse.start(0.0)
    for at in beats:
        assert pulse.beat(at) == at + BEAT
    assert pulse.lag(asked_at) == pytest.approx(lag)


def test_a_timer_that_is_early_is_not_late():
    pulse = Pulse()
    pulse.start(10.0)
    pulse.beat(10.049)
    assert pulse.lag(10.049) == 0.0


def test_a_pulse_stops_when_nobody_asks():
    pulse = Pulse()
    pulse.start(0.0)
    beats, now = 0, 0.0
    pulse.lag(0.0)
    while now is not None:
        beats, now = beats + 1, pulse.beat(now + BEAT)
    assert beats == SILENCE + 1
    assert pulse.lag(1e9) == 0.0  # it is not overdue, it is over


def test_outside_a_loop_nothing_is_late():
    assert loop_lag() == 0.0


@BACKENDS
def test_a_loop_that_stands_still(backend):
    async def main():
        assert loop_lag() == 0.0
        await pause(SECOND)
        assert loop_lag() == pytest.approx(0.0, abs=1e-6)
        stand_still(3.0)
        assert 3.0 - 1.01 * BEAT <= loop_lag() <= 3.0  # before the beat has come
        await pause(0.001)
        assert loop_lag() == pytest.approx(3.0, abs=1.2 * BEAT)  # and after
        await pause(HALVES)
        assert loop_lag() == pytest.approx(1.5, abs=1.2 * BEAT)
        await pause(20 * HALVES)
        assert loop_lag() < 0.001

    run(main, backend=backend)


@BACKENDS
def test_it_stops_by_itself_and_starts_anew(backend, monkeypatch):
    beats = []
    plain = Pulse.beat

    def counting(self, now):
        beats.append(now)
        return plain(self, now)

    monkeypatch.setattr(Pulse, "beat", counting)

    async def main():
        loop_lag()
        await pause(1000 * SECOND)
        assert len(beats) == SILENCE + 1
        assert beats[-1] == pytest.approx((SILENCE + 1) * BEAT, abs=1e-6)
        assert loop_lag() == 0.0  # the thousand seconds are not counted
        await pause(10.5 * BEAT)
        assert len(beats) == SILENCE + 11
        for _ in range(100):
            await pause(SECOND)
            loop_lag()
        assert len(beats) > 1900  # asked every second, it beats on

    run(main, backend=backend)


@BACKENDS
def test_one_beat_however_often_it_is_asked(backend, monkeypatch):
    pulses = []
    plain = Pulse.start
    monkeypatch.setattr(Pulse, "start", lambda self, now: (pulses.append(self), plain(self, now)))

    async def main():
        for _ in range(100):
            loop_lag()
        await pause(SECOND)
        loop_lag()

    run(main, backend=backend)
    assert len(pulses) == 1


async def test_nothing_keeps_the_loop(anyio_backend):
    """The test ends with the beat under way: no warning, no hang, on a real loop of either kind."""
    assert loop_lag() == 0.0
    await anyio.lowlevel.checkpoint()
    assert loop_lag() >= 0.0


def test_a_loop_is_forgotten():
    async def main():
        loop_lag()
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    gc.collect()
    assert loop() is None
    assert not [key for key in lag._pulses if isinstance(key, asyncio.AbstractEventLoop) and key.is_closed()]


def test_a_beat_does_not_keep_the_context_of_who_asked():
    class Thing:
        pass

    held = contextvars.ContextVar("held")

    async def main():
        seen = []

        def ask():
            thing = Thing()
            seen.append(weakref.ref(thing))
            held.set(thing)
            loop_lag()

        contextvars.copy_context().run(ask)
        gc.collect()
        assert seen[0]() is None

    asyncio.run(main())


def test_each_loop_has_its_own():
    """Two loops in two threads: one stands still, the other is not late."""
    seen = {}
    met = threading.Barrier(2, timeout=10)

    def thread(name, still):
        async def main():
            loop_lag()
            met.wait()
            if still:
                stand_still(5.0)
            seen[name] = loop_lag()
            met.wait()

        run(main)

    threads = [threading.Thread(target=thread, args=(name, name == "still")) for name in ("still", "quick")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert seen["still"] > 4.0
    assert seen["quick"] == 0.0


def test_a_thread_beside_a_loop_is_outside_one():
    async def main():
        loop_lag()
        stand_still(5.0)
        return await asyncio.to_thread(loop_lag), loop_lag()

    beside, within = run(main)
    assert beside == 0.0
    assert within > 4.0


@BACKENDS
def test_a_late_loop_sheds_what_matters_least(backend):
    pipeline = Pipeline(LoadShed(signal=loop_lag, threshold=1.0, priority="priority"), clock=virtual_clock)

    @pipeline
    async def serve(priority):
        return priority

    async def served():
        levels = []
        for level in ("sheddable", "sheddable_plus", "critical", "critical_plus"):
            with suppress(Overloaded):
                levels.append(await serve(level))
        return len(levels)

    async def main():
        assert await served() == 4
        await pause(SECOND)
        stand_still(0.9)  # up to a beat of it is not seen
        assert await served() == 2
        await pause(HALVES)
        assert await served() == 4
        stand_still(5.0)
        assert await served() == 0
        await pause(10 * HALVES)
        assert await served() == 4
        assert pipeline.idle()

    run(main, backend=backend)
