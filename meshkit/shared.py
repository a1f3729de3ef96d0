"""How do two pipelines share one state? By naming the same `Shared` object."""

from __future__ import annotations

from random import Random
from typing import Any

from .errors import ConfigError
from .options import no_decorator
from .runtime.lock import LOCK

__all__ = ["Lasting", "Shared", "bare"]


class Shared:
    """A spec whose one state serves every pipeline that names this object; otherwise each use has its own."""

    __slots__ = ("_state", "spec")

    def __init__(self, spec: Any) -> None:
        if isinstance(spec, type) or not hasattr(spec, "start"):
            raise ConfigError.of("Shared", "spec", spec, "give a policy, such as Shared(RateLimit('100/s'))")
        self.spec = spec
        self._state: Any = None

    holds = ("spec",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> Any:
        """The one state, made at the first start; where several threads come first at once, the first to be ready."""
        if self._state is None:
            state = self.spec.start(rng)
            with LOCK:
                if self._state is None:
                    self._state = state
        return self._state

    def __repr__(self) -> str:
        return f"Shared({self.spec!r})"


class Lasting(Shared):
    """One whose state is to go on in the next version of a mesh, however many places name it in this one."""

    __slots__ = ()


def bare(spec: Any) -> Any:
    """The spec itself, shared or not."""
    return spec.spec if isinstance(spec, Shared) else spec
