"""What does a gateway leave behind? What has grown, what is still held when nobody asks, and what it complains of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

__all__ = ["Sample", "complaints", "grown", "held"]

WARM = 0.1
"""The part of a run that comes before its first quarter is measured."""
HELD = ("in_flight", "queued", "under_way")
"""What says how much is held, in the JSON of the status page."""
COMPLAINTS = ("never retrieved", "never awaited", "was destroyed", "Unhandled")
BROKEN = "meshkit.upstream.errors."


@attrs.frozen
class Sample:
    """What the gateway has at an instant: bytes of memory, and descriptors."""

    at: float
    memory: int
    descriptors: int


def grown(samples: Sequence[Sample], bounds: Mapping[str, float]) -> tuple[list[str], list[str]]:
    """What is told of each measure, and what has grown by more than its bound: the least of the last quarter is held
    against that of the first one, which begins when a tenth has passed. What comes and goes (connections to an endpoint
    that is frozen, say) does not count: what is left behind is there at all times.
    """
    told, found = [], []
    rest = samples[int(len(samples) * WARM) :]
    quarter = max(len(rest) // 4, 1)
    for name, bound in bounds.items():
        early, late = (min(getattr(each, name) for each in part) for part in (rest[:quarter], rest[-quarter:]))
        told.append(
            f"{name}: at least {early:,.0f} in the first quarter, {late:,.0f} in the last (may grow by {bound:,.0f})"
        )
        if late - early > bound:
            found.append(f"{name} grew by {late - early:,.0f}, from {early:,.0f}")
    return told, found


def held(picture: Any, where: str = "") -> Iterator[str]:
    """What a status page tells of that is taken and not given back."""
    if isinstance(picture, dict):
        name = picture.get("name")
        where = f"{where}/{name}" if isinstance(name, str) else where
        for key, value in picture.items():
            if key in HELD and value:
                yield f"{where}: {key} {value}"
            yield from held(value, where)
    elif isinstance(picture, list):
        for each in picture:
            yield from held(each, where)


def complaints(said: str) -> list[str]:
    """What a gateway says that it should not have to: but for an answer that an upstream has broken off, which the
    server is told of by what is raised.
    """
    found = []
    lines = iter(said.splitlines())
    for line in lines:
        if line.startswith("Traceback"):
            last = next((each for each in lines if each and not each.startswith((" ", "+"))), "")
            if not last.startswith(BROKEN):
                found.append(last)
        elif any(word in line for word in COMPLAINTS):
            found.append(line)
    return found
