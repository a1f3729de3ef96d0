"""How is much made, and thrown away, without anybody having to wait for it? Of a large file, a million things.

While they are made, looking for garbage is not worth it: all of it is kept. The collector would go through all there is
again and again, and stop everybody for a tenth of a second each time; and once more, when it wakes, for what was made
meanwhile. So before that, if it has taken long, what is there is handed to its oldest generation, which costs nothing:
``gc.freeze`` and ``gc.unfreeze`` hang whole lists over. Where somebody has frozen objects on purpose they stay so.

What is thrown away as a whole is taken apart in one go, and no other thread runs meanwhile: so it goes piece by piece.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

__all__ = ["let_go", "paused"]


LONG = 0.02
"""Seconds, from which on it is worth while."""
FEW = 10_000
"""Objects that may be frozen though nobody meant it: CPython 3.12 begins with some hundred."""


@contextmanager
def paused() -> Iterator[None]:
    """The collector does not run in between, in the whole process."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    began = monotonic()
    try:
        yield
    finally:
        if monotonic() - began > LONG and gc.get_freeze_count() < FEW:
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def let_go(*several: Any) -> None:
    """Forget what is in lists and mappings, piece by piece; they are empty then."""
    for pieces in several:
        take: Any = pieces.pop if isinstance(pieces, list) else pieces.popitem
        while pieces:
            take()
