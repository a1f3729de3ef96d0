"""The upstream: its endpoints, how they are, and which of them serves a call."""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .admission import Ceilings
    from .checks import HttpCheck, TcpCheck
    from .cluster import Cluster
    from .endpoint import Endpoint
    from .localities import LocalityWeights, ZoneAware, ZoneFirst, ZoneStrict
    from .outliers import OutlierDetection
    from .slow_start import SlowStart
    from .state import ClusterState
    from .strikes import Strikes

__all__ = [
    "Ceilings",
    "Cluster",
    "ClusterState",
    "Endpoint",
    "HttpCheck",
    "LocalityWeights",
    "OutlierDetection",
    "SlowStart",
    "Strikes",
    "TcpCheck",
    "ZoneAware",
    "ZoneFirst",
    "ZoneStrict",
]

_HOMES = {
    ".admission": ("Ceilings",),
    ".checks": (
        "HttpCheck",
        "TcpCheck",
    ),
    ".cluster": ("Cluster",),
    ".endpoint": ("Endpoint",),
    ".localities": (
        "LocalityWeights",
        "ZoneAware",
        "ZoneFirst",
        "ZoneStrict",
    ),
    ".outliers": ("OutlierDetection",),
    ".slow_start": ("SlowStart",),
    ".state": ("ClusterState",),
    ".strikes": ("Strikes",),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
