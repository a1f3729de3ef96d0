"""The wire out: connections to upstreams, kept alive, with ceilings and deadlines of their own. For asyncio."""

from .answer import Answer
from .dial import Dial
from .origin import Origin
from .places import Limits
from .pool import Pool

__all__ = ["Answer", "Dial", "Limits", "Origin", "Pool"]
