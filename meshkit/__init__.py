"""The service mesh as a library: policies in front of a call, around one, around any function.

    from meshkit import CircuitBreaker, Pipeline, Retry, Timeout

    payments = Pipeline(Timeout(2.0), Retry(on=ConnectionError), CircuitBreaker())

    @payments
    async def charge(order: str) -> str: ...

The doors for HTTP clients are in `meshkit.httpx`; events in `meshkit.observe`; what tests need in `meshkit.testing`.
"""

from .balance import LeastRequest, PeakEwma, RoundRobin
from .breaker import CircuitBreaker
from .call import Call, Failure, Verdict
from .cluster import Cluster, Endpoint
from .errors import (
    AttemptTimedOut,
    CircuitOpen,
    ConfigError,
    DeadlineExceeded,
    MeshError,
    NoEndpoint,
    Overloaded,
    RateLimited,
    Rejected,
    TimedOut,
)
from .limit import ConcurrencyLimit, RateLimit
from .observe.events import AttemptEnded, RejectedCall, StateChanged
from .pipeline import Pipeline
from .retry import ConcurrentBudget, Constant, Decorrelated, Exponential, Retry, RetryBudget
from .runtime.limiter import Limiter
from .shared import Shared
from .timeout import Timeout

__all__ = [
    "AttemptEnded",
    "AttemptTimedOut",
    "Call",
    "CircuitBreaker",
    "CircuitOpen",
    "Cluster",
    "ConcurrencyLimit",
    "ConcurrentBudget",
    "ConfigError",
    "Constant",
    "DeadlineExceeded",
    "Decorrelated",
    "Endpoint",
    "Exponential",
    "Failure",
    "LeastRequest",
    "Limiter",
    "MeshError",
    "NoEndpoint",
    "Overloaded",
    "PeakEwma",
    "Pipeline",
    "RateLimit",
    "RateLimited",
    "Rejected",
    "RejectedCall",
    "Retry",
    "RetryBudget",
    "RoundRobin",
    "Shared",
    "StateChanged",
    "TimedOut",
    "Timeout",
    "Verdict",
]
