"""What is every gateway asked to do? One plan, which each subject's own configuration is written from.

Ten routes a host, by prefix: ``service-0.example/v0/`` to ``service-0.example/v9/``, then those of the next host. All
of them lead to one cluster. Those who ask use ten of the routes, spread over all of them: a few have nearly all of the
traffic anywhere.

=================  ===========================  =====================  =====================  ========================
.                  meshkit                      Envoy                  haproxy                nginx
=================  ===========================  =====================  =====================  ========================
balance            `PeakEwma`                   ``LEAST_REQUEST``      ``leastconn``          ``least_conn``
timeout            ``timeout: 15s`` a route     ``timeout`` a route    ``timeout server``     ``proxy_read_timeout``
retry              ``retry: 5xx``, once         ``retry_policy: 5xx``  ``retry-on``           ``proxy_next_upstream``
outlier detection  `OutlierDetection`           ``outlier_detection``  ``observe layer7``     ``max_fails``
rate limit         one for the listener         ``local_ratelimit``    by address, a table    by address, a zone
metrics            ``--metrics``, status page   its own, ``/stats``    its own, ``/metrics``  ``stub_status``
fields             of the client's address, and a request's id (haproxy, nginx: told to; Envoy: ``use_remote_address``)
=================  ===========================  =====================  =====================  ========================

No limit is ever reached, nothing is written to an access log, connections to the endpoints are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

__all__ = ["ASKED", "PER_SECOND", "Plan"]

ASKED = 10
"""Routes that are asked for."""
PER_SECOND = 1_000_000
"""The limit, and the burst."""
STATIC, SINK, CHAT = "static", "sink", "chat"
SINK_HOST, CHAT_HOST = "sink.example", "chat.example"


@attrs.frozen
class Plan:
    """``endpoints``: addresses with a port. ``sink`` takes uploads, ``chat`` WebSockets, on a host of its own each."""

    endpoints: Sequence[str]
    routes: int = 100
    sink: str | None = None
    chat: str | None = None

    @property
    def hosts(self) -> dict[str, list[str]]:
        """Prefixes by host: all of the routes."""
        found: dict[str, list[str]] = {}
        for n in range(self.routes):
            found.setdefault(host(n), []).append(f"/v{n % 10}/")
        return found

    @property
    def others(self) -> dict[str, tuple[str, str]]:
        """By host a cluster of one endpoint, and the address of that."""
        named = {SINK_HOST: (SINK, self.sink), CHAT_HOST: (CHAT, self.chat)}
        return {at: (name, address) for at, (name, address) in named.items() if address}

    def asked(self) -> list[tuple[str, str]]:
        """Hosts and paths that those who load it ask for in turns."""
        numbers = [n * self.routes // ASKED + n % 10 * (self.routes >= 100) for n in range(ASKED)]
        return [(host(n), f"/v{n % 10}/small") for n in numbers]


def host(number: int) -> str:
    return f"service-{number // 10}.example"


def mesh(plan: Plan, port: int) -> dict[str, Any]:
    """The mesh file of a plan."""
    clusters: dict[str, Any] = {
        STATIC: {"endpoints": list(plan.endpoints), "balancer": "peak_ewma", "outliers": "outlier_detection"}
    }
    routes: list[Mapping[str, Any]] = [
        {
            "name": f"{at.partition('.')[0]}-{prefix.strip('/')}",
            "match": {"host": at, "prefix": prefix.rstrip("/")},
            "policies": ["usual"],
            "to": STATIC,
        }
        for at, prefixes in plan.hosts.items()
        for prefix in prefixes
    ]
    for at, (name, address) in plan.others.items():
        clusters[name] = [address]
        routes.append({"name": name, "match": {"host": at}, "to": name})
    return {
        "mesh": "bench",
        "clusters": clusters,
        "policies": {"usual": [{"timeout": "15s"}, {"retry": {"on": "5xx", "attempts": 2}}]},
        "routes": routes,
        "listeners": {
            "public": {
                "port": port,
                "policies": [{"rate_limit": {"rate": f"{PER_SECOND}/s", "burst": PER_SECOND}}],
            }
        },
    }
