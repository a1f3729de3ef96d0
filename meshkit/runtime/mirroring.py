"""Which mirrors are there, and through which pipeline do the copies of each go? For every door that sends some."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigError
from ..pipeline import Pipeline
from ..policy import awaits
from ..section import within
from .lock import LOCK

__all__ = ["mirrors_of", "target_of"]


def mirrors_of(states: Iterable[Any]) -> tuple[Any, ...]:
    """The mirrors of all routes behind these states. Raises `ConfigError` where none could be."""
    found: dict[Any, None] = {}
    for state in within(states):
        for branch, beside in zip(getattr(state, "branches", ()), getattr(state, "beside", ()), strict=False):
            if beside and any(hasattr(each, "destination") for each in branch):
                fix = "what is answered within this process is not sent, and cannot be copied: leave the mirror out"
                raise ConfigError.of("Mirror", "name", beside[0].name, fix)
            found |= dict.fromkeys(beside)
    return tuple(found)


def target_of(mirror: Any, clock: Callable[[], float], *, hosts: bool = True) -> Pipeline:
    """The pipeline through which a mirror's copies go: one for all doors. Raises `ConfigError`.

    ``hosts``: whether a host says where a request goes, as with a client; behind a gateway only a cluster does.
    """
    target: Pipeline | None = mirror.pipeline
    if target is None:
        made = Pipeline(*mirror.specs, name=mirror.name, seed=mirror.seed, clock=clock)
        with LOCK:
            if mirror.pipeline is None:
                mirror.pipeline = made
        target = mirror.pipeline
    last = target.states[-1] if target.states else None
    ends = awaits(last) or hasattr(last, "pick") or hasattr(last, "destination")
    if not ends and (mirror.spec.host is None or not hosts):
        fix = "copies would go where the request goes: end it in a cluster, or give a host"
        if not hosts:
            fix = "behind a gateway copies go to an endpoint: end it in a cluster"
        raise ConfigError.of("Mirror", "to", target, fix)
    return target
