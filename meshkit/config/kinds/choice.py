"""How is one of many specs written? A word, and what belongs to it.

============================  ====================================================
in the file                   in Python
============================  ====================================================
``circuit_breaker``           ``CircuitBreaker()``
``timeout: 2s``               ``Timeout(2.0)``
``retry: {on: 5xx}``          ``Retry(on="5xx")``
``circuit_breaker:``          ``CircuitBreaker()``: nothing behind the colon
============================  ====================================================

A mapping has one word. Several policies are a list, since they have an order, and a mapping has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..alone import alone
from ..foreign import meant
from ..located import BROKEN, WRONG, Located
from ..meant import advice, listed, ours
from ..mistakes import Mistakes, quoted, shown
from .classes import Class
from .kind import Definitions, Kind, Schema, unwritable

__all__ = ["Choice"]

LISTED = {"action", "check", "policy", "step"}
"""Groups of which several stand in a list."""
SUCH = {"action": "rewrite", "balancer": "round_robin", "destination": "redirect", "policy": "timeout"}
"""By group, the one that is named where any is wanted."""
TYPES = ("type", "name", "kind", "policy")
"""Keys that say elsewhere which one it is."""
FEW = 6
"""Words of a group that are told where none of them was."""
PLACES = {"action": "actions", "destination": "to", "policy": "policies"}
"""By group, the option of a route in which it stands."""


class Choice(Kind):
    """``members``: by word. ``name``: what such a thing is called. ``others``: where else a word may belong. ``bare``:
    whether a word alone is one; not where a text is something else.
    """

    shapes: tuple[type, ...] = (str, dict)

    def __init__(
        self, name: str, members: Mapping[str, Kind], others: Mapping[str, str] | None = None, *, bare: bool = True
    ) -> None:
        self.name = name
        self.alone = bare
        if not bare:
            self.shapes = (dict,)
        self.members = dict(members)
        self.others = others or {}
        words = [*self.members]
        example = SUCH.get(name, words[0])
        self.expects = f"{_article(name)} such as {example}" if len(words) > 1 else f"{_article(name)}, {words[0]}"
        self._words = {kind: word for word, member in self.members.items() for kind in member.classes}

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is dict and len(value) == 1:
            [(word, inner)] = value.items()
            member = self.members.get(word)
            if member is None:
                return WRONG if inner.value is BROKEN else self._unknown(word, node, mistakes, word)
            if inner.value is None:
                return member.bare(inner, mistakes, word)
            return member.read(inner, mistakes)
        if value.__class__ is str and self.alone:
            member = self.members.get(value)
            if member is None:
                return self._unknown(value, node, mistakes)
            return member.bare(node, mistakes, value)
        if value.__class__ is dict and value:
            return self._several(node, mistakes)
        hint = alone(self.name, value) or ("" if len(self.members) > FEW else self._every())
        return self.wrong(node, mistakes, hint)

    def _several(self, node: Located, mistakes: Mistakes) -> Any:
        words = [word for word in node.value if word in self.members]
        if len(words) > 1:
            text = f"{len(node.value)} words in one mapping: {', '.join(map(shown, [*node.value][:5]))}"
            fix = "write one of them"
            if self.name in LISTED:
                fix = "write a list, each with a - of its own: their order counts"
            mistakes.note(node, text, fix)
        elif words:
            stray = next(word for word in node.value if word not in self.members)
            text = f"{shown(stray)} stands beside {words[0]}"
            mistakes.note(node, text, f"if it belongs to {words[0]}, indent it further", key=stray)
        else:
            return self._unknown(next(iter(node.value)), node, mistakes, next(iter(node.value)))
        return WRONG

    def _unknown(self, word: str, node: Located, mistakes: Mistakes, key: str | None = None) -> Any:
        fix = "" if mistakes.full else self._meant(word, node)
        text = f"{quoted(word)} is no {self.name}" if fix else f"expected {_article(self.name)}"
        mistakes.note(node, text, fix, key=key)
        return WRONG

    def _meant(self, word: str, node: Located) -> str:
        told = self._typed(node) or alone(self.name, node.value) or meant(self.name, ours(word))
        elsewhere = self.others.get(word, self.name)
        if not told and elsewhere not in {self.name, "step"}:
            place = PLACES.get(elsewhere)
            return f"that is {_article(elsewhere)}" + (f": write it under {place}:" if place else "")
        told = told or advice(word, self.members)
        if told != listed(self.members):
            return told
        holders = [name for name, each in self.members.items() if isinstance(each, Class) and word in each.options]
        if not 0 < len(holders) < FEW or word == "name":
            return self._every()
        return f"it is an option of {', '.join(holders)}: write {holders[-1]}: {{{shown(word)}: ...}}"

    def _typed(self, node: Located) -> str:
        """What to write in place of ``{type: round_robin}``."""
        value = node.value if node.value.__class__ is dict else {}
        word = next((value[name].value for name in TYPES if name in value), None)
        if not isinstance(word, str) or ours(word) not in self.members:
            return ""
        return f"write {ours(word)}" + (": {...}" if len(value) > 1 else "")

    def _every(self) -> str:
        return f"there are {', '.join(self.members)}" if len(self.members) > 1 else f"write {next(iter(self.members))}"

    def write(self, value: Any) -> Any:
        told = self.whole(value)
        [(word, inner)] = told.items()
        return word if inner == {} and self.alone else told

    def whole(self, value: Any) -> dict[str, Any]:
        word = self._words.get(type(value))
        if word is None:
            raise unwritable(value, f"it is no {self.name} of a file")
        return {word: self.members[word].write(value)}

    def fits(self, node: Located) -> bool:
        value = node.value
        if value.__class__ is dict:
            return any(word in self.members for word in value)
        return self.alone and value.__class__ is str and value in self.members

    def suits(self, value: Any) -> bool:
        return type(value) in self._words

    def offers(self, word: str) -> bool:
        return word in self.members

    def schema(self, definitions: Definitions) -> Schema:
        return definitions.named(f"any_{self.name.replace(' ', '_')}", lambda: self._drawn(definitions))

    def _drawn(self, definitions: Definitions) -> Schema:
        options: Schema = {}
        alone = []
        for word, member in self.members.items():
            schema = member.schema(definitions)
            if isinstance(member, Class) and not any(each.required for each in member.options.values()):
                alone.append(word)
                schema = {"anyOf": [schema, {"type": "null"}]}
            options[word] = schema
        whole = {
            "type": "object",
            "properties": options,
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
        }
        return {"anyOf": [{"enum": alone}, whole]} if alone and self.alone else whole


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
