"""Clusters as their users write them; read by mypy, never run."""

from collections.abc import AsyncIterator, Sequence

from meshkit import (
    Ceilings,
    Cluster,
    Endpoint,
    HttpCheck,
    OutlierDetection,
    PeakEwma,
    Pipeline,
    RoundRobin,
    SlowStart,
    TcpCheck,
)
from meshkit.balance import Hashed, LeastRequest, Maglev, Override, Prequal, Ring, Sticky, Subset, named
from meshkit.cluster import LocalityWeights, ZoneAware, ZoneFirst, ZoneStrict
from meshkit.discover import Dns, File, Pushed, Source, Static
from meshkit.httpx import AsyncMeshTransport, MeshTransport

Cluster(
    "orders",
    [
        File("orders.json", interval=0.5),
        Dns("orders.example", 443, scheme="https", priority=1),
        Static(["10.0.0.7:80"], locality="eu/eu-1"),
        Endpoint("10.0.0.8:80", weight=0, locality="eu-2", tags={"stage": "canary", "v": 2}, hash_key="b"),
    ],
    balancer=Sticky(PeakEwma(), mode="persistent", on_failure="keep"),
    outliers=OutlierDetection(consecutive_5xx=3, max_ejected=0.5),
    checks=[HttpCheck("/health", expect=[200, (300, 399)]), TcpCheck(port=81)],
    panic=0.0,
    slow_start=SlowStart(30.0, aggression=2.0),
    ceilings=Ceilings(requests=100, retries=None),
    localities=ZoneAware("eu-1", {"eu-1": 3, "eu-2": 1}),
)
Cluster("orders", Pushed(), localities=ZoneFirst("eu-1"), fails_in_panic=True, overprovision=1.4, patience=1.0)
Cluster("orders", ["a:80"], balancer=Hashed("header:x-user", Maglev(size=65537), bound=1.25))
Cluster("orders", ["a:80"], balancer=Hashed("cookie:sid", Ring(least=4096)), localities=ZoneStrict("eu-1"))
Cluster("orders", ["a:80"], balancer=Subset(LeastRequest(choices="all"), selectors=[["stage"]], key="extension:stage"))
Cluster("orders", ["a:80"], balancer=Override(Prequal(), "header:x-endpoint", strict=True))
Cluster("orders", ["a:80"], balancer=RoundRobin(order="stride"), localities=LocalityWeights({"eu-1": 2.0}))
Cluster("orders", ["a:80"], balancer=named("haproxy", "leastconn"))
Ceilings(100)  # type: ignore[call-arg]

pipeline = Pipeline(Cluster("orders", ["a:80"]))
AsyncMeshTransport(pipeline, whole=65_536)
MeshTransport(pipeline, whole=65_536)


class Mine:
    async def watch(self) -> AsyncIterator[Sequence[Endpoint]]:
        yield [Endpoint("a:80")]


mine: Source = Mine()
Cluster("orders", mine)
