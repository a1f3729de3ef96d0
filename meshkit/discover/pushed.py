"""Where are they, if the program itself is told? Where it said last, from whichever thread."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..cluster.endpoint import Endpoint
from ..runtime.lock import LOCK
from .source import endpoints_of

if TYPE_CHECKING:
    from ..runtime.bell import Bell, TrioBell

__all__ = ["Pushed"]


class Pushed:
    """A source that is told: ``source = Pushed()``, and later ``source.push(["10.0.0.7:8080"])``.

    For a registry that has a client of its own, for a configuration pushed by somebody else, and for tests. Any number
    of clusters may watch one. Until the first push the set is unknown, unless ``endpoints`` are given. Unlike other
    sources it is no value: two are never equal.
    """

    __slots__ = ("_bells", "_endpoints", "_followers", "_lock", "_pushes")

    def __init__(self, endpoints: Iterable[Endpoint | str] | None = None) -> None:
        self._endpoints = None if endpoints is None else endpoints_of(endpoints, "Pushed")
        self._pushes = 0
        self._bells: set[Bell | TrioBell] = set()
        self._followers: WeakKeyDictionary[Any, set[int]] = WeakKeyDictionary()
        """The states of clusters, each with the numbers it has there."""
        self._lock = threading.Lock()

    def push(self, endpoints: Iterable[Endpoint | str]) -> None:
        """Replace the whole set. From any thread, also one with a loop. Raises `ConfigError`, and nothing changes.

        The clusters of pipelines go by it when this returns. Whoever watches is told soon.
        """
        found = endpoints_of(endpoints, "Pushed")
        with self._lock:
            if found == self._endpoints:
                return
            self._endpoints = found
            self._pushes += 1
            bells = list(self._bells)
        with LOCK:
            followers = [(state, number) for state, numbers in self._followers.items() for number in numbers]
        for follower in followers:
            self._tell(*follower)
        for bell in bells:
            with suppress(RuntimeError):  # its loop is closed: whoever watched there is gone
                bell.ring()

    def followed_by(self, state: Any, number: int) -> None:
        """A cluster, whose source of that number this is, goes by what is pushed before `push` returns."""
        with LOCK:
            numbers = self._followers.setdefault(state, set())
            if number in numbers:
                return
            numbers.add(number)
        self._tell(state, number)  # somebody may have pushed since it asked for the first set

    def _tell(self, state: Any, number: int) -> None:
        """In slices, between which others may call. The set is looked at under the lock: the last one to come wins."""
        slices: Any = None
        while True:
            with LOCK:
                if slices is None:
                    if self._endpoints is None:
                        return
                    slices = state.update(number, self._endpoints)
                if next(slices, slices) is slices:
                    return

    def first(self) -> tuple[Endpoint, ...] | None:
        return self._endpoints

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        """Each set pushed, from the present one on; of those that came too fast to be taken, the last. Never ends."""
        from ..runtime.bell import bell  # asyncio is loaded by those who await

        seen = -1
        while True:
            woken = bell()
            with self._lock:
                found, pushes = self._endpoints, self._pushes
                if found is None or pushes == seen:
                    self._bells.add(woken)
            if found is not None and pushes != seen:
                seen = pushes
                yield found
                continue
            try:
                await woken.wait(None)
            finally:
                with self._lock:
                    self._bells.discard(woken)

    def __repr__(self) -> str:
        return f"Pushed({None if self._endpoints is None else list(map(str, self._endpoints))!r})"
