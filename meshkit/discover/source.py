"""Where are they now? The contract of everything that knows: the whole set of endpoints, and again whenever it changes.

    async for endpoints in source.watch():  # each item replaces the one before
        ...

A source says what it has been told and nothing else: it keeps no last good set, counts no failures and waits for no
better times. All that is the consumer's, once for every source: it keeps the set it has, tells of the error, and calls
``watch`` again after a backoff.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Protocol

import attrs

from ..cluster.endpoint import Endpoint
from ..errors import ConfigError

__all__ = ["MOST_ENDPOINTS", "Source", "endpoints_of", "locality_word", "located"]

MOST_ENDPOINTS = 100_000
"""In one set."""


class Source(Protocol):
    """What a cluster can be given in place of a list of endpoints. A frozen spec, or a thing that is pushed to.

    Two optional attributes. ``first() -> Sequence[Endpoint] | None`` answers the set if it can be known at once,
    without a network, and raises as ``watch`` does. ``retry_within: float`` is the longest in seconds that a consumer
    shall wait before it calls ``watch`` again after an error, where asking costs next to nothing.
    """

    def watch(self) -> AsyncIterator[Sequence[Endpoint]]:
        """The whole set as soon as it is known, and again each time it has changed. On asyncio and on trio.

        - No address and no name stands twice in a set, and there are at most 100,000 endpoints in it. An empty set is a
          set: somebody who knows said that there is nobody. Not knowing is an error.
        - Raises `DiscoveryError` when the set cannot be found out, and has ended then: ask anew.
        - It may end without an error: the last set then holds for good.
        - Cancelling it at any of its awaits, or closing it (``contextlib.aclosing``), leaves nothing behind.
        - Each call begins anew and knows of no other.
        """
        ...  # pragma: no cover


def endpoints_of(value: Any, source: str) -> tuple[Endpoint, ...]:
    """What a user wrote, endpoints or strings that make one, as a set. Raises `ConfigError`."""
    if isinstance(value, str | bytes | Endpoint) or not isinstance(value, Iterable):
        raise ConfigError.of(source, "endpoints", value, "give a list of endpoints or of strings")
    found: list[Endpoint] = []
    seen: set[object] = set()
    for each in value:
        endpoint = each if isinstance(each, Endpoint) else Endpoint(each)
        here = {str(endpoint), (endpoint.host, endpoint.port)}
        if seen & here:
            fix = "list it once, and give it a weight for a larger share"
            raise ConfigError.of(source, "endpoints", str(endpoint), fix)
        seen |= here
        found.append(endpoint)
        if len(found) > MOST_ENDPOINTS:
            raise ConfigError(f"{source}: more than {MOST_ENDPOINTS} endpoints: give a part of them")
    return tuple(found)


def locality_word(spec: Any, attribute: Any, value: object) -> None:
    """A validator: a word that can be shown, or ``None``."""
    if value is not None and not (isinstance(value, str) and value.strip() and value.isprintable()):
        fix = 'give a zone, or "region/zone/sub-zone", or leave it out'
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def located(endpoints: Iterable[Endpoint], priority: int, locality: str | None) -> tuple[Endpoint, ...]:
    """With ``priority`` added to their own, and ``locality`` where they say none. Raises `ConfigError`."""
    if not priority and locality is None:
        return tuple(endpoints)
    return tuple(
        attrs.evolve(each, priority=each.priority + priority, locality=each.locality or locality) for each in endpoints
    )
