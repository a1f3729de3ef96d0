"""How is written what has a name, and how is it referred to? A mapping of names to what they name; the name alone.

clusters:
  orders: {endpoints: [10.0.0.7:8080]}         # Cluster("orders", ["10.0.0.7:8080"])
routes:
- to: orders                                   # that very cluster
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..located import BROKEN, WRONG, Located
from ..meant import advice
from ..mistakes import Mistakes, shown
from .classes import Class
from .kind import Definitions, Kind, Schema, unwritable
from .texts import Text

__all__ = ["Name", "Named"]


class Named(Kind):
    """Specs by name, which is the option ``option`` of each; ``inner`` is without it. Read as a dict."""

    shapes = (dict,)

    def __init__(self, inner: Class, option: str = "name") -> None:
        self.inner = inner
        self.option = option
        self.expects = f"a mapping of names, each to {inner.expects}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not dict:
            return self.wrong(node, mistakes)
        found = {name: self._one(name, each, mistakes) for name, each in value.items()}
        return WRONG if any(each is WRONG for each in found.values()) else found

    def _one(self, name: str, node: Located, mistakes: Mistakes) -> Any:
        if node.value is BROKEN:
            return WRONG
        given = {self.option: name}
        return (
            self.inner.bare(node, mistakes, **given) if node.value is None else self.inner.read(node, mistakes, **given)
        )

    def write(self, value: Any) -> Any:
        return {name: self.inner.write(each) for name, each in value.items()}

    def suits(self, value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(self.inner.suits, value.values()))

    def schema(self, definitions: Definitions) -> Schema:
        inner = self.inner.schema(definitions)
        return {"type": "object", "additionalProperties": {"anyOf": [inner, {"type": "null"}]}}


class Name(Kind):
    """The name of one of those that are ``known``, which are read before; read as what it names."""

    shapes = (str,)

    def __init__(self, what: str, known: Mapping[str, Any]) -> None:
        self.what = what
        self.known = known
        self.expects = f"the name of a {what}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        name = node.value
        if name.__class__ is not str:
            return Text().read(node, mistakes) if node.written else self.wrong(node, mistakes)
        if name not in self.known:
            fix = "" if mistakes.full else advice(name, self.known) if self.known else f"there is no {self.what} at all"
            mistakes.note(node, f"there is no {self.what} {shown(name)!r}", fix)
            return WRONG
        return self.known[name]

    def suits(self, value: Any) -> bool:
        return any(each is value or each == value for each in self.known.values())

    def write(self, value: Any) -> Any:
        for name, each in self.known.items():
            if each is value or each == value:
                return name
        raise unwritable(value, f"it is no {self.what} that has a name")

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string"}
