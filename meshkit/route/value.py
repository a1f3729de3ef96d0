"""Is this the value that a route asks for? Of a header field, a query parameter, a cookie: text, or that there is some.

===========  ==========================================================================
option       matches
===========  ==========================================================================
``exact``    this very text
``prefix``   text that begins so
``suffix``   text that ends so
``regex``    text that the expression matches as a whole (`meshkit.route.regex`)
``least``,   a whole number in decimal digits, from ``least`` up to, not including, ``below``
``below``
``present``  true: any value, false: none
``invert``   the opposite; what is absent has no value, and matches an inverted one too
===========  ==========================================================================

Values are compared as they are, with regard to case. The kinds are those of Envoy's ``HeaderMatcher`` (there
``range_match`` is half open as well) and of App Mesh.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from ..errors import ConfigError
from ..options import flag, optional
from .regex import compile as compiled

__all__ = ["Test", "Value", "tested", "values"]

Test = Callable[[str | None], bool]
WHOLE = re.compile(r"-?[0-9]{1,18}")
KINDS = ("exact", "prefix", "suffix", "regex", "least", "below", "present")


def _text(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value and value.isprintable()):
        raise ConfigError.of("Value", attribute.name, value, "give printable text")


def _whole(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ConfigError.of("Value", attribute.name, value, "give a whole number")


@attrs.frozen
class Value:
    """What a value must be: ``Value(prefix="beta-")``. One kind of test; raises `ConfigError`."""

    exact: str | None = attrs.field(default=None, validator=_text)
    prefix: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    suffix: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    regex: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    least: int | None = attrs.field(default=None, validator=_whole, kw_only=True)
    below: int | None = attrs.field(default=None, validator=_whole, kw_only=True)
    present: bool | None = attrs.field(default=None, validator=optional(flag()), kw_only=True)
    invert: bool = attrs.field(default=False, validator=flag(), kw_only=True)

    def __attrs_post_init__(self) -> None:
        given = {kind for kind in KINDS if getattr(self, kind) is not None}
        if len(given) != 1 and given != {"least", "below"}:
            fix = f"give one of {', '.join(KINDS)} (or least and below)"
            raise ConfigError(f"Value: {', '.join(sorted(given)) or 'nothing'} given: {fix}")
        if self.regex is not None:
            compiled(self.regex, policy="Value")

    def test(self) -> Test:
        """A function of the value, ``None`` where there is none."""
        test = self._plain()
        return (lambda value: not test(value)) if self.invert else test

    def _plain(self) -> Test:
        if self.exact is not None:
            return self.exact.__eq__
        if self.present is not None:
            return (lambda value: value is not None) if self.present else (lambda value: value is None)
        if self.prefix is not None:
            prefix = self.prefix
            return lambda value: value is not None and value.startswith(prefix)
        if self.suffix is not None:
            suffix = self.suffix
            return lambda value: value is not None and value.endswith(suffix)
        if self.regex is not None:
            full = compiled(self.regex, policy="Value").full
            return lambda value: value is not None and full(value) is not None
        return self._within

    def _within(self, value: str | None) -> bool:
        if value is None or not WHOLE.fullmatch(value):
            return False
        number = int(value)
        return (self.least is None or number >= self.least) and (self.below is None or number < self.below)


def values(given: Any) -> dict[str, Value]:
    """An attrs converter: what users write for a few values by name. Text is ``exact``, a boolean ``present``."""
    if not isinstance(given, dict):
        return given  # type: ignore[no-any-return]  # the validator says so
    return {
        name: Value(value)
        if isinstance(value, str)
        else Value(present=value)
        if isinstance(value, bool)
        else value
        for name, value in given.items()
    }


def tested(kind: str, given: dict[str, Value]) -> list[tuple[str, Test]]:
    """``("header:x-user", test)`` for each."""
    return [(f"{kind}:{name}", value.test()) for name, value in given.items()]
