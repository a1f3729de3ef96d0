"""How are a million points kept in order, so that the next one is found as quickly as among a thousand?

::

    bits of a point   | segment |  heap  | bucket |        the rest        |

    heap      points that are sorted together, a hundred or so
    bucket    a 64th of a heap: one point or two, the only ones that are looked at for a key with the same bits
    segment   64 heaps behind each other in one array

Points are spread evenly, being hashes. They are dealt out to the heaps as they are made, and then sorted heap by heap:
both can be done in slices. A million of them in one array would take milliseconds only to be given memory; in many
small ones the collector would have to look at each of these.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

from ..balancer import Member

__all__ = ["SLICE", "Points", "sown"]

SLICE = 1536
"""Points made or sorted in a slice, where one costs a quarter of a microsecond."""
FULL = 2
"""Points in a bucket, at most on average."""
FINER = 64
"""Buckets in a heap of points that are sorted together."""
HEAPS = 2**14
"""At most: beyond two million points, buckets are fuller."""
TOGETHER = 64
"""Heaps in a segment."""
LOOKS = 256
"""Points that a walk goes on for."""
OWNER = 24
"""Bits of an endpoint's number."""


class Points:
    """A ring: points in order, and whose they are."""

    __slots__ = ("mask", "members", "segments", "shift", "signature", "size", "wide")

    members: list[Member]
    signature: list[tuple[str, int]]
    segments: list[tuple[array[int], array[int], array[int]]]
    """The points; whose they are, with one more: whose the next segment's first one is; by bucket, the first point's
    number, with one more.
    """
    wide: int
    """Bits of a point below those that say its segment,"""
    shift: int
    """and below those that say its bucket,"""
    mask: int
    """as many as these."""
    size: int

    def first(self, place: int) -> Member:
        points, owners, starts = self.segments[place >> self.wide]
        bucket = place >> self.shift & self.mask
        return self.members[owners[bisect_left(points, place, starts[bucket], starts[bucket + 1])]]

    def quick(self, asker: Any, further: Callable[[Any, Any], Member]) -> Callable[[Any, float], Member]:
        """`first` and the pick around it in one function: see `meshkit.balance.hashing.maglev`."""
        members, segments, wide, shift, mask = self.members, self.segments, self.wide, self.shift, self.mask

        def pick(call: Any, now: float, /) -> Member:
            place = call.facts[asker]
            if place is not None and not call.avoid:
                points, owners, starts = segments[place >> wide]
                bucket = place >> shift & mask
                member: Member = members[owners[bisect_left(points, place, starts[bucket], starts[bucket + 1])]]
                if member.up:
                    return member
            return further(place, call)

        return pick

    def walk(self, place: int) -> Iterator[Member]:
        segment = place >> self.wide
        at = bisect_left(self.segments[segment][0], place)
        looks = min(self.size, LOOKS)
        for further in range(len(self.segments) + 1):
            points, owners, _ = self.segments[(segment + further) % len(self.segments)]
            for n in range(at, len(points)):
                yield self.members[owners[n]]
                looks -= 1
                if not looks:
                    return
            at = 0


def sown(
    members: Sequence[Member],
    counts: list[int],
    points: Callable[[str, range], Iterable[int]],
    before: Any,
    *,
    bits: int,
    slow: bool = False,
) -> Generator[None, None, Points]:
    """``points(key, numbers)`` makes those of an endpoint; ``bits`` is how long they are."""
    ring = Points()
    ring.members = list(members)
    keys = [member.endpoint.hash_key for member in members]
    yield
    ring.signature = list(zip(keys, counts, strict=True))
    same = before is not None and before.signature == ring.signature
    ring.size = sum(counts)
    yield
    heaps = min(HEAPS, 1 << (ring.size // (FULL * FINER)).bit_length())
    segments = -(-heaps // TOGETHER)
    ring.wide = bits - segments.bit_length() + 1
    ring.shift = bits - (heaps * FINER).bit_length() + 1
    ring.mask = heaps * FINER // segments - 1
    ring.segments = before.segments if same else []
    if not same:
        sown = yield from _heaped(ring, points, heaps, bits, 16 if slow else 1)
        yield from _sorted(ring, sown, segments, "Q" if bits > 32 else "I")
    return ring


def _heaped(
    ring: Points, points: Callable[[str, range], Iterable[int]], wide: int, bits: int, cost: int
) -> Generator[None, None, list[list[int]]]:
    """All points, each with its owner's number behind it, in heaps by their top bits. ``cost``: of making one."""
    heaps: list[list[int]] = [[] for _ in range(wide)]
    shift = bits - wide.bit_length() + 1
    yield
    work, chunk = 0, SLICE // cost
    for owner, (key, number) in enumerate(ring.signature):
        for start in range(0, number, chunk):
            stop = min(start + chunk, number)
            for point in points(key, range(start, stop)):
                heaps[point >> shift].append(point << OWNER | owner)
            work += (stop - start) * cost + 8
            if work >= SLICE:
                work = 0
                yield
    return heaps


def _sorted(ring: Points, heaps: list[list[int]], segments: int, kind: str) -> Generator[None, None, None]:
    work = 0
    mask = (1 << OWNER) - 1
    for n, heap in enumerate(heaps):
        if not n % (len(heaps) // segments):
            points, owners, starts = array(kind), array("I"), array("I")
            ring.segments.append((points, owners, starts))
        heap.sort()
        starts.extend(
            [
                len(points) + bisect_left(heap, bucket << ring.shift + OWNER)
                for bucket in range(FINER * n, FINER * (n + 1))
            ]
        )
        points.extend([point >> OWNER for point in heap])
        owners.extend([point & mask for point in heap])
        work += len(heap) + FINER
        heap.clear()  # given back slice by slice as well
        if work >= SLICE:
            work = 0
            yield
    following = next(owners[0] for _, owners, _ in ring.segments if owners)
    for points, owners, starts in reversed(ring.segments):
        starts.append(len(points))
        owners.append(following)
        following = owners[0]
