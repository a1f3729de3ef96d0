"""The deadline in a field: gRPC's grammar, whole milliseconds, and what is neither; nothing grows on its way."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit.fields.deadline import NAMES, format_grpc, format_ms, formatted, parse, parse_grpc, parse_ms, shortest


# gRPC over HTTP/2: Timeout -> "grpc-timeout" TimeoutValue TimeoutUnit, at most 8 digits.
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1H", 3600.0),
        ("2M", 120.0),
        ("3S", 3.0),
        ("250m", 0.25),
        ("250u", 0.00025),
        ("1n", 1e-9),
        ("0S", 0.0),
        ("00000001S", 1.0),
        ("99999999H", 99999999 * 3600.0),
    ],
)
def test_grpc_timeout(value, seconds):
    assert parse_grpc(value) == seconds
    assert parse("grpc-timeout", f" {value}\t") == seconds


@pytest.mark.parametrize(
    "value",
    ["", "S", "1", "1s", "1h", "-1S", "+1S", "1.5S", "1 S", "100000000S", "1SS", "1S,2S", "1S\n", "\u0661S", "0x1S"],
)
def test_what_is_no_grpc_timeout(value):
    assert parse_grpc(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"), [("0", 0.0), ("1", 0.001), ("15000", 15.0), ("007", 0.007), ("9" * 40, 1e37)]
)
def test_milliseconds(value, seconds):
    assert parse_ms(value) == pytest.approx(seconds)
    for name in NAMES[1:]:
        assert parse(name, f"\t{value} ") == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "-1", "+1", "1.5", "1e3", "1_000", "1 000", "nan", "inf", "\u0661", "9" * 41])
def test_what_is_no_number_of_milliseconds(value):
    assert parse_ms(value) is None


def test_the_smallest_wins_and_junk_says_nothing():
    grpc, envoy, own = NAMES
    assert shortest([(grpc, "2S"), (envoy, "1500"), (own, "soon")]) == 1.5
    assert shortest([(envoy, "1500"), (envoy, "30")]) == 0.03
    assert shortest([(own, "0"), (grpc, "1H")]) == 0.0
    assert shortest([(grpc, "1500"), (own, "2S")]) is None
    assert shortest([]) is None


@pytest.mark.parametrize(
    ("seconds", "grpc", "milliseconds"),
    [
        (0.0, "0n", "0"),
        (-1.0, "0n", "0"),
        (math.nan, "0n", "0"),
        (1e-10, "0n", "0"),
        (0.0009999, "999900n", "0"),
        (0.05, "50000000n", "50"),
        (0.25, "250000u", "250"),
        (0.8, "800000u", "800"),
        (99.9999999, "99999999u", "99999"),
        (100.0, "100000m", "100000"),
        (86400.0, "86400000m", "86400000"),
        (1e6, "1000000S", "1000000000"),
        (math.inf, "27777777H", "100000000000000"),
        (1e300, "27777777H", "100000000000000"),
    ],
)
def test_written(seconds, grpc, milliseconds):
    assert format_grpc(seconds) == grpc
    assert format_ms(seconds) == milliseconds
    assert [formatted(name, seconds) for name in NAMES] == [grpc, milliseconds, milliseconds]


@given(st.floats(0, 1e9), st.sampled_from(NAMES))
def test_nothing_grows_and_little_is_lost(seconds, name):
    there = parse(name, formatted(name, seconds))
    assert there is not None
    assert there <= seconds
    units = (1e-3,) if name != "grpc-timeout" else (1e-9, 1e-6, 1e-3, 1.0, 60.0)
    finest = next((unit for unit in units if seconds / unit < 1e8), units[-1])
    assert seconds - there <= finest * 1.001


@example(128343, NAMES[1])  # as a double, a thousand times its thousandth is less
@given(st.integers(0, 10**12), st.sampled_from(NAMES[1:]))
def test_whole_milliseconds_pass_unchanged_any_number_of_times(milliseconds, name):
    assert formatted(name, parse(name, str(milliseconds))) == str(milliseconds)


@given(st.text(max_size=60), st.sampled_from(NAMES))
def test_no_text_raises(text, name):
    seconds = parse(name, text)
    assert seconds is None or 0 <= seconds < math.inf
