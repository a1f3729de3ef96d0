"""What was meant by a word that is not there? The nearest one that is.

First the same word in other clothes (``RateLimit``, ``rate-limit``, ``maxKeys``), then the likest, by Ratcliff and
Obershelp (``difflib``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

__all__ = ["advice", "near", "snake"]

LONGEST = 64
"""Characters of a word for which another one may have been meant."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``rate_limit`` of ``RateLimit``, ``aimd`` of ``AIMD``."""
    return _HUMP.sub("_", name).lower()


def near(word: str, words: Collection[str]) -> str | None:
    """The one of these that was meant, if any."""
    if len(word) > LONGEST:
        return None
    same = snake(word).replace("-", "_").replace(" ", "_")
    if same in words:
        return same
    found = difflib.get_close_matches(same, words, 1)
    return found[0] if found else None


def advice(word: str, words: Collection[str]) -> str:
    """What to do about a word that is not among these."""
    found = near(word, words)
    every = ", ".join(words)
    return f"did you mean {found}? (there are {every})" if found else f"there are {every}"
