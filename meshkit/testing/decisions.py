"""What did the pipeline decide? A list of its events, to be asked by kind."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..observe.events import AttemptEnded, RejectedCall, StateChanged

if TYPE_CHECKING:
    from ..pipeline import Pipeline

__all__ = ["Decisions", "record"]


class Decisions(list[Any]):
    """The events of a pipeline, oldest first, until `stop`, or the end of a ``with`` block."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.stop = pipeline.listen(self.append)
        """Listen no longer; what is there stays."""

    @property
    def attempts(self) -> list[AttemptEnded]:
        """The attempts that ended."""
        return [event for event in self if isinstance(event, AttemptEnded)]

    @property
    def rejections(self) -> list[RejectedCall]:
        """The calls refused."""
        return [event for event in self if isinstance(event, RejectedCall)]

    @property
    def changes(self) -> list[tuple[float, str, str]]:
        """When a policy went from which state to which: ``(8.0, "closed", "open")``."""
        return [(event.at, event.before, event.after) for event in self if isinstance(event, StateChanged)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def record(pipeline: Pipeline) -> Decisions:
    """Listen to a pipeline from now on: answers the list that its events are written to."""
    return Decisions(pipeline)
