"""How is a pipeline watched without paying for it when nobody does? A second folding, with gates that write down.

The watching forms of ``enter`` and ``exit`` run under the lock, as those they wrap: they only append to
``call.events``, which the shell delivers afterwards. A call that began unwatched has no such list and is not reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..call import Call, Failure, Verdict
from ..errors import Rejected
from ..section import named
from .events import AttemptEnded, FaultInjected, FellBack, RejectedCall, StateChanged, WouldReject

__all__ = ["watch"]


def watch(state: Any, enter: Callable[..., Any], exit: Callable[..., Any] | None) -> tuple[Any, Any]:
    """The watching form of a gate; ``state=None`` is the attempt itself."""
    if state is None:
        return enter, _attempt_ended
    name = named(state)

    if exit is None and hasattr(state, "takes"):

        def watching_takes(call: Call, now: float) -> bool:
            taken: bool = enter(call, now)
            if taken and call.events is not None:
                call.events.append(FellBack(now, name, call.failure or Failure()))
            return taken

        return watching_takes, None

    if hasattr(state, "would_reject"):
        enter = _on_trial(state, enter)
    elif hasattr(state, "injected"):
        enter = _injecting(state, enter)

    def watching_enter(call: Call, now: float) -> Any:
        before = getattr(state, "state", None)
        try:
            return enter(call, now)
        except Rejected as reason:
            if call.events is not None:
                call.events.append(RejectedCall(now, name, call.endpoint, reason))
            raise
        finally:
            _compare(call, now, before)

    def watching_exit(call: Call, began: float, now: float, verdict: Verdict) -> None:
        before = getattr(state, "state", None)
        exit(call, began, now, verdict)  # type: ignore[misc]  # handed out only where there is one
        _compare(call, now, before)

    def _compare(call: Call, now: float, before: str | None) -> None:
        after = getattr(state, "state", None)
        if after != before and call.events is not None:
            call.events.append(StateChanged(now, name, call.endpoint, str(before), str(after)))

    return watching_enter, None if exit is None else watching_exit


def _injecting(state: Any, enter: Callable[..., Any]) -> Callable[..., Any]:
    """Of faults on purpose."""

    def injecting_enter(call: Call, now: float) -> Any:
        before = state.injected
        answer = enter(call, now)
        if state.injected != before and call.events is not None:
            call.events.append(FaultInjected(now, state.name, call.endpoint))
        return answer

    return injecting_enter


def _on_trial(state: Any, enter: Callable[..., Any]) -> Callable[..., Any]:
    """Of a policy on trial."""

    def telling_enter(call: Call, now: float) -> Any:
        seen = state.would_reject, state.would_wait
        answer = enter(call, now)
        if (state.would_reject, state.would_wait) != seen and call.events is not None:
            call.events.append(WouldReject(now, state.name, call.endpoint, state.reason))
        return answer

    return telling_enter


def _attempt_ended(call: Call, began: float, now: float, verdict: Verdict) -> None:
    if call.events is not None:
        answered_at = now if call.answered_at is None or call.answered_at < began else call.answered_at
        failure = call.failure if verdict in (Verdict.FAILURE, Verdict.OVERLOADED) else None
        call.events.append(
            AttemptEnded(now, call.attempt, call.endpoint, verdict, answered_at - began, now - began, failure)
        )
