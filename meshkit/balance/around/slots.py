"""Whose is a slot? The table behind the cookies of `Sticky` that are drawn: a ring of 65 536 slots.

Each endpoint has 64 points on it, made of its name by BLAKE2b: the top 16 bits say the slot, the lower ones where in
it. A slot belongs to the first point in it, or else behind it; after the last slot comes the first. Who comes takes
slots, who leaves gives up its own, and no other slot changes hands.

Karger et al., "Consistent Hashing and Random Trees" (1997).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from hashlib import blake2b
from struct import unpack

__all__ = ["SLOTS", "Table"]

SLOTS = 65_536
POINTS = 64
"""Of each endpoint, on the ring; 16 to a digest."""
NOWHERE = 65_536
"""Behind all points of a slot."""


class Table:
    """Which name each slot belongs to, and which slots each name has."""

    __slots__ = ("names", "owners", "slots")

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.owners = array("i", [-1]) * SLOTS
        """By slot, the place of a name."""
        self.slots: dict[str, list[int]] = {}

    def lay(self) -> Iterator[None]:
        names, owners = self.names, self.owners
        least = array("i", [NOWHERE]) * SLOTS
        lists: list[list[int]] = []
        for owner, name in enumerate(names):
            for part in range(POINTS // 16):
                for point in unpack("<16I", blake2b(f"{name}{part}".encode()).digest()):
                    slot, behind = point >> 16, point & 65_535
                    if behind < least[slot] or (behind == least[slot] and name < names[owners[slot]]):
                        least[slot] = behind
                        owners[slot] = owner
            lists.append([])
            self.slots[name] = lists[-1]
            if not owner % 32:
                yield
        owner = next(each for each in owners if each >= 0)
        for slot in range(SLOTS - 1, -1, -1):
            if owners[slot] < 0:
                owners[slot] = owner
            else:
                owner = owners[slot]
            lists[owner].append(slot)
            if not slot % 2048:
                yield
