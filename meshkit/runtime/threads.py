"""The shell for threads: it waits, and decides nothing.

`bind` is the same program as its twin in ``tasks.py``, word for word but for ``async`` and ``await``; a test holds
that. Sync code cannot be cancelled: here a timeout bounds waits and further attempts, never the function itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from ..call import Call, Verdict
from ..engine import admit, advance, again, expired, gather, outlived, patience, release, willing
from ..errors import Rejected
from ..policy import Waiter
from ..section import MIDDLEWARE, Section
from .lock import LOCK, owned
from .outcome import noted, told
from .settle import LEFT, abandon, collect, settle

__all__ = ["bind"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def bind(tree: Any, door: Any, fn: Callable[..., Any], whole: Any = None, start: Any = None) -> Callable[..., Any]:
    """Put a pipeline in front of ``fn``; with a call under way, only the sections from ``start`` on."""
    clock = tree.clock
    judge = door.judge
    judging = door.judges_results
    hold = door.hold
    address = door.address
    discard = door.discard
    enforced = door.enforces_deadline
    takes_request = door.takes_request

    def invoke(*args: Any, **kwargs: Any) -> Any:
        now = clock()
        call = whole or Call(door, args[0] if takes_request else (args, kwargs), now)
        base, outer = call.held, call.marks
        section = start or tree.root
        verdict = IGNORED
        alarms = key = result = error = earlier = None
        if tree.listeners and whole is None:
            call.events = []
        try:
            try:
                if section.facts is not None:
                    gather(call, section.facts)
                with LOCK:
                    wait = advance(call, section, now)
                while True:
                    send = fn
                    while wait is not None:
                        if wait.__class__ is Section and wait.kind is MIDDLEWARE:
                            send = around(bind(tree, door, fn, call, wait.after), call, wait.step)
                            break
                        section = pause(call, wait, clock) if wait else call.rest
                        now = clock()
                        with LOCK:
                            wait = advance(call, section, now)
                    if earlier is not None:
                        earlier = None
                        if error is None and discard is not None:
                            discard(result)
                    if address is not None:
                        args, kwargs = address(call)
                    result = error = None
                    if call.deadline is not None and not enforced:
                        key = call if send is fn else send
                        send, alarms = arm(key, call, send, now, clock)
                    try:
                        result = send(*args, **kwargs) if kwargs else send(*args)
                    except Exception as raised:
                        error = raised
                    except Cancelled:
                        if alarms is None or not alarms.expired(key):
                            raise
                        error, alarms = expired(call, now, clock()), None
                    if alarms is not None:
                        if alarms.pop(key, None) is None:
                            alarms.expired(key)
                        alarms = None
                    key = None
                    now = call.answered_at = clock()
                    if error is None and not judging:
                        verdict = SUCCESS
                        break
                    verdict = judge(call, result, error)
                    if verdict is SUCCESS:
                        break
                    if verdict is not IGNORED and (call.marks is not outer or call.events is not None):
                        call.failure = door.failure(call, result, error)
                        marks = willing(call, outer)
                        with LOCK:
                            wait = again(call, marks, now, verdict)
                        if wait is not None:
                            verdict, earlier = IGNORED, (verdict, call.held)
                            continue
                    break
            except BaseException as raised:
                if alarms is not None:
                    alarms.drop(key)
                if earlier is None or not isinstance(raised, Rejected):
                    now = clock()
                    if key is not None and now >= call.deadline:
                        verdict = FAILURE  # it was out for too long, whoever says so first
                    if whole is not None:
                        call.marks, call.deadline = outer, outer[3]
                    if isinstance(raised, GeneratorExit):
                        abandon(tree, call, verdict, base)
                        raise
                    if call.held is not base:
                        with LOCK:
                            release(call, base, now, verdict)
                    if earlier is not None and error is None and discard is not None:
                        close(discard, result)
                    if whole is None and call.events is not None:
                        told(tree, call)
                    raise
                # A further attempt was refused. The call was sent, so it ends as the attempt before did.
                verdict, held = earlier
                call.attempt -= 1
                call.stopped = raised.policy or type(raised).__name__
                with LOCK:
                    release(call, held, now, IGNORED)
            if whole is not None:
                call.marks, call.deadline = outer, outer[3]
            if hold is not None and error is None and (whole is None or verdict is SUCCESS):
                if whole is None:
                    try:
                        return hold(tree, call, result, verdict)
                    except BaseException:
                        settle(tree, call, now, IGNORED)
                        raise
            elif call.held is not base:
                try:
                    with LOCK:
                        release(call, base, now, verdict)
                except BaseException:  # Ctrl-C just before
                    with LOCK:
                        release(call, base, now, verdict)
                    raise
            if whole is None and call.events is not None:
                told(tree, call)
            if error is not None:
                if call.stopped is not None or (whole is None and call.attempt > 1):
                    noted(error, call, now)
                if whole is None:
                    call.failure = None
                raise error
            return result
        finally:
            # An exception's traceback holds this frame: a frame that held the exception would make a cycle.
            call = error = None
            if LEFT and not owned():  # the collector may have struck within a walk
                collect()

    return invoke


def around(call_next: Callable[..., Any], call: Call, middleware: Any) -> Callable[..., Any]:
    """What is sent where a middleware stands: the middleware, with the rest of the pipeline as its ``call_next``."""

    def send(*args: Any, **kwargs: Any) -> Any:
        under_way = False

        def once() -> Any:
            nonlocal under_way
            if under_way:
                raise RuntimeError("call_next() is under way: a middleware may call it again only after it has ended")
            under_way = True
            try:
                return call_next(*args, **kwargs)
            finally:
                under_way = False

        result = middleware(call, once)
        if under_way:
            raise RuntimeError("a middleware returned while its call_next() was under way: await it")
        return result

    return send


def pause(call: Call, wait: Any, clock: Callable[[], float]) -> Section:
    """Do what the engine answered: sleep, stand in a queue, or gather facts. Answers where the walk goes on."""
    if wait.__class__ is Section:
        section: Section = wait
    elif wait.__class__ is Waiter:
        section = stand(call, wait, clock)
    else:
        section = call.rest
        if wait > 0:
            nap(wait, clock)
    if section.facts is not None:
        gather(call, section.facts)
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


def arm(key: Any, call: Call, send: Callable[..., Any], now: float, clock: Any) -> tuple[Callable[..., Any], Any]:
    return send, None


Cancelled: tuple[type[BaseException], ...] = ()
"""What a thread's call may be cancelled with: nothing."""
