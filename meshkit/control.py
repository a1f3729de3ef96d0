"""How is a policy steered by hand? A handle on one state of a pipeline, used under the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .errors import ConfigError
from .inside import find
from .observe.events import StateChanged
from .runtime.lock import LOCK
from .section import named

if TYPE_CHECKING:
    from .pipeline import Pipeline

__all__ = ["Control"]

FIXES = {
    "isolate": "only a circuit breaker can be isolated and reset by hand",
    "reset": "only a circuit breaker and a rollout can be reset by hand",
    "weigh": "only a split and a canary have weights",
}


class Control:
    """One policy of a pipeline, by its name; made by `Pipeline.control`. If the pipeline comes by other policies (of
    another version of a mesh), it is the one that then has the name; `ConfigError` if none has.
    """

    __slots__ = ("_endpoint", "_found", "_name", "_pipeline", "_route", "_states")

    def __init__(self, pipeline: Pipeline, name: str, endpoint: str | None, route: str | None) -> None:
        self._pipeline = pipeline
        self._name = name
        self._endpoint = endpoint
        self._route = route
        self._states = pipeline.states
        self._found = find(self._states, name, endpoint, route)

    @property
    def _state(self) -> Any:
        states = self._pipeline.states
        if states is not self._states:
            self._found, self._states = find(states, self._name, self._endpoint, self._route), states
        return self._found

    def isolate(self) -> None:
        """Open the breaker and keep it open until `reset`. Raises `ConfigError` for another kind of policy."""
        self._steer("isolate")

    def reset(self) -> None:
        """Close the breaker, or begin the rollout anew, and forget what was counted. Raises `ConfigError` for another
        kind of policy.
        """
        self._steer("reset")

    def weigh(self, weights: Mapping[str, float]) -> None:
        """Give branches of a split, or the canary, other weights, by their names and all at once. Raises `ConfigError`
        for another kind of policy, for other names, and for what is no weight.
        """
        self._steer("weigh", dict(weights))

    def advance(self) -> None:
        """Have the rollout take its next step, however the canary looks. Raises `ConfigError` for another policy."""
        self._steer("advance")

    def roll_back(self) -> None:
        """Take the canary of the rollout back, until `reset`. Raises `ConfigError` for another policy."""
        self._steer("roll_back")

    def pause(self) -> None:
        """Have the rollout stay at its step; what is worse goes back all the same. Raises `ConfigError` for another
        policy.
        """
        self._steer("pause")

    def resume(self) -> None:
        """End the pause of the rollout: its step begins anew. Raises `ConfigError` for another policy."""
        self._steer("resume")

    def snapshot(self) -> dict[str, Any]:
        """The state as plain numbers and words; empty where a policy has none."""
        state, now = self._state, self._pipeline.clock()
        with LOCK:
            return state.snapshot(now) if hasattr(state, "snapshot") else {}

    def _steer(self, verb: str, *given: Any) -> None:
        state = self._state
        steer = getattr(state, verb, None)
        if steer is None:
            fix = FIXES.get(verb, "only a rollout has steps")
            raise ConfigError.of(named(state), "control", verb, fix)
        now = self._pipeline.clock()
        with LOCK:
            before = getattr(state, "state", "")
            steer(*given, now)
            after = getattr(state, "state", "")
        if after != before:
            self._pipeline.tell(StateChanged(now, named(state), self._endpoint, before, after))
