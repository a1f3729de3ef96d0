"""How much? Limits on the rate of calls and on the number of calls in flight."""

from .concurrency import ConcurrencyLimit
from .rate import RateLimit
from .shed import LoadShed
from .throttle import Throttle

__all__ = ["ConcurrencyLimit", "LoadShed", "RateLimit", "Throttle"]
