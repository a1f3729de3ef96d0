"""What is declared of each line of the table? Data only: a path, a floor, our target, ours, the peers.

A `Subject` makes what is called again and again: a callable, or a `Trial` where calls are meant to raise. It is named
after the distribution it stands for, and imports it only when asked: a peer that is not installed leaves a word in the
table, not a hole.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from .measure import Effort, Figure, Trial, race

__all__ = ["AWAITS", "CALLS", "MICROSECONDS", "Line", "OnTop", "Row", "Subject"]

CALLS, AWAITS, MICROSECONDS = "empty calls", "bare awaits", "µs"


@attrs.frozen
class Subject:
    """Who is measured, and how to make it: inside the running loop, once for each row, and it may be awaited."""

    name: str
    make: Callable[[], Any]

    @classmethod
    def of(cls, name: str) -> Callable[[Callable[[], Any]], Subject]:
        """Decorate a function that makes one."""
        return lambda make: cls(name, make)


@attrs.frozen
class Line:
    """What came of a row: by subject its figure in ``unit`` or, where there is none, the reason.

    Less is better, unless ``more`` says otherwise. Those ``beside`` are shown, but are peers of nobody: what lies below
    ours, or ours in another way. ``full``: everybody's figures are told at once.
    """

    group: str
    path: str
    unit: str
    target: float | None
    ours: str | None
    usual: str | None
    figures: dict[str, Figure]
    missing: dict[str, str]
    notes: tuple[str, ...] = ()
    more: bool = False
    beside: tuple[str, ...] = ()
    full: bool = False

    @property
    def reached(self) -> bool | None:
        """Whether the target was met; ``None`` where there is none, or nothing to compare with it."""
        if self.target is None or self.ours not in self.figures:
            return None
        ratio = self.figures[self.ours].ratio
        return ratio >= self.target if self.more else ratio <= self.target

    @property
    def peers(self) -> dict[str, Figure]:
        no_peers = (self.ours, "floor", *self.beside)
        return {name: figure for name, figure in self.figures.items() if name not in no_peers}

    @property
    def best_peer(self) -> str | None:
        best = max if self.more else min
        return best(self.peers, key=lambda name: self.peers[name].ratio, default=None)


@attrs.frozen(kw_only=True)
class Row:
    """One path through several libraries. ``unit`` is the floor; ``usual`` names the peer that most would take.

    For ``arguments`` and ``least``, see `race`.
    """

    group: str
    path: str
    unit: str
    target: float | None = None
    ours: Subject | None = None
    peers: tuple[Subject, ...] = ()
    usual: str | None = None
    arguments: Sequence[Any] = ()
    least: int = 1
    notes: tuple[str, ...] = ()

    async def measure(self, effort: Effort) -> list[Line]:
        trials: dict[str, Trial] = {}
        missing: dict[str, str] = {}
        for subject in (self.ours, *self.peers):
            if subject is not None:
                try:
                    trials[subject.name] = await _tried(subject, self.arguments)
                except ImportError as error:
                    missing[subject.name] = f"cannot be imported ({error})"
                except Exception as error:
                    missing[subject.name] = f"does not run ({type(error).__name__}: {error})"
        figures = await race(
            trials, awaited=self.unit == AWAITS, effort=effort, arguments=self.arguments, least=self.least
        )
        return [
            Line(
                group=self.group,
                path=self.path,
                unit=self.unit,
                target=self.target,
                ours=self.ours and self.ours.name,
                usual=self.usual,
                figures=figures,
                missing=missing,
                notes=self.notes,
            )
        ]


@attrs.frozen(kw_only=True)
class OnTop:
    """One race, told twice: as the row tells it, and what comes on top of one of its peers, which the target is for.

    ``below`` is that peer's name; ``word`` says it in the path; ``unit`` is that of the row, or microseconds.
    """

    row: Row
    below: str
    word: str
    target: float | None
    unit: str = AWAITS
    notes: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        return self.row.group

    async def measure(self, effort: Effort) -> list[Line]:
        [line] = await self.row.measure(effort)
        lower = line.figures[self.below]
        floor = lower.nanoseconds / lower.ratio if self.unit == self.row.unit else 1000.0
        figures = {}
        for name, figure in line.figures.items():
            if name not in (self.below, "floor"):
                beyond = figure.nanoseconds - lower.nanoseconds
                figures[name] = attrs.evolve(figure, ratio=beyond / floor, nanoseconds=beyond)
        path = f"{line.path}, {self.word}"
        evolved = attrs.evolve(line, path=path, unit=self.unit, target=self.target, figures=figures, notes=self.notes)
        return [line, evolved]


async def _tried(subject: Subject, arguments: Sequence[Any]) -> Trial:
    """Make a subject and call it twice: what raises, refuses or returns against its word is not measured."""
    made = subject.make()
    if inspect.isawaitable(made):
        made = await made
    trial = made if isinstance(made, Trial) else Trial(made)
    for _ in range(2):
        raised = False
        try:
            answer = trial.call(*arguments[:1])
            if inspect.isawaitable(answer):
                answer = await answer
        except trial.raises:
            raised = True
        if raised != bool(trial.raises):
            raise RuntimeError("a call ended without the exception it was meant to end with")
        if not raised and answer is False:
            raise RuntimeError("a call was refused")
    return trial
