"""Where are they, if the program itself is told? Where it said last, from whichever thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..cluster.endpoint import Endpoint
from ..runtime.lock import LOCK, owned
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

    __slots__ = ("_bells", "_endpoints", "_followers", "_pushes")

    def __init__(self, endpoints: Iterable[Endpoint | str] | None = None) -> None:
        self._endpoints = None if endpoints is None else endpoints_of(endpoints, "Pushed")
        self._pushes = 0
        self._bells: set[Bell | TrioBell] = set()
        self._followers: WeakKeyDictionary[Any, dict[int, Any]] = WeakKeyDictionary()
        """The states of clusters, each with the numbers it has there, and the set that one goes by."""

    def push(self, endpoints: Iterable[Endpoint | str]) -> None:
        """Replace the whole set. From any thread, also one with a loop. Raises `ConfigError`, and nothing changes.

        The clusters of pipelines go by it when this returns. Whoever watches is told soon. Where one of the clusters
        cannot (a policy of its endpoints fails to start), the others do, and its error is raised then.
        """
        found = endpoints_of(endpoints, "Pushed")
        with LOCK:
            if found != self._endpoints:
                self._endpoints = found
                self._pushes += 1
            bells = list(self._bells)
            followers = [(state, number) for state, numbers in self._followers.items() for number in numbers]
        errors = []
        for state, number in followers:
            try:
                self._tell(state, number)
            except Exception as error:
                errors.append(error)
        for bell in bells:
            with suppress(RuntimeError):  # its loop is closed: whoever watched there is gone
                bell.ring()
        if errors:
            raise errors[0]

    def followed_by(self, state: Any, number: int) -> None:
        """A cluster, whose source of that number this is, goes by what is pushed before `push` returns."""
        with LOCK:
            numbers = self._followers.setdefault(state, {})
            if number in numbers:
                return
            numbers[number] = None
        self._tell(state, number)  # somebody may have pushed since it asked for the first set

    def _tell(self, state: Any, number: int) -> None:
        """In slices, between which others may call. The set is looked at under the lock: the last one to come wins.

        Within a slice of this very thread (a signal's handler) it is only said: whoever is at it begins anew.
        """
        within = owned()
        with LOCK:
            known, endpoints = self._followers.get(state), self._endpoints
            if endpoints is None or known is None or known[number] is endpoints:
                return
            slices = state.update(number, endpoints)
        try:
            while True:
                with LOCK:
                    if next(slices, slices) is slices:
                        known[number] = endpoints
                        return
                    if within:
                        return
        finally:
            slices.close()

    def first(self) -> tuple[Endpoint, ...] | None:
        return self._endpoints

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        """Each set pushed, from the present one on; of those that came too fast to be taken, the last. Never ends."""
        from ..runtime.bell import bell  # asyncio is loaded by those who await

        seen = -1
        while True:
            woken = bell()
            with LOCK:
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
                with LOCK:
                    self._bells.discard(woken)

    def __repr__(self) -> str:
        return f"Pushed({None if self._endpoints is None else list(map(str, self._endpoints))!r})"
