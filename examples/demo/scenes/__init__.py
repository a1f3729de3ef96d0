"""What is shown? A scene has its own upstreams, its own pipeline, and its own way to tell what came of it.

To add one: a class with the attributes of `Scene` in a file of its own, and a line in `SCENES`.
"""

from __future__ import annotations

from typing import Protocol

from ..plot import Figure
from .at_the_door import AtTheDoor
from .come_and_go import ComeAndGo
from .four_upstreams import FourUpstreams
from .in_front import InFront
from .one_argument import OneArgument
from .rate_limited import RateLimited
from .taken_back import TakenBack

__all__ = ["SCENES", "InFront", "Scene"]


class Scene(Protocol):
    title: str
    story: str
    """What happens, what the sides are, and what they have in common."""

    def __init__(self, seconds: float, rate: float) -> None:
        """``seconds`` of traffic at ``rate`` calls per second, for scenes that last."""

    stack: str
    """The pipeline, as it explains itself; there when it has played."""

    async def play(self) -> None:
        """From the first upstream's start to the last one's end; may be cancelled anywhere."""

    @property
    def progress(self) -> float:
        """0..1"""

    def rows(self) -> list[tuple[str, ...]]:
        """A table, its head first: what there is to say so far. Read while it plays, and at the end."""

    def status(self) -> list[tuple[str, ...]]:
        """A second table, its head first, of what is only worth telling while it plays."""

    def pulse(self) -> str:
        """The same in one line, where there is no terminal to draw on."""

    def figures(self) -> list[Figure]:
        """For the report."""


SCENES: tuple[type[Scene], ...] = (InFront, FourUpstreams, ComeAndGo, TakenBack, RateLimited, AtTheDoor, OneArgument)
