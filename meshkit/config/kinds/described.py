"""What do a spec's docstrings say of its options? For editors, which show it beside the form.

An option is described where it stands first in a sentence, ````queue``: how many wait`` in the class's docstring.
"""

from __future__ import annotations

import inspect
import re
from functools import lru_cache

__all__ = ["described", "summary"]

_OPTION = re.compile(r"``(\w+)``: (.+?)(?=(?:[.;] ``\w+``:)|\n\n|\Z)", re.DOTALL)
_MARKS = re.compile(r"``?")
_BLANKS = re.compile(r"\s+")


def _plain(text: str) -> str:
    return _BLANKS.sub(" ", _MARKS.sub("", text)).strip()


def summary(cls: type) -> str:
    """The first paragraph of its docstring."""
    text = inspect.cleandoc(cls.__doc__ or "")
    return "" if text.startswith("Method generated") else _plain(text.partition("\n\n")[0])


@lru_cache(256)
def described(cls: type) -> dict[str, str]:
    """By option."""
    return {name: _plain(text).rstrip(".") for name, text in _OPTION.findall(inspect.cleandoc(cls.__doc__ or ""))}
