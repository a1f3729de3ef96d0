"""Is what was measured told as it was? The rows' own words, without measuring anything."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.__main__ import TABLE
from benchmarks.measure import Effort, Figure, Trial, race, spread
from benchmarks.report import as_json, as_markdown, place, text, verdict
from benchmarks.rows import CALLS, Line, Row, Subject


def figure(ratio: float) -> Figure:
    return Figure(ratio, 0.05, 20.0 * ratio)


def line(ours: float | None, target: float | None = 10) -> Line:
    figures = {"floor": figure(1), "cheap": figure(7), "usual": figure(70)}
    if ours is not None:
        figures["meshkit"] = figure(ours)
    missing = {} if ours is not None else {"meshkit": "cannot be imported"}
    return Line("limit", "a path", CALLS, target, "meshkit", "usual", figures, missing)


@pytest.mark.parametrize(
    ("ours", "target", "reached"), [(10, 10, True), (10.1, 10, False), (None, 10, None), (3, None, None)]
)
def test_a_target_is_reached_at_it_or_below(ours: float | None, target: float | None, reached: bool | None) -> None:
    assert line(ours, target).reached is reached


def test_the_best_peer_is_neither_ours_nor_the_floor() -> None:
    assert line(2).best_peer == "cheap"


def test_a_line_tells_ours_the_best_and_the_usual() -> None:
    assert text(line(12.34)).split() == (
        ["a", "path", "empty", "calls", "12.3", "10", "no", "7.0", "cheap", "70.0", "usual", "5%"]
    )


def test_who_is_missing_is_named() -> None:
    assert "meshkit: cannot be imported" in text(line(None))
    assert "meshkit cannot be imported" in as_markdown([line(None)], "quick")


def test_the_verdict_counts_what_could_be_judged() -> None:
    assert verdict([line(9), line(11), line(None), line(9, None)]) == "1 of 2 targets reached"


def test_json_holds_every_figure() -> None:
    [read] = json.loads(as_json([line(9)], "full"))["lines"]
    assert {name: one["ratio"] for name, one in read["figures"].items()} == (
        {"floor": 1, "cheap": 7, "usual": 70, "meshkit": 9}
    )


def test_figures_take_the_place_of_older_ones(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n")
    for new in ("new", r"newer \1"):
        place(new, page)
    assert page.read_text() == "before\n<!-- figures: begin -->\n\nnewer \\1\n<!-- figures: end -->\nafter\n"


def test_the_spread_is_half_the_distance_of_the_outer_deciles() -> None:
    assert spread([8.0, 9.0, 10.0, 11.0, 12.0]) == pytest.approx((11.6 - 8.4) / 2 / 10)


BRIEF = Effort(lap=0.0001, laps=1, rounds=2)


def measured(make: object) -> Line:
    row = Row(group="limit", path="a path", unit=CALLS, ours=Subject("meshkit", lambda: make))
    [found] = asyncio.run(row.measure(BRIEF))
    return found


def failing() -> None:
    raise ConnectionError


def test_what_breaks_its_word_is_not_measured() -> None:
    assert "refused" in measured(lambda: False).missing["meshkit"]
    assert "ConnectionError" in measured(failing).missing["meshkit"]
    assert "without the exception" in measured(Trial(lambda: True, raises=ConnectionError)).missing["meshkit"]
    assert set(measured(Trial(failing, raises=ConnectionError)).figures) == {"floor", "meshkit"}


def test_every_call_of_a_lap_is_made_and_given_the_next_argument() -> None:
    seen: list[str] = []
    trial = Trial(seen.append)
    asyncio.run(race({"meshkit": trial}, awaited=False, effort=BRIEF, arguments=("a", "b", "c"), least=6))
    assert len(seen) >= 6
    assert seen == [("a", "b", "c")[n % 3] for n in range(len(seen))]


def test_no_path_stands_twice_in_the_table() -> None:
    paths = [row.path for row in TABLE if isinstance(row, Row)]
    assert len(paths) == len(set(paths))
