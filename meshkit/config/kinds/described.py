"""What do a spec's docstrings say of its options? For editors, which show it beside the form.

An option is described where it stands first in a sentence of the class's docstring, ````queue``: how many wait``, alone
or with others; to the end of that sentence, since the next one is about something else.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache

__all__ = ["described", "summary"]

_OPTION = re.compile(
    r"((?:``\w+``(?:, | and ))*``\w+``): (.+?)(?=\.\s|\.\Z|; (?:``\w+``(?:, | and ))*``\w+``:|\n\n|\Z)", re.DOTALL
)
_NAME = re.compile(r"\w+(?=``)")
_RAISES = re.compile(r"\s*Raises `ConfigError`[^.]*\.")
_MARKS = re.compile(r"``?")
_BLANKS = re.compile(r"\s+")


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", _MARKS.sub("", text)).strip()


def summary(cls: type) -> str:
    """The first paragraph of its docstring."""
    text = inspect.cleandoc(cls.__doc__ or "")
    return "" if text.startswith("Method generated") else _plain(_RAISES.sub("", text.partition("\n\n")[0]))


@lru_cache(256)
def described(cls: type) -> dict[str, str]:
    """By option. What is said of several, that it is "one of them", says nothing of any."""
    found = [(names, _plain(text)) for names, text in _OPTION.findall(inspect.cleandoc(cls.__doc__ or ""))]
    return {name: text for names, text in found if not text.endswith("of them") for name in _NAME.findall(names)}
