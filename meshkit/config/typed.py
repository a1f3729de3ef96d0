"""Of what kind is a value of this type, and this option of that spec? From what is known of them already.

The first of these that says so:

1. what was registered for the option, or for the type
2. the field's ``metadata["kind"]``: a `Kind`, or a type
3. the kind that its validator tells (`meshkit.options`): a duration, a size, a ratio, words
4. its type: ``str`` ``bool`` ``int`` ``float`` ``bytes`` ``Any`` ``Literal`` ``X | None`` ``tuple[X, ...]``
   ``tuple[X, Y]`` ``list[X]`` ``dict[str, X]`` ``Callable``, an attrs class, a union of these. Of several attrs classes
   in a union one is chosen by its word, ``split: ...``; of a single one the options stand there as they are.

So an ordinary attrs class needs nothing to be read, written and drawn.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from .. import options
from ..options import kind_of
from .kinds.choice import Choice
from .kinds.classes import Class
from .kinds.kind import Kind
from .kinds.named import Named
from .kinds.numbers import Count, Flag, Number, Ratio, Seconds, Size
from .kinds.references import Function
from .kinds.several import Either, OrNone, Several, Table, Tuple
from .kinds.texts import Bytes, Plain, Text, Words
from .meant import snake

__all__ = ["Kinds"]

NOTHING = type(None)
_ONE: dict[Any, Callable[[], Kind]] = {
    Any: Plain, bool: Flag, bytes: Bytes, float: Number, int: Count, object: Plain, str: Text,
}  # fmt: skip
_TOLD: dict[str, Callable[[options.Kind], Kind]] = {
    "among": lambda told: Words(told.words),
    "count": lambda told: Count(told.least, told.most),
    "flag": lambda told: Flag(),
    "number": lambda told: Number(told.least, told.most),
    "ratio": lambda told: Ratio(told.zero),
    "seconds": lambda told: Seconds(told.zero),
    "size": lambda told: Size(told.least, told.most),
}


class Kinds:
    """The kinds there are. ``imports``: whether a file may name Python objects, which are then imported; ``functions``:
    those that it may name in any case.
    """

    def __init__(self, *, imports: bool = False, functions: Mapping[str, Any] | None = None) -> None:
        self.imports = imports
        self.functions = functions or {}
        self._types: dict[Any, Kind] = {}
        self._options: dict[tuple[type, str], Kind] = {}
        self._groups: dict[str, Choice] = {}
        self._homes: dict[str, str] = {}
        """By word, the group that it belongs to."""

    def register(self, wanted: Any, kind: Kind) -> None:
        """Values of a type are of this kind."""
        self._types[wanted] = kind

    def option(self, cls: type, name: str, kind: Kind) -> None:
        """An option of a spec is of this kind."""
        self._options[cls, name] = kind

    def option_of(self, cls: type, name: str) -> Kind:
        """The kind of an option."""
        return self.named(cls, "").inner.options[name].kind

    def group(self, name: str, *classes: type, bare: bool = True) -> Choice:
        """Specs of which one is chosen by its word, the class's name in snake case; ``name`` is what one is called, and
        ``bare`` whether a word alone says it.
        """
        members = {snake(cls.__name__): self.of(cls) for cls in classes}
        self._groups[name] = Choice(name, members, self._homes, bare=bare)
        for word in members:
            self._homes.setdefault(word, name)
        return self._groups[name]

    def one_of(self, name: str) -> Choice:
        """The group of that name."""
        return self._groups[name]

    @property
    def groups(self) -> Mapping[str, Choice]:
        """All of them, by name."""
        return self._groups

    def named(self, cls: type, option: str = "name") -> Named:
        """Specs of a class in a mapping, whose keys are that option."""
        return Named(Class(cls, self._of_option, (option,)), option)

    def of(self, wanted: Any) -> Kind:
        """The kind of values of a type; a `Kind` is itself. Raises `TypeError` for what cannot be written."""
        if isinstance(wanted, Kind):
            return wanted
        known = self._types.get(wanted)
        if known is None:
            known = self._types[wanted] = self._found(wanted)
        return known

    def _found(self, wanted: Any) -> Kind:
        if wanted in _ONE:
            return _ONE[wanted]()
        origin, inner = get_origin(wanted), get_args(wanted)
        if origin is Annotated:
            told = [each for each in inner[1:] if isinstance(each, Kind | options.Kind)]
            return self._told(told[0]) if told else self.of(inner[0])
        if origin is Literal:
            return Words(inner)
        if origin in {Union, types.UnionType}:
            return self._union(inner)
        if origin is tuple and (len(inner) != 2 or inner[1] is not ...):
            return Tuple(*map(self.of, inner))
        plain = origin or wanted
        if isinstance(plain, type) and issubclass(plain, tuple | list | set | frozenset | Sequence):
            made: Any = plain if plain in {list, set, frozenset} else tuple
            return Several(self.of(inner[0]) if inner else Plain(), made)
        if isinstance(plain, type) and issubclass(plain, Mapping):
            return Table(self.of(inner[1]) if inner else Plain())
        if isinstance(wanted, type) and attrs.has(wanted):
            return Class(wanted, self._of_option)
        if plain is Callable or wanted is types.FunctionType or plain is typing.Callable:
            return Function(allowed=self.imports, known=self.functions)
        raise TypeError(f"{wanted!r} cannot be written in a file: register a kind for it")

    def _told(self, told: Kind | options.Kind) -> Kind:
        return told if isinstance(told, Kind) else _TOLD[told.word](told)

    def _union(self, inner: tuple[Any, ...]) -> Kind:
        members = [each for each in inner if each is not NOTHING and not (each is int and float in inner)]
        classes = [each for each in members if isinstance(each, type) and attrs.has(each) and each not in self._types]
        kinds: list[Kind] = []
        for each in members:
            if each in classes and len(classes) > 1:
                if each is classes[0]:
                    words = {snake(cls.__name__): self.of(cls) for cls in classes}
                    kinds.append(Choice(" or ".join(words), words, self._homes, bare=str not in members))
                continue
            kind = self.of(each)
            if isinstance(kind, Function) and str in members:
                kind = Function(allowed=self.imports, known=self.functions, explicit=True)
            kinds.append(kind)
        kind = kinds[0] if len(kinds) == 1 else Either(*kinds)
        return OrNone(kind) if NOTHING in inner else kind

    def _of_option(self, cls: type, attribute: Any) -> Kind:
        for each in cls.__mro__:
            if (each, attribute.alias) in self._options:
                return self._options[each, attribute.alias]
        hint = _hints(cls).get(attribute.name, Any)
        told = attribute.metadata.get("kind") or kind_of(attribute.validator)
        if told is None:
            return self.of(hint)
        kind = self._told(told) if isinstance(told, Kind | options.Kind) else self.of(told)
        return OrNone(kind) if attribute.default is None or NOTHING in get_args(hint) else kind


@lru_cache(512)
@lru_cache(1024)
def _hints(cls: type) -> dict[str, Any]:
    """The types of its attributes; those that are there for a type checker alone are any."""
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError:
        found: dict[str, Any] = {}
        for each in attrs.fields(cls):
            holder = types.SimpleNamespace(__annotations__={each.name: each.type})
            try:
                found |= typing.get_type_hints(holder, vars(sys.modules[cls.__module__]), include_extras=True)
            except NameError:
                continue
        return found
