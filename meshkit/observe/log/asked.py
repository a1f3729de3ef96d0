"""Can a log be written as it is asked for? Raises `ConfigError` where it cannot."""

from __future__ import annotations

import inspect
from typing import Any

from ...errors import ConfigError
from ...options import LARGEST

__all__ = ["check", "is_structlog"]

CALLS = ("failures", "all", "none")


def check(every: Any, burst: Any, calls: Any, trace: Any) -> None:
    if isinstance(every, bool) or not isinstance(every, int | float) or not 1e-9 <= every <= LARGEST:
        raise ConfigError.of("Log", "every", every, "give seconds, above 0, such as 10.0")
    if isinstance(burst, bool) or not isinstance(burst, int) or not 1 <= burst <= 1_000_000:
        raise ConfigError.of("Log", "burst", burst, "give a whole number of lines, from 1 to 1000000")
    if calls not in CALLS:
        raise ConfigError.of("Log", "calls", calls, f"write one of {', '.join(map(repr, CALLS))}")
    if trace is not None and (not callable(trace) or inspect.iscoroutinefunction(trace)):
        raise ConfigError.of("Log", "trace", trace, "give a plain function that answers a dict")


def is_structlog(logger: Any) -> bool:
    """By its ``bind``, which none of the standard library has."""
    if isinstance(logger, type):
        raise ConfigError.of("Log", "logger", logger, 'give a logger, such as logging.getLogger("payments")')
    if callable(getattr(logger, "bind", None)):
        try:
            awaited = inspect.iscoroutinefunction(getattr(type(logger.bind()), "info", None))
        except RuntimeError:  # it wants a loop that runs
            awaited = True
        if awaited:
            fix = "a listener cannot await: give a logger whose methods are plain, such as structlog.get_logger()"
            raise ConfigError.of("Log", "logger", logger, fix)
        return True
    if not (hasattr(logger, "isEnabledFor") and hasattr(logger, "log")):
        raise ConfigError.of("Log", "logger", logger, 'give a logger, such as logging.getLogger("payments")')
    return False
