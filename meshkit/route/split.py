"""Which of several gets this request? Each a share of them, by weight; a session always the same.

::

    Split(Branch(orders, 90), Branch(orders_v2, 10))                      a canary
    Split(Branch(blue, 0), Branch(green, 1))                              blue-green
    Split(Branch(a), Branch(b), sticky="cookie:basket")                   by what the request says of its session

A request without a session draws a number; one with a session has its own, a hash (BLAKE2, RFC 7693) of it. The number
says the branch: they lie side by side from 0 to 1, each as wide as its share. So a session moves only when the weights
do, and those of a growing branch come from its neighbours. The branch is found once for a call: its further attempts go
there too, as Envoy does it. With ``cookie`` a session is made for those who have none, and given to the client.

A share of 0 gets nothing; where all have it, calls are refused with `NoEndpoint`. Weights as in the Gateway API.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from .. import fact
from ..call import Call
from ..errors import ConfigError, NoEndpoint
from ..options import no_decorator

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Branch", "Split", "SplitState"]

MOST = 1_000_000


def _weight(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        raise ConfigError.of("Branch", "weight", value, f"give a number from 0 to {MOST}, such as 90")


def _list(value: Any) -> Any:
    specs = getattr(value, "specs", None)
    if isinstance(specs, tuple):
        return specs
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@attrs.frozen
class Branch:
    """One of several destinations: a cluster, or a pipeline that ends in one. ``actions`` as in `Route`, after its
    own. ``name``: for records; by default the cluster's. Raises `ConfigError`.
    """

    to: Any
    weight: float = attrs.field(default=1, validator=_weight)
    actions: tuple[Any, ...] = attrs.field(default=(), converter=_list, kw_only=True)
    name: str = attrs.field(default="", validator=attrs.validators.instance_of(str), kw_only=True)

    @property
    def specs(self) -> tuple[Any, ...]:
        to = self.to
        return getattr(to, "specs", None) or (tuple(to) if isinstance(to, list | tuple) else (to,))

    def __str__(self) -> str:
        last = self.specs[-1]
        return self.name or str(getattr(getattr(last, "spec", last), "name", "")) or type(last).__name__
