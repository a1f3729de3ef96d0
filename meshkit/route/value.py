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
``invert``   the opposite of what stands beside it; what is absent matches an inverted one too,
             unless ``present`` is true as well
===========  ==========================================================================

Values are compared as they are, with regard to case. The kinds are those of Envoy's ``HeaderMatcher`` (there
``range_match`` is half open as well) and of App Mesh. In Envoy an inverted one needs a value, unless
``treat_missing_header_as_empty`` is set: ``Value("a", invert=True, present=True)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from ..errors import ConfigError
from ..options import count, flag, optional
from .regex import compile as compiled

__all__ = ["Test", "Value", "tested", "value", "values"]

Test = Callable[[str | None], bool]
WHOLE = re.compile(r"-?[0-9]{1,18}")
KINDS = ("exact", "prefix", "suffix", "regex", "least", "below", "present")
FARTHEST = 10**18
"""What `WHOLE` reads stays below it."""


def _text(spec: Any, attribute: Any, value: Any) -> None:
    sound = isinstance(value, str) and value.isprintable() and (value or attribute.name == "exact")
    if value is not None and not sound:
        raise ConfigError.of("Value", attribute.name, value, "give printable text")


whole = optional(count(-FARTHEST, FARTHEST))


@attrs.frozen
class Value:
    """What a value must be: ``Value(prefix="beta-")``. One kind of test; raises `ConfigError`."""

    exact: str | None = attrs.field(default=None, validator=_text)
    prefix: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    suffix: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    regex: str | None = attrs.field(default=None, validator=_text, kw_only=True)
    least: int | None = attrs.field(default=None, validator=whole, kw_only=True)
    below: int | None = attrs.field(default=None, validator=whole, kw_only=True)
    present: bool | None = attrs.field(default=None, validator=optional(flag()), kw_only=True)
    invert: bool = attrs.field(default=False, validator=flag(), kw_only=True)

    def __attrs_post_init__(self) -> None:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        tests = given[:-1] if self.invert and self.present and len(given) > 1 else given
        if len(tests) != 1 and tests != ["least", "below"]:
            fix = f"give one of {', '.join(KINDS)} (or least and below)"
            raise ConfigError(f"Value: {' and '.join(given) or 'nothing'} given: {fix}")
        if self.least is not None and self.below is not None and self.least >= self.below:
            fix = f"give more than least={self.least}: no number is from there up to, not including, that"
            raise ConfigError.of("Value", "below", self.below, fix)
        if self.regex is not None:
            compiled(self.regex, policy="Value")

    def test(self) -> Test:
        """A function of the value, ``None`` where there is none."""
        test = self._plain()
        if not self.invert:
            return test
        if self.present and test is not present:
            return lambda value: value is not None and not test(value)
        return lambda value: not test(value)

    def _plain(self) -> Test:
        if self.exact is not None:
            exact = self.exact
            return lambda value: value == exact
        if self.prefix is not None:
            prefix = self.prefix
            return lambda value: value is not None and value.startswith(prefix)
        if self.suffix is not None:
            suffix = self.suffix
            return lambda value: value is not None and value.endswith(suffix)
        if self.regex is not None:
            full = compiled(self.regex, policy="Value").full
            return lambda value: value is not None and full(value) is not None
        if self.least is not None or self.below is not None:
            return self._within
        return present if self.present else absent

    def _within(self, value: str | None) -> bool:
        if value is None or not WHOLE.fullmatch(value):
            return False
        number = int(value)
        return (self.least is None or number >= self.least) and (self.below is None or number < self.below)


def present(value: str | None) -> bool:
    """There is one."""
    return value is not None


def absent(value: str | None) -> bool:
    """There is none."""
    return value is None


def value(given: Any) -> Any:
    """An attrs converter: text is ``exact``, a boolean ``present``."""
    if isinstance(given, bool):
        return Value(present=given)
    return Value(given) if isinstance(given, str) else given


def values(given: Any) -> Any:
    """An attrs converter: the same, for a few by name."""
    return {name: value(each) for name, each in given.items()} if isinstance(given, dict) else given


def tested(kind: str, given: dict[str, Value]) -> list[tuple[str, Test]]:
    """``("header:x-user", test)`` for each."""
    return [(f"{kind}:{name}", value.test()) for name, value in given.items()]
