"""How much? Limits on the rate of calls and on the number of calls in flight."""

from .adaptive import AdaptiveConcurrency
from .aimd import AIMD
from .concurrency import ConcurrencyLimit
from .gradient import Gradient2
from .pace import Pace
from .rate import RateLimit
from .shed import LoadShed
from .throttle import Throttle
from .vegas import Vegas
from .window import FixedWindow, SlidingWindow

__all__ = [
    "AIMD",
    "AdaptiveConcurrency",
    "ConcurrencyLimit",
    "FixedWindow",
    "Gradient2",
    "LoadShed",
    "Pace",
    "RateLimit",
    "SlidingWindow",
    "Throttle",
    "Vegas",
]
