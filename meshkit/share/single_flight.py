"""Is somebody asking just this already? Then wait for his answer: identical calls at the same time share one.

What is under way, and who waits for it, is `flights`; the waiting is done in ``runtime.flight``.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import attrs

from .. import fact, options
from . import likeness

if TYPE_CHECKING:
    from ..runtime.flight import SingleFlightState

__all__ = ["SingleFlight"]


@attrs.frozen
class SingleFlight:
    """Of identical calls at the same time one goes on, and the others get its answer.

    ``key``: which calls are identical. ``None``: for a function those with the same arguments, written the same way;
    arguments without a hash are shared with nobody. For a request those with the same method, URL and header fields,
    but for the fields that only trace a call. Or the name of an attribute of the request, or a function of the call,
    which may answer ``None`` for a call that is not to be shared. Of requests only GET and HEAD are ever shared.

    The answer of a function is the same object for all. A response is copied, once its body has been read to the end,
    where somebody waits for it; one of more than ``max_bytes`` is not shared, and those who waited ask themselves.
    A failure is everybody's, as a copy of the exception. When the one who asks is cancelled or runs out of his own
    time, the next one asks.

    ``max_keys``: how many calls may be under way and shared; above that they are not shared. For async functions and
    clients. A flight belongs to one event loop.
    """

    key: fact.Key = attrs.field(default=None, validator=fact.key, kw_only=True)
    max_keys: int = attrs.field(default=10_000, validator=options.count(), kw_only=True)
    max_bytes: int = attrs.field(default=2**20, validator=options.size(), kw_only=True)
    name: str = attrs.field(default="SingleFlight", validator=fact.text, kw_only=True)

    asks = ("key",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> SingleFlightState:
        from ..runtime.flight import SingleFlightState  # asyncio is loaded by those who await

        return SingleFlightState(self.name, likeness.asking(self.name, self.key), self.max_keys, self.max_bytes)
