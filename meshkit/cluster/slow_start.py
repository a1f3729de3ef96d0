"""How much of its share does a newcomer get? Little at first, and more until the window is over.

    factor = max(least, (time in service / window) ** (1 / aggression))        weight = own weight x factor

Caches are cold, pools are empty, code is not compiled yet: who gets its whole share at once is slow, or falls over.
``aggression`` 1 rises in a straight line, above 1 steeply at first, below 1 steeply at last.

=============================================================  ==========================
an endpoint                                                    its window begins
=============================================================  ==========================
is there from the beginning                                    never: all would be new
is added later, and there are no active checks                 when it is added
is added later, and there are active checks                    when the first one passes
was found ill by checks, or was ejected, and comes back        when it comes back
leaves, falls ill, or is ejected while it warms up             is over, and begins anew
=============================================================  ==========================

Envoy's slow start: its formula, its least of 10 %, its shortest age of 1 ms. Envoy does not begin anew after an
ejection by outlier detection, and has the endpoints of the beginning warm up together, which makes no difference.
"""

from __future__ import annotations

from math import inf

import attrs

from ..options import no_decorator, number, ratio, seconds

__all__ = ["SlowStart"]

SHORTEST = 0.001
"""Seconds: the least age."""
STEPS = 100
"""How often the factor is read anew within a window."""


@attrs.frozen
class SlowStart:
    """Newcomers get ``least`` of their weight at first, and all of it after ``window`` seconds."""

    window: float = attrs.field(validator=seconds())
    aggression: float = attrs.field(default=1.0, kw_only=True, validator=number(0.01, 100.0))
    least: float = attrs.field(default=0.1, kw_only=True, validator=ratio())

    __call__ = no_decorator

    def factor(self, now: float, since: float | None, /) -> tuple[float, float]:
        """By what to multiply the weight of an endpoint that is in service since then, and when to ask again.

        That is a hundredth of the window later, or at its end. ``(1, infinity)``: it is warm. ``since`` is ``None`` for
        those who were there from the beginning.
        """
        if since is None or now >= since + self.window:
            return 1.0, inf
        age = max(SHORTEST, now - since) / self.window
        grown: float = age ** (1 / self.aggression)
        return min(1.0, max(self.least, grown)), min(now + self.window / STEPS, since + self.window)
