"""Do two specs say the same? Also where Python takes one value for another: ``1`` for ``true``, or for ``1.0``.

What is of a spec's own kind is compared by its attributes, lists and mappings by what they hold, in its order, and
anything else by ``==``, if it is of the same type. Clusters are compared once, however many routes lead to them; or by
their names alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any

import attrs

from ..cluster import Cluster

__all__ = ["Alike"]

ATOMS = frozenset({bool, bytes, float, int, str, type(None)})


class Alike:
    """Compares, and remembers what it knows of clusters; whoever asks keeps them alive. ``by_name``: two clusters of
    one name are alike.
    """

    __slots__ = ("_by_name", "_clusters")

    def __init__(self, *, by_name: bool = False) -> None:
        self._by_name = by_name
        self._clusters: dict[tuple[int, int], bool] = {}

    def __call__(self, one: Any, other: Any) -> bool:
        if one is other:
            return True
        kind = type(one)
        if kind is not type(other):
            return False
        if kind in ATOMS:
            return bool(one == other)
        if kind is tuple or kind is list:
            return self._each(one, other)
        if kind is dict:
            if not one:
                return not other
            return self._each([*one], [*other]) and self._each([*one.values()], [*other.values()])
        values = _values(kind)  # type: ignore[arg-type]  # a class has a hash
        if values is None:
            return bool(one == other)
        if kind is not Cluster:
            return self._each(values(one), values(other))
        if self._by_name:
            return bool(one.name == other.name)
        key = id(one), id(other)
        if key not in self._clusters:
            self._clusters[key] = self._each(values(one), values(other))
        return self._clusters[key]

    def _each(self, some: Any, others: Any) -> bool:
        if len(some) != len(others):
            return False
        # Most of what there is, is the very same: None, () and short texts.
        differ = [one for one, other in zip(some, others, strict=True) if one is not other and not self(one, other)]
        return not differ


@lru_cache(1024)
def _values(kind: type) -> Callable[[Any], tuple[Any, ...]] | None:
    """What takes the attributes of a spec that count; ``None``: it is no spec, or equals nothing but itself."""
    if not attrs.has(kind) or kind.__eq__ is object.__eq__:
        return None
    names = [each.name for each in attrs.fields(kind) if each.eq]
    several: Callable[[Any], Any] = attrgetter(*names) if names else len
    return several if len(names) > 1 else lambda spec: (several(spec),) if names else ()
