"""How did it go? What came of the calls, counted as they end."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from math import ceil, nan
from typing import Any

from ..call import Verdict
from .walk import Walk

__all__ = ["Tally", "imbalance", "quantile"]

SUCCESS = Verdict.SUCCESS


class Tally:
    """Counts the calls that began from ``since`` on; ``tally.count`` is the ``then`` of a call."""

    __slots__ = ("began", "errors", "latencies", "since")

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        """Seconds. What came before is the warm-up."""
        self.latencies = array("d")
        """Of the calls that succeeded: seconds from their beginning, retries and waits included."""
        self.began = array("d")
        """When those had begun."""
        self.errors: Counter[str] = Counter()
        """Of the others: how many of each kind, ``"DeadlineExceeded"``, ``"503"``."""

    def count(self, walk: Walk, result: Any, error: BaseException | None) -> None:
        call = walk.call
        if call.began_at < self.since:
            return
        if error is None and result.verdict is SUCCESS:
            self.began.append(call.began_at)
            self.latencies.append(walk.shell.timeline.now - call.began_at)
        else:
            error = error or result.error
            self.errors[str(result.status) if error is None else type(error).__name__] += 1

    @property
    def calls(self) -> int:
        """How many have ended."""
        return len(self.latencies) + self.errors.total()

    @property
    def failed(self) -> float:
        """The share of the calls that failed."""
        return self.errors.total() / self.calls if self.calls else nan

    @property
    def mean(self) -> float:
        return sum(self.latencies) / len(self.latencies) if self.latencies else nan

    def quantiles(self, *shares: float) -> list[float]:
        """The latencies below which so many of the successes lie."""
        ordered = sorted(self.latencies)
        return [quantile(ordered, share) for share in shares]

    def within(self, seconds: float) -> float:
        """The share of all calls that succeeded in so long a time."""
        return sum(latency <= seconds for latency in self.latencies) / self.calls if self.calls else nan


def quantile(ordered: Sequence[float], share: float) -> float:
    """The least value that this share of them does not exceed; NaN of nothing."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else nan


def imbalance(loads: Sequence[float]) -> float:
    """The largest load, as a multiple of the mean: 1 is perfect."""
    total = sum(loads)
    return max(loads) * len(loads) / total if total else nan
