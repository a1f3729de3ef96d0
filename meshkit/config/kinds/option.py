"""What is one option of a spec? An attribute of its class, and the kind of value it takes."""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs

from .kind import Kind

__all__ = ["Option"]


class Option(NamedTuple):
    attribute: Any
    """As `attrs` has it."""
    kind: Kind

    @property
    def name(self) -> str:
        return str(self.attribute.alias)

    @property
    def required(self) -> bool:
        return self.attribute.default is attrs.NOTHING

    @property
    def secret(self) -> bool:
        """What is not shown by ``repr`` is not shown in mistakes."""
        return self.attribute.repr is False

    def of(self, spec: Any) -> Any:
        return getattr(spec, self.attribute.name)

    def default(self, spec: Any) -> Any:
        """The one that it has in this spec, of whose other options it may be made."""
        default: Any = self.attribute.default
        if not hasattr(default, "takes_self"):
            return default
        return default.factory(spec) if default.takes_self else default.factory()

    def is_default(self, spec: Any) -> bool:
        held, default = self.of(spec), self.default(spec)
        if held is default:
            return True
        if self.attribute.converter is not None and default is not None:
            default = self.attribute.converter(default)
        return type(held) is type(default) and bool(held == default)

    def put(self, spec: Any, value: Any) -> None:
        """Into a spec that is being made."""
        if self.attribute.converter is not None:
            value = self.attribute.converter(value)
        object.__setattr__(spec, self.attribute.name, value)
