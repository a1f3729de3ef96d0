"""Which characters may stand here? Sets of them, as ranges of their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

__all__ = ["CLASSES", "DOT", "Ranges", "complement", "folded", "overlap", "shown", "union"]

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""From first to last, in order, with gaps between."""

TOP = 0x10FFFF


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(high, joined[-1][1])
        else:
            joined.append((low, high))
    return tuple(joined)


def complement(ranges: Ranges) -> Ranges:
    starts = [0, *(high + 1 for _, high in ranges)]
    ends = [*(low - 1 for low, _ in ranges), TOP]
    return tuple((low, high) for low, high in zip(starts, ends, strict=True) if low <= high)


def overlap(one: Ranges, other: Ranges) -> bool:
    return any(low <= last and first <= high for low, high in one for first, last in other)


CLASSES: dict[str, Ranges] = {
    "d": ((0x30, 0x39),),
    "s": ((9, 10), (12, 13), (32, 32)),
    "w": ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)),
}
r"""RE2's ``\d``, ``\s`` and ``\w``: ASCII, and without ``\v``."""
DOT = complement(((10, 10),))


def folded(ranges: Ranges) -> Ranges:
    """With the other case of ASCII letters, and the two others that Unicode folds to one: U+017F to s, U+212A to k."""
    letters = {number for low, high in ranges for number in range(low, min(high, 0x7F) + 1) if chr(number).isalpha()}
    others = [number ^ 0x20 for number in letters]
    others += [0x17F] if letters & {0x53, 0x73} else []
    others += [0x212A] if letters & {0x4B, 0x6B} else []
    return union([*ranges, *((number, number) for number in others)])


def shown(ranges: Ranges) -> str:
    """As ``re`` has it: what stands for any one of them."""
    if ranges == DOT:
        return "."
    others = complement(ranges)
    negated = 0 < len(others) < len(ranges) or (len(others) == 1 and others[0][0] == others[0][1])
    spans = [
        _number(low) + (f"-{_number(high)}" if high > low else "") for low, high in (others if negated else ranges)
    ]
    single = not negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]
    return spans[0] if single else f"[{'^' * negated}{''.join(spans)}]"


def _number(number: int) -> str:
    char = chr(number)
    return char if char.isascii() and char.isalnum() else f"\\U{number:08x}"
