"""Where else does a call go when it failed or was refused?

::

    the call ends well                                    its own answer
    it fails in a way ``on`` names, or is refused         what stands ``instead``, once
        no time is left of the deadline around            its own failure
        what stands instead is refused as well            its own failure

``instead`` is a value, a function that is called as the guarded one was, or a pipeline with a cluster of its own: then
the same request goes there. Everything inside has been given back by then; what stands outside (a breaker, a limit)
judges the answer that is given. Polly's fallback, Envoy's aggregate cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs

from . import options
from .call import Call, Failure
from .condition import Condition, On
from .errors import ConfigError, Rejected
from .policy import awaits

__all__ = ["Fallback"]

NOTHING = object()


def _on(spec: Any, _: Any, value: Any) -> None:
    if value is not None:
        Condition("Fallback", value)


def _frozen(on: Any) -> Any:
    return tuple(on) if isinstance(on, list) else on


def _instead(value: Any) -> Any:
    """A pipeline or a list of policies is taken as the policies it is made of; a single cluster as itself."""
    specs = getattr(value, "specs", value if isinstance(value, list | tuple) else None)
    return value if specs is None else tuple(specs)


@attrs.frozen
class Fallback:
    """Answer otherwise, once, when the call fails.

    ``instead``: a function, called with the arguments of the guarded one (behind the httpx door: with the request);
    a `Cluster`, or a pipeline that ends in one or, as a list of policies, in such a function; or, as ``value=``, the
    answer itself. ``on``: which failures, in the words of `Retry`; ``None``: every failure, and every answer that the
    door judges to be one. ``refused``: whether it also stands in where a policy further in refuses the call, or one
    behind the function does.

    Put it outside the `Timeout`, or there will be no time left for it.
    """

    instead: Any = attrs.field(
        default=NOTHING, converter=_instead, repr=lambda it: "..." if it is NOTHING else repr(it)
    )
    on: On | None = attrs.field(default=None, converter=_frozen, validator=_on, kw_only=True)
    value: Any = attrs.field(default=NOTHING, kw_only=True)
    refused: bool = attrs.field(default=True, validator=options.flag(), kw_only=True)
    name: str = attrs.field(default="Fallback", kw_only=True)

    def __attrs_post_init__(self) -> None:
        if (self.instead is NOTHING) == (self.value is NOTHING):
            fix = "give one of the two: a function, a cluster or a pipeline, or value=... for an answer as it is"
            raise ConfigError(f"Fallback: instead, value: {fix}")
        instead = self.instead
        if self.value is not NOTHING:
            return
        if isinstance(instead, tuple):
            *path, end = instead or (None,)
            sound = all(_is_policy(each) for each in path) and (_is_policy(end) or callable(end))
        else:
            sound, end = hasattr(instead, "start") or callable(instead), instead
        if not sound or isinstance(end, type):
            fix = "give a function, a cluster or a pipeline; write value=... for an answer as it is"
            raise ConfigError.of("Fallback", "instead", instead, fix)

    @property
    def fixed(self) -> bool:
        """Whether the answer is a value."""
        return self.value is not NOTHING

    holds = ("instead",)
    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> FallbackState:
        return FallbackState(self, rng)


class Destination:
    """The end of a pipeline that goes to a function of its own."""

    __slots__ = ("destination", "name")

    def __init__(self, name: str, destination: Callable[..., Any]) -> None:
        self.name = name
        self.destination = destination


class FallbackState:
    """A `Fallback` that counts how often it was taken."""

    __slots__ = ("_condition", "_refused", "instead", "name", "statuses", "taken")

    def __init__(self, spec: Fallback, rng: Random) -> None:
        self.name = spec.name
        self.taken = 0
        self._condition = None if spec.on is None else Condition("Fallback", spec.on)
        self.statuses = frozenset() if self._condition is None else self._condition.statuses
        self._refused = spec.refused
        self.instead: list[Any] = self._started(spec, rng)

    def _started(self, spec: Fallback, rng: Random) -> list[Any]:
        if spec.value is not NOTHING:
            return [Destination(self.name, lambda call: spec.value)]
        if not isinstance(spec.instead, tuple):
            return [spec.instead.start(rng) if hasattr(spec.instead, "start") else self._to(spec.instead)]
        return [
            each.start(rng) if hasattr(each, "start") else each if awaits(each) else self._to(each)
            for each in spec.instead
        ]

    def _to(self, function: Callable[..., Any]) -> Destination:
        """To a function that is called as the guarded one was."""

        def destination(call: Call) -> Any:
            args, kwargs = ((call.request,), {}) if call.door.takes_request else call.request
            return function(*args, **kwargs)

        return Destination(self.name, destination)

    def matches(self, failure: Failure, /) -> bool:
        error = failure.error
        if isinstance(error, Rejected):
            return self._refused
        if error is not None and not isinstance(error, Exception):
            return False
        return self._condition is None or self._condition(failure)

    def catches(self, rejection: Rejected, /) -> bool:
        return self._refused

    def takes(self, call: Call, now: float, /) -> bool:
        self.taken += 1
        return True

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """How often it was taken."""
        return {"taken": self.taken}

    def idle(self) -> bool:
        return all(state.idle() for state in self.instead if hasattr(state, "idle"))


def _is_policy(each: Any) -> bool:
    """What may stand in a pipeline: a spec, or a middleware."""
    return not isinstance(each, type) and (hasattr(each, "start") or awaits(each))
