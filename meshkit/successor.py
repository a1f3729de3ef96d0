"""How does a pipeline come by other policies while calls are under way? Others are made ready, and take the place.

A call walks the sections that it began with: it ends as if nothing had changed, and the states it holds are given back
where they were taken. What comes next walks the new ones. Making them ready takes as long as it takes, and nobody waits
for it; taking over is a few assignments under the lock. A state that is in both goes on (`Shared`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import fact
from .folding import refold
from .runtime.chores import keep
from .runtime.lock import LOCK
from .section import Section, within

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["Successor"]


class Successor:
    """The policies that are to take the place of a pipeline's.

    Making it, and `ready`, raise `ConfigError` for what cannot be; the pipeline is as it was. ``others``: further
    pipelines that may have some of the states.
    """

    def __init__(self, pipeline: Pipeline, specs: Iterable[Any], others: Iterable[Pipeline] = ()) -> None:
        self.pipeline = pipeline
        self.specs = tuple(specs)
        rng = random.Random()  # noqa: S311  # jitter and picks, no secrets
        self.states = tuple(each.start(rng) if hasattr(each, "start") else each for each in self.specs)
        every = [*within(self.states)]
        self.choices = tuple(state for state in every if hasattr(state, "pick"))
        self.reads_failure = any(getattr(state, "reads_failure", False) for state in every)
        self.root: Section
        self.watched: Section | None = None
        self.in_full: Section | None = None
        self._folded = {id(choice): choice for each in (pipeline, *others) for choice in each.choices}
        self._fold()

    def _fold(self) -> None:
        self.listeners, self.follows = self.pipeline.listeners, self.pipeline.follows
        refold(self, self._folded)

    def ready(self) -> None:
        """Ask the doors of the pipeline whether they can do without what is gone, and with what has come."""
        for door in self.pipeline.doors:
            fact.check(door, self.specs)
            if getattr(door, "prepare", None) is not None:
                door.prepare(self.states)

    def take_over(self) -> None:
        """From now on calls go by these."""
        pipeline = self.pipeline
        with LOCK:
            if (self.listeners, self.follows) != (pipeline.listeners, pipeline.follows):
                self._fold()  # somebody has begun to listen, or ceased to, meanwhile
            pipeline.specs, pipeline.states, pipeline.choices = self.specs, self.states, self.choices
            pipeline.reads_failure = self.reads_failure
            pipeline.root, pipeline.watched, pipeline.in_full = self.root, self.watched, self.in_full
        keep(pipeline)
        for door in [*pipeline.doors]:
            door.renew()
