"""What must a policy know of the request? A key or a cost: written down, an attribute by its name, or a function.

A function is the user's: it is asked outside the lock, and what it raises is the caller's to see. A policy that cannot
tell whose call it is must neither guess nor let it pass; nothing was taken, so nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from .call import Call
from .errors import ConfigError
from .options import is_function
from .policy import awaits

__all__ = ["Cost", "Key", "asking", "check", "cost", "hashable", "key", "text", "told", "whole_cost"]

LARGEST = 2.0**53
LONGEST = 256
"""Characters of a key that is kept as it is."""
DIGEST = "blake2b:"
PLAIN = "write a plain def: nothing awaits what it would answer"

Key = str | Callable[[Call], Hashable] | None
Cost = float | str | Callable[[Call], float]


def asking(source: Any) -> Callable[[Call], Any]:
    """A function of the call for whatever may stand in ``key`` or ``cost``."""
    if callable(source):
        return source  # type: ignore[no-any-return]
    if isinstance(source, str):
        return lambda call: call.door.fact(call, source)
    return lambda call: source


def check(door: Any, specs: Iterable[Any]) -> None:
    """Ask a door, while it is made, whether it knows what the specs call by name: a wrong name is a `ConfigError` that
    names the policy and the option, and not the first request's.

    A spec's class says with ``asks`` which of its options may be such a name, with ``asked`` which names its matches
    need, each with the option that does (``None``: it needs no request), and with ``holds`` where it has further specs
    in it.
    """
    for spec in specs:
        kind = type(spec)
        asks, has_asked, holds = _questions(kind)  # type: ignore[arg-type]  # a class has a hash
        for option in asks:
            name = getattr(spec, option)
            if isinstance(name, str):
                try:
                    door.knows(name)
                except ConfigError as error:
                    raise ConfigError.of(kind.__name__, option, name, error.fix) from None
        asked = getattr(spec, "asked", None) if has_asked else None
        if asked is not None:
            if not hasattr(door, "head"):
                fix = (
                    "it is about requests with a method, a host and a path: put it behind meshkit.httpx or meshkit.asgi"
                )
                option = "routes" if hasattr(kind, "routes") else "door"
                raise ConfigError.of(kind.__name__, option, type(door).__name__, fix)
            for name, option in dict(asked).items():
                try:
                    door.knows(name)
                except ConfigError as error:
                    fix = f"what comes through {type(door).__name__} has no such thing: {error.fix}"
                    raise ConfigError.of("Match", option, name, fix) from None
        for place in holds:
            inner = getattr(spec, place)
            check(door, inner if isinstance(inner, tuple) else (inner,))


@lru_cache(1024)
def _questions(kind: Any) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """What a class says of its specs: of ten thousand routes most have nothing to ask."""
    return tuple(getattr(kind, "asks", ())), hasattr(kind, "asked"), tuple(getattr(kind, "holds", ()))


def hashable(policy: str, value: Any) -> Hashable:
    """The value, its long strings replaced by what stands for them; or a `TypeError` that names the policy. A
    `ValueError` for what does not equal itself: it would be a new key for each call, and nobody would be limited.
    """
    kind = value.__class__
    if kind is str or kind is bytes:
        return value if len(value) <= LONGEST else _short(value)
    if kind is tuple:
        return tuple([hashable(policy, each) for each in value])
    try:
        hash(value)
    except TypeError:
        fix = "which has no hash: make it a string or a tuple"
        raise TypeError(f"{policy}: the key is a {kind.__name__}, {fix}") from None
    if value != value:  # noqa: PLR0124  # NaN
        raise ValueError(f"{policy}: the key is {value!r}, which equals nothing: make it a string or a tuple")
    return value  # type: ignore[no-any-return]


def _short(value: str | bytes) -> str | bytes:
    """What stands for a long string: keys are bounded in number, and must be in size. 256 bits of BLAKE2 (RFC 7693)."""
    if isinstance(value, str):
        return DIGEST + blake2b(value.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
    return DIGEST.encode() + blake2b(value, digest_size=32).digest()


def whole_cost(policy: str, value: Any) -> float:
    """A finite cost from 0 (free) on, or a `TypeError` or `ValueError` that names the policy."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{policy}: the cost is a {type(value).__name__}: make it an int or a float")
    if not 0 <= value < math.inf:
        raise ValueError(f"{policy}: the cost is {value!r}: make it finite, 0 (free) or more")
    return value


def told(spent: Any) -> float | None:
    """What a call is said to have cost, where that is a number from 0 to 2**53: so far doubles count one by one."""
    if isinstance(spent, bool) or not isinstance(spent, int | float) or not 0 <= spent <= LARGEST:
        return None
    return spent


def text(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a name: a string with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a name in a string")


def cost(spec: Any, attribute: Any, value: Any, most: float, what: str) -> None:
    """Validates a ``cost``: a fixed one must fit into ``most``, the limit's burst or count."""
    policy = type(spec).__name__
    if awaits(value):
        raise ConfigError.of(policy, attribute.name, value, PLAIN)
    if is_function(value) or (isinstance(value, str) and value.strip()):
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        fix = "give a number above 0, the name of an attribute of the request, or a function of the call"
        raise ConfigError.of(policy, attribute.name, value, fix)
    if value > most:
        fix = f"no call could ever go: give a cost up to the {what} of {most:g}, or a larger {what}"
        raise ConfigError.of(policy, attribute.name, value, fix)


def key(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``key``."""
    if awaits(value):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, PLAIN)
    if not (value is None or is_function(value) or (isinstance(value, str) and value.strip())):
        fix = "give the name of an attribute of the request, a function of the call, or None"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)
