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
    """One policy of a pipeline by its name (``name=`` of its spec). Errors: `ConfigError` for an unknown name."""

    __slots__ = ("_pipeline", "_state")

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        found = {named(state): state for state in pipeline.states}
        if name not in found:
            raise ConfigError.of("Pipeline", "control", name, f"name one of {sorted(found)}")
        self._pipeline = pipeline
        self._state = found[name]

    def isolate(self) -> None:
        """Open the breaker and keep it open until `reset`."""
        self._steer("isolate")

    def reset(self) -> None:
        """Close the breaker and forget what it has counted."""
        self._steer("reset")

    def snapshot(self) -> dict[str, Any]:
        """The state as plain numbers and words."""
        with LOCK:
            return dict(self._state.snapshot(self._pipeline.clock()))

    def _steer(self, verb: str) -> None:
        steer = getattr(self._state, verb, None)
        if steer is None:
            raise ConfigError.of(
                named(self._state), "control", verb, "only a circuit breaker can be opened and reset by hand"
            )
        now = self._pipeline.clock()
        with LOCK:
            before = getattr(self._state, "state", "")
            steer(now)
            after = getattr(self._state, "state", "")
        if after != before:
            self._pipeline.tell(StateChanged(now, named(self._state), None, before, after))
