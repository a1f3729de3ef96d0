"""How is a policy steered by hand? A handle on one state of a pipeline, used under the lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .observe.events import StateChanged
from .runtime.lock import LOCK
from .section import named

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["Control"]


class Control:
    """One policy of a pipeline; made by `Pipeline.control`."""

    __slots__ = ("_endpoint", "_pipeline", "_state")

    def __init__(self, pipeline: Pipeline, state: Any, endpoint: str | None) -> None:
        self._pipeline = pipeline
        self._state = state
        self._endpoint = endpoint

    def isolate(self) -> None:
        """Open the breaker and keep it open until `reset`. Raises `ConfigError` for another kind of policy."""
        self._steer("isolate")

    def reset(self) -> None:
        """Close the breaker and forget what it has counted. Raises `ConfigError` for another kind of policy."""
        self._steer("reset")

    def snapshot(self) -> dict[str, Any]:
        """The state as plain numbers and words; empty where a policy has none."""
        now = self._pipeline.clock()
        with LOCK:
            return self._state.snapshot(now) if hasattr(self._state, "snapshot") else {}

    def _steer(self, verb: str) -> None:
        steer = getattr(self._state, verb, None)
        if steer is None:
            fix = "only a circuit breaker can be isolated and reset by hand"
            raise ConfigError.of(named(self._state), "control", verb, fix)
        now = self._pipeline.clock()
        with LOCK:
            before = getattr(self._state, "state", "")
            steer(now)
            after = getattr(self._state, "state", "")
        if after != before:
            self._pipeline.tell(StateChanged(now, named(self._state), self._endpoint, before, after))
