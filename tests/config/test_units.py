"""Durations, sizes and shares: what is read, what is not, and that what is written reads back as the same."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.config.units import duration, duration_meant, duration_text, percent, size, size_text

# The table of GEP-2257 (sigs.k8s.io/gateway-api, geps/gep-2257), in milliseconds, with the canonical form.
GATEWAY = [
    ("0h", "0s", 0),
    ("0s", "0s", 0),
    ("0h0m0s", "0s", 0),
    ("1h", "1h", 3_600_000),
    ("30m", "30m", 1_800_000),
    ("10s", "10s", 10_000),
    ("500ms", "500ms", 500),
    ("2h30m", "2h30m", 9_000_000),
    ("150m", "2h30m", 9_000_000),
    ("7230s", "2h30s", 7_230_000),
    ("1h30m10s", "1h30m10s", 5_410_000),
    ("10s30m1h", "1h30m10s", 5_410_000),
    ("100ms200ms300ms", "600ms", 600),
    ("1m90s", "2m30s", 150_000),
    ("1h30m10s500ms", "1h30m10s500ms", 5_410_500),
    ("7200600ms", "2h600ms", 7_200_600),
    ("864000s", "240h", 864_000_000),
]


@pytest.mark.parametrize(("text", "canonical", "milliseconds"), GATEWAY)
def test_durations_of_the_gateway_api(text: str, canonical: str, milliseconds: int) -> None:
    assert duration(text) == milliseconds / 1000
    assert duration_text(milliseconds / 1000) == canonical


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5s", 1.5), ("0.25ms", 0.00025), ("100us", 0.0001), ("1.5h", 5400.0), ("0.1s", 0.1), ("999999h", 3599996400.0)],
)
def test_fractions_microseconds_and_long_ones(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "1", "0", "1m1", "1d", "-15m", "5 s", "1H", "1:30", ".5s", "1.s", "1e3s", "s", "1s" * 9, "1" * 16 + "s"],
)
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5 s", "5s"),
        ("5sec", "5s"),
        ("2 Minutes", "2m"),
        ("1 hour and 30 min", "1h30m"),
        ("300 millis", "300ms"),
        ("40 µs", "40us"),
        ("1d", "24h"),
        ("1H", "1h"),
        ("soon", None),
        ("1:30", None),
        ("1 s" * 100, None),
    ],
)
def test_the_duration_that_was_meant(text: str, meant: str | None) -> None:
    assert duration_meant(text) == meant


@settings(max_examples=100)
@given(st.one_of(st.floats(1e-9, 1e12), st.integers(0, 10**9), st.decimals(0, 10**6, places=3).map(float)))
def test_a_duration_reads_back_as_it_was(seconds: float) -> None:
    text = duration_text(seconds)
    assert text is not None
    assert duration(text) == seconds


def test_what_has_no_text() -> None:
    assert duration_text(1e300) is None
    assert duration_text(5e-324) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [("0B", 0), ("512B", 512), ("64KiB", 65536), ("1.5MiB", 1_572_864), ("10MB", 10_000_000), ("2kB", 2000)],
)
def test_sizes(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "64", "64k", "64 KiB", "0.3B", "-1B", "1.0001kB", "1e3B", "10mb"])
def test_what_is_no_size(text: str) -> None:
    assert size(text) is None


@given(st.integers(0, 2**40))
def test_a_size_reads_back_as_it_was(count: int) -> None:
    written = size_text(count)
    assert written == count or (isinstance(written, str) and size(written) == count)


def test_sizes_are_written_with_the_largest_unit() -> None:
    assert [size_text(each) for each in (0, 7, 65536, 10**6, 2**30, 2**20 + 1)] == [
        0, 7, "64KiB", "1MB", "1GiB", 1048577,
    ]  # fmt: skip


def test_shares() -> None:
    assert [percent(each) for each in ("5%", "12.5%", "100%", "0%", "5", "5 %", "-5%", "%")] == [
        0.05, 0.125, 1.0, 0.0, None, None, None, None,
    ]  # fmt: skip
