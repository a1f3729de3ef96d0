"""What is a policy? The shapes, and the laws each of them keeps.

A policy is a clockless state machine that answers one question about a call:

==========  ============================================================  =====================
shape       question                                                      answers
==========  ============================================================  =====================
`Gate`      may this attempt go now, and what did we learn from it?       ``enter``, ``exit``
`Repeat`    shall there be another attempt, and after what delay?         ``again``
`Fallback`  where else does it go, now that it failed?                    ``takes``, ``instead``
`Race`      shall a further attempt run beside it?                        ``another``
`Bound`     until when may it take?                                       ``until``
`Choice`    who serves it?                                                ``pick``
==========  ============================================================  =====================

A seventh, `Middleware`, is an ordinary ``async def (call, call_next)`` for what does I/O of its own.

Laws (run over every policy by ``meshkit.testing.laws``):

1. Pure: no clock, no global randomness, no lock, no I/O, no ``async``. Time is the argument ``now`` (float seconds,
   never decreasing), randomness the generator given to ``start``. Same spec, seed and trace: same decisions.
2. Each ``enter`` that returned seconds or nothing is matched by exactly one ``exit``; a `Waiter` by one ``exit`` if it
   was granted, else by one ``leave``. An ``enter`` that raised has taken nothing.
3. A rejected call never reaches what it protects; reading state (``repr``, ``snapshot``) never changes it.
4. When every call has ended, ``idle()`` is true: no permit, slot or place is left over.

The shells hold one lock around these functions: they need none, and must be short. What depends on user code (a key, a
cost, a predicate) is asked outside that lock: see ``facts`` and ``matches``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from .call import Call, Failure, Verdict

if TYPE_CHECKING:
    from .section import Section

__all__ = [
    "PASS",
    "Bound",
    "Choice",
    "Door",
    "Fallback",
    "Gate",
    "Head",
    "Middleware",
    "Pairs",
    "Queue",
    "Race",
    "Repeat",
    "Spec",
    "Waiter",
    "awaits",
]

PASS = "pass"  # noqa: S105
"""What a gate answers that lets a call by without an entry."""


class Waiter:
    """A place in a gate's queue, made by the gate's ``enter``.

    The gate calls `grant` (from within some other call's ``exit``) when the place's turn has come: the call is then
    entered. The shell puts its way of waking the waiting call into ``wake``.
    """

    __slots__ = ("call", "cost", "granted", "until", "wake")

    def __init__(self, call: Call, *, until: float | None = None, cost: float = 1.0) -> None:
        self.call = call
        self.until = until
        """The instant at which the gate itself gives up on this place; ``None``: only the call's deadline counts."""
        self.cost = cost
        self.granted = False
        self.wake: Callable[[], None] | None = None

    def grant(self) -> bool:
        """The turn has come. False if nobody can be woken there any more (its loop is closed): grant another one."""
        self.granted = True
        if self.wake is not None:
            try:
                self.wake()
            except Exception:
                self.granted = False
        return self.granted


@runtime_checkable
class Gate(Protocol):
    """May this attempt go now, and what did we learn from it?

    ``enter`` answers falsy (go), seconds (entered: go after so long; ``began`` is then that later instant), a `Waiter`
    (a place in a queue), or raises `Rejected` having taken nothing. A gate looks at ``call.deadline`` before it
    reserves a delay: one that would cross it is refused at once. Two rarer answers take nothing either, and so are
    matched by no ``exit``: `PASS` (go on without me), and a `Section` (go there instead).

    ``exit`` is called once per entry with the instant it began (``now < began``: given up before it was let go) and the
    verdict; it never raises. A gate with nothing to settle sets ``exit = None`` and is folded away.

    Optional: ``facts(call)``: what the gate must know of the request (user code may be behind it); run outside the
    lock, read in ``enter`` as ``call.facts[self]``. ``snapshot(now)``: a dict of plain numbers and strings;
    ``numbers(call, now)``: the same of what the decision about this very call rested on, asked just after it.
    ``idle()``: true if nothing is taken. ``name``: for errors and events. ``reads_failure = True``: ``call.failure`` is
    to be known in ``exit`` also where no retry asks for it; ``reads_quota = True``: so is ``call.quota``, and with
    ``reads_report = True`` ``call.report``.
    """

    @property
    def exit(self) -> Callable[[Call, float, float, Verdict], None] | None: ...

    def enter(self, call: Call, now: float, /) -> float | Waiter | None: ...


class Queue(Gate, Protocol):
    """A gate whose ``enter`` may answer a `Waiter`.

    Optional: ``outlived``: the kind of `Rejected` that a place given up for want of time comes to, and its reason with
    a place for the seconds waited; otherwise that is `Overloaded`.
    """

    def leave(self, waiter: Waiter, /) -> None:
        """Give up a place that was not granted. Once, and never for a granted one: that is an entry."""


@runtime_checkable
class Repeat(Protocol):
    """Shall there be another attempt? Asked only on FAILURE and OVERLOADED.

    ``matches(failure)`` says whether this kind of failure is ours to repeat at all: stateless, may run user code,
    outside the lock. ``again`` answers the delay in seconds before the next attempt, or ``None`` to stop;
    ``call.attempt`` is the number of the attempt that failed, ``call.delay`` the backoff that came before it,
    ``call.failure`` what happened. ``statuses``: those it names, which a door that knows statuses then judges to be a
    failure. A state may be a `Gate` as well: it is entered once per call, before the first
    attempt (a budget's deposit).
    """

    def matches(self, failure: Failure, /) -> bool: ...

    def again(self, call: Call, now: float, verdict: Verdict, /) -> float | None: ...


class Fallback(Protocol):
    """Where else does a call go that failed or was refused? Once, and then it does not come back.

    ``instead`` are the states of the pipeline it goes to. ``matches(failure)`` as in `Repeat`; ``catches(rejection)``
    says whether a refusal further in is taken as well (under the lock); ``takes(call, now)`` decides, knowing
    ``call.failure``.
    """

    instead: list[Any]

    def matches(self, failure: Failure, /) -> bool: ...

    def catches(self, rejection: Any, /) -> bool: ...

    def takes(self, call: Call, now: float, /) -> bool: ...


class Race(Protocol):
    """Shall a further attempt run beside those under way? Only for those who await.

    ``delay``: seconds after which to ask ``another(call, now, under_way)``; ``None``: not at all. ``learn(seconds, now,
    verdict)`` is told of every attempt, unless it is ``None``. ``non_idempotent``: also of what must not be done twice.
    ``won``: where the shell counts those that were quicker than the first.
    """

    delay: float | None
    learn: Callable[[float, float, Verdict], None] | None
    non_idempotent: bool
    won: int

    def another(self, call: Call, now: float, under_way: int, /) -> bool: ...


@runtime_checkable
class Bound(Protocol):
    """Until when may it take? Pure: asked anew for each attempt. ``call.deadline`` becomes the smaller of the two."""

    def until(self, call: Call, now: float, /) -> float: ...


@runtime_checkable
class Choice(Protocol):
    """Who serves it? Sets ``call.endpoint``, prefers those not in ``call.avoid``, answers the branch to walk.

    ``fold`` is called when the pipeline is built, and again when somebody begins or ceases to watch it: it makes each
    branch's section with the given function.

    Optional, where the branches are few and have names, as routes have: ``branches``, the states of each; ``titles``,
    their names, in the same order; ``kind``, what they are, ``"route"`` or ``"branch"``; ``taken(call)``: the name of
    the one that was picked just now.
    """

    def pick(self, call: Call, now: float, /) -> Section: ...

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None: ...


Head: TypeAlias = tuple[str, str, str, int | None, str, str | None]
"""Method, scheme, host, port, path and query of a request; see `Door.head`."""
Pairs: TypeAlias = Sequence[tuple[bytes, bytes]]
CallNext: TypeAlias = Callable[[], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Call, CallNext], Awaitable[Any]]


def awaits(fn: Any) -> bool:
    """Whether calling it gives an awaitable; also for an object with an ``async def __call__``, and partials."""
    while isinstance(fn, partial | staticmethod):
        fn = fn.func if isinstance(fn, partial) else fn.__func__
    return inspect.iscoroutinefunction(fn) or (callable(fn) and inspect.iscoroutinefunction(type(fn).__call__))


class Spec(Protocol):
    """What users write: a frozen, validated, comparable value. ``start`` makes an independent state.

    Optional, on the class: ``asks``: the options that may name an attribute of the request, ``("key", "cost")``; the
    door is asked whether it knows the name when it is made. ``holds``: the options in which further specs stand.
    """

    def start(self, rng: Random, /) -> Any: ...


class Door(Protocol):
    """Translates between a call's outside and the policies; never decides. Its methods run outside the lock."""

    enforces_deadline: bool
    """The transport obeys ``call.deadline`` by itself: the shell arms nothing."""

    takes_request: bool
    """``call.request`` is the first argument; otherwise ``(args, kwargs)``."""

    judges_results: bool
    """Whether `judge` is asked about results as well, or only about errors: every result is a success."""

    answers_early: bool
    """The door itself notes when the answer began, as ``call.answered_at``: what is awaited goes on after that."""

    opens: bool
    """Calls made within this one inherit its deadline, less ``reserve`` seconds, and stand in its ledger."""

    reserve: float

    address: Callable[[Call], tuple[tuple[Any, ...], dict[str, Any]]] | None
    """The arguments of this attempt, made from ``call.request`` (its endpoint's URL, say); ``None``: as they came."""

    hold: Callable[[Any, Call, Any, Verdict], Any] | None
    """``(tree, call, result, verdict)``: takes over what the call holds until its stream ends, answers what the caller
    is given; ``None``: the call ends with its answer."""

    discard: Callable[[Any], Any] | None
    """Closes the result a retry leaves behind; awaited behind an async door; ``None``: nothing to close."""

    copies: Any
    """Makes further answers of one (`meshkit.httpx.copies`); ``None``: results are shared as they are."""

    def judge(self, call: Call, result: Any, error: BaseException | None, /) -> Verdict: ...

    def failure(self, call: Call, result: Any, error: BaseException | None, /) -> Failure:
        """Asked only where the verdict is FAILURE or OVERLOADED, or the error a `Rejected`."""

    def fact(self, call: Call, name: str, /) -> Any:
        """An attribute of the request by its name, for gates with a key (``"host"``, ``"user_id"``)."""

    def knows(self, name: str, /) -> None:
        """Raises `ConfigError`, which lists what there is, where no request has an attribute of that name."""

    def twice(self, call: Call, /) -> tuple[bool, bool]:
        """Whether the request can be sent a second time, and whether it may be: (replayable, idempotent)."""

    def same(self, call: Call, own: Hashable | None = None, /) -> Hashable | None:
        """What calls that may share an answer have in common; ``own``: a policy's key for it; ``None``: nothing."""

    def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"", /) -> Any:
        """An answer with that status, these fields and this body, made here; raises where results have none."""

    def head(self, call: Call, /) -> Head:
        """Method, scheme, host (in lower case), port, path (as it came, encoded), query."""

    def hand(self, call: Call, fn: Callable[..., Any], /) -> Any:
        """Have a function within this process answer the request, as its route has made it."""

    def serve(self, call: Call, app: Any, /) -> Any:
        """The same of an ASGI app."""

    def about(self, call: Call, /) -> dict[str, Any]:
        """What may be told of the request: its ``kind`` (``"function"``, ``"client"``, ``"server"``), what names it;
        nothing secret but what a path may have.
        """

    def who(self, call: Call, /) -> str:
        """What is called, in a few words: a host, a function."""

    # Optional: ``followed(call)``, told as a call begins that somebody follows; ``excuses(call) -> bool``, whether the
    # caller itself has taken the time of a call that ran out of it (a slow client), see `meshkit.deadline.impatient`.
