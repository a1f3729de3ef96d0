"""The upstream: its endpoints, how they are, and which of them serves a call."""

import importlib
import typing

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
"""Where each name lives. A name is loaded when it is first asked for: a program pays for what it uses."""


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(home, __name__), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
