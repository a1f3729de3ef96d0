"""The service mesh as a library: policies in front of a call, around one, around any function.

    from meshkit import CircuitBreaker, Pipeline, Retry, Timeout

    payments = Pipeline(Timeout(2.0), Retry(on=ConnectionError), CircuitBreaker())

    @payments
    async def charge(order: str) -> str: ...

The doors for HTTP clients are in `meshkit.httpx`, the one for servers in `meshkit.asgi`; all balancers in
`meshkit.balance`, sources of endpoints in `meshkit.discover`, all that a route can do in `meshkit.route`, the mesh file
in `meshkit.config`; whole stacks of policies in `meshkit.presets`; deadlines that travel in `meshkit.deadline`;
records, metrics, traces and logs in `meshkit.observe`, all events in `meshkit.observe.events`; and what tests need in
`meshkit.testing`.
"""

import typing

from .lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .balance import LeastRequest, PeakEwma, RoundRobin
    from .breaker import CircuitBreaker
    from .call import Call, Failure, Verdict
    from .cluster import Ceilings, Cluster, Endpoint, HttpCheck, OutlierDetection, SlowStart, TcpCheck
    from .config import Mesh
    from .errors import (
        AttemptTimedOut,
        CircuitOpen,
        ConfigError,
        DeadlineExceeded,
        DiscoveryError,
        MeshError,
        NoEndpoint,
        NoRoute,
        Overloaded,
        Overlong,
        RateLimited,
        Rejected,
        TimedOut,
        TooLarge,
        TooLate,
    )
    from .fallback import Fallback
    from .fault import FaultInjection
    from .limit import (
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
    from .observe.events import (
        AttemptEnded,
        CallEnded,
        FaultInjected,
        FellBack,
        Hedged,
        RejectedCall,
        Routed,
        StateChanged,
        WouldReject,
    )
    from .observe.record.recorder import last_call
    from .pipeline import Pipeline
    from .retry import ConcurrentBudget, Constant, Decorrelated, Exponential, Hedge, Retry, RetryBudget
    from .route import Match, Route, Router
    from .runtime.lag import loop_lag
    from .runtime.limiter import Limiter
    from .shadow import Shadow
    from .share import SingleFlight, StaleIfError
    from .shared import Shared
    from .timeout import Timeout

__all__ = [
    "AIMD",
    "AdaptiveConcurrency",
    "AttemptEnded",
    "AttemptTimedOut",
    "Call",
    "CallEnded",
    "Ceilings",
    "CircuitBreaker",
    "CircuitOpen",
    "Cluster",
    "ConcurrencyLimit",
    "ConcurrentBudget",
    "ConfigError",
    "Constant",
    "DeadlineExceeded",
    "Decorrelated",
    "DiscoveryError",
    "Endpoint",
    "Exponential",
    "Failure",
    "Fallback",
    "FaultInjected",
    "FaultInjection",
    "FellBack",
    "FixedWindow",
    "Gradient2",
    "Hedge",
    "Hedged",
    "HttpCheck",
    "LeastRequest",
    "Limiter",
    "LoadShed",
    "Match",
    "Mesh",
    "MeshError",
    "NoEndpoint",
    "NoRoute",
    "OutlierDetection",
    "Overloaded",
    "Overlong",
    "Pace",
    "PeakEwma",
    "Pipeline",
    "RateLimit",
    "RateLimited",
    "Rejected",
    "RejectedCall",
    "Retry",
    "RetryBudget",
    "RoundRobin",
    "Route",
    "Routed",
    "Router",
    "Shadow",
    "Shared",
    "SingleFlight",
    "SlidingWindow",
    "SlowStart",
    "StaleIfError",
    "StateChanged",
    "TcpCheck",
    "Throttle",
    "TimedOut",
    "Timeout",
    "TooLarge",
    "TooLate",
    "Vegas",
    "Verdict",
    "WouldReject",
    "last_call",
    "loop_lag",
]

_HOMES = {
    ".balance": ("LeastRequest", "PeakEwma", "RoundRobin"),
    ".breaker": ("CircuitBreaker",),
    ".call": ("Call", "Failure", "Verdict"),
    ".cluster": ("Ceilings", "Cluster", "Endpoint", "HttpCheck", "OutlierDetection", "SlowStart", "TcpCheck"),
    ".config": ("Mesh",),
    ".errors": (
        "AttemptTimedOut",
        "CircuitOpen",
        "ConfigError",
        "DeadlineExceeded",
        "DiscoveryError",
        "MeshError",
        "NoEndpoint",
        "NoRoute",
        "Overloaded",
        "Overlong",
        "RateLimited",
        "Rejected",
        "TimedOut",
        "TooLarge",
        "TooLate",
    ),
    ".fallback": ("Fallback",),
    ".limit": (
        "AIMD",
        "AdaptiveConcurrency",
        "ConcurrencyLimit",
        "FixedWindow",
        "Gradient2",
        "LoadShed",
        "Pace",
        "RateLimit",
        "SlidingWindow",
        "Throttle",
        "Vegas",
    ),
    ".observe.events": (
        "AttemptEnded",
        "CallEnded",
        "FaultInjected",
        "FellBack",
        "Hedged",
        "RejectedCall",
        "Routed",
        "StateChanged",
        "WouldReject",
    ),
    ".observe.record.recorder": ("last_call",),
    ".pipeline": ("Pipeline",),
    ".retry": ("ConcurrentBudget", "Constant", "Decorrelated", "Exponential", "Hedge", "Retry", "RetryBudget"),
    ".route": ("Match", "Route", "Router"),
    ".runtime.limiter": ("Limiter",),
    ".shadow": ("Shadow",),
    ".shared": ("Shared",),
    ".timeout": ("Timeout",),
    ".fault": ("FaultInjection",),
    ".runtime.lag": ("loop_lag",),
    ".share": (
        "SingleFlight",
        "StaleIfError",
    ),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
