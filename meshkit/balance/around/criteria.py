"""What does a call ask of the endpoints' tags, and what is tried in which order?

::

    plan(criteria) = the selector's subset, if one has exactly these keys, then by its own fallback:
                       none      nothing more
                       any       any endpoint
                       default   the default subset
                       keys      plan(criteria, but only ``fewer`` of the keys)
                     where it has none, or no selector has these keys: the fallback of all

Values are equal as in JSON: 1 and 1.0 are one number, ``True`` is none, ``"1"`` is a text. A plan is made outside the
lock, from the criteria alone; which of its steps there is, the pick knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from reprlib import Repr
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from ...errors import ConfigError
from ...options import among, flag, optional

__all__ = ["ANY", "DEFAULT", "UNMET", "Plans", "Selector", "Step", "frozen", "merged", "parsed", "selectors"]

Step: TypeAlias = tuple[Any, ...]
"""A selector's number and the values of its keys, or one of the next three."""
ANY: Step = (-1,)
DEFAULT: Step = (-2,)
UNMET = -3
"""In place of a selector's number: there is nothing to be tried, and what follows says why."""
LONGEST = 1024
"""Characters of criteria that come as a text."""
MOST = 8
"""Selectors that are named in an error."""

_shown = Repr()
_shown.maxstring = _shown.maxother = 60


def merged(*criteria: Mapping[str, Any] | None) -> dict[str, Any]:
    """Criteria of a route, and of what it was split to: later ones add to those before, and override them."""
    return {key: value for each in criteria if each for key, value in each.items()}


def parsed(text: str) -> dict[str, str]:
    """Criteria in a header, ``stage=canary, v=1.1``, all texts. What is too long or reads otherwise asks nothing."""
    pairs = [item.partition("=") for item in text.split(",")] if len(text) <= LONGEST else []
    criteria = {key.strip(): value.strip() for key, sign, value in pairs if sign and key.strip()}
    return criteria if len(criteria) == len(pairs) else {}


def frozen(value: Any) -> Any:
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value


def _same(value: Any) -> Any:
    """What equals another such value if and only if the two are one in JSON."""
    if value.__class__ is str:
        return value
    if isinstance(value, bool):
        return bool, value
    return tuple(map(_same, value)) if isinstance(value, list | tuple) else value


def _keys(value: Any) -> tuple[str, ...]:
    keys = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
    if not keys or not all(isinstance(key, str) and key.strip() for key in keys) or len(set(keys)) < len(keys):
        raise ConfigError.of("Selector", "keys", value, 'name the keys, each once, as in ("stage", "version")')
    return tuple(sorted(keys))


@attrs.frozen
class Selector:
    """The keys by whose values endpoints are divided.

    ``fallback``: where a call goes that asks for values nobody has; ``None``: as the `Subset` says. ``fewer``: the keys
    that are left with ``"keys"``. ``single``: the values name one endpoint; of several the first one counts.
    """

    keys: tuple[str, ...] = attrs.field(converter=_keys)
    fallback: str | None = attrs.field(
        default=None, validator=optional(among("none", "any", "default", "keys")), kw_only=True
    )
    fewer: tuple[str, ...] = attrs.field(default=(), kw_only=True)
    single: bool = attrs.field(default=False, validator=flag(), kw_only=True)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "fewer", _keys(self.fewer) if self.fewer else ())
        if (self.fallback == "keys") != bool(self.fewer):
            raise ConfigError.of("Selector", "fewer", self.fewer, 'give it with fallback="keys", and only then')
        if self.fewer and not set(self.fewer) < set(self.keys):
            raise ConfigError.of("Selector", "fewer", self.fewer, f"name some of the keys {self.keys}, not all")


def selectors(value: Any) -> tuple[Selector, ...]:
    """`Selector`s, from such or from their keys."""
    if isinstance(value, str | Selector) or not isinstance(value, Iterable):
        raise ConfigError.of("Subset", "selectors", value, 'give a list, such as [("stage", "version"), ("stage",)]')
    chosen = tuple(each if isinstance(each, Selector) else Selector(each) for each in value)
    if not chosen or len({each.keys for each in chosen}) < len(chosen):
        raise ConfigError.of("Subset", "selectors", value, "give at least one, and no keys twice")
    return chosen


class Plans:
    """Makes plans of criteria, and says to which subsets an endpoint belongs."""

    __slots__ = ("_by_keys", "_default", "_last", "_list_as_any", "_redundant", "_selectors", "fallbacks")

    def __init__(
        self,
        chosen: Sequence[Selector],
        fallback: str,
        default: Mapping[str, Any],
        *,
        redundant: bool,
        list_as_any: bool,
        panic_any: bool,
    ) -> None:
        self._selectors = chosen
        self._default = default
        self._redundant = redundant
        self._list_as_any = list_as_any
        self._last = (*_LAST[fallback], *((ANY,) if panic_any and fallback == "default" else ()))
        self._by_keys = {
            frozenset(each.keys): (number, each, self._last if each.fallback is None else _LAST.get(each.fallback, ()))
            for number, each in enumerate(chosen)
        }
        self.fallbacks = {step for _, _, further in self._by_keys.values() for step in further} | {*self._last}
        """The steps that are tried without being asked for."""

    def plan(self, criteria: Mapping[str, Any] | None) -> tuple[Step, ...]:
        """The steps to be tried, the first one that exists being it."""
        if not criteria:
            return self._last
        if self._redundant:
            for selector in self._selectors:
                if all(key in criteria for key in selector.keys):
                    criteria = {key: criteria[key] for key in selector.keys}
                    break
        known = self._by_keys.get(frozenset(criteria))
        if known is None:
            return self._last
        number, selector, further = known
        step = (number, *[_same(criteria[key]) for key in selector.keys])
        if selector.fewer:
            further = self.plan({key: criteria[key] for key in selector.fewer})
        return (step, *further)

    def steps(self, tags: Mapping[str, Any]) -> Iterator[Step]:
        """The subsets of an endpoint with these tags."""
        yield ANY
        if self._default and all(key in tags and self._equals(tags[key], want) for key, want in self._default.items()):
            yield DEFAULT
        for number, selector in enumerate(self._selectors):
            if all(key in tags for key in selector.keys):
                for values in product(*(self._each(tags[key]) for key in selector.keys)):
                    yield (number, *values)

    def single(self, step: Step) -> bool:
        """Whether that subset has but one member."""
        return step[0] >= 0 and self._selectors[step[0]].single

    def told(self, step: Step) -> str:
        """A subset in words."""
        if step == ANY:
            return "any"
        if step == DEFAULT:
            return "default " + ", ".join(f"{key}={value!r}" for key, value in self._default.items())
        keys = self._selectors[step[0]].keys
        return ", ".join(f"{key}={_shown.repr(_read(value))}" for key, value in zip(keys, step[1:], strict=True))

    def unmet(self, asked: Any) -> Step:
        """The step where there is none. How much it says is bounded, whatever was asked."""
        if not asked:
            return UNMET, "the call asks for nothing, and there is no fallback for that"
        several = asked if isinstance(asked, list | tuple) else [asked]
        wanted = " or ".join(_shown.repr(dict(each)) for each in several[:3])
        known = ", ".join(_shown.repr(each.keys) for each in self._selectors[:MOST])
        more = ", ..." if len(self._selectors) > MOST else ""
        return UNMET, f"the call asks for {wanted}: its keys are no selector's; there are {known}{more}"

    def _each(self, value: Any) -> Iterable[Any]:
        return map(_same, value) if self._list_as_any and isinstance(value, list | tuple) else (_same(value),)

    def _equals(self, value: Any, wanted: Any) -> bool:
        return _same(wanted) in self._each(value)


def _read(value: Any) -> Any:
    """What `_same` was made of."""
    return value[1] if isinstance(value, tuple) and value[:1] == (bool,) else value


_LAST: Mapping[str, tuple[Step, ...]] = {"none": (), "any": (ANY,), "default": (DEFAULT,)}
