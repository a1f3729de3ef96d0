"""How does traffic reach a detector in a test? Attempts with an outcome, counted out by hand."""

from __future__ import annotations

from random import Random
from typing import Any

from meshkit.balance import Member
from meshkit.call import Call, Failure, Verdict
from meshkit.cluster import Endpoint

__all__ = ["CONNECT_FAILED", "EXT_FAILED", "Traffic", "attempt"]

CONNECT_FAILED = "connect failed"
EXT_FAILED = "failed"


def attempt(what: int | str) -> tuple[Call, Verdict]:
    """A call that ended so: with a status, or with an error."""
    call = Call(None, None, 0.0)
    if what == CONNECT_FAILED:
        call.failure = Failure(ConnectionRefusedError())
    elif what == EXT_FAILED:
        call.failure = Failure(LookupError())
    elif isinstance(what, int) and what < 500:
        return call, Verdict.SUCCESS
    elif isinstance(what, int):
        call.failure = Failure(status=what)
    return call, Verdict.FAILURE


class Traffic:
    """A detector with so many members."""

    def __init__(self, spec: Any, number: int, seed: int = 1) -> None:
        self.detector = spec.start(Random(seed))
        self.members = [Member(Endpoint(f"10.0.{k // 256}.{k % 256}:80")) for k in range(number)]
        for member in self.members:
            member.states.append(self.detector.gate(member))
        self.gates = [member.states[0] for member in self.members]
        self.detector.size = number
        self.changes = 0
        self.detector.changed = self._changed

    def _changed(self) -> None:
        self.changes += 1

    def load(self, k: int, number: int, what: int | str, now: float = 0.0, began: float | None = None) -> None:
        """So many attempts at one endpoint."""
        call, verdict = attempt(what)
        for _ in range(number):
            self.gates[k].enter(call, now)
            self.gates[k].exit(call, now if began is None else began, now, verdict)

    def load_all(self, number: int, what: int | str, now: float = 0.0) -> None:
        for k in range(len(self.members)):
            self.load(k, number, what, now)

    def tend(self, now: float) -> float:
        due: float = self.detector.tend(self.members, now)
        return due

    @property
    def out(self) -> list[int]:
        """Who is ejected, as everybody sees it alike."""
        out = [k for k, member in enumerate(self.members) if member.ejected]
        assert out == [k for k, gate in enumerate(self.gates) if gate.state == "ejected"]
        assert len(out) == self.detector.snapshot(0.0)["ejected"]
        return out
