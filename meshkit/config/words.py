"""Which words are there in a file, and what do they stand for? Every public spec, by its class's name in snake case.

================  ====================================================================================================
policy            ``timeout`` ``retry`` ``rate_limit`` ``circuit_breaker`` ...
balancer          ``peak_ewma`` ``least_request`` ``hashed`` ``sticky`` ...
source            of endpoints: ``dns`` ``file`` ``static``
check             ``http_check`` ``tcp_check``
... and           outlier detection, locality, backoff, budget, algorithm (of adaptive concurrency), table and key (of
                  hashing)
================  ====================================================================================================

What is written otherwise than its type says stands here as well: rates, failures, statuses, what is ``Any`` in Python.
A new spec needs its class in `standard`, and nothing else where its types and validators say what it takes.
"""

from __future__ import annotations

from ..balance import (
    Combined,
    Domain,
    DynamicRatio,
    First,
    FirstOf,
    Hashed,
    Ketama,
    Key,
    LeastConnections,
    LeastReported,
    LeastRequest,
    LeastResponseTime,
    Maglev,
    Modulo,
    Network,
    NginxConsistent,
    NginxHash,
    NginxIpHash,
    Observed,
    Override,
    PeakEwma,
    Predictive,
    Prequal,
    RandomChoice,
    RdpCookie,
    Rendezvous,
    Ring,
    RoundRobin,
    Sticky,
    Subset,
    Uri,
    WeightedByReports,
)
from ..balance.around.override import STATES
from ..breaker import CircuitBreaker
from ..cluster import (
    Cluster,
    Endpoint,
    HttpCheck,
    LocalityWeights,
    OutlierDetection,
    Strikes,
    TcpCheck,
    ZoneAware,
    ZoneFirst,
    ZoneStrict,
)
from ..discover import Dns, File, Static
from ..discover.listing import FORMATS
from ..fallback import Fallback
from ..fault import FaultInjection
from ..limit import (
    AIMD,
    AdaptiveConcurrency,
    ConcurrencyLimit,
    FixedWindow,
    Gradient2,
    LoadShed,
    Pace,
    RateLimit,
    SlidingWindow,
    Throttle,
    Vegas,
)
from ..limit.adaptive import Algorithm
from ..limit.shed import LEVELS
from ..retry import Backoff, ConcurrentBudget, Constant, Decorrelated, Exponential, Hedge, Retry, RetryBudget
from ..retry.budget import Budget
from ..runtime.lag import loop_lag
from ..shadow import Shadow
from ..share import SingleFlight, StaleIfError
from ..timeout import Timeout
from .kinds.failures import Failures, Fault
from .kinds.kind import Kind
from .kinds.numbers import Count, Number, Ratio, Seconds
from .kinds.own import Sources, Span, fields_told, resources_told
from .kinds.references import Function
from .kinds.several import Either, OrNone, Several, Table, Tuple, Via
from .kinds.texts import Plain, Rate, Text, Words
from .typed import Kinds

__all__ = ["standard"]


POLICIES = (
    AdaptiveConcurrency, CircuitBreaker, ConcurrencyLimit, Fallback, FaultInjection, FixedWindow, Hedge, LoadShed, Pace,
    RateLimit, Retry, Shadow, SingleFlight, SlidingWindow, StaleIfError, Throttle, Timeout,
)  # fmt: skip
BALANCERS = (
    DynamicRatio, First, Hashed, LeastConnections, LeastReported, LeastRequest, LeastResponseTime, Observed, Override,
    PeakEwma, Predictive, Prequal, RandomChoice, RoundRobin, Sticky, Subset, WeightedByReports,
)  # fmt: skip
TABLES = (Ketama, Maglev, Modulo, NginxConsistent, NginxHash, NginxIpHash, Rendezvous, Ring)
KEYS = (Combined, Domain, FirstOf, Key, Network, RdpCookie, Uri)


JITTERS = ("full", "equal", "none")


def standard(*, imports: bool = False) -> Kinds:
    """The kinds of all public specs, to which further ones may be added. ``imports``: whether a file may name Python
    objects (``module:attribute``), which are then imported.
    """
    kinds = Kinds(imports=imports, functions={"loop_lag": loop_lag})
    _policies(kinds)
    _balancers(kinds)
    _clusters(kinds)
    return kinds


def _policies(kinds: Kinds) -> None:
    kinds.register(Algorithm, kinds.group("algorithm", AIMD, Gradient2, Vegas))
    kinds.register(Backoff, kinds.group("backoff", Constant, Decorrelated, Exponential))
    kinds.register(Budget, kinds.group("budget", ConcurrentBudget, RetryBudget))
    policy = kinds.group("policy", *POLICIES)
    step = kinds.group("step", *POLICIES, Cluster)
    failures = Failures(imports=kinds.imports)
    instead = Either(step, Several(step, single=False), Function(allowed=kinds.imports))
    options: dict[tuple[type, str], Kind] = {
        (Exponential, "jitter"): Either(Words(JITTERS), Ratio()),
        (Fallback, "instead"): instead,
        (Fallback, "on"): OrNone(failures),
        (Fallback, "value"): Plain(),
        (FaultInjection, "abort"): OrNone(Fault(imports=kinds.imports)),
        (LoadShed, "default"): Either(Words(LEVELS), Count(0, len(LEVELS) - 1)),
        (LoadShed, "shed_from"): Several(Ratio(zero=False), single=False),
        (FixedWindow, "rate"): Rate(),
        (RateLimit, "rate"): Rate(),
        (Retry, "on"): failures,
        (Shadow, "policy"): policy,
        (SlidingWindow, "rate"): Rate(),
    }
    for (spec, name), kind in options.items():
        kinds.option(spec, name, kind)


def _balancers(kinds: Kinds) -> None:
    balancer = kinds.group("balancer", *BALANCERS)
    table = kinds.group("table", *TABLES)
    explicit = Function(allowed=kinds.imports, explicit=True)
    named = Either(Text(), explicit)
    kinds.register(Combined, Sources(Combined, lambda: key))
    kinds.register(FirstOf, Sources(FirstOf, lambda: key))
    key = Either(Text(), kinds.group("key", *KEYS, bare=False), explicit)
    resource = Either(Number(), Tuple(Number(), Number()))
    options: dict[tuple[type, str], Kind] = {
        (Domain, "source"): key,
        (DynamicRatio, "resources"): Via(Table(resource), told=resources_told),
        (Hashed, "key"): key,
        (Hashed, "table"): table,
        (Key, "source"): key,
        (LeastRequest, "choices"): Either(Count(1, 64), Words(["all"])),
        (Network, "source"): key,
        (Override, "also"): Several(Words(STATES)),
        (Override, "balancer"): balancer,
        (Override, "key"): named,
        (RdpCookie, "source"): key,
        (Sticky, "inner"): balancer,
        (Subset, "balancer"): balancer,
        (Subset, "key"): Either(Text(), explicit, Table(Plain())),
        (Uri, "source"): key,
    }
    for (spec, name), kind in options.items():
        kinds.option(spec, name, kind)


def _clusters(kinds: Kinds) -> None:
    source = kinds.group("source", Dns, File, Static)
    day = Seconds(least=0.1, most=86400.0)
    options: dict[tuple[type, str], Kind] = {
        (Cluster, "balancer"): kinds.one_of("balancer"),
        (Cluster, "checks"): Several(kinds.group("check", HttpCheck, TcpCheck)),
        (Cluster, "endpoints"): Several(Either(source, kinds.of(Endpoint))),
        (Cluster, "localities"): OrNone(kinds.group("locality", LocalityWeights, ZoneAware, ZoneFirst, ZoneStrict)),
        (Cluster, "outliers"): OrNone(kinds.group("outlier detection", OutlierDetection, Strikes)),
        (Cluster, "pipeline"): Several(kinds.one_of("policy")),
        (Dns, "least"): day,
        (Dns, "most"): day,
        (File, "format"): Words(FORMATS),
        (HttpCheck, "expect"): Several(Span()),
        (HttpCheck, "headers"): Via(Table(Text()), told=fields_told),
    }
    for (spec, name), kind in options.items():
        kinds.option(spec, name, kind)
