"""What is a pipeline made into? Sections: folded once, when the pipeline is built, and walked by the engine for each
call.

A chain of `Section`s: a run of gates, then one step that is no gate (a bound, a repeat, a fallback, a choice, a race, a
middleware) or the leaf. So neighbouring gates are one flat loop instead of nested calls; only a race and a middleware
nest. A leaf sends the call to what the pipeline stands in front of, or, with a ``step``, to a destination of its own: a
function of the call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from .call import Call
from .errors import ConfigError

__all__ = [
    "BOUND",
    "CHOICE",
    "FALLBACK",
    "GATE",
    "LEAF",
    "MIDDLEWARE",
    "RACE",
    "REPEAT",
    "TWICE",
    "Section",
    "Watch",
    "fold",
    "named",
    "numbered",
    "within",
]

TWICE = "the same state stands twice on one path: share it between paths, not within one"

GATE, LEAF, BOUND, REPEAT, FALLBACK = "gate", "leaf", "bound", "repeat", "fallback"
CHOICE, RACE, MIDDLEWARE = "choice", "race", "middleware"

Watch = Callable[[str, Any, Callable[..., Any], Callable[..., Any] | None], tuple[Any, Any]]
"""Wraps what a state is asked: ``(GATE, state, enter, exit)``, ``(CHOICE, state, pick, None)``, ``(REPEAT, state,
again, None)``, ``(BOUND, state, until, None)``, ``(FALLBACK, state, takes, None)``; ``(LEAF, None, go, None)`` is the
gate that stands for the attempt itself."""


class Section:
    """A run of gates and the step at its end.

    ``enters`` are the gates' own, in order, and ``states`` whose they are; ``exits`` those of them that have something
    to settle, innermost first. The
    rest is for a walk that did not get through: ``settled[k]`` are the exits of the first k gates, ``behind[k]`` is the
    kth gate's ``(exit, leave)`` and the section that remains behind it. ``facts`` are the gates, here and further on up
    to the next choice, and the choice's ``askers``, that must be told something of the request before the section is
    entered.
    """

    __slots__ = ("after", "behind", "branch", "enters", "exits", "facts", "kind", "settled", "state", "states", "step")

    def __init__(self, kind: str, step: Any = None, after: Section | None = None, state: Any = None) -> None:
        self.kind = kind
        self.step = step
        self.after = after
        self.state = state
        self.enters: tuple[Any, ...] = ()
        self.states: tuple[Any, ...] = ()
        self.exits: tuple[Any, ...] = ()
        self.settled: tuple[tuple[Any, ...], ...] = ((),)
        self.behind: tuple[tuple[Any, Any, Section], ...] = ()
        self.facts: tuple[Any, ...] | None = None
        self.branch: Section | None = None
        """A fallback's: where it goes."""

    def longer(self, state: Any, enter: Any, exit: Any, leave: Any) -> Section:
        """The section with one more gate in front."""
        own = () if exit is None else (exit,)
        longer = Section(self.kind, self.step, self.after, self.state)
        longer.enters = (enter, *self.enters)
        longer.states = (state, *self.states)
        longer.exits = (*self.exits, *own)
        longer.settled = ((), *((*exits, *own) for exits in self.settled))
        longer.behind = ((exit, leave, self), *self.behind)
        longer.branch = self.branch
        return longer


def fold(
    states: Sequence[Any],
    watch: Watch | None = None,
    path: frozenset[int] = frozenset(),
    *,
    branches: Callable[[Any], Watch | bool | None] | None = None,
    done: dict[int, frozenset[int]] | None = None,
) -> Section:
    """Fold started policies, outermost first, into sections. Raises `ConfigError` for an order that means nothing.

    The branches of a choice have one folding only, the last one. ``branches(choice)`` says how they are to be watched;
    ``False``: they are left as they are. Without it they are watched as the others. ``done``: the choices whose
    branches have been folded in this go, each with all that is in it: a cluster behind a thousand routes is folded
    once.
    """
    done = {} if done is None else done
    for k, state in enumerate(states):
        if id(state) in path:
            raise ConfigError(f"{named(state)}: {TWICE}")
        path |= {id(state)}
        if (hasattr(state, "pick") or hasattr(state, "destination")) and k + 1 < len(states):
            raise ConfigError(
                f"{named(state)}: {named(states[k + 1])} stands behind it, but a choice ends a pipeline: "
                "put what follows into its own pipeline"
            )
    section = _chain(list(states), watch, path, branches, done)
    facts = [state for state in states if getattr(state, "facts", None) is not None]
    facts += (asker for state in states for asker in getattr(state, "askers", ()))
    section.facts = tuple(facts) or None
    return section


def _chain(
    states: list[Any],
    given: Watch | None,
    path: frozenset[int],
    branches: Callable[[Any], Watch | bool | None] | None,
    done: dict[int, frozenset[int]],
) -> Section:
    """Built from the leaf outwards."""
    section = Section(LEAF)
    behind: set[int] = set()
    watch = given or _plain
    if given is not None:
        section = section.longer(None, *given(LEAF, None, _go, None), None)
    for state in reversed(states):
        enter = getattr(state, "enter", None)
        if callable(getattr(state, "again", None)):
            section = Section(REPEAT, watch(REPEAT, state, state.again, None)[0], section, state)
        elif callable(getattr(state, "until", None)):
            section = Section(BOUND, watch(BOUND, state, state.until, None)[0], section, state)
        elif hasattr(state, "pick"):
            how = given if branches is None else branches(state)
            if id(state) in done:
                if not done[id(state)].isdisjoint(path - {id(state)}):
                    raise ConfigError(f"{named(state)}: {TWICE}")
            elif how is not False:
                folding = Folding(how, path, branches, done)
                state.fold(folding)
                # Whoever comes later is new, and what has gone by then leaves its id to others.
                folding.path, folding.done = frozenset(), {}
                done[id(state)] = frozenset(map(id, within([state])))
                if not done[id(state)].isdisjoint(path - {id(state)}):
                    raise ConfigError(f"{named(state)}: {TWICE}")
            section = Section(CHOICE, watch(CHOICE, state, state.pick, None)[0], None, state)
        elif hasattr(state, "destination"):
            section = Section(LEAF, state.destination, None, state)
            if given is not None and getattr(state, "asks", False):
                section = section.longer(None, *given(LEAF, None, _go, None), None)
        elif hasattr(state, "instead"):
            section = Section(FALLBACK, watch(FALLBACK, state, state.takes, None)[0], section, state)
            section.branch = fold(state.instead, given, path - behind, branches=branches, done=done)
        elif hasattr(state, "another"):
            section = Section(RACE, state, section, state)
        elif enter is None:
            if not callable(state):
                raise ConfigError(f"{named(state)}: no policy: it has none of enter, again, until, pick, and no call")
            section = Section(MIDDLEWARE, state, section, state)
        if enter is not None:
            enter, exit = watch(GATE, state, enter, state.exit)
            section = section.longer(state, enter, exit, getattr(state, "leave", None))
        behind.add(id(state))
    return section


class Folding:
    """How the branches of a choice are folded: what its ``fold`` is given."""

    __slots__ = ("branches", "done", "how", "path")

    def __init__(
        self,
        how: Any,
        path: frozenset[int],
        branches: Callable[[Any], Watch | bool | None] | None,
        done: dict[int, frozenset[int]],
    ) -> None:
        self.how = how
        """The `Watch`, if any; a choice may leave a branch as it is that was folded so before."""
        self.path = path
        self.branches = branches
        self.done = done

    def __call__(self, branch: Sequence[Any], /) -> Section:
        return fold(branch, self.how, self.path, branches=self.branches, done=self.done)


def _plain(kind: str, state: Any, ask: Any, exit: Any) -> tuple[Any, Any]:
    """Nobody watches."""
    return ask, exit


def _go(call: Call, now: float) -> None:
    return None


def named(state: Any) -> str:
    """What a state is called in errors and events."""
    return getattr(state, "name", "") or type(state).__name__


def numbered(states: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """States with their names; the second of a name is ``"name 2"``."""
    seen: dict[str, int] = {}
    for state in states:
        name = named(state)
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), state


def within(states: Iterable[Any]) -> Iterator[Any]:
    """All states of a pipeline, each once: also those of endpoints, of what stands instead, of what is on trial."""
    seen: set[int] = set()
    left = deque(states)
    while left:
        state = left.popleft()
        if id(state) not in seen:
            seen.add(id(state))
            yield state
            for name in _places(type(state)):  # type: ignore[arg-type]  # a class has a hash
                held = getattr(state, name, ())
                if name == "members":
                    for member in held:
                        left += member.states
                elif name == "branches":
                    for branch in held:
                        left += branch
                elif name != "inner":
                    left += held
                elif hasattr(state, name):
                    left.append(held)


PLACES = ("members", "branches", "pattern", "instead", "inner")
"""Where a state may have further ones."""


@lru_cache(1024)
def _places(kind: type) -> tuple[str, ...]:
    """Those that states of a kind can have: of ten thousand routes most are plain gates, and have none."""
    if kind.__dictoffset__ or hasattr(kind, "__getattr__"):
        return PLACES
    return tuple(name for name in PLACES if hasattr(kind, name))
