"""For how long does a change of one endpoint among ten thousand stop everybody, and when is its table there?

The processor time of the longest slice, under the lock, of all it takes to put the new set together and to make what
picks from it; and of all of them in sum. No call waits for more than one of them.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from random import Random
from time import thread_time
from typing import Any

import attrs

from .measure import Effort, Figure, spread
from .rows import Line

__all__ = ["ROWS", "Update", "changing"]

ENDPOINTS = 10_000
TURNS = 5


class Told:
    """A source that is asked once."""

    def __init__(self, endpoints: tuple[Any, ...]) -> None:
        self.endpoints = endpoints

    def first(self) -> tuple[Any, ...]:
        return self.endpoints

    def watch(self) -> Iterator[Any]:
        raise NotImplementedError


def listed(endpoints: int) -> tuple[Any, ...]:
    """As a source would: made anew each time."""
    from meshkit import Endpoint

    return tuple(Endpoint(f"10.{n // 62500}.{n // 250 % 250}.{n % 250}:80", weight=1 + n % 3) for n in range(endpoints))


def changing(balancer: Any, endpoints: int) -> Callable[[], list[float]]:
    """A change of one endpoint's weight: the seconds that each slice takes."""
    from meshkit import Cluster, Endpoint

    state = Cluster("orders", Told(listed(endpoints)), balancer=balancer).start(Random(1))  # type: ignore[arg-type]
    state.fold(lambda states: states)  # type: ignore[arg-type,return-value]
    weights = iter(range(10, 1000))

    def one() -> list[float]:
        changed = list(listed(endpoints))
        changed[0] = Endpoint(changed[0].address, weight=next(weights))
        slices, seconds = state.update(0, changed), []
        while True:
            began = thread_time()
            over = next(slices, slices) is slices
            seconds.append(thread_time() - began)
            if over:
                return seconds

    return one


@attrs.frozen(kw_only=True)
class Update:
    """One kind of balancer."""

    name: str
    make: Callable[[], Any]
    endpoints: int = ENDPOINTS

    group = "update"

    async def measure(self, effort: Effort) -> list[Line]:
        change = changing(self.make(), self.endpoints)
        change()
        gc.collect()
        gc.freeze()  # what stands for good is not gone through again and again
        try:
            turns = [change() for _ in range(TURNS)]
        finally:
            gc.unfreeze()
        path = f"{self.name}: a change of 1 endpoint of {self.endpoints:,}"
        return [
            self._line(f"{path}, the longest slice", "ms", 10, [1e3 * max(each) for each in turns]),
            self._line(f"{path}, all of it", "ms", 10_000, [1e3 * sum(each) for each in turns]),
        ]

    def _line(self, path: str, unit: str, target: float, values: list[float]) -> Line:
        figure = Figure(statistics.median(values), spread(values), 0.0)
        return Line(self.group, path, unit, target, "meshkit", None, {"meshkit": figure}, {})


def maglev(size: int) -> Any:
    from meshkit.balance import Hashed, Maglev

    return Hashed("path", Maglev(size=size))


def ring() -> Any:
    from meshkit.balance import Hashed, Ring

    return Hashed("path", Ring(least=160 * ENDPOINTS))


def peak_ewma() -> Any:
    from meshkit import PeakEwma

    return PeakEwma()


def round_robin() -> Any:
    from meshkit import RoundRobin

    return RoundRobin()


ROWS = (
    Update(name="P2C peak EWMA", make=peak_ewma),
    Update(name="round robin", make=round_robin),
    Update(name="Maglev 65537", make=lambda: maglev(65537)),
    Update(name="Maglev 1000003", make=lambda: maglev(1_000_003)),
    Update(name="ring of 1,600,000 points", make=ring),
)
