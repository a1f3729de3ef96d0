"""How many failures within a while are too many, and who tries again?

Two small rules, for those who bring their configuration from elsewhere; `OutlierDetection` does more. An endpoint is
out after ``failures`` failures within ``window`` seconds, for as long.

=================  ==================================================  ===========================================
``probe``          what is counted                                     what follows
=================  ==================================================  ===========================================
``True``, nginx    failures, until one attempt succeeds that is let    one attempt, and again one for each window,
                   go a window after the last of them                  until one succeeds: then it is in
``False``,         failures within the last window, until one          it is in
Traefik            attempt succeeds
=================  ==================================================  ===========================================

Any number may be out at once; only the single endpoint of a cluster never is.

nginx: ``max_fails`` and ``fail_timeout`` in ``src/http/ngx_http_upstream_round_robin.c`` (``fails``, ``accessed``,
``checked``). Traefik: ``PassiveServiceHealthChecker`` in ``pkg/healthcheck/healthcheck.go``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import inf, nextafter
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ..call import Call, Verdict
from ..options import count, flag, no_decorator, seconds
from .ejection import nothing
from .standing import EJECTED, GOOD, IN, NOTHING, outcome

if TYPE_CHECKING:
    from ..balance import Member

__all__ = ["Strike", "Strikes", "StrikesDetector"]


@attrs.frozen(kw_only=True)
class Strikes:
    """Leave out an endpoint for ``window`` seconds after ``failures`` failures. Raises `ConfigError`."""

    failures: int = attrs.field(default=1, validator=count(1, 100_000))
    window: float = attrs.field(default=10.0, validator=seconds())
    probe: bool = attrs.field(default=True, validator=flag())
    """After the window one attempt at a time is let go, until one has succeeded."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> StrikesDetector:
        return StrikesDetector(self)


class StrikesDetector:
    """What `Strikes` starts: to a cluster, the same as a `Detector`."""

    __slots__ = ("changed", "due_at", "ejections", "moves", "out", "size", "spec")

    def __init__(self, spec: Strikes) -> None:
        self.spec = spec
        self.size = 0
        self.changed: Callable[[], None] = nothing
        self.due_at = inf
        self.out: dict[Strike, None] = {}
        self.moves: list[tuple[Member, str, str]] = []
        self.ejections = 0

    def gate(self, member: Member, /) -> Strike:
        return Strike(self, member)

    def forget(self, member: Member, /) -> None:
        for strike in [each for each in self.out if each.member is member]:
            self.bring_back(strike)

    def passed(self, member: Member, now: float, /) -> None:
        """An active check has found the endpoint well."""
        for strike in [each for each in self.out if each.member is member]:
            self.bring_back(strike)
            strike.forgive()
            self.changed()

    def tend(self, members: Sequence[Member], now: float, /) -> float:
        """Let those back in whose window is over, if only for one attempt; answers when to be called next."""
        moves = self.moves = []
        for strike in [each for each in self.out if each.returns_at <= now]:
            self.bring_back(strike)
            moves.append((strike.member, EJECTED, IN))
        self.due_at = min((each.returns_at for each in self.out), default=inf)
        if moves:
            self.changed()
        return self.due_at

    def send_out(self, strike: Strike, until: float) -> None:
        strike.returns_at = until
        self.due_at = min(self.due_at, until)
        if not strike.member.ejected:
            strike.member.ejected = True
            strike.state = EJECTED
            self.out[strike] = None
            self.ejections += 1
            self.changed()

    def bring_back(self, strike: Strike) -> None:
        self.out.pop(strike, None)
        strike.member.ejected = False
        strike.state = IN

    def snapshot(self, now: float, /) -> dict[str, Any]:
        return {"ejected": len(self.out), "ejections": self.ejections}


class Strike:
    """The gate that counts one endpoint's failures."""

    __slots__ = ("checked_at", "detector", "failed_at", "failures", "member", "recent", "returns_at", "state")

    name = "Strikes"
    reads_failure = True

    def __init__(self, detector: StrikesDetector, member: Member) -> None:
        self.detector = detector
        self.member = member
        self.state = IN
        self.returns_at = 0.0
        self.recent: deque[float] = deque(maxlen=detector.spec.failures)
        """When the last failures were: without probes."""
        self.failures = 0
        self.failed_at = -inf
        self.checked_at = -inf
        """When it last failed, or was let try again a window after that."""

    def enter(self, call: Call, now: float, /) -> None:
        if self.failures:
            spec = self.detector.spec
            if spec.probe and now > self.checked_at + spec.window:
                self.checked_at = now
                if self.failures >= spec.failures:  # this one is the probe, the others wait for it
                    self._send_out(now)

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        if verdict is Verdict.SUCCESS:
            if self.failures or self.recent:
                self._succeeded()
            return
        what = outcome(call, verdict)
        if what is GOOD:
            self._succeeded()
        elif what is not NOTHING:
            self._failed(now)

    def _succeeded(self) -> None:
        if not self.detector.spec.probe:
            self.recent.clear()
        elif self.failed_at < self.checked_at:
            self.forgive()
            if self.member.ejected:
                self.detector.bring_back(self)
                self.detector.changed()

    def _failed(self, now: float) -> None:
        spec = self.detector.spec
        if spec.probe:
            self.failures += 1
            self.failed_at = self.checked_at = now
            if self.failures >= spec.failures:
                self._send_out(now)
        else:
            self.recent.append(now)
            if len(self.recent) == spec.failures and self.recent[0] > now - spec.window and not self.member.ejected:
                self._send_out(now)

    def _send_out(self, now: float) -> None:
        detector = self.detector
        if detector.size == 1:
            return
        until = now + detector.spec.window
        if detector.spec.probe:
            until = nextafter(until, inf)  # nginx: not at the end of the window, but after it
        detector.send_out(self, until)

    def forgive(self) -> None:
        self.failures = 0
        self.recent.clear()

    def snapshot(self, now: float, /) -> dict[str, Any]:
        picture: dict[str, Any] = {"state": self.state, "failures": self.failures or len(self.recent)}
        if self.state == EJECTED:
            picture["returns_in"] = max(0.0, self.returns_at - now)
        return picture

    def __repr__(self) -> str:
        return f"<Strike {self.member.endpoint}: {self.state}>"
