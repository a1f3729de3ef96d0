"""When is it not worth looking for garbage? While much is made that is all kept: of a large file, a million things.

The collector would go through all there is again and again, and stop everybody for a tenth of a second each time; and
once more, when it wakes, for what was made meanwhile. So before that, if it is much, what is there is handed to its
oldest generation, which costs nothing: ``gc.freeze`` and ``gc.unfreeze`` hang whole lists over. Where somebody has
frozen objects on purpose they stay so.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["paused"]


MANY = 50_000
"""Objects, from which on it is much."""


@contextmanager
def paused() -> Iterator[None]:
    """The collector does not run in between, in the whole process."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY and hasattr(gc, "unfreeze") and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()
