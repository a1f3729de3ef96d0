"""Between what does a moving limit move? From the floor, by where it begins, to the ceiling."""

from __future__ import annotations

from typing import Any

from .. import options
from ..errors import ConfigError

__all__ = ["FLOOR", "from_initial", "up_to_initial"]

FLOOR = 3
"""Calls in flight that no signal takes away, so that there is always something to learn from. As Envoy's
``min_concurrency``."""


def up_to_initial(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``floor``: from 1 up to where the limit begins."""
    options.count()(spec, attribute, value)
    if value > spec.initial:
        fix = f"the limit begins at {spec.initial}: give a floor up to that, or a larger initial"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def from_initial(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a ``ceiling``: from where the limit begins."""
    options.count()(spec, attribute, value)
    if value < spec.initial:
        fix = f"the limit begins at {spec.initial}: give a ceiling from there on, or a smaller initial"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)
