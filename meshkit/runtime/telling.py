"""Who is told of a call, and when? Whoever listens to its pipeline: as it begins, as each attempt leaves, when it ends.

All of it happens outside the lock, in the caller's task or thread. Whoever fails there is counted, and no call is lost
to it.
"""

from __future__ import annotations

import re
import threading
from typing import Any

from ..call import Call, Failure, Verdict
from ..deadline import beyond, spend
from ..errors import Rejected
from ..observe.events import AttemptEnded, CallEnded
from ..observe.trail import ANSWERED, ANSWERING, LEFT, RETURNED, SENDING, WELL, Trail, Usual, wanted
from ..section import Section

__all__ = ["LEAVING", "answered", "answering", "begun", "deliver", "left", "returned", "sending", "told"]

SUCCESS = Verdict.SUCCESS
LEAVING = LEFT | RETURNED
"""What whoever wants it is told as the caller gets control back."""
BREAKS = re.compile(rb"[\r\n\0]")
Fields = list[tuple[bytes, bytes]]


class Delivering(threading.local):
    """How many calls this thread is telling of, one within the other: by a listener that makes calls itself."""

    depth = 0


DELIVERING = Delivering()
DEEPEST = 3
"""A listener that makes a call for each event it is told is not told of those calls' calls' calls."""


def begun(tree: Any, call: Call) -> Section:
    """A call begins in a pipeline that somebody listens to. Answers the folding it is to walk."""
    followers, detailed, wants, usual = [], False, 0, WELL
    for each in tree.follows:
        try:
            follower = each.follow(tree, call)
            if follower is not None:
                detailed = bool(getattr(follower, "detailed", False)) or detailed
                wants |= (hooks := wanted(follower.__class__))
                usual &= hooks
                followers.append(follower)
        except Exception as error:
            tree.lost(error, each)
    heard = tree.listeners
    for listener in heard:
        usual &= wanted(listener.__class__)
    if not (followers or heard):
        return tree.root  # type: ignore[no-any-return]
    kind = Usual if usual and not detailed else Trail
    call.events = kind(followers, wants, detailed, heard)
    if followers:
        followed = getattr(call.door, "followed", None)
        if followed is not None:
            followed(call)
    call.cluster = ""
    call.number = 0
    call.status = None
    folding = tree.in_full if detailed else tree.watched
    return folding or tree.root  # type: ignore[no-any-return]  # the last of them has just stopped listening


def told(tree: Any, call: Call, now: float, verdict: Verdict, error: BaseException | None = None) -> None:
    """A call has ended: deliver what was written down, and enter what it took into the ledger of who made it."""
    if call.scope is not None and not call.over:
        call.over = True
        attempts = call.attempt if call.events is None else call.events.sent
        spend(call.scope, call.door.who(call), now - call.began_at, attempts, verdict.value)
        call.scope = beyond(call.scope)
    events = call.events
    if events is None:
        return
    if events.__class__ is Usual:
        if verdict is SUCCESS and error is None and events.sent == 1 and events.heard is tree.listeners:
            last = events[-1]
            if last.__class__ is tuple and last[0] is AttemptEnded:
                _well(tree, call, events, now, last[1])
                return
        events.unfold()
    if not events.over:
        events.over = True
        if events and events[-1].at > now:  # a further attempt was refused after the answer had come
            now = events[-1].at
        failure, own = None, True
        if verdict is not SUCCESS or error is not None:
            failure = call.failure
            if call.failed is not None and isinstance(error, Rejected):
                error = call.failed[0].error or error  # what stands instead was refused as well
            if error is not None and (failure is None or failure.error is not error):
                failure = Failure(error)
            bears = None if failure is None else getattr(failure.error, "of_call", None)
            own = not events.sent or (bears is not None and bears is events.token)
        ended = CallEnded(now, call.began_at, verdict, events.sent, failure, own, events.route, events.branch)
        events.append(ended)
    deliver(tree, call)


def _well(tree: Any, call: Call, events: Any, now: float, ended: tuple[Any, ...]) -> None:
    """A call is over that has gone as nearly all do, and whoever is there wants no events of such a one."""
    events.over = True
    events.clear()
    events.__class__ = Trail
    if ended[0] > now:
        now = ended[0]
    struck = None
    heard = events.heard
    if heard:
        depth = DELIVERING.depth
        if depth >= DEEPEST:
            heard = _too_deep(tree)
        DELIVERING.depth = depth + 1
        for listener in heard:
            try:
                listener.well(call, now, ended)
            except KeyboardInterrupt as error:
                struck = error
            except BaseException as error:
                tree.lost(error, listener)
        DELIVERING.depth = depth
    for follower in events.followers:
        try:
            follower.well(call, now, ended)
        except KeyboardInterrupt as error:
            struck = error
        except BaseException as error:
            tree.lost(error, follower)
    if struck is not None:
        try:
            raise struck
        finally:
            struck = None


def deliver(tree: Any, call: Call) -> None:
    """The events so far. A call that goes on must not keep them: the traceback of a failure among them holds the frames
    of whoever made the call, and an answer forgotten there would never be collected.
    """
    events = call.events
    if events.__class__ is Usual:  # there is no failure among them, and nobody who would not wait
        return
    written = [*events]
    events.clear()  # the very list: forks of the call have it too
    struck = None
    depth, heard = DELIVERING.depth, tree.listeners
    if depth >= DEEPEST:
        heard = _too_deep(tree)
    DELIVERING.depth = depth + 1
    for listener in (*heard, *events.followers):
        left = iter(written)
        while True:
            try:
                for event in left:
                    listener(event)
                break
            except KeyboardInterrupt as error:
                struck = error
            except BaseException as error:  # it hears the others all the same
                tree.lost(error, listener)
    DELIVERING.depth = depth
    if struck is not None:
        try:
            raise struck
        finally:
            struck = None


def _too_deep(tree: Any) -> tuple[()]:
    """Nobody listens any more to what a listener's calls' calls come to."""
    for listener in tree.listeners:
        tree.lost(None, listener)
    return ()


def sending(tree: Any, call: Call) -> Fields:
    """Something is about to be sent: what its followers want sent along, if it is an attempt of this call, and not what
    a middleware or a race does in its place.
    """
    events, number = call.events, call.number
    if not events.wants & SENDING:
        return []
    if number in events.sending or not number:
        return []
    events.sending |= {number}
    return _fields(tree, events.followers, "sending", call, number)


def returned(tree: Any, call: Call) -> None:
    """What was sent has come back, or has failed."""
    if not call.events.wants & RETURNED:
        return
    for follower in call.events.followers:
        _ask(tree, follower, "returned", call, call.number)


def answered(tree: Any, call: Call, result: Any) -> None:
    """The caller is about to be given an answer."""
    if not call.events.wants & ANSWERED:
        return
    for follower in call.events.followers:
        _ask(tree, follower, "answered", call, result)


def answering(tree: Any, call: Call, status: int) -> Fields:
    """An answer of ours begins: what its followers want added to it."""
    if not call.events.wants & ANSWERING:
        return []
    return _fields(tree, call.events.followers, "answering", call, status)


def left(tree: Any, call: Call, inner: bool) -> None:
    """The caller gets control back. Whoever came last goes first: what it has set is taken back in order. A middleware
    or a race that gets it back goes on itself: nothing that it has sent is under way, also where it was cancelled.

    A call that the collector has closed was left long ago, and the context here is somebody else's.
    """
    if call.events.abandoned:
        return
    if inner:
        returned(tree, call)
        return
    if call.events.wants & LEFT:
        for follower in reversed(call.events.followers):
            _ask(tree, follower, "left")


def _ask(tree: Any, follower: Any, hook: str, *what: Any) -> Any:
    """What one that follows answers there, if it has that hook."""
    try:
        asked = getattr(follower, hook, None)
        return None if asked is None else asked(*what)
    except Exception as error:
        tree.lost(error, follower)
        return None


def _fields(tree: Any, followers: Any, hook: str, *what: Any) -> Fields:
    fields: Fields = []
    for follower in followers:
        try:
            asked = getattr(follower, hook, None)
            said = None if asked is None else asked(*what)
            if said:
                fields += _sound(said)
        except Exception as error:
            tree.lost(error, follower)
    return fields


def _sound(fields: Any) -> Fields:
    """Fields as they may go out: what would break the line they stand in is refused."""
    sound = [(name, value) for name, value in fields or ()]
    for field in sound:
        for part in field:
            if not isinstance(part, bytes) or BREAKS.search(part):
                raise ValueError("a field is two bytes, without line breaks and NUL")
    return sound
