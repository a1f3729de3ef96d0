"""Is a table made in slices of the same work, whatever the number of endpoints?

No clock here: a slice's work is counted in lines of Python that are run in it, which is what its time is made of.
"""

import sys

import pytest

from meshkit.balance.hashing.hashes import FAST
from meshkit.balance.hashing.maglev import Maglev
from meshkit.balance.hashing.modulo import Modulo, NginxHash, NginxIpHash
from meshkit.balance.hashing.rendezvous import Rendezvous
from meshkit.balance.hashing.ring import Ketama, NginxConsistent, Ring

from .tables import keyed


def slices(table, count, weights):
    return sum(1 for _ in table.build(endpoints(count, weights), None))


def endpoints(count, weights):
    return keyed([f"10.0.{n // 250}.{n % 250}:80" for n in range(count)], [1 + n % 7 * weights for n in range(count)])


@pytest.mark.parametrize("weights", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("table", "most"),
    [
        (Maglev(), {1: 120, 3: 120, 100: 120, 10_000: 200}),
        (Ring(), {1: 8, 3: 8, 100: 10, 10_000: 200}),
        (Ring("murmur64a"), {1: 20, 3: 20, 100: 25, 10_000: 600}),
        (Ketama(), {1: 6, 3: 6, 100: 40}),
        (NginxConsistent(), {1: 6, 3: 6, 100: 120}),
        (Rendezvous(), {1: 1, 3: 1, 100: 2, 10_000: 30}),
        (Modulo(), {1: 2, 3: 5, 100: 8, 10_000: 300}),
        (NginxHash(), {1: 2, 3: 5, 100: 5, 10_000: 5}),
        (NginxIpHash(), {1: 2, 3: 5, 100: 5, 10_000: 5}),
    ],
    ids=lambda value: str(value) if not isinstance(value, dict) else "",
)
def test_how_many_slices_a_table_is_made_in(table, most, weights):
    if not FAST and isinstance(table, Ring | Rendezvous | Maglev):
        pytest.skip("in Python, hashing takes slices of its own")
    counts = {count: slices(table, count, weights) for count in most}
    assert all(counts[count] <= most[count] for count in most), counts


def work(building):
    """The lines run in each slice."""
    lines = 0

    def trace(frame, event, arg):
        nonlocal lines
        lines += event == "line"
        return trace

    found = []
    before = sys.gettrace()
    try:
        while True:
            lines = 0
            sys.settrace(trace)
            try:
                next(building)
            except StopIteration:
                return found
            finally:
                sys.settrace(before)
                found.append(lines)
    finally:
        sys.settrace(before)


@pytest.mark.parametrize(
    ("table", "count"),
    [(Maglev(10_007), 1), (Maglev(10_007), 3), (Maglev(10_007), 100), (Maglev(10_007), 2000), (Modulo(), 2000)],
    ids=lambda value: value if isinstance(value, int) else type(value).__name__,
)
@pytest.mark.parametrize("weights", [False, True], ids=["equal", "weighted"])
def test_no_slice_has_much_more_work_than_others(table, count, weights):
    assert max(work(table.build(endpoints(count, weights), None))) < 45_000
