"""Who has the fewest calls under way, of all?

    cost = in flight / weight

All idle endpoints cost the same, whatever their weight; among equals it goes in turn, by weight. So a single caller is
spread over all of them, where `LeastRequest` would send it to the heaviest. Calls that wait in an endpoint's own limit
or breaker are not in flight there yet: the cluster's queue is one for all.

HAProxy's ``leastconn`` (there served and queued count), nginx's ``least_conn`` (``conns_a * weight_b`` compared, on a
tie smooth turns; here turns by deadline, of the same shares), Kong's ``least-connections``.
"""

from __future__ import annotations

from functools import partial
from random import Random

import attrs

from ...options import no_decorator
from .least import Least
from .least_request import InFlight

__all__ = ["LeastConnections"]


@attrs.frozen(kw_only=True)
class LeastConnections:
    """Picks the endpoint with the fewest calls in flight for its weight, of all, and among equals in turn."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Least:
        return Least(partial(InFlight, more=0), "turns", rng)
