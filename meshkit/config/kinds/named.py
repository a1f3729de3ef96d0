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
from ..mistakes import Mistakes
from .classes import Class
from .kind import Definitions, Kind, Schema

__all__ = ["Named"]


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
