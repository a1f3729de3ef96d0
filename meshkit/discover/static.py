"""Where are they, if that never changes? Where the program says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import attrs

from ..cluster.endpoint import Endpoint
from ..options import count, no_decorator
from .source import endpoints_of, locality_word, located

__all__ = ["Static"]


def _endpoints(value: Any) -> tuple[Endpoint, ...]:
    return endpoints_of(value, "Static")


@attrs.frozen
class Static:
    """A list, given once: ``Static(["10.0.0.7:8080", "10.0.0.8:8080"], priority=1)``. Raises `ConfigError`.

    ``endpoints`` are `Endpoint`s or strings that make one, and may be none. ``priority`` is added to each one's own,
    ``locality`` is of those that say none.
    """

    endpoints: tuple[Endpoint, ...] = attrs.field(converter=_endpoints)
    priority: int = attrs.field(default=0, kw_only=True, validator=count(0, 127))
    locality: str | None = attrs.field(default=None, kw_only=True, validator=locality_word)

    def __attrs_post_init__(self) -> None:
        located(self.endpoints, self.priority, self.locality)  # a sum may be beyond the last

    __call__ = no_decorator

    def first(self) -> tuple[Endpoint, ...]:
        return located(self.endpoints, self.priority, self.locality)

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        """The one set there is; then it ends."""
        yield self.first()
