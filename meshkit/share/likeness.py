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

from .. import fact
from ..call import Call

__all__ = ["asking"]


def asking(policy: str, source: fact.Key) -> Callable[[Call], Hashable | None]:
    """A function that answers a call's likeness. It runs user code."""
    if source is None:
        return _alike
    ask = fact.asking(source)

    def by_key(call: Call) -> Hashable | None:
        own = ask(call)
        if own is None:
            return None
        same: Hashable | None = call.door.same(call, fact.hashable(policy, own))
        return same

    return by_key


def _alike(call: Call) -> Hashable | None:
    same: Hashable | None = call.door.same(call)
    try:
        hash(same)
    except TypeError:
        return None
    return same
