"""The shell for asyncio and trio: it waits, and decides nothing.

`bind` is the same program as its twin in ``threads.py``, word for word but for ``async`` and ``await``; a test holds
that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from ..call import Call, Verdict
from ..engine import admit, advance, again, expired, gather, outlived, patience, release, willing
from ..errors import Rejected
from ..policy import Waiter
from ..section import MIDDLEWARE, Section
from .alarm import Cancelled, arm
from .bell import bell
from .lock import LOCK, owned
from .outcome import noted, told
from .settle import LEFT, abandon, collect, settle

__all__ = ["bind"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED

# `with LOCK` costs twice as much, and is needed only where Ctrl-C may strike between any two instructions: on an event
# loop it cancels the main task instead.
acquire, unlock = LOCK.acquire, LOCK.release


def bind(
    tree: Any, door: Any, fn: Callable[..., Awaitable[Any]], whole: Any = None, start: Any = None
) -> Callable[..., Any]:
    """Put a pipeline in front of ``fn``; with a call under way, only the sections from ``start`` on."""
    clock = tree.clock
    judge = door.judge
    judging = door.judges_results
    hold = door.hold
    address = door.address
    discard = door.discard
    enforced = door.enforces_deadline
    takes_request = door.takes_request

    async def invoke(*args: Any, **kwargs: Any) -> Any:
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
                acquire()
                try:
                    wait = advance(call, section, now)
                finally:
                    unlock()
                while True:
                    send = fn
                    while wait is not None:
                        if wait.__class__ is Section and wait.kind is MIDDLEWARE:
                            send = around(bind(tree, door, fn, call, wait.after), call, wait.step)
                            break
                        section = (await pause(call, wait, clock)) if wait else call.rest
                        now = clock()
                        acquire()
                        try:
                            wait = advance(call, section, now)
                        finally:
                            unlock()
                    if earlier is not None:
                        earlier = None
                        if error is None and discard is not None:
                            await discard(result)
                    if address is not None:
                        args, kwargs = address(call)
                    result = error = None
                    if call.deadline is not None and not enforced:
                        key = call if send is fn else send
                        send, alarms = arm(key, call, send, now, clock)
                    try:
                        result = await (send(*args, **kwargs) if kwargs else send(*args))
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
                        acquire()
                        try:
                            wait = again(call, marks, now, verdict)
                        finally:
                            unlock()
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
                        acquire()
                        try:
                            release(call, base, now, verdict)
                        finally:
                            unlock()
                    if earlier is not None and error is None and discard is not None:
                        await close(discard, result)
                    if whole is None and call.events is not None:
                        told(tree, call)
                    raise
                # A further attempt was refused. The call was sent, so it ends as the attempt before did.
                verdict, held = earlier
                call.attempt -= 1
                call.stopped = raised.policy or type(raised).__name__
                acquire()
                try:
                    release(call, held, now, IGNORED)
                finally:
                    unlock()
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
                    acquire()
                    try:
                        release(call, base, now, verdict)
                    finally:
                        unlock()
                except BaseException:  # Ctrl-C just before
                    acquire()
                    try:
                        release(call, base, now, verdict)
                    finally:
                        unlock()
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

    async def send(*args: Any, **kwargs: Any) -> Any:
        under_way = False

        async def once() -> Any:
            nonlocal under_way
            if under_way:
                raise RuntimeError("call_next() is under way: a middleware may call it again only after it has ended")
            under_way = True
            try:
                return await call_next(*args, **kwargs)
            finally:
                under_way = False

        result = await middleware(call, once)
        if under_way:
            raise RuntimeError("a middleware returned while its call_next() was under way: await it")
        return result

    return send


async def pause(call: Call, wait: Any, clock: Callable[[], float]) -> Section:
    """Do what the engine answered: sleep, stand in a queue, or gather facts. Answers where the walk goes on."""
    if wait.__class__ is Section:
        section: Section = wait
    elif wait.__class__ is Waiter:
        section = await stand(call, wait, clock)
    else:
        section = call.rest
        if wait > 0:
            await nap(wait, clock)
    if section.facts is not None:
        gather(call, section.facts)
    return section


async def nap(seconds: float, clock: Callable[[], float]) -> None:
    until = clock() + seconds
    await getattr(clock, "asleep", sleep)(seconds)
    early = until - clock()
    # uvloop counts whole milliseconds from the start of its turn, however long ago that was: a call let go early would
    # count as never begun. A clock that sleeping does not move is as early as before, and is left at that.
    while 0 < early < seconds:
        await sleep(early + 0.001)
        seconds, early = early, until - clock()


async def sleep(seconds: float) -> None:
    # Not anyio's: its first call would load a backend, while everything else on the loop stands still.
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        import trio

        await trio.sleep(seconds)
    else:
        await asyncio.sleep(seconds)


async def stand(call: Call, waiter: Waiter, clock: Callable[[], float]) -> Section:
    """Wait for the grant of a place in a queue, until the gate's limit or the call's deadline."""
    began = clock()
    section = None
    try:
        woken = bell()
        with LOCK:
            waiter.wake = woken.ring
            until = patience(call, waiter)
        if not waiter.granted:
            await woken.wait(None if until is None else max(0.0, until - began))
    finally:
        now = clock()
        with LOCK:
            section = admit(call, waiter, now)
    if section is None:
        with LOCK:
            section = outlived(call, now - began, now)
    return section


async def close(discard: Callable[[Any], Awaitable[Any]], result: Any) -> None:
    """Close what is left behind, also where the task is being cancelled."""
    with anyio.CancelScope(shield=True):
        await discard(result)
