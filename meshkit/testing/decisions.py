"""What did the pipeline decide? A list of its events, to be asked by kind."""

from __future__ import annotations

from operator import itemgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..observe.events import AttemptEnded, RejectedCall, StateChanged

if TYPE_CHECKING:
    from ..pipeline import Pipeline

__all__ = ["Change", "Decisions", "record"]


class Change(tuple[float, str, str]):  # noqa: SLOT001  # a tuple cannot have slots of its own
    """When what went from which state to which: ``(8.0, "closed", "open")``, with ``policy`` and ``endpoint``."""

    policy: str
    """The breaker's name, the outlier detection's, or the cluster's."""
    endpoint: Any
    """The `Endpoint` whose state it is; ``None`` without a cluster."""

    def __new__(cls, event: StateChanged) -> Self:
        made = super().__new__(cls, (event.at, event.before, event.after))
        made.policy, made.endpoint = event.policy, event.endpoint
        return made

    at = property(itemgetter(0))
    before = property(itemgetter(1))
    after = property(itemgetter(2))

    def __repr__(self) -> str:
        whose = self.policy if self.endpoint is None else f"{self.policy}, {self.endpoint}"
        return f"({self.at!r}, {self.before!r}, {self.after!r})<{whose}>"


class Decisions(list[Any]):
    """The events of a pipeline, oldest first, until `stop`, or the end of a ``with`` block."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.stop = pipeline.listen(self.append, direct=True)
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
    def changes(self) -> list[Change]:
        """When what went from which state to which: each is ``(8.0, "closed", "open")``, and has ``policy`` and
        ``endpoint``.
        """
        return [Change(event) for event in self if isinstance(event, StateChanged)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def record(pipeline: Pipeline) -> Decisions:
    """Listen to a pipeline from now on: answers the list that its events are written to."""
    return Decisions(pipeline)
