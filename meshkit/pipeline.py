"""Which policies, in which order, in front of what?

::

    pipeline = Pipeline(Timeout(2.0), Retry(on=ConnectionError), CircuitBreaker())

reads outermost first, on the client and on the server alike. Building it validates the order and makes the state;
calling it runs in whichever colour the function has.
"""

from __future__ import annotations

import inspect
import random
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, overload

from . import fact
from .control import Control
from .errors import ConfigError
from .folding import refold
from .function import FunctionDoor, Judge, Spent
from .inside import holding, shown
from .observe.trail import Follows
from .options import is_function
from .policy import awaits
from .runtime.lock import LOCK
from .runtime.settle import collect
from .section import Section, within

__all__ = ["Pipeline"]

P = ParamSpec("P")
R = TypeVar("R")


class Pipeline:
    """Policies in order, outermost first, with their state.

    ``policies`` are specs, `Shared` specs, middlewares (``async def (call, call_next)``) or other pipelines, whose
    policies are taken in at that place with a state of their own. ``seed`` makes every random decision repeatable.
    ``clock`` answers seconds that never decrease. ``name`` is what records, metrics and logs call it. Safe for any
    number of threads and event loops at once.
    """

    def __init__(
        self, *policies: Any, name: str = "", seed: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.specs: tuple[Any, ...] = tuple(_flat(policies))
        if not isinstance(name, str):
            raise ConfigError.of("Pipeline", "name", name, "give a short text, such as the name of what is called")
        self.name = name
        if not is_function(clock):
            raise ConfigError.of("Pipeline", "clock", clock, "give a function that answers seconds, as time.monotonic")
        self.clock = clock
        self.listeners: tuple[Callable[[Any], None], ...] = ()
        """Who is told of every event."""
        self.follows: tuple[Follows, ...] = ()
        """Who is asked about every call."""
        self.failed_listeners = 0
        """How often somebody who listens has raised."""
        self.dropped_events = 0
        """How many events found the queue of a listener full."""
        self.warned = False
        """Whether it was said already that a retry works within another pipeline's."""
        rng = random.Random(seed)  # noqa: S311  # jitter and picks, no secrets
        self.states: tuple[Any, ...] = tuple(_start(spec, rng) for spec in self.specs)
        every = [*within(self.states)]
        self.reads_failure = any(getattr(state, "reads_failure", False) for state in every)
        """Whether ``call.failure`` is to be known where no retry asks for it."""
        self.choices = tuple(state for state in every if hasattr(state, "pick"))
        """The choices in it, some of them perhaps in other pipelines as well."""
        self.doors: weakref.WeakSet[Any] = weakref.WeakSet()
        """Those that must know when it comes by other policies: asked with ``knows``, and told with ``renew()``."""
        self.root: Section
        self.watched: Section | None = None
        """The same for calls that somebody follows; ``None``: nobody listens."""
        self.in_full: Section | None = None
        """The same for calls that somebody wants in full."""
        with LOCK:
            refold(self)

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def __call__(
        self, fn: None = None, /, *, judge: Judge | None = None, spent: Spent | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
    def __call__(
        self, fn: Callable[..., Any] | None = None, /, *, judge: Judge | None = None, spent: Spent | None = None
    ) -> Any:
        """Decorate an ``async def`` or a ``def``; its signature is kept.

        ``judge(result, error)`` overrules what counts as failure. ``spent(result)`` says what the call has cost after
        all, for limits that settle.
        """
        if judge is not None and (not is_function(judge) or awaits(judge)):
            raise ConfigError.of("Pipeline", "judge", judge, "give a function of (result, error), a plain def")
        if spent is not None and (not is_function(spent) or awaits(spent)):
            raise ConfigError.of("Pipeline", "spent", spent, "give a plain function of the result")
        if fn is None and (judge is not None or spent is not None):
            return partial(self.__call__, judge=judge, spent=spent)
        guarded = self._bind(fn, judge, spent)
        return wraps(fn)(guarded)  # type: ignore[arg-type]  # it was callable

    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function through the pipeline, once; an ``async def`` gives its awaitable."""
        return self._bind(fn)(*args, **kwargs)  # type: ignore[no-any-return]

    def _bind(self, fn: Any, judge: Judge | None = None, spent: Spent | None = None) -> Callable[..., Any]:
        if not is_function(fn):
            raise ConfigError.of("Pipeline", "fn", fn, "give a function")
        if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
            fix = "a generator does its work after the call: put the function that makes each item behind the pipeline"
            raise ConfigError.of("Pipeline", "fn", getattr(fn, "__name__", fn), fix)
        door = FunctionDoor(fn, judge, spent)
        fact.check(door, self.specs)
        if awaits(fn):
            from .runtime.tasks import bind  # asyncio and anyio are loaded by those who await

            return bind(self, door, fn)
        from .order import check_sync
        from .runtime.threads import bind as bind_sync

        check_sync(self.specs)
        return bind_sync(self, door, fn)

    def explain(self) -> str:
        """The stack, a line for each policy with the reason for its place, and warnings about odd orders."""
        from .explain import explain  # it knows every policy, and loads them

        return explain(self.specs)

    def idle(self) -> bool:
        """Whether nothing is held: no permit, no place in a queue, no call under way at an endpoint."""
        collect()
        with LOCK:
            return all(state.idle() for state in holding(self.states) if hasattr(state, "idle"))

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """The state of each policy by its name, as plain numbers and words; of a cluster, for each endpoint and its
        policies, and under ``"name as a whole"`` of all of it; of a fallback, of what stands instead; of a router, for
        each route its policies and where it leads, which stands beside the router, once. A name that stands twice is
        numbered. Reading changes nothing.
        """
        collect()
        return shown(self.states, self.clock())

    def control(self, name: str, endpoint: str | None = None, *, route: str | None = None) -> Control:
        """The policy of that name, as in `snapshot`, to be opened, closed or reset by hand; with ``endpoint``, that of
        the cluster's endpoint of that name; with ``route``, that of the route (of a split, the branch) of that name.
        What stands behind a fallback follows the others. Raises `ConfigError` if there is none.
        """
        return Control(self, name, endpoint, route)

    def listen(self, listener: Callable[[Any], None] | Follows, *, direct: bool = False) -> Callable[[], None]:
        """Have each event of each call delivered to ``listener``; answers how to stop that.

        A plain function is called in a thread of its own, so one that blocks harms no call: events that find 10,000
        others waiting are dropped, and counted in ``dropped_events``. What stops it waits for those that are in the
        queue, a second at most. With ``direct`` whoever made the call calls it, when the call is over and outside the
        lock, and waits for it. An object with a ``follow`` is asked for each call: see `meshkit.observe.trail`; it is
        always direct.

        What a listener raises is counted in ``failed_listeners``, reported in the log of ``meshkit`` now and then, and
        harms no call. Without listeners nothing is watched. Raises `ConfigError` for what cannot listen.
        """
        told: Any = listener
        follows = isinstance(listener, Follows) and not isinstance(listener, type)
        if not follows:
            if not is_function(listener) or awaits(listener) or isinstance(listener, type):
                fix = "give a plain function of the event"
                if isinstance(listener, type):
                    fix = f"it is the class: write {listener.__name__}(...)"
                elif callable(getattr(listener, "watch", None)):
                    fix = "it watches: write its watch(pipeline)"
                raise ConfigError.of("Pipeline", "listener", listener, fix)
            if not direct:
                from .runtime.post import Post

                told = Post(listener, self.lost)  # type: ignore[arg-type]  # it is callable
        with LOCK:
            self._hear(told, follows, +1)

        stopped = False

        def stop() -> None:
            nonlocal stopped
            with LOCK:
                if not stopped:
                    stopped = True
                    self._hear(told, follows, -1)
            if told is not listener:
                told.close()

        return stop

    def _hear(self, told: Any, follows: bool, change: int) -> None:
        """One more listener, or one less, under the lock."""
        those = [*(self.follows if follows else self.listeners)]
        if change > 0:
            those.append(told)
        else:
            del those[next(k for k, each in enumerate(those) if each is told)]
        before = self.listeners, self.follows
        if follows:
            self.follows = tuple(those)
        else:
            self.listeners = tuple(those)
        try:
            refold(self)
        except BaseException:
            self.listeners, self.follows = before
            raise

    def tell(self, event: Any) -> None:
        """Deliver an event that is no call's: what somebody has changed by hand."""
        told: list[Any] = [*self.listeners]
        for each in self.follows:
            aside: Any = getattr(each, "aside", None)
            if aside is not None:
                told.append(partial(aside, self))
        for listener in told:
            try:
                listener(event)
            except Exception as error:
                self.lost(error, listener)

    def lost(self, error: BaseException | None, who: Any = None) -> None:
        """Somebody who listens has failed, or, without an error, was too slow for an event: counted, and reported the
        first time and whenever it has happened twice as often.
        """
        name = getattr(who, "__qualname__", type(who).__qualname__)
        if error is None:
            self.dropped_events += 1
            count, what = self.dropped_events, f"{name} is too slow, and an event was dropped"
        else:
            self.failed_listeners += 1
            count, what = self.failed_listeners, f"{name}, which listens, failed with {type(error).__name__}"
        if count & (count - 1) == 0:
            import logging

            log = logging.getLogger("meshkit")
            log.warning("pipeline %s: %s (%d so far)", self.name or "without a name", what, count)

    def __repr__(self) -> str:
        return f"Pipeline({', '.join(map(repr, self.specs))})"


def _flat(policies: tuple[Any, ...]) -> Iterator[Any]:
    for policy in policies:
        if isinstance(policy, Pipeline):
            yield from policy.specs
        else:
            yield policy


def _start(spec: Any, rng: random.Random) -> Any:
    if isinstance(spec, type):
        raise ConfigError(f"Pipeline: {spec.__name__} is the class: write {spec.__name__}(...)")
    if hasattr(spec, "start"):
        return spec.start(rng)
    if awaits(spec):
        return spec
    fix = "give policies, pipelines, or an async def (call, call_next)"
    if isinstance(spec, list | tuple):
        fix = "write Pipeline(*policies)"
    raise ConfigError.of("Pipeline", "policies", spec, fix)
