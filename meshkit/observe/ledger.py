"""Who spent the time of a server's call? The lines that the calls made below it write into the ledger.

The ledger is that of the outermost call (`meshkit.deadline`); what others have written before, or beside it and less
deep, is not told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..deadline import original
from .record.forms import seconds
from .redact import text, who

if TYPE_CHECKING:
    from ..call import Call

__all__ = ["Ledger"]


class Ledger:
    """Where calls made below a server's call are written down, without the call whose list that is."""

    __slots__ = ("_lines", "_offset", "_owed", "_skipped")

    def __init__(self, call: Call, scope: Any) -> None:
        outer: Any = call
        owed = 0
        while scope is not None:
            outer = original(scope)
            scope = outer.scope
            owed += 1
        if outer.lines is None:
            outer.lines = []  # whoever is the first to write finds it there
        self._lines: list[Any] = outer.lines
        self._skipped = len(outer.lines)
        self._owed = owed
        """How deep the calls are that the server's own makes."""
        self._offset = 0.0 if outer is call else outer.clock() - outer.began_at
        """Seconds from the beginning of the outermost to that of this call."""

    def freeze(self) -> None:
        """The call is over: what is entered from now on is not its."""
        self._lines, self._skipped = self._lines[self._skipped :], 0

    @property
    def spent(self) -> list[Any]:
        """The lines so far (`meshkit.deadline.Spent`); its own, and what is made beside it, is less deep."""
        owed = self._owed
        return [line for line in self._lines[self._skipped :] if line.depth >= owed]

    @property
    def made(self) -> list[Any]:
        """Of these the calls made by the one served, without those that they have made themselves."""
        return [line for line in self.spent if line.depth == self._owed]

    def told(self, line: Any) -> dict[str, Any]:
        return {
            "who": who(line.who),
            "at": seconds(max(0.0, line.at - self._offset)),
            "seconds": seconds(line.seconds),
            "attempts": line.attempts,
            "verdict": text(line.verdict),
            "depth": line.depth - self._owed,
        }
