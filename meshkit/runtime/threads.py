"""The shell for threads: it waits, and decides nothing.

`bind` is the same program as its twin in ``tasks.py``, word for word but for ``async`` and ``await``; a test holds
that. Sync code cannot be cancelled: here a timeout bounds waits and further attempts, never the function itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..call import Call, Verdict
from ..deadline import CURRENT, impatient
from ..engine import advance, again, expired, first, fork, gather, learn, release, willing
from ..errors import Rejected
from ..section import LEAF, RACE, Section
from .blocking import close, pause, there
from .chores import keep
from .inherit import inherit, warned
from .lock import LOCK, owned
from .outcome import follows, noted, repeats
from .settle import LEFT, abandon, collect, settle, settle_walks
from .telling import LEAVING, begun, left, told

__all__ = ["bind"]

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def bind(tree: Any, door: Any, fn: Callable[..., Any], *, inner: bool = False) -> Callable[..., Any]:
    """Put a pipeline in front of ``fn``. Further ``inner``, it is called with a fork of the call under way, the section
    to walk it from, and the arguments and keywords for ``fn``.
    """
    keep(tree)
    clock = tree.clock
    judge = door.judge
    judging = door.judges_results
    hold = door.hold
    address = door.address
    discard = door.discard
    enforced = door.enforces_deadline
    takes_request = door.takes_request
    opens = door.opens
    reserve = door.reserve
    early = door.answers_early

    def invoke(*args: Any, **kwargs: Any) -> Any:
        now = clock()
        if inner:
            call, section, args, kwargs = args
            scope = None
        else:
            call = Call(door, args[0] if takes_request else (args, kwargs), now)
            scope = CURRENT.get()
            section = tree.root if tree.watched is None else begun(tree, call)
        base, outer = call.held, call.marks
        verdict = IGNORED
        alarms = key = result = error = earlier = token = origin = repeated = None
        try:
            try:
                if scope is not None:
                    inherit(call, scope, clock, now)
                if section.facts is not None:
                    gather(call, section.facts)
                with LOCK:
                    wait = advance(call, section, now)
                while True:
                    send = fn
                    while wait is not None:
                        if wait.__class__ is Section:
                            if wait.kind is LEAF:
                                send = there(call, wait.step)
                            elif wait.kind is RACE:
                                send = race(tree, door, walk, call, wait)
                            else:
                                send = around(tree, walk, call, wait)
                            break
                        section = pause(call, wait, clock) if wait else call.rest
                        if section.facts is not None:
                            gather(call, section.facts)
                        now = clock()
                        with LOCK:
                            wait = advance(call, section, now)
                    if earlier is not None:
                        origin = None if call.failed is repeated else error
                        earlier = call.failure = call.failed = None
                        if error is None and discard is not None:
                            discard(result)
                    if address is not None:
                        args, kwargs = address(call)
                    result = error = None
                    if call.deadline is not None and not enforced:
                        key = call if send is fn else send
                        send, alarms = arm(key, call, send, now, clock)
                    if opens and (call.deadline is not None or call.events is not None):
                        call.clock, call.reserve = clock, reserve
                        token = CURRENT.set(call)
                    try:
                        result = send(*args, **kwargs) if kwargs else send(*args)
                    except Exception as raised:
                        error = raised
                    except Cancelled:
                        if alarms is None or not alarms.expired(key):
                            raise
                        error, alarms = expired(call, now, clock()), None
                    finally:
                        if token is not None:
                            try:  # noqa: SIM105  # `suppress` costs more than the rest
                                CURRENT.reset(token)
                            except ValueError:  # the collector closes a coroutine in another context
                                pass
                            token = None
                    if alarms is not None:
                        if alarms.pop(key, None) is None:
                            alarms.expired(key)
                        alarms = None
                    key = None
                    now = clock()
                    if not early or call.answered_at is None:
                        call.answered_at = now
                    if error is None and not judging:
                        verdict = SUCCESS
                        break
                    verdict = judge(call, result, error)
                    if verdict is SUCCESS:
                        break
                    if error is not None and (origin is not None or call.failed is not None):
                        follows(error, origin, call)
                    if (verdict is not IGNORED or isinstance(error, Rejected)) and (
                        call.marks is not outer or call.events is not None or tree.reads_failure
                    ):
                        call.failure = door.failure(call, result, error)
                        marks = willing(call, outer, verdict)
                        with LOCK:
                            wait = again(call, marks, now, verdict)
                        if wait is not None:
                            if call.scope is not None and not tree.warned:
                                warned(tree, call)
                            verdict, earlier = IGNORED, (verdict, call.held)
                            repeated = call.failed if repeats(call) else None
                            continue
                    break
            except BaseException as raised:
                if alarms is not None:
                    alarms.drop(key)
                if earlier is None or not isinstance(raised, Rejected):
                    now = clock()
                    if key is not None and now >= call.deadline and not impatient(call):
                        verdict = FAILURE  # it was out for too long, whoever says so first
                    if inner:
                        call.marks, call.deadline = outer, outer[3]
                    if isinstance(raised, GeneratorExit):
                        abandon(tree, call, verdict, base)
                        raise
                    if call.held is not base:
                        with LOCK:
                            release(call, base, now, verdict)
                    if result is not None and error is None and discard is not None:
                        close(discard, result)
                    if not inner and (call.events is not None or scope is not None):
                        told(tree, call, now, verdict, raised)
                    if call.failed is not None and isinstance(raised, Rejected):
                        raise first(call) or raised from None  # what stands instead was refused as well
                    raise
                # A further attempt was refused. The call was sent, so it ends as the attempt before did.
                verdict, held = earlier
                call.attempt, call.route = call.failed[5:]
                call.stopped = raised.policy or type(raised).__name__
                with LOCK:
                    release(call, held, now, IGNORED)
            if inner:
                call.marks, call.deadline, call.verdict = outer, outer[3], verdict
            if hold is not None and error is None and (not inner or verdict is SUCCESS):
                if not inner:
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
            if not inner and (call.events is not None or scope is not None):
                told(tree, call, now, verdict, error)
            if error is not None:
                if call.stopped is not None or (not inner and call.attempt > 1):
                    noted(error, call, now)
                if not inner:
                    call.failure = None
                raise error
            return result
        finally:
            if call.events is not None and call.events.wants & LEAVING:
                left(tree, call, inner)
            # An exception's traceback holds this frame: a frame that held the exception would make a cycle.
            call = error = result = origin = repeated = None
            if LEFT and not owned():  # the collector may have struck within a walk
                collect()

    walk = invoke if inner else bind(tree, door, fn, inner=True)
    return invoke


def around(tree: Any, walk: Callable[..., Any], call: Call, section: Section) -> Callable[..., Any]:
    """What is sent where a middleware stands: the middleware, with the rest of the pipeline as its ``call_next``.

    Each ``call_next()`` is a walk of its own, by a fork of the call, and several may be under way at once. The walk
    whose answer is returned is the call's (or else the last that succeeded); the others give back what they hold.
    """

    def send(*args: Any, **kwargs: Any) -> Any:
        base = call.held
        walks: dict[Call, Any] = {}
        under_way = 0
        over = False

        def call_next() -> Any:
            nonlocal under_way
            if over:
                raise RuntimeError("call_next() comes too late: its middleware has returned")
            twin = fork(call)
            under_way += 1
            try:
                result = walks[twin] = walk(twin, section.after, args, kwargs)
            finally:
                under_way -= 1
                learn(call, twin)
                if over:
                    settle_walks(call, base, [twin], None, clock)  # type: ignore[unreachable]  # it may end meanwhile
            return result

        clock = call.clock = tree.clock
        kept = None
        try:
            result = section.step(call, call_next)
            if under_way > 0:
                raise RuntimeError("a middleware returned while its call_next() was under way: await it")
            for twin, answer in walks.items():
                if answer is result or kept is None or walks[kept] is not result:
                    kept = twin
        finally:
            over = True
            settle_walks(call, base, walks, kept, clock)
        return result

    return send


def race(tree: Any, door: Any, walk: Callable[..., Any], call: Call, section: Section) -> Callable[..., Any]:
    raise AssertionError  # refused when the pipeline was bound (`order`): on a thread nothing can be given up


def arm(
    key: Any, call: Call, send: Callable[..., Any], now: float, clock: Callable[[], float]
) -> tuple[Callable[..., Any], Any]:
    """Nothing can be cancelled here; but what is late already is not sent."""
    if call.deadline is None or call.deadline > now:
        return send, None

    def late(*args: Any, **kwargs: Any) -> Any:
        raise expired(call, call.began_at, clock())

    return late, None


Cancelled: tuple[type[BaseException], ...] = ()
"""What a thread's call may be cancelled with: nothing."""
