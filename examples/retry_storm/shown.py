"""How is it shown? Figures for the page, tables for the page and the terminal. None of their numbers is typed."""

from __future__ import annotations

import math
import os
import platform
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..demo.plot import Axis, Band, Figure, Series, lines, numbers
from .clients import ATTEMPT, ATTEMPTS
from .played import Played
from .server import CAPACITY, SERVICE, WORKERS
from .storm import Storm

__all__ = ["COLUMNS", "cells", "markdown", "place", "storm_figures", "way_figures"]

BEGIN, END = "<!-- storm: begin -->", "<!-- storm: end -->"
COLUMNS = ("calls answered", "before", "spike", "after", "back in", "sent: spike / after", "in vain")


def cells(played: Played) -> tuple[str, ...]:
    came = played.came
    back = "never" if math.isinf(came.recovered) else f"{came.recovered:.0f} s" if came.recovered else "< 1 s"
    return (
        played.way.name,
        _percent(came.before),
        _percent(came.spike),
        _percent(came.after),
        back,
        f"{_number(came.attempts_in_spike)} / {_number(came.attempts)}",
        _percent(came.in_vain),
    )


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{share:.0%}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def markdown(storm: Storm, served: Sequence[Played], computed: Sequence[Played]) -> str:
    python = f"{platform.python_implementation()} {platform.python_version()}"
    load = f"{storm.rate:g} calls a second, but {storm.peak:g} from second {storm.before:g} to {storm.ends_at:g}"
    server = f"{WORKERS} workers that take {SERVICE:g} s for a request, so {CAPACITY:g} requests a second"
    return "\n".join(
        [
            f"{load}. A server of {server}. An attempt is given {ATTEMPT:g} s, a call {ATTEMPTS} attempts at most.",
            "",
            f"Over loopback ({python}, {os.cpu_count()} cores), as in the figure above:",
            "",
            *_table(served),
            "",
            "In computed time, the same clients and the same apps without sockets:",
            "",
            *_table(computed),
        ]
    )


def _table(played: Iterable[Played]) -> list[str]:
    return [
        f"| {' | '.join(COLUMNS)} |",
        f"|---|{'---:|' * (len(COLUMNS) - 1)}",
        *(f"| {' | '.join(cells(each))} |" for each in played),
    ]


def place(text: str, page: Path) -> None:
    """Put it between the two marks of a page."""
    old = page.read_text("utf-8")
    if BEGIN not in old:
        raise ValueError(f"{page} has no {BEGIN}")
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{text}\n\n{END}", old, flags=re.DOTALL), "utf-8")


def storm_figures(storm: Storm, played: Sequence[Played]) -> list[Figure]:
    """What is answered, and what is sent for it."""
    capacity = Series("what the server can do", "capacity", [(0.0, CAPACITY), (storm.seconds, CAPACITY)])
    answered = [
        _offered(storm),
        capacity,
        *(Series(each.way.name, each.way.style, _answered(storm, each)) for each in played),
    ]
    sent = [_offered(storm), *(Series(each.way.name, each.way.style, _sent(storm, each)) for each in played)]
    return [
        _lines(storm, "Calls answered, per second", answered, _axis(answered)),
        _lines(storm, "Requests sent, per second", sent, _axis(sent)),
    ]


def way_figures(storm: Storm, played: Sequence[Played]) -> list[Figure]:
    """What is answered, a figure for each way, all to one scale."""
    series = [(each.way.name, Series("answered", each.way.style, _answered(storm, each))) for each in played]
    offered = _offered(storm)
    axis = _axis([offered, *(each for _, each in series)])
    return [_lines(storm, name, [offered, each], axis) for name, each in series]


def _lines(storm: Storm, title: str, series: Sequence[Series], axis: Axis) -> Figure:
    return lines(title, series, storm.seconds, axis, [Band(storm.before, storm.ends_at, "offered", "spike")])


def _axis(series: Iterable[Series]) -> Axis:
    """With room for a word above them all."""
    return numbers(1.2 * value for each in series for _, value in each.points)


def _offered(storm: Storm) -> Series:
    return Series("calls offered", "offered", _by_second(storm, storm.schedule()))


def _answered(storm: Storm, played: Played) -> list[tuple[float, float]]:
    return _by_second(storm, (each.at + each.latency for each in played.side.outcomes if not each.error))


def _sent(storm: Storm, played: Played) -> list[tuple[float, float]]:
    return _by_second(storm, (each.at for each in played.side.wire.attempts))


def _by_second(storm: Storm, instants: Iterable[float]) -> list[tuple[float, float]]:
    counted = Counter(math.floor(at) for at in instants)
    return [(k + 0.5, float(counted[k])) for k in range(math.floor(storm.seconds))]
