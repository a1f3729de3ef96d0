"""What is a plain word of YAML: a number, a truth, nothing, or a text? By the core schema of YAML 1.2, and it alone.

====================================================  =====================================================
``true`` ``True`` ``TRUE`` ``false`` ...              a truth; ``yes``, ``on`` and their like are texts
``null`` ``Null`` ``NULL`` ``~``, and nothing         nothing
``12`` ``-3`` ``0o14`` ``0x1F``                       a whole number; ``010`` is 10, ``1_000`` a text
``1.5`` ``1e3`` ``.5`` ``.inf`` ``.nan``              a number; ``1:30`` is a text
anything else                                         a text: dates, versions, addresses
====================================================  =====================================================

YAML 1.2.2, section 10.3.2. YAML 1.1 reads ``on`` as true, ``010`` as 8, ``1:30`` as 90 and ``2026-01-02`` as a date.
"""

from __future__ import annotations

import re
from math import inf, nan
from typing import Any

__all__ = ["LONGEST", "STARTS", "number", "resolved"]

LONGEST = 400
"""Characters of a number."""
STARTS = frozenset("~nNtTfF.+-0123456789")
"""What does not begin with one of these is a text."""

_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), nan),
}
_WHOLE = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OTHER = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")


def resolved(text: str) -> Any:
    """The value of a plain scalar. Raises `OverflowError` for a number of more than 400 characters."""
    if text in _WORDS:
        return _WORDS[text]
    return number(text)


def number(text: str) -> Any:
    """The number that a text is, or the text."""
    whole = _WHOLE.fullmatch(text) is not None
    if not whole and _FLOAT.fullmatch(text) is None:
        return int(text, 0) if _OTHER.fullmatch(text) and len(text) <= LONGEST else text
    if len(text) > LONGEST:
        raise OverflowError
    return int(text) if whole else float(text)
