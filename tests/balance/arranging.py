"""What the tests of balancers share: endpoints that are nothing but a weight, and luck that is none."""

from random import Random

import attrs


@attrs.frozen(eq=False)
class Weighted:
    weight: float = 1


class First(Random):
    """Draws 0 every time: the first in order is the first that was given."""

    def random(self):
        return 0.0


def arranged(balancer, members, before=None):
    """The pick, whatever slices it is made in; only the last of them may be it."""
    *slices, pick = balancer.arrange(members, before)
    assert slices == [None] * len(slices)
    assert pick is not None
    return pick
