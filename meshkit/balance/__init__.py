"""Whom to ask? Balancers: a load measure x a pick, freely combined and never inherited.

==============  =========================  ==============================
spec            load measure               pick
==============  =========================  ==============================
`RoundRobin`    none                       `Turns`: smooth weighted turns
`LeastRequest`  `InFlight`                 `Choices`: best of d draws
`PeakEwma`      `PeakLatency`              `Choices`: best of d draws
==============  =========================  ==============================
"""

from .balancer import Balancer, Load, Member
from .choices import Choices
from .least_request import InFlight, LeastRequest
from .peak_ewma import PeakEwma, PeakLatency
from .round_robin import RoundRobin, Turns

__all__ = [
    "Balancer",
    "Choices",
    "InFlight",
    "LeastRequest",
    "Load",
    "Member",
    "PeakEwma",
    "PeakLatency",
    "RoundRobin",
    "Turns",
]
