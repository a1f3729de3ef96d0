"""Which calls may have the same answer? Those that say the same, in the words of their door or by a key.

======================  ==============================================================================================
``key``                 calls are alike
======================  ==============================================================================================
``None``                that go to the same place and say the same in everything the door knows an answer to depend on
a name                  that go to the same place and have the same attribute of that name
a function of the call  that go to the same place and for which it answers the same
======================  ==============================================================================================

The place is always part of it: the function itself, or a transport and a method. ``None`` in place of a likeness is a
call that is like no other: the door says so (a POST, arguments without a hash), or the key does.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from ..call import Call
from ..errors import ConfigError

__all__ = ["Key", "asking", "key", "text"]

Key = str | Callable[[Call], Hashable | None] | None


def asking(policy: str, source: Key) -> Callable[[Call], Hashable | None]:
    """A function that answers a call's likeness. It runs user code."""
    if source is None:
        return _alike
    ask: Callable[[Call], Hashable | None] = source if callable(source) else lambda call: call.door.fact(call, source)

    def by_key(call: Call) -> Hashable | None:
        own = ask(call)
        if own is None:
            return None
        try:
            hash(own)
        except TypeError:
            raise TypeError(
                f"{policy}: the key is a {type(own).__name__}, which has no hash: make it a string or a tuple"
            ) from None
        same: Hashable | None = call.door.same(call, own)
        return same

    return by_key


def _alike(call: Call) -> Hashable | None:
    same: Hashable | None = call.door.same(call)
    try:
        hash(same)
    except TypeError:
        return None
    return same


def key(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``key``."""
    if not (value is None or callable(value) or (isinstance(value, str) and value.strip())):
        fix = "give the name of an attribute of the request, a function of the call, or None for all that it says"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def text(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a name."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a name in a string")
