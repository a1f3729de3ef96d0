"""What was sent? One attempt at one server, which answers it, now or later; or nobody waits any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..call import Call

if TYPE_CHECKING:
    from .walk import Walk

__all__ = ["Attempt"]


class Attempt:
    """What was sent: a server answers it, once."""

    __slots__ = ("call", "over", "walk")

    def __init__(self, call: Call, walk: Walk) -> None:
        self.call = call
        self.walk: Walk | None = walk
        self.over = False
        """Whether nobody waits for it any more."""

    def answer(self, result: Any, error: BaseException | None = None) -> None:
        """The server's `Outcome`, or an error. What comes late is lost."""
        if not self.over:
            self.over = True
            self.walk.answer(result, error)  # type: ignore[union-attr]  # it has one until it is over
