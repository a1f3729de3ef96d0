"""What was meant by a word that is not there? The nearest one that is.

First the same word in other clothes (``RateLimit``, ``rate-limit``, ``maxKeys``), then what it is called elsewhere
(`foreign`), then the likest, by Ratcliff and Obershelp (``difflib``). A word of which nobody can say what was meant has
them all told.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Any

from .foreign import meant
from .mistakes import shown

__all__ = ["advice", "listed", "named", "near", "ours", "snake"]

LONGEST = 64
"""Characters of a word for which another one may have been meant."""
LIKE = 0.72
"""How like it that one must be, of 1."""
MANY = 200
"""Words of which only those are thought that are one letter away: to ask how like each is would take too long."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_./"
TOLD = 20
"""Words that are told."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``rate_limit`` of ``RateLimit``, ``aimd`` of ``AIMD``; ``websocket`` is one word."""
    return _HUMP.sub("_", name.replace("WebSocket", "Websocket")).lower()


def ours(word: str) -> str:
    """A word in the clothes of ours."""
    return snake(word).replace("-", "_").replace(" ", "_")


def near(word: str, words: Collection[str]) -> str | None:
    """The one of these that was meant, if any."""
    if len(word) > LONGEST:
        return None
    same = ours(word)
    if same in words:
        return same
    if len(words) > MANY:
        return _one_off(word, words if isinstance(words, dict | set | frozenset) else frozenset(words))
    clothes = [*dict.fromkeys((same, word))]  # names of clusters have hyphens, words of ours do not
    found = [each for one in clothes for each in difflib.get_close_matches(one, words, 1, LIKE)]
    return max(found, key=lambda each: max(_likeness(one, each) for one in clothes), default=None)


def _one_off(word: str, words: Collection[str]) -> str | None:
    """The first of many that is one letter away: one less, one more, another one, or two in another order."""
    cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    for one, rest in cuts:
        for each in (one + rest[1:], one + rest[1:2] + rest[:1] + rest[2:]):
            if each in words:
                return each
        for letter in LETTERS:
            for each in (one + letter + rest, one + letter + rest[1:]):
                if each in words:
                    return each
    return None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


def advice(word: str, words: Collection[str], where: str = "") -> str:
    """What to do about a word that is not among these; ``where``: of what it would be an option, or one."""
    same = ours(word) if len(word) <= LONGEST else ""
    if same in words:
        return f"did you mean {same}?"
    told = meant(where, same)
    if told:
        return told
    found = near(word, words)
    return f"did you mean {found}?" if found else listed(words)


def listed(words: Collection[str]) -> str:
    """All of these, if they are not too many."""
    if len(words) < 2:
        return f"there is only {next(iter(words))}" if words else "there are none"
    told = ", ".join([*words][:TOLD])
    return f"there are {told}, and {len(words) - TOLD} more" if len(words) > TOLD else f"there are {told}"


def named(value: Any) -> str:
    """How a list of things that have names (`Located` values) is written where names stand before colons."""
    first = value[0].value if value.__class__ is list and value else None
    if isinstance(first, str):
        return f"write {shown(first)}: in place of - {shown(first)}"
    if isinstance(value, str):
        return f"write {shown(value)}: and what belongs to it"
    if not isinstance(first, dict):
        return "" if first is None else "write a name and a colon in place of the -"
    name = shown(str(first["name"].value)) if "name" in first else ""
    return f"write {name}: in place of - name: {name}" if name else "write a name and a colon in place of the -"
