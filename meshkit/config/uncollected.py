"""How is much made that is there to stay, without the collector going through all there is, again and again?

With ten thousand routes it would stop everybody for a tenth of a second and more, several times while they are read,
and once more when it comes to what was made meanwhile. So it rests; and before it wakes, what is there is handed to its
oldest generation, which costs nothing: ``gc.freeze`` and ``gc.unfreeze`` only hang lists over. Where somebody has
frozen objects on purpose they stay so, and the collector comes as it does.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """No cyclic garbage is looked for meanwhile, in the whole process, if it was before."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if hasattr(gc, "unfreeze") and not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        gc.enable()
