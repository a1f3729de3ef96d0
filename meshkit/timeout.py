"""Until when may it take?  ``until = now + seconds``

Position decides what is bounded: outside a retry a timeout is the call's deadline, with all its attempts and waits;
inside a retry it is asked anew for each attempt. The smaller deadline wins (as Envoy's ``timeout``
and ``per_try_timeout``).
"""

from __future__ import annotations

from random import Random

import attrs

from . import options
from .call import Call

__all__ = ["Timeout"]


@attrs.frozen
class Timeout:
    """No more than ``seconds``: for the whole call outside a retry, for each attempt inside one.

    When time runs out the call ends with `DeadlineExceeded` or `AttemptTimedOut`: it may have been executed. A
    synchronous function cannot be interrupted: there a timeout bounds waits and further attempts only.
    """

    seconds: float = attrs.field(validator=options.seconds())
    name: str = attrs.field(default="Timeout", kw_only=True)

    __call__ = options.no_decorator

    def start(self, rng: Random, /) -> TimeoutState:
        return TimeoutState(self)


class TimeoutState:
    """A `Bound`. It remembers nothing: its identity tells two uses of one spec apart."""

    __slots__ = ("name", "seconds")

    def __init__(self, spec: Timeout) -> None:
        self.name = spec.name
        self.seconds = float(spec.seconds)

    def until(self, call: Call, now: float, /) -> float:
        return now + self.seconds
