"""Whom to ask? Balancers: a key source x a table, a load measure x a pick, and what stands around them.

============  ==========================================================================
room          what is in it
============  ==========================================================================
``hashing``   a key of the call x a table: `Hashed` over `Maglev`, `Ring`, and so on
``turns``     in turn or by lot, by weight: `RoundRobin`, `RandomChoice`
``load``      what a client sees of the load x a pick: `PeakEwma`, `LeastRequest`
``report``    what the endpoints say of it: `Prequal`, `WeightedByReports`
``around``    a balancer around a balancer: `Sticky`, `Subset`, `Override`
``words``     what others call these: `named`
============  ==========================================================================

What a balancer is stands in `balancer`.
"""

import typing

from ..lazy import lazily as _lazily

if typing.TYPE_CHECKING:
    from .around.override import Override
    from .around.sticky import Sticky
    from .around.subset import Selector, Subset
    from .balancer import Balancer, Load, Member, Pick
    from .hashing.hashed import Hashed
    from .hashing.keys import Combined, Domain, FirstOf, Hash, Key, Network, RdpCookie, Uri
    from .hashing.maglev import Maglev
    from .hashing.modulo import Modulo, NginxHash, NginxIpHash
    from .hashing.rendezvous import Rendezvous
    from .hashing.ring import Ketama, NginxConsistent, Ring
    from .load.choices import Choices
    from .load.first import First
    from .load.least_connections import LeastConnections
    from .load.least_request import InFlight, LeastRequest
    from .load.least_response_time import LeastResponseTime
    from .load.peak_ewma import PeakEwma, PeakLatency
    from .report.dynamic_ratio import DynamicRatio
    from .report.observed import Observed, Predictive
    from .report.prequal import Prequal
    from .report.rated import WeightedByReports
    from .report.reported import LeastReported
    from .turns.draw import RandomChoice
    from .turns.round_robin import RoundRobin, Turns
    from .words.vocabulary import VENDORS, named

__all__ = [
    "VENDORS",
    "Balancer",
    "Choices",
    "Combined",
    "Domain",
    "DynamicRatio",
    "First",
    "FirstOf",
    "Hash",
    "Hashed",
    "InFlight",
    "Ketama",
    "Key",
    "LeastConnections",
    "LeastReported",
    "LeastRequest",
    "LeastResponseTime",
    "Load",
    "Maglev",
    "Member",
    "Modulo",
    "Network",
    "NginxConsistent",
    "NginxHash",
    "NginxIpHash",
    "Observed",
    "Override",
    "PeakEwma",
    "PeakLatency",
    "Pick",
    "Predictive",
    "Prequal",
    "RandomChoice",
    "RdpCookie",
    "Rendezvous",
    "Ring",
    "RoundRobin",
    "Selector",
    "Sticky",
    "Subset",
    "Turns",
    "Uri",
    "WeightedByReports",
    "named",
]

_HOMES = {
    ".around.override": ("Override",),
    ".around.sticky": ("Sticky",),
    ".around.subset": (
        "Selector",
        "Subset",
    ),
    ".balancer": (
        "Balancer",
        "Load",
        "Member",
        "Pick",
    ),
    ".hashing.hashed": ("Hashed",),
    ".hashing.keys": (
        "Combined",
        "Domain",
        "FirstOf",
        "Hash",
        "Key",
        "Network",
        "RdpCookie",
        "Uri",
    ),
    ".hashing.maglev": ("Maglev",),
    ".hashing.modulo": (
        "Modulo",
        "NginxHash",
        "NginxIpHash",
    ),
    ".hashing.rendezvous": ("Rendezvous",),
    ".hashing.ring": (
        "Ketama",
        "NginxConsistent",
        "Ring",
    ),
    ".load.choices": ("Choices",),
    ".load.first": ("First",),
    ".load.least_connections": ("LeastConnections",),
    ".load.least_request": (
        "InFlight",
        "LeastRequest",
    ),
    ".load.least_response_time": ("LeastResponseTime",),
    ".load.peak_ewma": (
        "PeakEwma",
        "PeakLatency",
    ),
    ".report.dynamic_ratio": ("DynamicRatio",),
    ".report.observed": (
        "Observed",
        "Predictive",
    ),
    ".report.prequal": ("Prequal",),
    ".report.rated": ("WeightedByReports",),
    ".report.reported": ("LeastReported",),
    ".turns.draw": ("RandomChoice",),
    ".turns.round_robin": (
        "RoundRobin",
        "Turns",
    ),
    ".words.vocabulary": (
        "VENDORS",
        "named",
    ),
}

__getattr__, __dir__ = _lazily(__name__, _HOMES)
