"""What has an endpoint done lately, and is it in or ejected?

Every attempt is one of these:

=============  ===========================================  =============================================
outcome        what it is                                   counts as
=============  ===========================================  =============================================
good           an answer below 500, whatever its verdict    the end of every row of failures
server error   500 to 599; an error that is none of I/O     5xx
gateway error  502, 503, 504                                5xx and gateway failure
local error    no connection, a reset, a timeout            5xx and gateway failure; local failure, if split
nothing        IGNORED; OVERLOADED without a status; a      nothing
               kept-alive connection that had been closed
=============  ===========================================  =============================================

A success costs one addition. A failure of an attempt that began before the endpoint's last return teaches nothing: it
is what the endpoint was ejected for.

The counters are those of Envoy's ``DetectorHostMonitorImpl``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..call import Call, Verdict

if TYPE_CHECKING:
    from ..balance import Member
    from .ejection import Detector

__all__ = ["EJECTED", "GATEWAY", "GOOD", "IN", "LOCAL", "NOTHING", "SERVER", "Standing", "outcome"]

SUCCESS, IGNORED, OVERLOADED = Verdict.SUCCESS, Verdict.IGNORED, Verdict.OVERLOADED
NOTHING, GOOD, SERVER, GATEWAY, LOCAL = "nothing", "good", "server", "gateway", "local"
IN, EJECTED = "in", "ejected"


def outcome(call: Call, verdict: Verdict) -> str:
    """What an attempt says of its endpoint; see the table above."""
    if verdict is SUCCESS:
        return GOOD
    failure = call.failure
    if verdict is IGNORED or (failure is not None and failure.stale):
        return NOTHING
    if failure is not None and failure.status is not None:
        if failure.status in {502, 503, 504}:
            return GATEWAY
        return SERVER if 500 <= failure.status <= 599 else GOOD
    if verdict is OVERLOADED:
        return NOTHING
    if failure is not None and issubclass(failure.kind or type(failure.error), OSError):  # a TimeoutError is one
        return LOCAL
    return SERVER


class Standing:
    """The gate that watches one endpoint for a `Detector`. It refuses nobody."""

    __slots__ = (
        "bad",
        "calm_at",
        "detector",
        "ejections",
        "gateway",
        "good",
        "local",
        "lost",
        "marred",
        "member",
        "multiplier",
        "returns_at",
        "server",
        "since",
        "state",
        "success_rate",
    )

    name = "OutlierDetection"
    reads_failure = True

    def __init__(self, detector: Detector, member: Member) -> None:
        self.detector = detector
        self.member = member
        self.state = IN
        """``"in"`` or ``"ejected"``."""
        self.good = self.bad = self.lost = 0
        """Of this interval: answers below 500, those from 500 on, local errors if these are split."""
        self.server = self.gateway = self.local = 0
        """Failures in a row."""
        self.marred = False
        """One of them is not 0."""
        self.since = float("-inf")
        """The last return: failures of what began earlier do not count."""
        self.multiplier = 0
        """How many times the shortest ejection the last one took; less the longer it does well."""
        self.calm_at = 0.0
        """From when on it is that."""
        self.returns_at = 0.0
        self.ejections = 0
        self.success_rate: float | None = None
        """Of the last interval, where there were enough requests."""

    def enter(self, call: Call, now: float, /) -> None:
        return None

    def exit(self, call: Call, began: float, now: float, verdict: Verdict, /) -> None:
        if verdict is SUCCESS:
            self.good += 1
            if self.marred:
                self.clear()
            return
        what = outcome(call, verdict)
        if what is GOOD:
            self.good += 1
            self.clear()
        elif what is not NOTHING and began >= self.since:
            self.marred = True
            self._failed(what, now)

    def _failed(self, what: str, now: float) -> None:
        detector = self.detector
        spec = detector.spec
        if spec.split:
            if what is LOCAL:
                self.lost += 1
                self.local += 1
                if self.local == spec.consecutive_local:
                    self.local = 0
                    detector.eject(self, "consecutive_local", spec.enforcing_local, now)
                return
            self.local = 0
        self.bad += 1
        self.gateway = 0 if what is SERVER else self.gateway + 1
        if self.gateway == spec.consecutive_gateway:
            self.gateway = 0
            detector.eject(self, "consecutive_gateway", spec.enforcing_gateway, now)
        self.server += 1
        if self.server == spec.consecutive_5xx:
            self.server = 0
            detector.eject(self, "consecutive_5xx", spec.enforcing_5xx, now)

    def clear(self) -> None:
        """No failure in a row."""
        self.server = self.gateway = self.local = 0
        self.marred = False

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """``success_rate``: of the last interval with enough requests; ``returns_in``: seconds, while ejected."""
        picture: dict[str, Any] = {"state": self.state, "in_a_row": self.server, "ejections": self.ejections}
        if self.detector.spec.split:
            picture["local_in_a_row"] = self.local
        if self.success_rate is not None:
            picture["success_rate"] = self.success_rate
        if self.state == EJECTED:
            picture["returns_in"] = max(0.0, self.returns_at - now)
        return picture

    def __repr__(self) -> str:
        return f"<Standing {self.member.endpoint}: {self.state}>"
