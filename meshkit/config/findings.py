"""What is said of a file that has no mistakes? What is hardly ever meant, each at its place.

=========  ==========================================================================
level      is for
=========  ==========================================================================
warning    what is hardly ever meant, or will not do what it seems to
note       what may well be meant, and is worth knowing
=========  ==========================================================================

Each has a word, by which it can be passed over. What is said and where is a `Mistake`, as of a file that has some.
"""

from __future__ import annotations

from collections.abc import Collection

import attrs

from .located import Located, place
from .mistakes import WIDE, Mistake, Mistakes, shown

__all__ = ["NOTE", "WARNING", "Finding", "Findings", "below"]

WARNING, NOTE = "warning", "note"


@attrs.frozen
class Finding:
    """One of them: its ``level``, its ``word``, and what is said where."""

    level: str
    word: str
    said: Mistake

    def __str__(self) -> str:
        return f"{self.level}: {self.said} [{self.word}]"


class Findings:
    """Those of one file, while it is looked at. ``mistakes`` are the file's, which has none; ``ignore``: words of which
    nothing is said.
    """

    def __init__(self, mistakes: Mistakes, ignore: Collection[str] = ()) -> None:
        self._noted = Mistakes(mistakes.file, mistakes.text, mistakes.root)
        self._words: dict[tuple[int, str], tuple[str, str]] = {}
        self._ignore = frozenset(ignore)
        self.count = {WARNING: 0, NOTE: 0}
        """How many there are of each level."""

    def note(
        self, word: str, node: Located, text: str, fix: str = "", *, level: str = WARNING, key: str | None = None
    ) -> None:
        """One of a node, or of its ``key``."""
        at = node.at if key is None or node.keys is None else node.keys.get(key, node.at)
        known = at, shown(text, WIDE)
        if word in self._ignore or known in self._words:
            return
        self._words[known] = level, word
        self.count[level] += 1
        self._noted.note(node, text, fix, key=key)

    def told(self) -> tuple[Finding, ...]:
        """In the order of the file; the first hundred, all others are only counted."""
        if not len(self._noted):
            return ()
        said = self._noted.error().mistakes
        return tuple(Finding(*self._words[place(each.line, each.column), each.text], each) for each in said)


def below(node: Located, *steps: str | int) -> Located:
    """The node at the end of these steps, or the last one that is there. What may stand alone or in a list is found
    either way.
    """
    for step in steps:
        value = node.value
        if isinstance(step, str):
            if value.__class__ is not dict or step not in value:
                return node
            node = value[step]
        elif value.__class__ is list:
            if step >= len(value):
                return node
            node = value[step]
    return node
