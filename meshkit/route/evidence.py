"""Is a share of failures above its limit, or does it only look so? A bound that may be looked at after every call.

Of ``n`` calls ``k`` have failed. Whatever the true share ``p`` is, with a probability of at most ``risk`` it ever
happens, for any ``n`` at all, that

    (n + 1) * C(n, k) * p**k * (1 - p)**(n - k)  <=  risk

(Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", 1970; the left side is what Bayes' rule
with an even prior leaves of ``p``, and Ville's inequality, 1939, bounds how low it ever gets.) The shares for which it
has not happened are an interval around ``k / n``, and the limit is broken for certain where it lies below. A bound made
for one look, such as Wilson's, is crossed by chance sooner or later if it is looked at after every call (Armitage,
McPherson, Rowe 1969).
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

__all__ = ["Counts", "above", "ceiling"]

ROUNDS = 40
"""Halvings of an interval: to 1e-12."""


class Counts:
    """What has come of the calls of one branch, since it was looked at last."""

    __slots__ = ("calls", "failed", "slow")

    def __init__(self) -> None:
        self.calls = self.failed = self.slow = 0

    def add(self, failed: bool, slow: bool) -> None:
        self.calls += 1
        self.failed += failed
        self.slow += slow

    @property
    def rate(self) -> float:
        """The share that has failed; 0 of nothing."""
        return self.failed / self.calls if self.calls else 0.0


def above(calls: int, failed: int, limit: float, risk: float) -> bool:
    """Whether the share of failures is above the limit for certain, but for ``risk``."""
    return limit < 1 and failed > limit * calls and left(calls, failed, limit) <= risk


def ceiling(calls: int, failed: int, risk: float) -> float:
    """The largest share that it may be, but for ``risk``; 1 without calls."""
    low, high = (failed / calls if calls else 1.0), 1.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        if middle >= 1 or left(calls, failed, middle) <= risk:
            high = middle
        else:
            low = middle
    return high


def left(calls: int, failed: int, share: float) -> float:
    """The left side, for a share above 0 and below 1."""
    good = calls - failed
    ways = lgamma(calls + 2) - lgamma(failed + 1) - lgamma(good + 1)
    return exp(min(ways + failed * log(share) + good * log1p(-share), 700.0))
