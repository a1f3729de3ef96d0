"""Whose word means what? The meshes and gateways, most of which speak Envoy's words in another spelling.

In the form of `words`. ALB's target group attributes; App Mesh's ``virtualrouter_types.go`` @7588d122; Contour's
``HTTPProxy``; Istio's ``destination_rule.proto``; Gloo's ``LoadBalancerConfig``; Traefik's ``http_config.go``
@fd5a576d; gRPC's service config; the rest by their manuals.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from ...errors import ConfigError
from ..hashing.hashed import Hashed
from ..hashing.maglev import Maglev
from ..hashing.rendezvous import Rendezvous
from ..hashing.ring import Ring
from ..load.first import First
from ..load.least_request import LeastRequest
from ..load.least_response_time import LeastResponseTime
from ..load.peak_ewma import PeakEwma
from ..report.rated import WeightedByReports
from ..turns.draw import RandomChoice
from ..turns.round_robin import RoundRobin
from .words import CLIENT, ENVOY, Word, sticky

__all__ = ["ALB", "AMBASSADOR", "APP_MESH", "CONTOUR", "GLOO", "GRPC", "ISTIO", "LINKERD", "TRAEFIK", "VOYAGER"]

Words = Mapping[str, Any]

_SPLIT = "shares between clusters are a route's business: take a split in front of the clusters"

ALB: Words = {
    "round_robin": RoundRobin,
    "least_outstanding_requests": Word(partial(LeastRequest, choices="all"), ""),
    "weighted_random": Word(RandomChoice, "anomaly mitigation is `OutlierDetection`, of the cluster"),
    "lb_cookie": sticky("AWSALB"),
    "weighted_target_groups": _SPLIT,
}

APP_MESH: Words = {
    "round_robin": Word(RoundRobin, "its proxies know no other"),
    "weightedTargets": _SPLIT,
}

CONTOUR: Words = {
    "RoundRobin": ENVOY["ROUND_ROBIN"],
    "WeightedLeastRequest": ENVOY["LEAST_REQUEST"],
    "Random": ENVOY["RANDOM"],
    "RequestHash": Word(lambda key: Hashed(key, Ring()), "``key``: a header, a query parameter, ``client``"),
    "Cookie": sticky("X-Contour-Session-Affinity", "balanced"),
}


def _consistent(key: Any, algorithm: str = "ringHash", size: int | None = None) -> Hashed:
    if algorithm == "maglev":
        return Hashed(key, Maglev(size or 65537))
    if algorithm != "ringHash":
        raise ConfigError.of("named", "algorithm", algorithm, "write 'ringHash' or 'maglev'")
    return Hashed(key, Ring(least=size or 1024))


ISTIO: Words = {
    "ROUND_ROBIN": ENVOY["ROUND_ROBIN"],
    "LEAST_REQUEST": ENVOY["LEAST_REQUEST"],
    "LEAST_CONN": ENVOY["LEAST_REQUEST"],
    "RANDOM": ENVOY["RANDOM"],
    "consistentHash": Word(_consistent, "``key``: a header, a cookie, a query parameter, ``client``"),
    "PASSTHROUGH": ENVOY["CLUSTER_PROVIDED"],
    "localityLbSetting": "localities are the cluster's: Cluster(..., localities=...)",
}

GLOO: Words = {
    "roundRobin": ENVOY["ROUND_ROBIN"],
    "leastRequest": ENVOY["LEAST_REQUEST"],
    "random": ENVOY["RANDOM"],
    "ringHash": ENVOY["RING_HASH"],
    "maglev": ENVOY["MAGLEV"],
}

AMBASSADOR: Words = {
    "round_robin": ENVOY["ROUND_ROBIN"],
    "least_request": ENVOY["LEAST_REQUEST"],
    "ring_hash": ENVOY["RING_HASH"],
    "maglev": ENVOY["MAGLEV"],
}

TRAEFIK: Words = {
    "wrr": Word(partial(RoundRobin, order="edf"), ""),
    "p2c": LeastRequest,
    "hrw": Word(
        lambda key="client": Hashed(key, Rendezvous()),
        f"another hash: keys stay as well, on other endpoints; {CLIENT}",
    ),
    "leasttime": Word(LeastResponseTime, "a new endpoint is asked once before its first answer; there for everything"),
    "sticky": sticky(),
    "mirroring": "a copy of a call is not a choice of its endpoint: that is a route's business",
    "failover": "the next cluster is `Fallback`'s business, the next endpoints are the cluster's priorities",
}

VOYAGER: Words = {"roundrobin": RoundRobin}

GRPC: Words = {
    "round_robin": RoundRobin,
    "weighted_round_robin": WeightedByReports,
    "least_request_experimental": LeastRequest,
    "random_experimental": Word(partial(RandomChoice, weighted=False), ""),
    "ring_hash_experimental": Word(
        lambda key, min_ring_size=1024, max_ring_size=4096: Hashed(key, Ring(least=min_ring_size, most=max_ring_size)),
        "",
    ),
    "pick_first": Word(partial(First, places=1_000_000), "the first that is up, in the order of the list"),
}

LINKERD: Words = {
    "ewma": PeakEwma,
    "p2cLeastLoaded": LeastRequest,
    "roundRobin": RoundRobin,
}
