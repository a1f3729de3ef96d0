"""How is a spec written? Its options by name, as in Python; or the first of them alone.

============================  ================================================================
in the file                   in Python
============================  ================================================================
``{seconds: 2s, name: a}``    ``Timeout(2.0, name="a")``
``2s``                        ``Timeout(2.0)``: the option that has a place, not only a name
============================  ================================================================

The options are the attributes of the class, each of the kind that `Kinds` finds for it. What the class itself refuses
(a `ConfigError` that names the option) is noted where that option stands: see `refusals`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import attrs

from ..alone import alone
from ..located import BROKEN, WRONG, Located
from ..meant import advice, snake
from ..mistakes import Mistakes, shown
from .described import described, summary
from .kind import Definitions, Kind, Schema
from .option import Option
from .refusals import Refusals

__all__ = ["Class"]

Read = Callable[[Located, Mistakes], Any]


class Class(Kind):
    """Specs of one class. ``kind_of`` says of what kind an option is. ``without``: options that do not stand here,
    since whoever reads such a spec gives them.
    """

    shapes = (dict,)

    def __init__(self, cls: type, kind_of: Callable[[type, Any], Kind], without: Iterable[str] = ()) -> None:
        self.cls = cls
        self.classes = (cls,)
        self.word = snake(cls.__name__)
        self.expects = f"the options of {self.word}"
        self.without = frozenset(without)
        self._kind_of = kind_of
        self.elsewhere: Callable[[str], str] | None = None
        """What to write in place of a word that is no option; empty: who knows."""

    @cached_property
    def options(self) -> dict[str, Option]:
        """By name; found out late, since a spec may be within itself."""
        fields = [each for each in attrs.fields(self.cls) if each.init and each.alias not in self.without]
        return {each.alias: Option(each, self._kind_of(self.cls, each)) for each in fields}

    @cached_property
    def first(self) -> Option | None:
        """The one that may stand alone."""
        return next((each for each in self.options.values() if not each.attribute.kw_only), None)

    @cached_property
    def _readers(self) -> dict[str, Read]:
        return {name: _secretly(each.kind) if each.secret else each.kind.read for name, each in self.options.items()}

    @cached_property
    def _required(self) -> tuple[str, ...]:
        return tuple(name for name, each in self.options.items() if each.required)

    def read(self, node: Located, mistakes: Mistakes, **given: Any) -> Any:
        """``given``: options that do not stand here."""
        value = node.value
        if value.__class__ is not dict:
            return self._alone(node, mistakes, given)
        readers = self._readers
        sound, strange = True, False
        for name, each in value.items():
            reader = readers.get(name)
            if reader is None:
                if self.first is not None and all(map(self.first.kind.offers, value)):
                    return self._alone(node, mistakes, given)
                sound, strange = False, True
                if each.value is not BROKEN:
                    mistakes.note(
                        node, f"{self.word} has no option {shown(name)}", self._meant(name, mistakes), key=name
                    )
                continue
            found = reader(each, mistakes)
            if found is WRONG:
                sound = False
            else:
                given[name] = found
        for name in self._required:
            if name not in value:
                sound = False
                if not strange:  # which may be meant for it
                    self._missing(name, node, mistakes)
        return self._made(given, node, mistakes, sound)

    def bare(self, node: Located, mistakes: Mistakes, word: str = "", **given: Any) -> Any:
        if word and self.first is not None and self._required == (self.first.name,):
            mistakes.note(node, f"{word} needs a value", f"write {word}: and then {self.first.kind.expects}")
            return WRONG
        for name in self._required:
            self._missing(name, node, mistakes)
        return WRONG if self._required else self._made(given, node, mistakes, True)

    def _alone(self, node: Located, mistakes: Mistakes, given: dict[str, Any]) -> Any:
        value = node.value
        meant = alone(self.word, value)
        if meant and self.first is not None and self._readers[self.first.name](node, Mistakes("")) is not WRONG:
            meant = ""  # it may stand there
        if self.first is None or value is None or meant or (value is True and not self._required):
            if value is True and not self._required:
                return self.wrong(node, mistakes, f"write {self.word} alone")
            every = f"write some of {', '.join(self.options)}, each with a value" if self.options else "it has none"
            return self.wrong(node, mistakes, meant or every)
        if value.__class__ is str and value.partition(":")[0] in self.options:
            mistakes.note(node, "there is no blank behind the colon", "write one")
            return WRONG
        found = self._readers[self.first.name](node, mistakes)
        missing = [name for name in self._required if name != self.first.name]
        for name in missing:
            self._missing(name, node, mistakes)
        if found is WRONG or missing:
            return WRONG
        return self._made({**given, self.first.name: found}, node, mistakes, True)

    def _missing(self, name: str, node: Located, mistakes: Mistakes) -> None:
        mistakes.note(node, f"{self.word} needs {name}", f"add {name}: {self.options[name].kind.expects}")

    def _meant(self, name: str, mistakes: Mistakes) -> str:
        if mistakes.full:
            return ""
        told = "" if self.elsewhere is None else self.elsewhere(name)
        return told or (advice(name, self.options, self.word) if self.options else "it has none")

    def _made(self, given: dict[str, Any], node: Located, mistakes: Mistakes, sound: bool) -> Any:
        error: Exception | None = None
        if sound:
            try:
                return self.cls(**given)
            except Exception as raised:
                error = raised
        if not mistakes.full:
            Refusals(self.cls, self.options, given, node, mistakes).tell(error)
        return WRONG

    def write(self, value: Any) -> Any:
        """The first option alone where that says it all; else a mapping of those that differ from their defaults."""
        told = self.whole(value)
        first = self.first
        if first is None or [*told] != [first.name]:
            return told
        alone = told[first.name]
        if not isinstance(alone, dict):
            return told if alone is None else alone
        word = next(iter(alone)) if len(alone) == 1 else None
        return alone if word not in self.options and self.offers(word) else told

    def whole(self, value: Any) -> dict[str, Any]:
        return {
            name: option.kind.write(option.of(value))
            for name, option in self.options.items()
            if option.required or not option.is_default(value)
        }

    def fits(self, node: Located) -> bool:
        value = node.value
        if value.__class__ is dict:
            return not value or any(name in self.options or self.offers(name) for name in value)
        return self.first is not None and self.first.kind.fits(node)

    def offers(self, word: str | None) -> bool:
        return word is not None and self.first is not None and self.first.kind.offers(word)

    def schema(self, definitions: Definitions) -> Schema:
        return (
            self._drawn(definitions) if self.without else definitions.named(self.word, lambda: self._drawn(definitions))
        )

    def _drawn(self, definitions: Definitions) -> Schema:
        texts = described(self.cls)
        options = {}
        for name, option in self.options.items():
            schema = option.kind.schema(definitions)
            text = texts.get(name)
            options[name] = {"description": text, **schema} if text else schema
        whole: Schema = {"type": "object", "properties": options, "additionalProperties": False}
        if self._required:
            whole["required"] = [*self._required]
        about = {"description": summary(self.cls)} if summary(self.cls) else {}
        if self.first is None or len(self._required) > 1 or (self._required and self.first.name not in self._required):
            return {**about, **whole}
        return {**about, "anyOf": [whole, self.first.kind.schema(definitions)]}


def _secretly(kind: Kind) -> Read:
    def read(node: Located, mistakes: Mistakes) -> Any:
        with mistakes.secretly():
            return kind.read(node, mistakes)

    return read
