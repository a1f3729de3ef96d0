"""Whose word means what? The proxies that came before the mesh, and Envoy: HAProxy, nginx, F5, Citrix, Kong.

An entry is a spec's class, a function that makes one, or a `Word` with what is different here; a text is the reason why
there is none.

HAProxy ``doc/configuration.txt`` @50872daa; nginx ``ngx_http_upstream_*_module`` @3f6f7824; ingress-nginx
``annotations.md`` @dbb11b92; Kong ``entities/upstreams.lua`` @22246ef2; Envoy's ``extensions/load_balancing_policies``
@0a31a547; F5 and NetScaler by their manuals.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from ...errors import ConfigError
from ..around.override import Override
from ..around.sticky import Sticky
from ..around.subset import Subset
from ..hashing.hashed import Hashed
from ..hashing.keys import Domain, FirstOf, RdpCookie, Uri
from ..hashing.maglev import Maglev
from ..hashing.modulo import Modulo, NginxHash, NginxIpHash
from ..hashing.ring import NginxConsistent, Ring
from ..load.first import First
from ..load.least_connections import LeastConnections
from ..load.least_request import LeastRequest
from ..load.least_response_time import LeastResponseTime
from ..load.peak_ewma import PeakEwma
from ..report.dynamic_ratio import DynamicRatio
from ..report.observed import Observed, Predictive
from ..report.rated import WeightedByReports
from ..report.reported import LeastReported
from ..turns.draw import RandomChoice
from ..turns.round_robin import RoundRobin

__all__ = ["CITRIX", "CLIENT", "ENVOY", "F5", "HAPROXY", "INGRESS_NGINX", "KONG", "NGINX", "Word", "sticky"]

Words = Mapping[str, Any]


class Word(NamedTuple):
    """What makes the spec, what is not as it is there, and whose options it takes besides those that ``make`` names."""

    make: Callable[..., Any]
    note: str = ""
    further: Callable[..., Any] | None = None


CLIENT = "``key``: the client's address; through a door that knows no client (``meshkit.httpx``) give another"
"""Said of each word that is about the client's address."""


def sticky(name: str = "meshkit", mode: str = "persistent", note: str = "") -> Word:
    """The word for sessions of such a mode, with a cookie of that name."""
    usual = name

    def make(name: str = usual, **options: Any) -> Sticky:
        return Sticky(**{"cookie": name, "mode": mode, **options})

    return Word(make, note, Sticky)


def _on_haproxy(
    source: Any,
    *,
    hash_type: str = "map-based",
    function: str = "sdbm",
    avalanche: bool = False,
    hash_balance_factor: int = 0,
) -> Hashed:
    if hash_type not in {"map-based", "consistent"}:
        raise ConfigError.of("named", "hash_type", hash_type, "write 'map-based' or 'consistent'")
    if hash_balance_factor and not 100 < hash_balance_factor <= 10_000:
        fix = "give more than 100, such as 125, or 0 for no bound"
        raise ConfigError.of("named", "hash_balance_factor", hash_balance_factor, fix)
    table = Ring() if hash_type == "consistent" else Modulo(function, avalanche=avalanche)
    return Hashed(source, table, bound=hash_balance_factor / 100 or None, otherwise="round-robin")


def _uri(length: int = 0, depth: int = 0, whole: bool = False, path_only: bool = False, **table: Any) -> Hashed:
    return _on_haproxy(Uri(length=length, depth=depth, whole=whole, path_only=path_only), **table)


def _hdr(name: str, use_domain_only: bool = False, **table: Any) -> Hashed:
    source = f"header:{name.lower()}"
    return _on_haproxy(Domain(source) if use_domain_only else source, **table)


def _rdp_cookie(name: str = "mstshash", *, source: Any, **table: Any) -> Hashed:
    return _on_haproxy(RdpCookie(source, name=name), **table)


def _random(draws: int = 2) -> LeastRequest:
    return LeastRequest(choices=draws)


def _first(maxconn: int) -> First:
    return First(places=maxconn)


HAPROXY: Words = {
    "roundrobin": RoundRobin,
    "static-rr": Word(partial(RoundRobin, order="map", static=True), "laid out as there, to the turn"),
    "leastconn": Word(LeastConnections, "calls in the cluster's own queue are at no endpoint yet"),
    "first": Word(_first, "in the order of the list, not by id; it refuses nobody: add `ConcurrencyLimit` for that"),
    "source": Word(lambda key="client", **table: _on_haproxy(key, **table), CLIENT, _on_haproxy),
    "uri": Word(_uri, "", _on_haproxy),
    "url_param": Word(
        lambda name, **table: _on_haproxy(f"query:{name}", **table),
        "no check_post: the body is not looked into",
        _on_haproxy,
    ),
    "hdr": Word(_hdr, "", _on_haproxy),
    "rdp-cookie": Word(_rdp_cookie, "``source`` answers the first bytes of the connection", _on_haproxy),
    "hash": Word(_on_haproxy, "``source`` in place of the expression"),
    "random": Word(_random, "any endpoint alike, the weight counts in the comparison"),
    "log-hash": "it spreads log lines, and there are none here: take Hashed with a key of your own",
    "sticky": "it keeps a log stream where it is: take Sticky for sessions",
}


def _nginx_hash(key: Any, consistent: bool = False) -> Hashed:
    return Hashed(key, NginxConsistent() if consistent else NginxHash(), otherwise="round-robin")


def _nginx_random(two: str | None = None) -> Any:
    """``two``: None, "least_conn" or "least_time"."""
    if two not in {None, "least_conn", "least_time"}:
        raise ConfigError.of("named", "two", two, "write 'least_conn', 'least_time', or leave it out")
    return PeakEwma() if two == "least_time" else LeastRequest() if two else RandomChoice()


NGINX: Words = {
    "round_robin": Word(RoundRobin, "what an ``upstream`` without a word does"),
    "least_conn": Word(LeastConnections, "on a tie turns by deadline, not smooth ones; the shares are the same"),
    "ip_hash": Word(
        lambda key="client": Hashed(key, NginxIpHash(), otherwise="round-robin"),
        f"{CLIENT} that answers an address: what is none is one key",
    ),
    "hash": _nginx_hash,
    "random": _nginx_random,
    "least_time": Word(LeastResponseTime, "the time to the header; ``last_byte`` has no counterpart"),
    "sticky": sticky(note="the ``cookie`` form"),
}

INGRESS_NGINX: Words = {
    "round_robin": RoundRobin,
    "ewma": Word(PeakEwma, "peaks count at once, and calls in flight as well"),
    "upstream-hash-by": Word(lambda key: Hashed(key, Ring()), "another ring: keys stay as well, on other endpoints"),
    "upstream-hash-by-subset": "a key's subset and a random endpoint of it: take Hashed with a bound for the same end",
    "affinity": sticky("INGRESSCOOKIE", "balanced", "``mode`` is ``affinity-mode``"),
    "least_conn": "its dynamic balancer has it no more: take named('nginx', 'least_conn')",
    "ip_hash": "its dynamic balancer has it no more: take named('nginx', 'ip_hash')",
}

_NODE = "counted within this cluster; there over every pool the address is in"
_SESSIONS = "sessions are kept in cookies here, not in a table that could be counted: take LeastConnections"

F5: Words = {
    "round-robin": RoundRobin,
    "ratio-member": RoundRobin,
    "ratio-node": Word(RoundRobin, "an endpoint's weight is its own; there it is the address's"),
    "ratio-session": RoundRobin,
    "ratio-least-connections-member": LeastConnections,
    "ratio-least-connections-node": Word(LeastConnections, _NODE),
    "least-connections-member": Word(LeastConnections, "with equal weights: there they do not count"),
    "least-connections-node": Word(LeastConnections, _NODE),
    "weighted-least-connections-member": Word(LeastConnections, "give each connection limit as the endpoint's weight"),
    "weighted-least-connections-node": Word(LeastConnections, f"the limits as weights; {_NODE}"),
    "dynamic-ratio-member": Word(DynamicRatio, "from the reports in answers; there a monitor asks SNMP or WMI"),
    "dynamic-ratio-node": Word(DynamicRatio, "from the reports in answers; there a monitor asks SNMP or WMI"),
    "observed-member": Observed,
    "observed-node": Word(Observed, _NODE),
    "predictive-member": Word(Predictive, "by the published rule, within 1 to 4"),
    "predictive-node": Word(Predictive, _NODE),
    "fastest-app-response": Word(partial(LeastRequest, choices="all"), "fewest requests without an answer"),
    "fastest-node": Word(partial(LeastRequest, choices="all"), _NODE),
    "least-sessions": _SESSIONS,
}

_BYTES = "bytes and packets of a connection are not seen here: take LeastRequest"

CITRIX: Words = {
    "ROUNDROBIN": RoundRobin,
    "LEASTCONNECTION": LeastConnections,
    "LEASTREQUEST": Word(partial(LeastRequest, choices="all"), ""),
    "LEASTRESPONSETIME": Word(partial(LeastResponseTime, ahead=False), "the mean of calls; there of an interval"),
    "LRTM": "it takes the times of its monitors: take LeastResponseTime, which takes those of calls",
    "LEASTBANDWIDTH": _BYTES,
    "LEASTPACKETS": _BYTES,
    "CUSTOMLOAD": Word(LeastReported, "from the reports in answers; there a monitor asks SNMP"),
    "URLHASH": Word(lambda: Hashed("uri"), ""),
    "DOMAINHASH": Word(lambda: Hashed("host"), ""),
    "SOURCEIPHASH": Word(lambda key="client": Hashed(key), CLIENT),
    "SRCIPSRCPORTHASH": Word(Hashed, "``key`` answers both: no door knows the port"),
    "SRCIPDESTIPHASH": Word(Hashed, "``key`` answers both: no door knows the address called"),
    "DESTINATIONIPHASH": Word(Hashed, "``key`` answers it: no door knows the address called"),
    "CALLIDHASH": Word(lambda: Hashed("header:call-id"), ""),
    "TOKEN": Word(Hashed, "``key`` in place of the expression"),
    "USER_TOKEN": Word(Hashed, "``key`` in place of the expression"),
    "AUDITEDHASH": "it is kept for the balancer's own log: take Hashed",
    "STATICPROXIMITY": "by the geography of the client: take a router in front of a cluster for each region",
}


def _kong_source(hash_on: str, name: str | None, key: Any) -> Any:
    kinds = {"header": "header", "cookie": "cookie", "query_arg": "query"}
    if hash_on in {"ip", "path"}:
        return {"ip": key, "path": "path"}[hash_on]
    if hash_on not in kinds:
        fix = "write 'ip', 'path', 'header', 'cookie' or 'query_arg'; for consumers and captures take Hashed(function)"
        raise ConfigError.of("named", "hash_on", hash_on, fix)
    if not name:
        raise ConfigError.of("named", "hash_on", hash_on, f"give the name of the {hash_on} as well")
    return f"{kinds[hash_on]}:{name.lower() if hash_on == 'header' else name}"


def _kong_hash(
    hash_on: str = "ip",
    name: str | None = None,
    hash_fallback: str = "none",
    fallback_name: str | None = None,
    key: Any = "client",
) -> Hashed:
    """``name`` and ``fallback_name`` are those of the header, cookie or argument, ``key`` is what ``"ip"`` means."""
    source = _kong_source(hash_on, name, key)
    if hash_fallback != "none":
        source = FirstOf(source, _kong_source(hash_fallback, fallback_name, key))
    return Hashed(source, Ring(), otherwise="round-robin")


KONG: Words = {
    "round-robin": RoundRobin,
    "consistent-hashing": Word(
        _kong_hash, f"another ring: keys stay as well, on other endpoints; for ``ip``, {CLIENT}"
    ),
    "least-connections": LeastConnections,
    "latency": Word(PeakEwma, "peaks count at once, and calls in flight as well"),
    "sticky-sessions": sticky(),
}

ENVOY: Words = {
    "ROUND_ROBIN": Word(partial(RoundRobin, order="edf"), "turns go on after a change; there they begin anew"),
    "LEAST_REQUEST": Word(
        lambda choice_count=2, active_request_bias=1.0, full_scan=False: LeastRequest(
            choices="all" if full_scan else choice_count, bias=active_request_bias
        ),
        "two draws are two endpoints; there they may be the same",
    ),
    "RANDOM": Word(partial(RandomChoice, weighted=False), ""),
    "RING_HASH": Word(
        lambda key, minimum_ring_size=1024, maximum_ring_size=8_388_608, function="xxh64": Hashed(
            key, Ring(function, least=minimum_ring_size, most=maximum_ring_size)
        ),
        "``function`` is ``xxh64`` (XX_HASH) or ``murmur64a`` (MURMUR_HASH_2)",
    ),
    "MAGLEV": Word(lambda key, table_size=65537: Hashed(key, Maglev(table_size)), ""),
    "client_side_weighted_round_robin": WeightedByReports,
    "peak_ewma": PeakEwma,
    "subset": Subset,
    "override_host": Override,
    "CLUSTER_PROVIDED": "the endpoint is where the call was going: leave the cluster out",
    "wrr_locality": "localities are the cluster's: Cluster(..., localities=LocalityWeights(...))",
}
