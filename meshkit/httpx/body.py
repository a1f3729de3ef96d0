"""When does a streamed answer end? When its body is closed: until then the call holds what it took.

=====================================  ==========================================================
the body                               the verdict
=====================================  ==========================================================
was read or closed early               that of the answer's beginning
breaks off, or outlives the deadline   FAILURE
is cancelled                           IGNORED
is forgotten                           that of the answer's beginning, when it is garbage-collected
=====================================  ==========================================================

An answer that is already closed when it arrives (a transport that keeps it in memory) is never closed again, and one
whose body has come whole (the pool's) keeps the upstream no longer busy: their calls end at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..call import Call, Failure, Verdict
from ..deadline import impatient
from ..errors import TimedOut
from ..route.edit import NOTHING
from ..runtime.settle import abandon, settle
from ..runtime.telling import answered, deliver
from . import bodies
from .bodies import overdue
from .library import library_of
from .notes import give
from .routed import edited

__all__ = ["Body", "Held", "holding"]

FAILURE, IGNORED = Verdict.FAILURE, Verdict.IGNORED


class Held:
    """What a body knows of its call."""

    def __init__(self, tree: Any, call: Call, stream: Any, verdict: Verdict) -> None:
        self.tree = tree
        self.call: Call | None = call
        self.stream = stream
        self.verdict = verdict
        self.counted = 0
        """Bytes read so far, where the door counts them."""

    def end(self, verdict: Verdict, error: BaseException | None = None) -> None:
        """Give back what the call holds: once, however often and from wherever it is called."""
        call, self.call = self.call, None
        if call is not None:
            if call.door.counts:
                call.spent = self.counted
            if verdict is FAILURE and call.scope is not None and impatient(call):
                verdict = IGNORED
            if error is not None and call.events is not None:
                call.failure = Failure(error)
            settle(self.tree, call, self.tree.clock(), verdict, error=error)
            call.failure = None  # no cycle of call, error and traceback

    def late(self, call: Call) -> bool:
        return call.deadline is not None and self.tree.clock() >= call.deadline

    def starved(self, call: Call, error: Exception) -> bool:
        """Whether the transport's timeout came of the deadline that was passed on to it."""
        theirs = library_of(call.request).TimeoutException
        return isinstance(error, theirs) and not isinstance(error, TimedOut) and self.late(call)

    def overdue(self, call: Call) -> TimedOut:
        return overdue(call, self.tree.clock())

    def __del__(self) -> None:
        call, self.call = self.call, None
        if call is not None:
            if call.door.counts:
                call.spent = self.counted
            abandon(self.tree, call, self.verdict)


class Body(Held):
    def __iter__(self) -> Iterator[bytes]:
        call = self.call
        try:
            if call is not None and self.late(call):
                raise self.overdue(call)
            for chunk in self.stream:
                self.counted += len(chunk)
                yield chunk
                if call is not None and self.late(call):
                    raise self.overdue(call)
        except GeneratorExit:
            raise
        except Exception as error:
            ours = self.overdue(call) if call is not None and self.starved(call, error) else None
            self.end(FAILURE, ours or error)
            if ours is None:
                raise
            raise ours from error
        except BaseException as error:
            self.end(IGNORED, error)
            raise

    def close(self) -> None:
        try:
            self.stream.close()
        finally:
            self.end(self.verdict)


def holding(body: type[Held], stream: str) -> Callable[[Any, Call, Any, Verdict], Any]:
    """A door's ``hold``, with bodies that are also the library's streams."""
    kinds: dict[type, type[Held]] = {}

    def hold(tree: Any, call: Call, response: Any, verdict: Verdict) -> Any:
        if call.route is not None:
            plan = call.route.plan
            if plan.answer is not NOTHING:
                response.headers = edited(response.headers, plan.answer)
            if plan.outgoing:
                response = bodies.answered(response, call, tree.clock)
        if call.cookies is not None:
            give(call, response)
        whole = getattr(response.stream, "whole", None)
        if (
            whole is not None
            or response.is_closed
            or (call.held is None and call.deadline is None and call.events is None and call.scope is None)
        ):
            if call.events is not None and call.events.followers:
                answered(tree, call, response)
            if call.door.counts and (whole is not None or response.is_closed):
                call.spent = len(getattr(response, "_content", b"") if whole is None else whole)
            settle(tree, call, call.answered_at, verdict)  # type: ignore[arg-type]  # it was answered
            return response
        kind = kinds.get(type(response))
        if kind is None:
            theirs = getattr(library_of(response).module, stream)
            kind = kinds[type(response)] = type(body.__name__, (body, theirs), {})
        if call.events is not None:
            if call.events.followers:
                answered(tree, call, response)
            deliver(tree, call)
        response.stream = kind(tree, call, response.stream, verdict)
        return response

    return hold
