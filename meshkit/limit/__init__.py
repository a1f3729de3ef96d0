"""How much? Limits on the rate of calls and on the number of calls in flight."""

from .concurrency import ConcurrencyLimit
from .rate import RateLimit

__all__ = ["ConcurrencyLimit", "RateLimit"]
