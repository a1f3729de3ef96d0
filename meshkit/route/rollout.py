"""How does a new version come to all the calls, and go away again where it is worse? In steps, by what comes of them.

A `Rollout` is a `Split` of two whose weights move by themselves; how, stands in `steps`. Each step has to last
``every`` seconds, and have ``calls`` of the canary's calls, before the next one is taken; it is taken back as a whole
once it is certain that the canary is worse than it may be:

==========================  ====================================================================
limit                       of the canary's calls in this step
==========================  ====================================================================
``max_error_rate``          at most this share fails
``margin``                  the share that fails is at most so much above that of the main branch
``max_latency``             the ``quantile`` of the latency is at most so many seconds
==========================  ====================================================================

Certain: but for ``risk``, however often it is looked at (`evidence`). So neither the first failure nor a streak that
comes by chance takes a canary back, and one that fails always is gone after ``minimum`` calls.

The steps are those of Argo Rollouts' and Flagger's canaries, whose controllers ask a database of metrics every so many
seconds; here each call that ends is looked at, in each process for itself.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from ..errors import ConfigError
from ..fact import key, text
from ..options import count, no_decorator, number, optional, ratio, seconds
from .branch import Branch, as_branch, names
from .cookie import Cookie, as_cookie
from .split import edits, one_session
from .steps import RolloutState

__all__ = ["Rollout"]


def _steps(spec: Any, attribute: Any, value: Any) -> None:
    sound = isinstance(value, tuple) and bool(value)
    last = 0.0
    for share in value if sound else ():
        number = isinstance(share, int | float) and not isinstance(share, bool)
        sound = sound and number and last < share <= 1
        last = share if sound else last
    if not sound:
        fix = "give growing shares above 0 and up to 1, such as (0.01, 0.1, 0.5, 1.0)"
        raise ConfigError.of("Rollout", "steps", value, fix)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@attrs.frozen
class Rollout:
    """Gives a canary a growing share of the calls, or none where it is worse than it may be. Raises `ConfigError`.

    ``main`` and ``canary``: destinations, or a `Branch` (whose weight counts for nothing here). ``steps``: the shares
    of the canary, one after the other; the last one stays. ``every`` and ``max_latency`` are seconds, all else is as
    above. ``max_error_rate`` is 0.01 unless there is a ``margin``; ``minimum`` is 10, or ``calls`` if that is less.
    ``sticky`` and ``cookie`` as in `Split`: whoever has come to the canary stays there until it is taken back.
    ``name``: for records, errors and `Pipeline.control`.
    """

    main: Branch = attrs.field(converter=as_branch)
    canary: Branch = attrs.field(converter=as_branch)
    steps: tuple[float, ...] = attrs.field(
        default=(0.01, 0.05, 0.25, 0.5, 1.0), converter=_tuple, validator=_steps, kw_only=True
    )
    every: float = attrs.field(default=60.0, validator=seconds(), kw_only=True)
    calls: int = attrs.field(default=100, validator=count(), kw_only=True)
    margin: float | None = attrs.field(default=None, validator=optional(ratio(zero=True)), kw_only=True)
    max_error_rate: float | None = attrs.field(validator=optional(ratio()), kw_only=True)
    max_latency: float | None = attrs.field(default=None, validator=optional(seconds()), kw_only=True)
    quantile: float = attrs.field(default=0.99, validator=number(0.01, 0.9999), kw_only=True)
    minimum: int = attrs.field(validator=count(), kw_only=True)
    risk: float = attrs.field(default=0.01, validator=ratio(), kw_only=True)
    sticky: Any = attrs.field(default=None, validator=key, kw_only=True)
    cookie: Cookie | None = attrs.field(default=None, converter=as_cookie, validator=one_session, kw_only=True)
    name: str = attrs.field(default="Rollout", validator=text, kw_only=True)

    asks = ("sticky", "session")
    holds = ("inner",)
    __call__ = no_decorator

    @max_error_rate.default
    def _one_in_a_hundred(self) -> float | None:
        return 0.01 if self.margin is None else None

    @minimum.default
    def _ten(self) -> int:
        calls: Any = self.calls  # not validated yet
        return min(calls, 10) if isinstance(calls, int) else 10

    def __attrs_post_init__(self) -> None:
        names("Rollout", self.branches)
        if self.max_error_rate is None and self.margin is None and self.max_latency is None:
            fix = "nothing could take the canary back: give max_error_rate, margin or max_latency"
            raise ConfigError.of("Rollout", "max_error_rate", None, fix)
        if self.minimum > self.calls:
            fix = f"give at most {self.calls}, the calls that a step needs"
            raise ConfigError.of("Rollout", "minimum", self.minimum, fix)
        if self.margin is not None and self.steps[0] == 1:
            fix = "the main branch has no calls to compare with: begin with a smaller step"
            raise ConfigError.of("Rollout", "steps", self.steps, fix)

    @property
    def branches(self) -> tuple[Branch, Branch]:
        """Both, the main one first."""
        return self.main, self.canary

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of both branches."""
        return (*self.main.specs, *self.canary.specs)

    @property
    def session(self) -> str | None:
        """What the door is asked for where there is a cookie."""
        return None if self.cookie is None else self.cookie.source

    @property
    def asked(self) -> tuple[str, ...] | None:
        return edits(self.branches)

    def start(self, rng: Random, /) -> RolloutState:
        """A rollout whose first step begins with the first call."""
        return RolloutState(self, rng)
