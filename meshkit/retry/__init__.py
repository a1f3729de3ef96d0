"""When to ask again: which failures, how often, after what delay, and within what budget."""

from .backoff import Backoff, Constant, Decorrelated, Exponential
from .budget import ConcurrentBudget, RetryBudget
from .hedge import Hedge
from .retry import Retry

__all__ = ["Backoff", "ConcurrentBudget", "Constant", "Decorrelated", "Exponential", "Hedge", "Retry", "RetryBudget"]
