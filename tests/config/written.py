"""How each public spec is written in a file, shortest, and what it is in Python."""

from __future__ import annotations

from typing import Any

from meshkit import (
    AIMD,
    AdaptiveConcurrency,
    Ceilings,
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    ConcurrentBudget,
    Constant,
    Decorrelated,
    Endpoint,
    Exponential,
    Fallback,
    FaultInjection,
    FixedWindow,
    Gradient2,
    Hedge,
    HttpCheck,
    LeastRequest,
    LoadShed,
    OutlierDetection,
    Pace,
    PeakEwma,
    RateLimit,
    Retry,
    RetryBudget,
    RoundRobin,
    Shadow,
    SingleFlight,
    SlidingWindow,
    SlowStart,
    StaleIfError,
    TcpCheck,
    Throttle,
    Timeout,
    Vegas,
    loop_lag,
)
from meshkit.balance import (
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
    LeastResponseTime,
    Maglev,
    Modulo,
    Network,
    NginxConsistent,
    NginxHash,
    NginxIpHash,
    Observed,
    Override,
    Predictive,
    Prequal,
    RandomChoice,
    RdpCookie,
    Rendezvous,
    Ring,
    Selector,
    Sticky,
    Subset,
    Uri,
    WeightedByReports,
)
from meshkit.cluster import LocalityWeights, Strikes, ZoneAware, ZoneFirst, ZoneStrict
from meshkit.discover import Dns, File, Static


def tenant(call: Any) -> str:
    return str(call)


def is_busy(failure: Any) -> bool:
    return bool(failure)


HERE = __name__

POLICIES: dict[str, Any] = {
    "timeout: 2s": Timeout(2.0),
    "timeout: {seconds: 1s500ms, name: call}": Timeout(1.5, name="call"),
    "retry: 5xx": Retry("5xx"),
    "retry: [5xx, 429, ConnectionError, 520-529]": Retry(("5xx", 429, ConnectionError, range(520, 530))),
    "retry: 'gateway-error, 409'": Retry("gateway-error, 409"),
    "retry: {on: [TimeoutError, OSError], attempts: 5, budget: none}": Retry(
        (TimeoutError, OSError), attempts=5, budget=None
    ),
    "retry: {on: 503, backoff: {exponential: {base: 50ms, cap: 1m, jitter: none}}, retry_after_cap: 0s}": Retry(
        503, backoff=Exponential(base=0.05, cap=60.0, jitter="none"), retry_after_cap=0.0
    ),
    "retry: {on: reset, backoff: {constant: 0s}, budget: concurrent_budget}": Retry(
        "reset", backoff=Constant(0.0), budget=ConcurrentBudget()
    ),
    "retry: {on: 5xx, backoff: {decorrelated: {cap: 5s}}, budget: {retry_budget: {ratio: 0.5, ttl: 1m}}}": Retry(
        "5xx", backoff=Decorrelated(cap=5.0), budget=RetryBudget(ratio=0.5, ttl=60.0)
    ),
    f"retry: {HERE}:is_busy": Retry(is_busy),
    "hedge: 200ms": Hedge(0.2),
    "hedge: {percentile: 0.95, budget: {retry_budget: {ratio: 0.05}}}": Hedge(
        percentile=0.95, budget=RetryBudget(ratio=0.05)
    ),
    "rate_limit: 100/s": RateLimit("100/s"),
    "rate_limit: {rate: 2.5, burst: 20, key: header:x-user, wait: 100ms}": RateLimit(
        2.5, burst=20, key="header:x-user", wait=0.1
    ),
    f"rate_limit: {{rate: 1/10s, key: {{import: '{HERE}:tenant'}}, cost: header:x-cost, settle: true}}": RateLimit(
        "1/10s", key=tenant, cost="header:x-cost", settle=True
    ),
    "fixed_window: 10/min": FixedWindow("10/min"),
    "sliding_window: {rate: 10/min, cost: 2.5}": SlidingWindow("10/min", cost=2.5),
    "concurrency_limit: 5": ConcurrencyLimit(5),
    "concurrency_limit: {limit: 5, queue: 10, order: lifo, wait: 2s}": ConcurrencyLimit(
        5, queue=10, order="lifo", wait=2.0
    ),
    "adaptive_concurrency": AdaptiveConcurrency(),
    "adaptive_concurrency: vegas": AdaptiveConcurrency(Vegas()),
    "adaptive_concurrency: {aimd: {initial: 10}}": AdaptiveConcurrency(AIMD(initial=10)),
    "adaptive_concurrency: {algorithm: {gradient2: {queue: 8}}, signal: loop_lag}": AdaptiveConcurrency(
        Gradient2(queue=8), signal=loop_lag
    ),
    "load_shed: 200": LoadShed(200),
    "load_shed: {signal: loop_lag, threshold: 0.5, priority: header:x-priority, default: 2, "
    "shed_from: [1, 0.9, 0.5, 0.2]}": LoadShed(
        signal=loop_lag, threshold=0.5, priority="header:x-priority", default=2, shed_from=(1, 0.9, 0.5, 0.2)
    ),
    "throttle": Throttle(),
    "throttle: 1.5": Throttle(1.5),
    "pace: {wait: 10s, spread: true}": Pace(wait=10.0, spread=True),
    "circuit_breaker": CircuitBreaker(),
    "circuit_breaker: {failure_rate: 0.1, window_seconds: 30s, minimum: 100, failures: 5}": CircuitBreaker(
        failure_rate=0.1, window_seconds=30.0, minimum=100, failures=5
    ),
    "single_flight: {max_bytes: 64KiB}": SingleFlight(max_bytes=65536),
    "stale_if_error: 1h": StaleIfError(3600.0),
    "fault_injection: {expires: 10m, share: 0.01, delay: 2s}": FaultInjection(expires=600.0, share=0.01, delay=2.0),
    "fault_injection: {expires: 1h, abort: 503}": FaultInjection(expires=3600.0, abort=503),
    "fault_injection: {expires: 1h, abort: ConnectionError}": FaultInjection(expires=3600.0, abort=ConnectionError),
    "shadow: circuit_breaker": Shadow(CircuitBreaker()),
    "shadow: {rate_limit: 100/s}": Shadow(RateLimit("100/s")),
    "fallback: {value: {stock: [1, null]}}": Fallback(value={"stock": [1, None]}),
    "fallback: {value: null}": Fallback(value=None),
    f"fallback: {{instead: '{HERE}:tenant', on: 5xx, refused: false}}": Fallback(tenant, on="5xx", refused=False),
    "fallback: {instead: {cluster: {name: spare, endpoints: ['10.0.0.9:80']}}}": Fallback(
        Cluster("spare", ["10.0.0.9:80"])
    ),
    "fallback: [timeout: 1s, cluster: {name: spare, endpoints: ['10.0.0.9:80']}]": Fallback(
        [Timeout(1.0), Cluster("spare", ["10.0.0.9:80"])]
    ),
}

BALANCERS: dict[str, Any] = {
    "peak_ewma": PeakEwma(),
    "peak_ewma: {decay: 5s}": PeakEwma(decay=5.0),
    "least_request: {choices: all, bias: 1}": LeastRequest(choices="all", bias=1),
    "least_connections": LeastConnections(),
    "least_response_time: {samples: 10, ahead: false}": LeastResponseTime(samples=10, ahead=False),
    "least_reported: {metrics: [cpu_utilization]}": LeastReported(metrics=("cpu_utilization",)),
    "round_robin: {order: edf}": RoundRobin(order="edf"),
    "random_choice: {weighted: false}": RandomChoice(weighted=False),
    "first: {places: 10}": First(places=10),
    "observed: {more: 4}": Observed(more=4),
    "predictive: {period: 2s}": Predictive(period=2.0),
    "prequal: {pool: 8}": Prequal(pool=8),
    "dynamic_ratio: {resources: {cpu_utilization: [1.5, 0.8], queue: [2, 1.0]}}": DynamicRatio(
        resources={"cpu_utilization": (1.5, 0.8), "queue": 2}
    ),
    "weighted_by_reports: {blackout: 0s}": WeightedByReports(blackout=0.0),
    "hashed: header:x-user": Hashed("header:x-user"),
    "hashed: uri": Hashed("uri"),
    "hashed: {uri: {depth: 2}}": Hashed(Uri(depth=2)),
    "hashed: {key: header:x-user, table: ring, bound: 1.25}": Hashed("header:x-user", Ring(), bound=1.25),
    "hashed: {key: client, table: {maglev: 65537}}": Hashed("client", Maglev()),
    "hashed: {network: {v4: 16}}": Hashed(Network(v4=16)),
    "hashed: {domain: host}": Hashed(Domain()),
    "hashed: {rdp_cookie: bytes}": Hashed(RdpCookie("bytes")),
    "hashed: {first_of: [header:x-user, client]}": Hashed(FirstOf("header:x-user", "client")),
    "hashed: {combined: [header:x-user, {key: {source: cookie:sid, terminal: true}}, client]}": Hashed(
        Combined("header:x-user", Key("cookie:sid", terminal=True), "client")
    ),
    "hashed: {key: client, table: {ketama: libmemcached}}": Hashed("client", Ketama("libmemcached")),
    "hashed: {key: client, table: {modulo: crc32}}": Hashed("client", Modulo("crc32")),
    "hashed: {key: client, table: rendezvous}": Hashed("client", Rendezvous()),
    "hashed: {key: client, table: nginx_hash}": Hashed("client", NginxHash()),
    "hashed: {key: client, table: nginx_ip_hash}": Hashed("client", NginxIpHash()),
    "hashed: {key: client, table: nginx_consistent}": Hashed("client", NginxConsistent()),
    "sticky": Sticky(),
    "sticky: round_robin": Sticky(RoundRobin()),
    "sticky: {cookie: sid, max_age: 1h, same_site: none, secure: true}": Sticky(
        cookie="sid", max_age=3600.0, same_site="none", secure=True
    ),
    "sticky: {same_site: null, secret: hunter2}": Sticky(same_site=None, secret="hunter2"),
    "override: {balancer: peak_ewma, key: header:x-endpoint, also: [ejected], strict: true}": Override(
        PeakEwma(), "header:x-endpoint", also="ejected", strict=True
    ),
    "subset: {balancer: peak_ewma, selectors: [[stage, version], {keys: [stage], fallback: any}], "
    "key: {stage: prod, n: 1}}": Subset(
        PeakEwma(), selectors=[("stage", "version"), Selector("stage", fallback="any")], key={"stage": "prod", "n": 1}
    ),
    "subset: {balancer: peak_ewma, selectors: [[stage]], key: header:x-stage, fallback: default, "
    "default: {stage: a}}": Subset(
        PeakEwma(), selectors=["stage"], key="header:x-stage", fallback="default", default={"stage": "a"}
    ),
}

CLUSTERS: dict[str, Any] = {
    "{name: a, endpoints: ['10.0.0.1:80', {address: '10.0.0.2:80', weight: 3, tags: {stage: canary, n: 1}}]}": Cluster(
        "a", ["10.0.0.1:80", Endpoint("10.0.0.2:80", weight=3, tags={"stage": "canary", "n": 1})]
    ),
    "{name: a, endpoints: [dns: {host: payments, port: 8080, least: 5s, scheme: https, "
    "nameservers: [10.0.0.2]}]}": Cluster(
        "a", Dns("payments", 8080, least=5.0, scheme="https", nameservers=["10.0.0.2"])
    ),
    "{name: a, endpoints: [file: {path: a.json, format: json}, static: ['10.0.0.1:80'], '10.0.0.2:80']}": Cluster(
        "a", [File("a.json"), Static(["10.0.0.1:80"]), "10.0.0.2:80"]
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], balancer: round_robin, pipeline: [circuit_breaker, timeout: 1s]}": Cluster(
        "a", ["10.0.0.1:80"], balancer=RoundRobin(), pipeline=[CircuitBreaker(), Timeout(1.0)]
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], outliers: outlier_detection, slow_start: 30s, "
    "ceilings: {retries: none}}": Cluster(
        "a", ["10.0.0.1:80"], outliers=OutlierDetection(), slow_start=SlowStart(30.0), ceilings=Ceilings(retries=None)
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], outliers: {strikes: {failures: 2}}, "
    "localities: {zone_first: z}, panic: 0.1}": Cluster(
        "a", ["10.0.0.1:80"], outliers=Strikes(failures=2), localities=ZoneFirst("z"), panic=0.1
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], localities: {zone_strict: z}}": Cluster(
        "a", ["10.0.0.1:80"], localities=ZoneStrict("z")
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], localities: {zone_aware: {zone: z, callers: {z: 3}}}}": Cluster(
        "a", ["10.0.0.1:80"], localities=ZoneAware("z", {"z": 3})
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], localities: {locality_weights: {weights: {z: 3}}}}": Cluster(
        "a", ["10.0.0.1:80"], localities=LocalityWeights({"z": 3})
    ),
    "{name: a, endpoints: ['10.0.0.1:80'], checks: [http_check: {path: /up, expect: [200-299, 304], "
    "headers: {x-a: b}}]}": Cluster(
        "a", ["10.0.0.1:80"], checks=HttpCheck("/up", expect=[(200, 299), 304], headers={"x-a": "b"})
    ),
    r'{name: a, endpoints: ["10.0.0.1:80"], checks: [http_check, tcp_check: {send: "PING\r\n"}]}': Cluster(
        "a", ["10.0.0.1:80"], checks=[HttpCheck(), TcpCheck(send="PING\r\n")]
    ),
}
