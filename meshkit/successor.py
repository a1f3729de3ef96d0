"""How does a pipeline come by other policies while calls are under way? Others are made ready, and take the place.

A call walks the sections that it began with: it ends as if nothing had changed, and the states it holds are given back
where they were taken. What comes next walks the new ones. Making them ready takes as long as it takes, and nobody waits
for it; taking over is a few assignments under the lock, for any number of pipelines at once. A state that is in both
goes on (`Shared`), and so does what a router has of a route that is the very same.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import fact
from .folding import refold
from .runtime.chores import keep
from .runtime.lock import LOCK
from .section import Section, within

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["Successor", "take_over"]


class Successor:
    """The policies that are to take the place of a pipeline's.

    Making it, and `ready`, raise `ConfigError` for what cannot be; the pipeline is as it was. ``others``: further
    pipelines that may have some of the states.
    """

    def __init__(self, pipeline: Pipeline, specs: Iterable[Any], others: Iterable[Pipeline] = ()) -> None:
        self.pipeline = pipeline
        self.specs = tuple(specs)
        rng = random.Random()  # noqa: S311  # jitter and picks, no secrets
        self.states = tuple(_started(each, pipeline.states, rng) for each in self.specs)
        every = [*within(self.states)]
        self.choices = tuple(state for state in every if hasattr(state, "pick"))
        self.reads_failure = any(getattr(state, "reads_failure", False) for state in every)
        self.root: Section
        self.watched: Section | None = None
        self.in_full: Section | None = None
        self._former: tuple[Any, ...] = ()
        """What they have taken the place of."""
        self._folded = {id(choice): choice for each in (pipeline, *others) for choice in each.choices}
        self.fold()

    def fold(self) -> None:
        """By who listens to the pipeline now."""
        self.listeners, self.follows = self.pipeline.listeners, self.pipeline.follows
        refold(self, self._folded)

    def ready(self) -> None:
        """Ask the doors of the pipeline whether they can do without what is gone, and with what has come."""
        for door in _doors(self.pipeline):
            fact.check(door, self.specs)
            for question, told in (("prepare", self.states), ("accepts", self)):
                ask = getattr(door, question, None)
                if ask is not None:
                    ask(told)

    @property
    def fits(self) -> bool:
        """Whether it is folded by who listens now: somebody may have begun to, or ceased to, meanwhile."""
        pipeline = self.pipeline
        return self.listeners == pipeline.listeners and self.follows == pipeline.follows

    def put(self) -> None:
        """In the place of what the pipeline has, under the lock."""
        pipeline = self.pipeline
        self._former = pipeline.specs, pipeline.states
        pipeline.specs, pipeline.states, pipeline.choices = self.specs, self.states, self.choices
        pipeline.reads_failure = self.reads_failure
        pipeline.root, pipeline.watched, pipeline.in_full = self.root, self.watched, self.in_full

    def take_over(self) -> None:
        """From now on calls go by these."""
        take_over([self])
        self.settle()

    def settle(self) -> None:
        """They are in force: see to their chores, tell the doors, and forget those that there were.

        Of ten thousand routes that goes one by one: all at once, it would stop everybody for as long as that takes.
        """
        keep(self.pipeline)
        for door in _doors(self.pipeline):
            door.renew()
        specs, states = self._former
        pieces = [piece for spec in specs for piece in getattr(spec, "routes", ())]
        pieces += [piece for state in states for piece in getattr(state, "rules", ())]
        self._former = specs = states = ()
        # Nor must what is gone live as long as what knows how it was folded.
        self._folded.clear()
        while pieces:
            pieces.pop()


def take_over(heirs: Sequence[Successor], then: Callable[[], None] | None = None) -> None:
    """Have all of them take the place of their pipelines', at once, and ``then`` something be done: under the lock, so
    that nobody ever sees the half of it. Each is to `settle` afterwards.
    """
    taken = False
    while not taken:
        for heir in heirs:
            if not heir.fits:
                heir.fold()
        with LOCK:
            taken = all(heir.fits for heir in heirs)
            if taken:
                for heir in heirs:
                    heir.put()
                if then is not None:
                    then()


def _doors(pipeline: Pipeline) -> list[Any]:
    while True:
        try:
            return [*pipeline.doors]
        except RuntimeError:  # a thread has made another one meanwhile
            continue


def _started(spec: Any, before: Sequence[Any], rng: random.Random) -> Any:
    if hasattr(spec, "succeed"):
        return spec.succeed(before, rng)
    return spec.start(rng) if hasattr(spec, "start") else spec
