"""How does a thread wait for what a policy asked? It blocks. The twin of ``waiting.py``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..call import Call
from ..engine import admit, outlived, patience
from ..policy import Waiter
from ..section import Section
from .lock import LOCK

__all__ = ["close", "nap", "pause", "there"]


def pause(call: Call, wait: Any, clock: Callable[[], float]) -> Section:
    """Do what the engine answered: sleep, or stand in a queue. Answers where the walk goes on."""
    if wait.__class__ is Waiter:
        section: Section = stand(call, wait, clock)
    else:
        section = call.rest
        if wait > 0:
            nap(wait, clock)
    return section


def nap(seconds: float, clock: Callable[[], float]) -> None:
    getattr(clock, "sleep", time.sleep)(min(seconds, threading.TIMEOUT_MAX))


def stand(call: Call, waiter: Waiter, clock: Callable[[], float]) -> Section:
    """Wait for the grant of a place in a queue, until the gate's limit or the call's deadline."""
    began = clock()
    event = threading.Event()
    try:
        with LOCK:
            waiter.wake = event.set
            until = patience(call, waiter)
        if not waiter.granted:
            event.wait(None if until is None else min(max(0.0, until - began), threading.TIMEOUT_MAX))
    finally:
        now = clock()
        with LOCK:
            section = admit(call, waiter, now)
    if section is None:
        with LOCK:
            section = outlived(call, now - began, now)
    return section


def close(discard: Callable[[Any], Any], result: Any) -> None:
    discard(result)


def there(call: Call, destination: Callable[[Call], Any]) -> Callable[..., Any]:
    """What is sent where a leaf has a destination of its own."""

    def send(*_: Any, **__: Any) -> Any:
        return destination(call)

    return send
