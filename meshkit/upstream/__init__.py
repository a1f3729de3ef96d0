"""The wire out: HTTP/1.1 connections to upstreams, kept alive, with ceilings and deadlines of their own. For asyncio.

    pool = Pool(Limits(connections=100, pending=1024))
    answer = await pool.send(Origin("10.0.0.7", 8080), b"GET", b"/", [(b"Host", b"orders")], times={"total": 2.0})

Names are loaded when they are asked for: asyncio is for those who await.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .answer import Answer
    from .dial import Dial
    from .origin import Origin
    from .places import Limits
    from .pool import Pool

__all__ = ["Answer", "Dial", "Limits", "Origin", "Pool"]

_HOMES = {"Answer": "answer", "Dial": "dial", "Limits": "places", "Origin": "origin", "Pool": "pool"}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{home}", __name__), name)
