"""What must a policy know of the request? A key or a cost: written down, an attribute by its name, or a function.

A function is the user's: it is asked outside the lock, and what it raises is the caller's to see. A policy that cannot
tell whose call it is must neither guess nor let it pass; nothing was taken, so nothing is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

from .call import Call
from .errors import ConfigError

__all__ = ["Cost", "Key", "asking", "cost", "hashable", "key", "text", "told", "whole_cost"]

LARGEST = 2.0**53

Key = str | Callable[[Call], Hashable] | None
Cost = float | str | Callable[[Call], float]


def asking(source: Any) -> Callable[[Call], Any]:
    """A function of the call for whatever may stand in ``key`` or ``cost``."""
    if callable(source):
        return source  # type: ignore[no-any-return]
    if isinstance(source, str):
        return lambda call: call.door.fact(call, source)
    return lambda call: source


def hashable(policy: str, value: Any) -> Hashable:
    """The value, or a `TypeError` that names the policy."""
    try:
        hash(value)
    except TypeError:
        raise TypeError(
            f"{policy}: the key is a {type(value).__name__}, which has no hash: make it a string or a tuple"
        ) from None
    return value  # type: ignore[no-any-return]


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
    if callable(value) or (isinstance(value, str) and value.strip()):
        return
    policy = type(spec).__name__
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        fix = "give a number above 0, the name of an attribute of the request, or a function of the call"
        raise ConfigError.of(policy, attribute.name, value, fix)
    if value > most:
        fix = f"no call could ever go: give a cost up to the {what} of {most:g}, or a larger {what}"
        raise ConfigError.of(policy, attribute.name, value, fix)


def key(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``key``."""
    if not (value is None or callable(value) or (isinstance(value, str) and value.strip())):
        fix = "give the name of an attribute of the request, a function of the call, or None"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)
