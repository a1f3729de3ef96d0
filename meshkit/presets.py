"""Which policies, in which order, with which numbers, where nobody has thought about it yet?

Plain functions that return a `Pipeline`; ``explain()`` prints it. Every part is a keyword: give a policy in its place,
or ``None`` to leave it out. Outermost first::

    standard   (rate limit)  concurrency  timeout  retry  ┆  breaker  attempt timeout
    hedged     (rate limit)  timeout      hedge    retry  ┆  concurrency  breaker  attempt timeout
    llm        timeout       concurrency  retry           ┆  breaker  (requests)  (tokens)  pace
    server     timeout       rate limit   shed  adaptive concurrency

What is in brackets is there if asked for; right of ┆ stands what each endpoint has for itself, where there are some.
``standard`` and ``hedged`` follow the standard handlers of Microsoft.Extensions.Http.Resilience ("theirs", below),
``llm`` the clients of OpenAI and Anthropic. Each number has its source beside it, or a reason why it is another.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .breaker import CircuitBreaker
from .cluster import Cluster, Endpoint
from .errors import ConfigError
from .fact import Cost
from .limit import AdaptiveConcurrency, ConcurrencyLimit, LoadShed, Pace, RateLimit
from .pipeline import Pipeline
from .retry import Exponential, Hedge, Retry, RetryBudget
from .runtime.lag import loop_lag
from .timeout import Timeout

__all__ = ["hedged", "llm", "server", "standard"]

Endpoints = Iterable[str | Endpoint] | Cluster | None

CONCURRENCY = ConcurrencyLimit(100, queue=900, wait=5.0)
"""1000 at once, as theirs. But a hundred of them in flight, and the others in a queue for up to 5 s, which are the
connections and the patience of httpx's pool. Behind a larger limit the queue would be in there, where giving up counts
as a failure of the upstream."""
DEADLINE = Timeout(30.0)
"""Theirs."""
RETRY = Retry(("5xx", 408, 429), attempts=4)
"""Three retries, of what theirs repeats. Theirs begin at 2 s to spare the upstream; here the budget does that, and a
connection that was reset is tried again within 50 ms."""
BREAKER = CircuitBreaker(failure_rate=0.1, window_seconds=30.0, minimum=100, failures=5, cooldown=5.0)
"""Theirs: 10 % of at least 100 calls in 30 s; a break of 5 s. And five failures in a row, because one of many processes
may never see a hundred calls in 30 s; at 10 % that fail by chance they are one in a hundred thousand."""
ATTEMPT = Timeout(10.0)
"""Theirs."""

HEDGE = Hedge(2.0, percentile=0.95)
"""Theirs is always 2 s, and one more attempt. Here that is so until latencies are known, and then the slowest twentieth
is sent twice, with a budget of 10 %."""
HEDGED_RETRY = Retry(("5xx", 408, 429), attempts=2)
"""Theirs also hedges what failed. To us that is a question of its own: one more try of each, within the budget."""
PER_ENDPOINT = ConcurrencyLimit(100)
"""Theirs are 1000; these are the connections of httpx's pool. No queue: another endpoint may be free."""

LLM_DEADLINE = Timeout(600.0)
"""The timeout of both clients."""
LLM_CONCURRENCY = ConcurrencyLimit(100, queue=900)
"""As above; but a job may wait for its turn until its deadline."""
LLM_RETRY = Retry(
    (408, 409, 429, "5xx"),
    backoff=Exponential(base=0.5, cap=8.0),
    budget=RetryBudget(floor=0.1, ttl=60.0),
    non_idempotent=True,
)
"""Both clients: two retries of these, 0.5 s doubled up to 8 s, ``Retry-After`` up to 60 s, POST as well: an answer made
twice is paid for twice, and does nothing twice. The budget looks back for a minute, because ten seconds hold hardly any
calls."""
LLM_BREAKER = attrs.evolve(BREAKER, overloaded="ignored")
"""As above, but a 429 says that our quota is used up, not that the upstream is ill."""
PACE = Pace(wait=60.0)
"""What the API says of its limits, and asks for with a 429, holds for all calls."""
PER_MINUTE = 60.0
"""Seconds in which requests and tokens are counted, and so the longest worth waiting for them."""
ESTIMATE = 1000
"""Tokens a call is charged until it says what it cost."""

PER_CLIENT = RateLimit("100/s", key="client-network")
"""More than a browser asks for, less than a process can serve; our own number. An IPv6 client is its /64."""
SHED = LoadShed(signal=loop_lag, threshold=0.5, retry_after=1.0)
"""A loop that is half a second late serves nobody well; our own number."""
ADAPTIVE = AdaptiveConcurrency(queue=100, order="adaptive")
"""From 20 in flight to at most 200, as in Netflix/concurrency-limits; the queue takes in what comes at once, for 0.1 s,
and for 5 ms once it no longer drains (Facebook's adaptive LIFO with CoDel)."""

MEANT = {
    "rate_limit": "RateLimit",
    "concurrency": "ConcurrencyLimit",
    "timeout": "Timeout",
    "attempt_timeout": "Timeout",
    "hedge": "Hedge",
}
"""The policy that is meant by a bare number."""


def standard(
    endpoints: Endpoints = None,
    *,
    name: str | None = None,
    rate_limit: Any = None,
    concurrency: Any = CONCURRENCY,
    timeout: Any = DEADLINE,
    retry: Any = RETRY,
    breaker: Any = BREAKER,
    attempt_timeout: Any = ATTEMPT,
) -> Pipeline:
    """For calls of another service.

    With ``endpoints`` (strings, `Endpoint`s, or a `Cluster`, which keeps its balancer and, innermost, its pipeline) a
    cluster ends it, and the breaker and the attempt's timeout are each endpoint's own. ``name`` is the upstream's, for
    errors and snapshots. A sync function cannot be interrupted: for one leave out ``attempt_timeout``.
    """
    outer = _chosen("standard", rate_limit=rate_limit, concurrency=concurrency, timeout=timeout, retry=retry)
    name = _name(name, endpoints)
    inner = _chosen("standard", breaker=_named(breaker, name), attempt_timeout=attempt_timeout)
    return Pipeline(*outer, *_end(endpoints, name, inner))


def hedged(
    endpoints: Endpoints = None,
    *,
    name: str | None = None,
    rate_limit: Any = None,
    timeout: Any = DEADLINE,
    hedge: Any = HEDGE,
    retry: Any = HEDGED_RETRY,
    concurrency: Any = PER_ENDPOINT,
    breaker: Any = BREAKER,
    attempt_timeout: Any = ATTEMPT,
) -> Pipeline:
    """For idempotent calls of a service whose slowest answers are much slower than the others.

    ``endpoints`` and ``name`` as in `standard`; the hedge goes to another endpoint where there is one. Only for those
    who await: on a thread nothing can be given up.
    """
    outer = _chosen("hedged", rate_limit=rate_limit, timeout=timeout, hedge=hedge, retry=retry)
    name = _name(name, endpoints)
    inner = _chosen("hedged", concurrency=concurrency, breaker=_named(breaker, name), attempt_timeout=attempt_timeout)
    return Pipeline(*outer, *_end(endpoints, name, inner))


def llm(
    endpoints: Endpoints = None,
    *,
    name: str | None = None,
    requests: Any = None,
    tokens: Any = None,
    cost: Cost | None = None,
    timeout: Any = LLM_DEADLINE,
    concurrency: Any = LLM_CONCURRENCY,
    retry: Any = LLM_RETRY,
    breaker: Any = LLM_BREAKER,
    pace: Any = PACE,
    attempt_timeout: Any = None,
) -> Pipeline:
    """For the API of a language model, whose limits are so many requests and tokens in a minute.

    ``requests`` and ``tokens`` are those limits: a rate such as ``"500/min"``, or a policy of your own. Calls wait for
    their turn for up to a minute. A call is charged ``cost`` tokens (a number, a name or a function of the call; 1000
    where it is not given) until it says what it cost: give ``spent`` to the decorator or the transport.

    ``endpoints`` and ``name`` as in `standard`; each endpoint has limits of its own, unless they are `Shared`. No
    timeout for an attempt: one that is cut has been paid for all the same.
    """
    for option, limit in (("requests", requests), ("tokens", tokens)):
        if isinstance(limit, int | float) and not isinstance(limit, bool):
            raise ConfigError.of("llm", option, limit, f"a bare number would be per second: write '{limit}/min'")
    if cost is not None and not isinstance(tokens, str):
        raise ConfigError.of("llm", "cost", cost, 'say of which limit: add tokens="30000/min", or leave this out')
    if isinstance(requests, str):
        requests = RateLimit(requests, wait=PER_MINUTE, name="requests")
    if isinstance(tokens, str):
        charged = ESTIMATE if cost is None else cost
        tokens = RateLimit(tokens, cost=charged, settle=True, wait=PER_MINUTE, name="tokens")
    outer = _chosen("llm", timeout=timeout, concurrency=concurrency, retry=retry)
    name = _name(name, endpoints)
    # The breaker stands in front of the limits: what it refuses is not charged.
    inner = _chosen(
        "llm",
        breaker=_named(breaker, name),
        requests=requests,
        tokens=tokens,
        pace=pace,
        attempt_timeout=attempt_timeout,
    )
    return Pipeline(*outer, *_end(endpoints, name, inner))


def server(
    *,
    timeout: Any = DEADLINE,
    rate_limit: Any = PER_CLIENT,
    shed: Any = SHED,
    concurrency: Any = ADAPTIVE,
) -> Pipeline:
    """For `MeshMiddleware`: what a service grants its clients, and when it says no.

    The timeout is outermost because there is a queue, and who waits in it should not wait longer than that.
    """
    return Pipeline(*_chosen("server", timeout=timeout, rate_limit=rate_limit, shed=shed, concurrency=concurrency))


def _chosen(preset: str, **parts: Any) -> list[Any]:
    """The parts that are not left out."""
    for option, part in parts.items():
        if part is not None and (isinstance(part, type) or not (hasattr(part, "start") or callable(part))):
            bare = isinstance(part, int | float) and not isinstance(part, bool)
            if option in MEANT and (bare or (option == "rate_limit" and isinstance(part, str))):
                example = f"{MEANT[option]}({part!r})"
            else:
                example = "a policy, such as Timeout(2.0)"
            raise ConfigError.of(preset, option, part, f"give {example}, or None to leave it out")
    return [part for part in parts.values() if part is not None]


def _name(name: str | None, endpoints: Any) -> str:
    if name is None:
        return endpoints.name if isinstance(endpoints, Cluster) else "upstream"
    return name


def _named(breaker: Any, name: str) -> Any:
    """Our own breaker is called after the upstream; yours after what you called it."""
    return attrs.evolve(breaker, name=name) if breaker is BREAKER or breaker is LLM_BREAKER else breaker


def _end(endpoints: Endpoints, name: str, inner: list[Any]) -> list[Any]:
    if endpoints is None:
        return inner
    if isinstance(endpoints, Cluster):
        return [attrs.evolve(endpoints, name=name, pipeline=(*inner, *endpoints.pipeline))]
    return [Cluster(name, endpoints, pipeline=inner)]
