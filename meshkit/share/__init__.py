"""How does one answer serve more than one call? Calls at the same time share one; later ones get the last good one."""

from .single_flight import SingleFlight
from .stale import StaleIfError

__all__ = ["SingleFlight", "StaleIfError"]
