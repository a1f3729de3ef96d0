"""Who serves this call? The end of a pipeline: endpoints, a balancer to choose among them, and a pipeline for each.

    Pipeline(Timeout(2.0), Retry(), Cluster("payments", ["10.0.0.7:443", "10.0.0.8:443"], pipeline=[CircuitBreaker()]))

Every endpoint gets states of its own from the ``pipeline`` (what is `Shared` shares by itself) and, innermost, the
balancer's load measure. An attempt that failed, or that an endpoint's own pipeline rejected, is not sent to the same
endpoint again while there is another.

Who is picked from, of those there are: none whose weight is 0, that is ejected, or that its checks found ill or have
not heard of yet. If fewer than ``panic`` of a priority's endpoints are left, all of them are picked from after all:
what is left would not bear the load, and it is likelier that the view of them is wrong than that all of them are ill
(Envoy's panic threshold).
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import attrs

from ..balance import PeakEwma
from ..errors import ConfigError
from ..options import flag, no_decorator, number, optional, ratio, seconds
from .admission import Ceilings
from .endpoint import Endpoint
from .slow_start import SlowStart
from .state import ClusterState

__all__ = ["Cluster"]


def _endpoints(value: Any) -> tuple[Any, ...]:
    if hasattr(value, "watch"):
        return (value,)
    if isinstance(value, str | bytes | Endpoint) or not isinstance(value, Iterable):
        fix = "give a list of endpoints or of strings, or a source such as File(...)"
        raise ConfigError.of("Cluster", "endpoints", value, fix)
    return tuple(each if isinstance(each, Endpoint) or hasattr(each, "watch") else Endpoint(each) for each in value)


def _specs(value: Any) -> tuple[Any, ...]:
    value = getattr(value, "specs", value)  # a Pipeline stands for what it is made of
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigError.of("Cluster", "pipeline", value, "give a Pipeline or a list of policies")
    return tuple(spec for each in value for spec in getattr(each, "specs", (each,)))


def _checks(value: Any) -> tuple[Any, ...]:
    checks = tuple(value) if isinstance(value, list | tuple) else (value,)
    for each in checks:
        if isinstance(each, type) or not hasattr(each, "protocol"):
            raise ConfigError.of("Cluster", "checks", each, "give an HttpCheck() or a TcpCheck(), or a list of them")
    return checks


def _spec(example: str) -> Any:
    """What is started with the cluster."""

    def check(spec: Any, attribute: Any, value: Any) -> None:
        if isinstance(value, type):
            fix = f"that is the class: write {value.__name__}(...)"
            raise ConfigError.of("Cluster", attribute.name, value.__name__, fix)
        if not hasattr(value, "start"):
            raise ConfigError.of("Cluster", attribute.name, value, f"give {example}")

    return check


def _kind(kind: type, example: str) -> Any:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, kind):
            raise ConfigError.of("Cluster", attribute.name, value, f"give {example}")

    return check


@attrs.frozen
class Cluster:
    """The endpoints that serve a kind of call, and how one is picked. Raises `ConfigError`.

    ``name`` goes into errors and snapshots. ``endpoints`` are `Endpoint`s or strings that make one, or sources of them
    (`meshkit.discover`), or some of each. ``balancer`` picks. ``pipeline`` (a ``Pipeline`` or a sequence of policies,
    outermost first) is started once for each endpoint.

    ``outliers`` ejects those that fail (`OutlierDetection`), ``checks`` ask them how they are: an `HttpCheck` or a
    `TcpCheck`, or several. ``panic`` is the share of well endpoints below which a priority's are all taken for well; 0:
    never, and where none is left the call is refused with `NoEndpoint` at once. With ``fails_in_panic`` it is refused
    instead. ``overprovision`` is by how much more than their share the well ones are trusted with, before the next
    priority is asked. ``localities`` says which of them to prefer (`ZoneAware` and its like), ``slow_start`` how an
    endpoint warms up that is new or comes back (`SlowStart`), ``ceilings`` how much may be under way (`Ceilings`).
    ``patience`` is how many seconds a call waits for the first endpoint, where a source has yet to name it, or checks
    to find it well.
    """

    name: str
    endpoints: tuple[Any, ...] = attrs.field(converter=_endpoints)
    balancer: Any = attrs.field(
        factory=PeakEwma,
        kw_only=True,
        validator=_spec('a balancer, such as PeakEwma(), or named("haproxy", "leastconn")'),
    )
    pipeline: tuple[Any, ...] = attrs.field(default=(), converter=_specs, kw_only=True)
    outliers: Any = attrs.field(default=None, kw_only=True, validator=optional(_spec("an OutlierDetection()")))
    checks: tuple[Any, ...] = attrs.field(default=(), converter=_checks, kw_only=True)
    panic: float = attrs.field(default=0.5, kw_only=True, validator=ratio(zero=True))
    fails_in_panic: bool = attrs.field(default=False, kw_only=True, validator=flag())
    overprovision: float = attrs.field(default=1.4, kw_only=True, validator=number(1, 100))
    localities: Any = attrs.field(
        default=None,
        kw_only=True,
        validator=optional(_spec("ZoneFirst(...), ZoneAware(...), ZoneStrict(...) or LocalityWeights(...)")),
    )
    slow_start: SlowStart | None = attrs.field(
        default=None, kw_only=True, validator=optional(_kind(SlowStart, "SlowStart(30.0)"))
    )
    ceilings: Ceilings | None = attrs.field(
        default=None, kw_only=True, validator=optional(_kind(Ceilings, "Ceilings(requests=100)"))
    )
    patience: float = attrs.field(default=5.0, kw_only=True, validator=seconds(zero=True))

    def __attrs_post_init__(self) -> None:
        name: object = self.name
        if not (isinstance(name, str) and name.strip() and name.isprintable()):
            raise ConfigError.of("Cluster", "name", name, 'say what it serves, as in "payments"')
        if not self.endpoints:
            raise ConfigError.of("Cluster", "endpoints", [], "give at least one endpoint")
        seen: set[object] = set()
        for endpoint in self.endpoints:
            if isinstance(endpoint, Endpoint):
                name, address = str(endpoint), (endpoint.host, endpoint.port)
                if name in seen or address in seen:
                    fix = "list it once, and give it a weight for a larger share"
                    if address not in seen:
                        fix = "give each endpoint a name of its own"
                    raise ConfigError.of("Cluster", "endpoints", name, fix)
                seen |= {name, address}
        for spec in self.pipeline:
            if isinstance(spec, type) or not (hasattr(spec, "start") or callable(spec)):
                raise ConfigError.of("Cluster", "pipeline", spec, "give policies, such as CircuitBreaker()")
            if isinstance(getattr(spec, "spec", spec), Cluster):
                fix = "an endpoint is a server: put a cluster at the end of a pipeline of its own"
                raise ConfigError.of("Cluster", "pipeline", spec, fix)

    holds = ("balancer", "pipeline")
    __call__ = no_decorator

    def start(self, rng: Random, /) -> ClusterState:
        return ClusterState(self, rng)
