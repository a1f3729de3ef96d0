"""How is a value written that is made of others: perhaps nothing, one or many, by name, one kind or another?

================  ==================================================================================================
`OrNone`          the value, or nothing: ``null``; and ``none`` where that is not a value itself, since TOML has no null
`Several`         a list of them; a single one without the list
`Tuple`           a list of so many, each of a kind of its own
`Table`           a mapping of names to them
`Either`          the first kind that fits what is there
`Via`             another kind, of which the spec makes something else, and gets it back for the file
================  ==================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..located import BROKEN, WRONG, Located
from ..mistakes import Mistakes
from .kind import Definitions, Kind, Schema, unwritable

__all__ = ["Either", "OrNone", "Several", "Table", "Tuple", "Via"]

NONE = "none"


class OrNone(Kind):
    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.expects = f"{inner.expects}, or none"
        self.word = not inner.fits(Located(NONE))
        """Whether nothing may be written as a word."""

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value is None or (value == NONE and self.word):
            return None
        return self.inner.read(node, mistakes)

    def write(self, value: Any) -> Any:
        if value is None:
            return NONE if self.word else None
        return self.inner.write(value)

    def fits(self, node: Located) -> bool:
        return node.value is None or (node.value == NONE and self.word) or self.inner.fits(node)

    def suits(self, value: Any) -> bool:
        return value is None or self.inner.suits(value)

    def offers(self, word: str) -> bool:
        return self.inner.offers(word)

    def schema(self, definitions: Definitions) -> Schema:
        nothing: list[Schema] = [{"type": "null"}]
        if self.word:
            nothing.append({"const": NONE})
        return {"anyOf": [self.inner.schema(definitions), *nothing]}


class Several(Kind):
    """``single``: whether one may stand without a list. ``made``: what becomes of the list."""

    def __init__(self, inner: Kind, made: Callable[[list[Any]], Any] = tuple, *, single: bool = True) -> None:
        self.inner = inner
        self.made = made
        self.single = single
        self.expects = f"a list, each item {inner.expects}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        read = self.inner.read
        if value.__class__ is not list:
            if not self.single or value is None:
                return self.wrong(node, mistakes)
            one = read(node, mistakes)
            return WRONG if one is WRONG else self.made([one])
        found = [read(each, mistakes) for each in value]
        return WRONG if WRONG in found else self.made(found)

    def write(self, value: Any) -> Any:
        return [self.inner.write(each) for each in value]

    def fits(self, node: Located) -> bool:
        return node.value.__class__ is list or (self.single and self.inner.fits(node))

    def suits(self, value: Any) -> bool:
        return isinstance(value, list | tuple | set | frozenset) and all(map(self.inner.suits, value))

    def offers(self, word: str) -> bool:
        return self.single and self.inner.offers(word)

    def schema(self, definitions: Definitions) -> Schema:
        inner = self.inner.schema(definitions)
        many = {"type": "array", "items": inner}
        return {"anyOf": [inner, many]} if self.single else many


class Tuple(Kind):
    shapes = (list,)

    def __init__(self, *inner: Kind) -> None:
        self.inner = inner
        self.expects = "a list of " + ", then ".join(each.expects for each in inner)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not list or len(value) != len(self.inner):
            return self.wrong(node, mistakes)
        found = tuple(kind.read(each, mistakes) for kind, each in zip(self.inner, value, strict=True))
        return WRONG if WRONG in found else found

    def write(self, value: Any) -> Any:
        return [kind.write(each) for kind, each in zip(self.inner, value, strict=True)]

    def suits(self, value: Any) -> bool:
        return isinstance(value, tuple | list) and len(value) == len(self.inner)

    def schema(self, definitions: Definitions) -> Schema:
        count = len(self.inner)
        items = [each.schema(definitions) for each in self.inner]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}


class Table(Kind):
    shapes = (dict,)

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.expects = f"a mapping of names, each to {inner.expects}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not dict:
            return self.wrong(node, mistakes)
        read = self.inner.read
        found = {name: WRONG if each.value is BROKEN else read(each, mistakes) for name, each in value.items()}
        return WRONG if WRONG in found.values() else found

    def write(self, value: Any) -> Any:
        return {name: self.inner.write(each) for name, each in value.items()}

    def suits(self, value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(self.inner.suits, value.values()))

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "object", "additionalProperties": self.inner.schema(definitions)}


class Either(Kind):
    def __init__(self, *kinds: Kind) -> None:
        self.kinds = kinds
        self.expects = ", or ".join(each.expects for each in kinds)

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        kind = self._fitting(node)
        if kind is not None:
            return kind.read(node, mistakes)
        shape = node.value.__class__
        alike = [kind for kind in self.kinds if shape in kind.shapes]
        if not alike and shape in {int, float}:  # which only lacks its quotes
            alike = [kind for kind in self.kinds if kind.classes == (str,) and str in kind.shapes]
        return alike[0].read(node, mistakes) if len(alike) == 1 else self.wrong(node, mistakes)

    def _fitting(self, node: Located) -> Kind | None:
        return next((kind for kind in self.kinds if kind.fits(node)), None)

    def write(self, value: Any) -> Any:
        kind = next((kind for kind in self.kinds if kind.suits(value)), None)
        if kind is None:
            raise unwritable(value, f"what can is {self.expects}")
        written = kind.write(value)
        return written if self._fitting(Located(written)) is kind else kind.whole(value)

    def fits(self, node: Located) -> bool:
        return any(kind.fits(node) for kind in self.kinds)

    def suits(self, value: Any) -> bool:
        return any(kind.suits(value) for kind in self.kinds)

    def offers(self, word: str) -> bool:
        return any(kind.offers(word) for kind in self.kinds)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [kind.schema(definitions) for kind in self.kinds]}


class Via(Kind):
    """``made`` of what the inner kind reads, ``told`` for it to write. ``made`` raises `ConfigError` with a ``fix``."""

    def __init__(
        self,
        inner: Kind,
        *,
        made: Callable[[Any], Any] = lambda value: value,
        told: Callable[[Any], Any] = lambda value: value,
        suits: Callable[[Any], bool] = lambda value: True,
    ) -> None:
        self.inner = inner
        self.made = made
        self.told = told
        self._suits = suits
        self.expects = inner.expects

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        found = self.inner.read(node, mistakes)
        return WRONG if found is WRONG else self.made(found)

    def write(self, value: Any) -> Any:
        return self.inner.write(self.told(value))

    def fits(self, node: Located) -> bool:
        return self.inner.fits(node)

    def suits(self, value: Any) -> bool:
        return self._suits(value)

    def offers(self, word: str) -> bool:
        return self.inner.offers(word)

    def schema(self, definitions: Definitions) -> Schema:
        return self.inner.schema(definitions)
