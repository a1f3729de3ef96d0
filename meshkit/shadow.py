"""What would this policy refuse, if it were in force? It is asked of every call, and every call goes.

What would have been refused, queued or delayed is counted and told (`WouldReject`); so a limit is tried on live traffic
before it is enforced. The policy inside decides as it would in force: a call it refuses teaches it nothing (without the
limit's shadow it would not have been made), one that it delays keeps its reservation. Where its user's code fails (a
key, a cost), the call goes as well, and is counted as ``failed``.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from .call import Call
from .errors import ConfigError, Overloaded, Rejected
from .options import no_decorator
from .policy import PASS, Waiter

__all__ = ["Shadow"]


FAILED = object()


def _gate(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type):
        raise ConfigError(f"Shadow: {value.__name__} is the class: write {value.__name__}(...)")
    if not hasattr(value, "start"):
        raise ConfigError.of("Shadow", "policy", value, "give a policy, such as Shadow(RateLimit('100/s'))")
    # What is shared is started once, for all: here what it holds is only looked at.
    inner = value.spec if "spec" in getattr(type(value), "holds", ()) else value
    state = inner.start(Random(0))  # noqa: S311
    steps = [step for step in ("again", "until", "pick", "takes", "another") if hasattr(state, step)]
    if steps or not callable(getattr(state, "enter", None)):
        fix = "only what may refuse a call can be on trial: a limit, a breaker, load shedding"
        raise ConfigError.of("Shadow", "policy", value, fix)


@attrs.frozen
class Shadow:
    """A gate on trial: ``Shadow(RateLimit("100/s"))``, ``Shadow(CircuitBreaker())``. Nothing is refused or delayed.

    For gates (limits, breakers, shedding): what repeats, bounds or chooses is a `ConfigError`.
    """

    policy: Any = attrs.field(validator=_gate)

    holds = ("policy",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> ShadowState:
        return ShadowState(self.policy.start(rng))


class ShadowState:
    """A `Gate` that lets every call go."""

    __slots__ = (
        "_enter",
        "_leave",
        "asked",
        "exit",
        "facts",
        "failed",
        "inner",
        "name",
        "reason",
        "would_reject",
        "would_wait",
    )

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.name = getattr(inner, "name", "") or type(inner).__name__
        self.exit = inner.exit
        self.facts = self._facts if getattr(inner, "facts", None) is not None else None
        self.asked = 0
        """How many calls the policy was asked about."""
        self.failed = 0
        """How many calls the policy was not asked about, for an error of its user's code."""
        self.would_reject = 0
        self.would_wait = 0
        self.reason: Rejected | None = None
        """Of the last call that would have been refused or kept waiting."""
        self._enter = inner.enter
        self._leave: Any = getattr(inner, "leave", None)

    @property
    def state(self) -> str | None:
        """That of a breaker."""
        return getattr(self.inner, "state", None)

    @property
    def isolate(self) -> Any:
        """A breaker's, to be steered by hand; ``None`` of another policy."""
        return getattr(self.inner, "isolate", None)

    @property
    def reset(self) -> Any:
        return getattr(self.inner, "reset", None)

    @property
    def reads_quota(self) -> bool:
        return getattr(self.inner, "reads_quota", False)

    @property
    def reads_report(self) -> bool:
        return getattr(self.inner, "reads_report", False)

    @property
    def reads_failure(self) -> bool:
        return getattr(self.inner, "reads_failure", False)

    def _facts(self, call: Call, /) -> Any:
        try:
            return self.inner.facts(call)
        except ConfigError:
            raise  # requests have no attribute of that name
        except Exception:
            return FAILED

    def enter(self, call: Call, now: float, /) -> Any:
        if self.facts is not None:
            facts = call.facts[self]  # type: ignore[index]  # gathered: there are facts
            if facts is FAILED:
                self.failed += 1
                return PASS
            call.facts[self.inner] = facts  # type: ignore[index]
        self.asked += 1
        try:
            answer = self._enter(call, now)
        except Rejected as reason:
            self.would_reject += 1
            self.reason = reason.with_traceback(None)
            return PASS
        if not answer or answer is PASS:
            return answer
        if isinstance(answer, int | float):
            self.would_wait += 1
            self.reason = Overloaded("would have waited %.3g s", answer, policy=self.name)
            return None  # entered: its reservation stands
        if answer.__class__ is Waiter:
            self._leave(answer)
            self.would_wait += 1
            self.reason = Overloaded("would have queued", policy=self.name)
        else:
            self.would_reject += 1
            self.reason = Overloaded("would have gone elsewhere", policy=self.name)
        return PASS

    def numbers(self, call: Call, now: float, /) -> dict[str, Any]:
        """Those of the policy on trial; none of a call that it was not asked about."""
        if self.facts is not None and call.facts[self] is FAILED:  # type: ignore[index]
            return {}
        if hasattr(self.inner, "numbers"):
            return dict(self.inner.numbers(call, now))
        return dict(self.inner.snapshot(now)) if hasattr(self.inner, "snapshot") else {}

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """What the policy shows; of how many calls it was asked, and how many it would have refused or kept waiting."""
        shown = dict(self.inner.snapshot(now)) if hasattr(self.inner, "snapshot") else {}
        shown.pop("refused", None)  # nobody was
        return {
            **shown,
            "asked": self.asked,
            "would_reject": self.would_reject,
            "would_wait": self.would_wait,
            "failed": self.failed,
        }

    def idle(self) -> bool:
        return not hasattr(self.inner, "idle") or bool(self.inner.idle())
