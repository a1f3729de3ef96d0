"""When may the next bytes go? A table, and the bound: no more than the burst and the rate of each stretch of time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.route.bandwidth import Bandwidth, Bucket, bytes_per_second
from meshkit.route.plan import Plan

ROUNDING = 1e-9
"""Seconds: instants and waits are sums of doubles."""


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("1MB/s", 1e6),
        ("1 MB / s", 1e6),
        ("64KiB/s", 65536),
        ("64kB/s", 64000),
        ("64KB/s", 64000),
        ("1.5MiB/s", 1.5 * 2**20),
        ("2GB/s", 2e9),
        ("2GiB/s", 2**31),
        ("100B/sec", 100),
        ("1B/second", 1),
        (500_000, 5e5),
        (1.5, 1.5),
    ],
)
def test_a_rate(written: Any, rate: float) -> None:
    assert bytes_per_second(written) == rate
    assert Bandwidth(written).rate == written


@pytest.mark.parametrize(
    "written",
    ["1MB", "1M/s", "1Mb/s", "1Mbit/s", "MB/s", "-1B/s", "0B/s", 0, 0.5, True, None, 1e13, float("nan"), "1MB/h"],
)
def test_what_is_no_rate(written: Any) -> None:
    with pytest.raises(ConfigError, match="write bytes a second"):
        Bandwidth(written)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"burst": -1}, "whole number"), ({"direction": "up"}, "'request', 'both'"), ({"shared": 1}, "True or False")],
)
def test_what_cannot_be(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Bandwidth("1MB/s", **options)


@pytest.mark.parametrize(
    ("burst", "takes"),
    [
        # (now, bytes, seconds to wait) at 1000 bytes a second
        (0, [(0.0, 500, 0.5), (0.0, 500, 1.0), (1.0, 100, 0.1), (9.0, 100, 0.1)]),
        (1000, [(0.0, 500, 0.0), (0.0, 500, 0.0), (0.0, 500, 0.5), (0.5, 500, 0.5)]),
        (1000, [(0.0, 1000, 0.0), (0.5, 500, 0.0), (0.5, 1, 0.001), (99.0, 1000, 0.0), (99.0, 250, 0.25)]),
        (1000, [(0.0, 3000, 2.0)]),  # longer than the burst: it waits until it is paid for
        (1000, [(0.0, 0, 0.0)]),
    ],
)
def test_a_bucket(burst: int, takes: list[tuple[float, int, float]]) -> None:
    bucket = Bucket(1000.0, burst)
    assert [bucket.take(size, now) for now, size, _ in takes] == pytest.approx([wait for _, _, wait in takes])


def test_pieces_take_a_twentieth_of_a_second() -> None:
    assert Bucket(1e6, None).piece == 50_000
    assert Bucket(10.0, None).piece == 256
    assert Bucket(1e6, None).take(50_000, 5.0) == 0.0  # which is the burst, where none is given


@given(
    st.integers(0, 2000),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 1500)), min_size=1, max_size=12),
)
def test_no_stretch_has_more_than_its_burst_and_rate(burst: int, takes: list[tuple[int, int]]) -> None:
    bucket, now, went = Bucket(1000.0, burst), 0.0, list[tuple[float, int]]()
    for pause, size in takes:
        now += pause / 1000
        at = now + bucket.take(size, now)
        assert not went or at >= went[-1][0] - ROUNDING
        went.append((at, size))
    for i, (begin, _) in enumerate(went):
        for j in range(i, len(went)):
            # What is longer than the burst stands for what was paid before it went.
            sent = sum(size for _, size in went[i : j + 1]) - max(0, went[i][1] - burst)
            assert sent <= burst + 1000 * (went[j][0] - begin) + 1e-6


def test_each_body_has_a_bucket_or_all_have_one() -> None:
    plan = Plan([Bandwidth("1MB/s"), Bandwidth("9MB/s", shared=True, direction="both")])
    each, shared = plan.paces
    assert each.answer() is not each.answer()
    assert each.request() is None
    assert shared.answer() is shared.answer()
    assert shared.request() is shared.request()
    assert shared.answer() is not shared.request()
    assert (plan.incoming, plan.outgoing) == (True, True)
    assert (Plan([Bandwidth(9)]).incoming, Plan([Bandwidth(9, direction="request")]).outgoing) == (False, False)
