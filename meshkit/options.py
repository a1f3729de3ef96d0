"""What may stand in a spec? Validators for options, each naming the policy, the option, the value and the fix.

Durations are float seconds, ratios 0..1, counts whole numbers. NaN and infinities are refused, and so are booleans
where a number belongs. A validator says of what `Kind` its option is, for those who write options elsewhere: 2.5
seconds are ``2.5s`` in a file.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any, Literal, NamedTuple, Never, NoReturn

from .errors import ConfigError

__all__ = [
    "Kind",
    "among",
    "count",
    "flag",
    "is_function",
    "kind_of",
    "no_decorator",
    "number",
    "of_kind",
    "optional",
    "ratio",
    "seconds",
    "size",
]

LARGEST = 1.7976931348623157e308
"""The largest finite double; comparing refuses NaN, infinities and whole numbers beyond it, and converts nothing."""

SHORTEST = 1e-9
"""Seconds: what no clock can tell from nothing is no duration."""

Validator = Callable[[Any, Any, Any], None]


class Kind(NamedTuple):
    """Of what kind an option is: a word, and the bounds or the words that go with it."""

    word: Literal["among", "count", "flag", "number", "ratio", "seconds", "size"]
    least: float = -inf
    most: float = inf
    zero: bool = True
    """Whether it may be 0."""
    words: tuple[str, ...] = ()


def of_kind(kind: Kind) -> Callable[[Validator], Validator]:
    """Has a validator say so."""

    def say(validator: Validator) -> Validator:
        validator.__dict__["kind"] = kind
        return validator

    return say


def kind_of(validator: Any) -> Kind | None:
    """What it says, if it does."""
    return getattr(validator, "kind", None)


def _policy(spec: object) -> str:
    return type(spec).__name__


def no_decorator(spec: object, /, *args: Never, **kwargs: Never) -> NoReturn:
    """The ``__call__`` of every spec: `TypeError` alone would not say where a policy belongs."""
    name = _policy(spec)
    raise ConfigError(f"{name} is a policy, no decorator: put it into a pipeline, @Pipeline({name}(...))")


def is_function(value: Any) -> bool:
    """Whether it can be called for what it answers. A policy cannot, although it has a ``__call__``."""
    return callable(value) and getattr(type(value), "__call__", None) is not no_decorator  # noqa: B004  # whose it is


def _number(spec: object, option: str, value: object, fix: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        raise ConfigError.of(_policy(spec), option, value, fix)
    return float(value)


def seconds(*, zero: bool = False) -> Validator:
    """A finite duration above zero (or from zero on)."""
    fix = "give a duration in seconds, " + ("0 or more" if zero else "above 0") + ", such as 2.5"

    @of_kind(Kind("seconds", zero=zero))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        number = _number(spec, attribute.name, value, fix)
        if number < SHORTEST and not (zero and number == 0):
            raise ConfigError.of(_policy(spec), attribute.name, value, fix)

    return check


def ratio(*, zero: bool = False) -> Validator:
    """A share of one, above zero (or from zero on)."""
    fix = "give a ratio " + ("from 0 to 1" if zero else "above 0 and up to 1") + ", such as 0.5"

    @of_kind(Kind("ratio", 0, 1, zero))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        number = _number(spec, attribute.name, value, fix)
        if not 0 <= number <= 1 or (number == 0 and not zero):
            raise ConfigError.of(_policy(spec), attribute.name, value, fix)

    return check


def number(least: float, most: float) -> Validator:
    """A finite number within bounds: a rate, a factor."""
    fix = f"give a number from {least:g} to {most:g}"

    @of_kind(Kind("number", least, most))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not least <= _number(spec, attribute.name, value, fix) <= most:
            raise ConfigError.of(_policy(spec), attribute.name, value, fix)

    return check


def count(least: int = 1, most: int = 2**31) -> Validator:
    """A whole number within bounds."""
    fix = f"give a whole number from {least} to {most}"

    @of_kind(Kind("count", least, most))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ConfigError.of(_policy(spec), attribute.name, value, fix)

    return check


def size(least: int = 0, most: int = 2**40) -> Validator:
    """So many bytes: a `count` that files write with a unit, ``64KiB``."""
    return of_kind(Kind("size", least, most))(count(least, most))


def flag() -> Validator:
    """Yes or no."""

    @of_kind(Kind("flag"))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, bool):
            raise ConfigError.of(_policy(spec), attribute.name, value, "write True or False")

    return check


def among(*words: str) -> Validator:
    """One of a few words."""
    fix = "write one of " + ", ".join(map(repr, words))

    @of_kind(Kind("among", words=words))
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if value not in words:
            raise ConfigError.of(_policy(spec), attribute.name, value, fix)

    return check


def optional(validator: Validator) -> Validator:
    """The same, or ``None``."""

    def check(spec: Any, attribute: Any, value: Any) -> None:
        if value is not None:
            validator(spec, attribute, value)

    kind = kind_of(validator)
    return check if kind is None else of_kind(kind)(check)
