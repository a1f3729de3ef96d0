"""What is a kind of value? What reads it from a file, writes it there, and says how it is written.

========================  ==========================================================================================
``read``                  the value of a located one; or `WRONG`, and what is wrong is noted
``write``                 the shortest plain data that reads as a value, which `suits`
``schema``                the form of what is read, as JSON Schema: all that is read without a mistake is valid
``fits``                  whether a located value is likely to be of this kind: to choose among several
``offers``                whether this word, as the key of a mapping, begins a value of this kind
========================  ==========================================================================================

One object does all of it, so that what is read, what is written and what is drawn cannot come apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...errors import ConfigError
from ..located import WRONG, Located
from ..mistakes import Mistakes, shown

__all__ = ["Definitions", "Kind", "Schema", "unwritable"]

Schema = dict[str, Any]


class Definitions:
    """The schemas that have a name, and may be within themselves."""

    __slots__ = ("schemas",)

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def named(self, name: str, make: Callable[[], Schema]) -> Schema:
        """A reference to the schema of that name, which is made once."""
        if name not in self.schemas:
            self.schemas[name] = {}  # what is within it refers to it
            self.schemas[name] = make()
        return {"$ref": f"#/$defs/{name}"}


class Kind(ABC):
    """One kind. What is derived says what it ``expects``, as in "a duration", and of which classes such values are."""

    expects = "a value"
    shapes: tuple[type, ...] = ()
    """Of a located value."""
    classes: tuple[type, ...] = ()
    """Of a value."""

    @abstractmethod
    def read(self, node: Located, mistakes: Mistakes) -> Any: ...

    def write(self, value: Any) -> Any:
        return value

    def whole(self, value: Any) -> Any:
        """As `write`, but nothing is left out that tells it from other kinds."""
        return self.write(value)

    @abstractmethod
    def schema(self, definitions: Definitions) -> Schema: ...

    def fits(self, node: Located) -> bool:
        return node.value.__class__ in self.shapes

    def suits(self, value: Any) -> bool:
        return value.__class__ in self.classes

    def offers(self, word: str) -> bool:
        return False

    def bare(self, node: Located, mistakes: Mistakes, word: str) -> Any:
        """The value that a word without anything stands for."""
        mistakes.note(node, f"{word} needs a value", f"write {word}: and then {self.expects}")
        return WRONG

    def wrong(self, node: Located, mistakes: Mistakes, suggestion: str = "") -> Any:
        """Notes that it is not what is expected."""
        mistakes.wrong(node, self.expects, suggestion)
        return WRONG


def unwritable(value: Any, reason: str) -> ConfigError:
    """For a value that no file can say."""
    return ConfigError(f"{shown(repr(value), 100)} cannot be written in a file: {reason}")
