"""How long does a server take for a request? Distributions of service times, in seconds.

=====================  ==========================================================  ==============================
spec                   density, or how it is drawn                                 what it stands for
=====================  ==========================================================  ==============================
`constant`             ``mean``                                                    a fixed pause
`exponential`          ``-mean ln(1 - U)``                                         the model of the formulas
`normal`               ``N(mean, spread)``, below 0 as 0                           a well-behaved server
`lognormal`            ``median exp(sigma N(0, 1))``                               most measured services
`pareto`               ``least (1 - U)^(-1 / shape)``, capped                      a heavy tail: shape from 1 to 2
=====================  ==========================================================  ==============================

Each is given the generator to draw from and answers a function of nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import exp, log
from random import Random

__all__ = ["Service", "constant", "exponential", "lognormal", "normal", "pareto"]

Service = Callable[[Random], Callable[[], float]]


def constant(seconds: float) -> Service:
    return lambda rng: lambda: seconds


def exponential(mean: float) -> Service:
    def start(rng: Random) -> Callable[[], float]:
        random = rng.random
        return lambda: -mean * log(1.0 - random())

    return start


def normal(mean: float, spread: float) -> Service:
    """Negative draws count as 0. With a spread as large as the mean, the mean is 1.083 of it."""

    def start(rng: Random) -> Callable[[], float]:
        gauss = partial(rng.gauss, mean, spread)
        return lambda: max(0.0, gauss())

    return start


def lognormal(median: float, sigma: float) -> Service:
    """Its mean is ``median exp(sigma^2 / 2)``."""

    def start(rng: Random) -> Callable[[], float]:
        gauss = rng.gauss
        return lambda: median * exp(sigma * gauss(0.0, 1.0))

    return start


def pareto(mean: float, shape: float = 1.5, cap: float = 100.0) -> Service:
    """``cap`` times the mean is the longest there is. The mean is that of the distribution before it is capped."""
    least = mean * (shape - 1) / shape
    longest = cap * mean

    def start(rng: Random) -> Callable[[], float]:
        random, power = rng.random, -1.0 / shape
        return lambda: min(longest, least * (1.0 - random()) ** power)

    return start
