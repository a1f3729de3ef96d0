"""How is plain data written on one line of YAML? ``retry: {on: 5xx, attempts: 3}``."""

from __future__ import annotations

import json
import re
from typing import Any

from ..scalars import resolved

__all__ = ["flow"]

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./*%+:@-]*(?: [A-Za-z0-9_./*%+@-]+)*")


def flow(value: Any, *, top: bool = True) -> str:
    """In brackets; a single pair at the top stands without them."""
    if isinstance(value, dict):
        pairs = ", ".join(f"{_text(str(name))}: {flow(each, top=False)}" for name, each in value.items())
        return pairs if top and len(value) == 1 else f"{{{pairs}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(flow(each, top=False) for each in value)}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(value: str) -> str:
    if _PLAIN.fullmatch(value) and ": " not in f"{value} " and resolved(value) == value:
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
