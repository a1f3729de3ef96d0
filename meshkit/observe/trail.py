"""How is a single call followed? A listener with a ``follow`` is asked when it begins, and may send somebody along.

::

    pipeline.listen(plain function)     told of every event of every call
    pipeline.listen(a `Follows`)        asked ``follow(pipeline, call)`` for each call: a `Follower`, or None

Where nobody is a plain listener and no one follows, the call walks as if nobody were there, so sampling is cheap. What
is told is written into the call's `Trail` under the lock, and delivered outside it.

Nearly all calls go the same way: routed, sent once, well answered. To make four events of that and hand each to
everybody costs more than to count them. So whoever listens or follows may have a method ``well``: where all have who
are there, such a call is told of with that alone, and there are no events (`Usual`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ..call import Call
    from ..pipeline import Pipeline
    from .events import Event

__all__ = [
    "ANSWERED",
    "ANSWERING",
    "LEFT",
    "RETURNED",
    "SENDING",
    "WELL",
    "Fields",
    "Follower",
    "Follows",
    "Trail",
    "Usual",
    "note",
    "wanted",
]

Fields = Iterable[tuple[bytes, bytes]]
"""Header fields; names in lower case."""


class Follower(Protocol):
    """Somebody who goes along with one call. All methods run outside the lock, in the caller's task or thread, and must
    not wait; what they raise is counted and harms no call. A hook is a method; ``None``, or not there, where it is not
    wanted.
    """

    def __call__(self, event: Event, /) -> None:
        """Each event of this call, in order. The last is `CallEnded`; a stream's comes when its body is closed."""

    @property
    def detailed(self) -> bool:
        """Whether the call is wanted in full: with `Passed`, `Bounded`, `Picked`, `Step`, and numbers in refusals."""

    @property
    def sending(self) -> Callable[[Call, int], Fields] | None:
        """``(call, number)``: an attempt is about to be sent, the ``number``-th; answers fields to be sent with it.
        HTTP only. In a race (a hedge) it runs in that attempt's own task, and ``call`` is a fork of the one followed.
        """

    @property
    def answered(self) -> Callable[[Call, Any], None] | None:
        """``(call, response)``: the caller is about to be given this ``httpx.Response``; its body is not read yet."""

    @property
    def answering(self) -> Callable[[Call, int], Fields] | None:
        """``(call, status)``: a server's answer begins, refusals included; answers fields to be added to it."""

    @property
    def left(self) -> Callable[[], None] | None:
        """The caller gets control back, with whatever: in the very context in which ``follow`` was called."""

    # Optional, ``returned(call, number)``: what was sent (HTTP) has come back or has failed, and nothing else has
    # happened since. More than once, and also where a middleware or a race gets back control that sent nothing.

    # Optional, of the class, ``well(call, now, ended)``: the call was sent once, and both ended in success at ``now``;
    # ``ended`` is what its `AttemptEnded` would be made of, ``call.events`` knows ``route`` and ``branch``. Comes in
    # place of all events of such a call (`Routed`, `AttemptBegan`, `AttemptEnded`, `CallEnded`), when it is over; where
    # anything else has happened, or somebody is there who has no ``well``, the events come as ever, and it does not.
    # A listener (`meshkit.Pipeline.listen` with ``direct``) may have it too.


@runtime_checkable
class Follows(Protocol):
    """A listener that decides for each call."""

    def follow(self, pipeline: Pipeline, call: Call, /) -> Follower | None:
        """A call begins: ``call.request``, ``call.began_at`` and ``call.door`` are known (``call.door.about(call)`` is
        what may be told of the request). Runs as a `Follower`'s methods do.
        """

    # Optional, ``in_full = False``: no follower of it is ever ``detailed``, and calls take fewer steps for it.

    # Optional, ``aside(pipeline, event)``: told of what is no call's, a breaker that was steered by hand.


SENDING, RETURNED, ANSWERED, ANSWERING, LEFT, WELL = 1, 2, 4, 8, 16, 32
HOOKS = {"sending": SENDING, "returned": RETURNED, "answered": ANSWERED, "answering": ANSWERING, "left": LEFT}


@lru_cache(256)
def wanted(kind: type) -> int:
    """Which of `HOOKS` a follower of this class may have: all, but for those that are ``None`` for every one of it. And
    whether it has a ``well``.
    """
    well = WELL if getattr(kind, "well", None) is not None else 0
    if hasattr(kind, "__dictoffset__") and kind.__dictoffset__:  # any of them may have one of its own
        return well + sum(HOOKS.values())
    return well + sum(bit for name, bit in HOOKS.items() if getattr(kind, name, None) is not None)


class Trail(list[Any]):
    """The events of one call that are not delivered yet; its forks write into the same one."""

    __slots__ = (
        "__dict__",  # for what is of the class until it is otherwise, which is rare
        "__weakref__",
        "branch",
        "detailed",
        "followers",
        "heard",
        "over",
        "route",
        "sent",
        "wants",
        "ways",
    )

    sending: frozenset[int] = frozenset()
    """Of which attempts the followers were told as they left."""
    abandoned = False
    """Whether nobody awaits the call any more: it is closed, perhaps by the collector."""
    token: object = None
    """What an error of this very call bears as ``of_call``; ``None``: there was none."""

    def __init__(
        self, followers: Sequence[Follower] = (), wants: int = 0, detailed: bool = False, heard: Sequence[Any] = ()
    ) -> None:
        self.followers = followers
        self.wants = wants
        """What any of them wants to be asked or told on the way, see `wanted`."""
        self.detailed = detailed
        self.heard = heard
        """Who listened when the call began."""
        self.sent = 0
        """How many attempts have begun."""
        self.over = False
        """Whether it was told that the call has ended."""
        self.route = ""
        """The route that the call has taken last, and the branch of a split; empty: none."""
        self.branch = ""
        self.ways: tuple[tuple[str, str], ...] = ()
        """Of which routes and branches it was told: the policy, and the route."""

    def claim(self, error: Any) -> None:
        """The error is this call's own. The two are not tied to each other: no cycle."""
        if self.token is None:
            self.token = object()
        with suppress(Exception):  # some take no attributes
            error.of_call = self.token


class Usual(Trail):
    """The same as long as nothing has happened but what nearly always does, and nobody wants events of that: each
    stands there as a tuple, of what makes the event and of what that is made. Anything else that is written makes it a
    `Trail`, with the events in their places.
    """

    __slots__ = ()

    def append(self, event: Any, /) -> None:
        self.unfold()
        self.append(event)

    def insert(self, place: Any, event: Any, /) -> None:
        self.unfold()
        self.insert(place, event)

    def unfold(self) -> None:
        """Make events of what is there. Ctrl-C may come in between, and then it is done again."""
        self[:] = [each[0](*each[1]) if each.__class__ is tuple else each for each in self]
        self.__class__ = Trail  # type: ignore[assignment]  # of the same form


note = list.append
"""Writes a tuple into a `Usual` trail."""
