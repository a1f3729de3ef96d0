"""The door for simulated calls: what does an outcome mean, and what is asked for?

A simulated server answers an `Outcome`, which says by itself what it means: the door repeats it. Nothing is raised, so
a failure costs no more than a success.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..call import Call, Failure, Verdict
from ..errors import ConfigError, Rejected
from ..policy import Head, Pairs

__all__ = ["FULL", "GOOD", "RESET", "UNAVAILABLE", "Outcome", "SimulatedDoor"]


class Outcome:
    """What a server answers.

    ``error`` and ``status`` are what a retry or an outlier detection is to see of a failure; ``sent`` is false where
    the attempt was refused before anything was done; ``retry_after`` is in seconds.
    """

    __slots__ = ("error", "retry_after", "sent", "status", "verdict")

    def __init__(
        self,
        verdict: Verdict,
        error: Exception | None = None,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = True,
    ) -> None:
        self.verdict = verdict
        self.error = error
        self.status = status
        self.retry_after = retry_after
        self.sent = sent

    def __repr__(self) -> str:
        return f"Outcome({self.verdict.value}, {self.status if self.error is None else self.error!r})"


GOOD = Outcome(Verdict.SUCCESS, status=200)
RESET = Outcome(Verdict.FAILURE, ConnectionResetError("reset by the server"))
UNAVAILABLE = Outcome(Verdict.FAILURE, status=503)
FULL = Outcome(Verdict.OVERLOADED, status=503, retry_after=0.0)
"""The server's queue has no place left."""


class SimulatedDoor:
    """Translates simulated calls. A request is anything: mostly ``None``, or a key, or a mapping of names to values."""

    __slots__ = ()

    answers_early = enforces_deadline = opens = False
    judges_results = takes_request = True
    reserve = 0.0
    address = hold = discard = copies = None

    def judge(self, call: Call, result: Any, error: BaseException | None) -> Verdict:
        if error is None:
            return result.verdict  # type: ignore[no-any-return]
        return Verdict.IGNORED if isinstance(error, Rejected) else Verdict.FAILURE

    def failure(self, call: Call, result: Any, error: BaseException | None) -> Failure:
        if result is None:
            return Failure(error)
        return Failure(result.error, status=result.status, retry_after=result.retry_after, sent=result.sent)

    def fact(self, call: Call, name: str) -> Any:
        """The value of that name in a mapping; of any other request, the request itself."""
        return call.request.get(name) if isinstance(call.request, dict) else call.request

    def knows(self, name: str) -> None:
        """Every name: requests are made up."""

    def same(self, call: Call, own: Hashable | None = None) -> Hashable | None:
        return own

    def twice(self, call: Call) -> tuple[bool, bool]:
        return True, True

    def head(self, call: Call) -> Head:
        """Of a request that is a mapping, what it has of ``method``, ``scheme``, ``host``, ``port``, ``path`` and
        ``query``.
        """
        given = call.request if isinstance(call.request, dict) else {}
        method, scheme = given.get("method", "GET"), given.get("scheme", "http")
        return method, scheme, given.get("host", ""), given.get("port"), given.get("path", "/"), given.get("query")

    def respond(self, call: Call, status: int, headers: Pairs = (), body: bytes = b"") -> Outcome:
        if status < 400:
            return GOOD
        return Outcome(Verdict.FAILURE, status=status)

    def who(self, call: Call) -> str:
        return "simulated"


def no_middleware(state: Any) -> ConfigError:
    """The error for what does I/O of its own."""
    fix = "middleware runs in real time: leave it out of a simulated pipeline"
    return ConfigError.of("Simulation", "policy", state, fix)
