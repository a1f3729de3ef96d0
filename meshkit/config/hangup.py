"""Who is told of a SIGHUP? Everybody in this process who follows a file; and whoever was told before.

==================================  ====================================================================
somebody begins to listen           in the main thread, where there is such a signal, ours is put in place
the signal comes                    all who listen are woken, then the function is called that was there
the last one ceases to listen       in the main thread, that is put back, unless another has come since
the signal comes to nobody          the same, and it does what it did before we came: ends the process
==================================  ====================================================================

Elsewhere than in the main thread Python lets nobody listen. Whoever is woken runs in the midst of any other code of the
main thread: it must take no lock.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["listen"]

HANGUP: Any = getattr(signal, "SIGHUP", None)

_listening: dict[int, Callable[[], None]] = {}
_former: Any = None


def listen(wake: Callable[[], None]) -> Callable[[], None]:
    """Have ``wake`` called at each SIGHUP, if this is the main thread; answers how to stop that."""
    global _former  # noqa: PLW0603  # one for the process, as the signal is
    key = id(wake)
    if HANGUP is None or threading.current_thread() is not threading.main_thread():
        return lambda: None
    there = signal.getsignal(HANGUP)
    if there is not _hung_up:
        _former = there
        signal.signal(HANGUP, _hung_up)
    _listening[key] = wake

    def stop() -> None:
        _listening.pop(key, None)
        if not _listening and threading.current_thread() is threading.main_thread():
            _put_back()

    return stop


def _put_back() -> None:
    if signal.getsignal(HANGUP) is _hung_up:
        signal.signal(HANGUP, signal.SIG_DFL if _former is None else _former)


def _hung_up(number: int, frame: Any) -> None:
    former = _former
    for wake in [*_listening.values()]:
        wake()
    if not _listening:
        _put_back()
        if former is None or former is signal.SIG_DFL:
            os.kill(os.getpid(), number)
    if callable(former):
        former(number, frame)
