"""Who serves this call? The end of a pipeline: endpoints, a balancer to choose among them, and a pipeline for each.

    Pipeline(Timeout(2.0), Retry(), Cluster("payments", ["10.0.0.7:443", "10.0.0.8:443"], pipeline=[CircuitBreaker()]))

Every endpoint gets states of its own from the ``pipeline`` (what is `Shared` shares by itself) and, innermost, the
balancer's load measure. An attempt that failed, or that an endpoint's own pipeline rejected, is not sent to the same
endpoint again while there is another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ..balance import Balancer, Member, PeakEwma
from ..call import Call
from ..errors import ConfigError, NoEndpoint
from ..options import no_decorator
from ..section import numbered
from .endpoint import Endpoint

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Cluster", "ClusterState"]


def _endpoints(value: Any) -> tuple[Endpoint, ...]:
    if isinstance(value, str | bytes | Endpoint) or not isinstance(value, Iterable):
        raise ConfigError.of("Cluster", "endpoints", value, "give a list of endpoints or of strings")
    return tuple(each if isinstance(each, Endpoint) else Endpoint(each) for each in value)


def _specs(value: Any) -> tuple[Any, ...]:
    value = getattr(value, "specs", value)  # a Pipeline stands for what it is made of
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigError.of("Cluster", "pipeline", value, "give a Pipeline or a list of policies")
    return tuple(spec for each in value for spec in getattr(each, "specs", (each,)))


@attrs.frozen
class Cluster:
    """The endpoints that serve a kind of call, and how one is picked. Raises `ConfigError`.

    ``name`` goes into errors and snapshots. ``endpoints`` are `Endpoint`s or strings that make one. ``balancer`` picks.
    ``pipeline`` (a ``Pipeline`` or a sequence of policies, outermost first) is started once for each endpoint.
    """

    name: str
    endpoints: tuple[Endpoint, ...] = attrs.field(converter=_endpoints)
    balancer: Any = attrs.field(factory=PeakEwma, kw_only=True)
    pipeline: tuple[Any, ...] = attrs.field(default=(), converter=_specs, kw_only=True)

    def __attrs_post_init__(self) -> None:
        name: object = self.name
        if not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise ConfigError.of("Cluster", "name", name, 'say what it serves, as in "payments"')
        if not self.endpoints:
            raise ConfigError.of("Cluster", "endpoints", [], "give at least one endpoint")
        seen: set[object] = set()
        for endpoint in self.endpoints:
            here = {str(endpoint), (endpoint.host, endpoint.port)}
            if seen & here:
                fix = "list it once, and give it a weight for a larger share"
                raise ConfigError.of("Cluster", "endpoints", str(endpoint), fix)
            seen |= here
        if isinstance(self.balancer, type) or not hasattr(self.balancer, "start"):
            raise ConfigError.of("Cluster", "balancer", self.balancer, "give a balancer, such as PeakEwma()")
        for spec in self.pipeline:
            if isinstance(spec, type) or not (hasattr(spec, "start") or callable(spec)):
                raise ConfigError.of("Cluster", "pipeline", spec, "give policies, such as CircuitBreaker()")

    holds = ("pipeline",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> ClusterState:
        return ClusterState(self.name, self.endpoints, self.balancer.start(rng), self.pipeline, rng)


class ClusterState:
    """The choice that `Cluster` starts: what is known of each endpoint. It may hold no endpoint at all."""

    __slots__ = ("_pick", "balancer", "members", "name")

    def __init__(
        self, name: str, endpoints: Iterable[Endpoint], balancer: Balancer, pipeline: Iterable[Any], rng: Random
    ) -> None:
        self.name = name
        self.balancer = balancer
        self.members: list[Member] = []
        for endpoint in endpoints:
            states = [spec.start(rng) if hasattr(spec, "start") else spec for spec in pipeline]
            load = balancer.load(endpoint.weight)
            if load is not None:
                states.append(load)
            self.members.append(Member(endpoint, load, states))
        balancer.arrange(self.members)
        self._pick = balancer.pick

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        for member in self.members:
            member.section = fold(member.states)

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the endpoint picked, which is then ``call.endpoint``. Raises `NoEndpoint` if there is none."""
        if not self.members:
            raise NoEndpoint("no endpoint to ask: the cluster has none", policy=self.name)
        member = self._pick(call, now)
        member.picks += 1
        call.endpoint = member.endpoint
        return member.section

    def idle(self) -> bool:
        return all(state.idle() for member in self.members for state in member.states if hasattr(state, "idle"))

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """For each endpoint: its share of all picks so far, what its load measure knows, and its policies by name."""
        total = sum(member.picks for member in self.members) or 1
        return {
            str(member.endpoint): {
                "picks": member.picks,
                "share": member.picks / total,
                **(member.load.snapshot(now) if member.load is not None else {}),
                **{
                    name: state.snapshot(now)
                    for name, state in numbered(member.states)
                    if state is not member.load and hasattr(state, "snapshot")
                },
            }
            for member in self.members
        }
