"""How does a series look? Plain SVG, coloured by a style sheet (``marks.css``), which knows light and dark.

Time runs along x, in seconds from 0 to ``seconds``. What a mark stands for is told by its ``<title>`` when pointed at.
A figure is part of a page that has the style sheet; a `sheet` of them has its own, and stands by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

__all__ = ["MARKS", "Band", "Figure", "Series", "bands", "bars", "lines", "sheet", "stack"]

MARKS = Path(__file__).with_name("marks.css")

WIDTH, HEIGHT = 560, 220
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 10, 24
MARGIN, CAPTION, LETTER = 18, 46, (6.3, 8.4)
"""Of a sheet: around a figure, above it, and what a letter of the legend takes, also with several figures in a row."""


class Figure(NamedTuple):
    title: str
    svg: str
    legend: tuple[tuple[str, str], ...] = ()
    """``(style, name)`` of each series."""
    height: float = HEIGHT


class Series(NamedTuple):
    name: str
    style: str
    """A class of the style sheet."""
    points: Sequence[tuple[float, float]]


class Band(NamedTuple):
    began: float
    ended: float
    style: str
    title: str


class Axis(NamedTuple):
    low: float
    high: float
    ticks: Sequence[float]
    told: Callable[[float], str]
    log: bool = False

    def y(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(max(value, low)), math.log(low), math.log(high)
        return TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM)


def x(at: float, seconds: float) -> float:
    return LEFT + at / seconds * (WIDTH - LEFT - RIGHT)


def _svg(parts: Iterable[str], label: str, height: float = HEIGHT) -> str:
    box = f"0 0 {WIDTH} {height:g}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'


def _time(seconds: float, height: float = HEIGHT) -> list[str]:
    step = next((step for step in (0.5, 1, 2, 5, 10, 20, 60) if seconds / step <= 8), 120)
    at = [k * step for k in range(int(seconds / step) + 1)]
    return [
        f'<text class="tick" text-anchor="middle" x="{x(t, seconds):.1f}" y="{height - 6:g}">{t:g} s</text>' for t in at
    ]


def _grid(axis: Axis) -> list[str]:
    return [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{axis.y(tick):.1f}" y2="{axis.y(tick):.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{axis.y(tick) + 4:.1f}">{axis.told(tick)}</text>'
        for tick in axis.ticks
    ]


def lines(title: str, series: Sequence[Series], seconds: float, axis: Axis, marked: Sequence[Band] = ()) -> Figure:
    """A line for each series; points that are NaN are left out. What is ``marked`` is named, and stands behind them."""
    parts = [*map(_marked, marked, [seconds] * len(marked)), *_grid(axis), *_time(seconds)]
    for name, style, points in series:
        places = [(x(at, seconds), axis.y(value), at, value) for at, value in points if not math.isnan(value)]
        path = " ".join(f"{px:.1f},{py:.1f}" for px, py, _, _ in places)
        parts.append(f'<polyline class="line {style}" points="{path}"/>')
        parts += [
            f'<circle class="point {style}" cx="{px:.1f}" cy="{py:.1f}" r="5"><title>'
            f"{escape(name)}, {at:.3g} s: {escape(axis.told(value))}</title></circle>"
            for px, py, at, value in places
        ]
    return Figure(title, _svg(parts, title), tuple((style, name) for name, style, _ in series))


def stack(title: str, series: Sequence[Series], seconds: float, width: float) -> Figure:
    """A column for each instant, ``width`` seconds wide from it on: the shares, which sum to one, upon each other."""
    axis = percent()
    parts = _grid(axis) + _time(seconds)
    heights: dict[float, float] = {}
    for name, style, points in series:
        for at, share in points:
            if share > 0:
                below = heights.get(at, 0.0)
                top, bottom = axis.y(below + share), axis.y(below)
                heights[at] = below + share
                parts.append(
                    f'<rect class="area {style}" x="{x(at, seconds):.1f}" y="{top:.1f}" height="{bottom - top:.1f}" '
                    f'width="{max(1.0, x(min(at + width, seconds), seconds) - x(at, seconds) - 1):.1f}">'
                    f"<title>{escape(name)}, {at:.3g} s: {share:.0%}</title></rect>"
                )
    return Figure(title, _svg(parts, title), tuple((style, name) for name, style, _ in series))


def bands(
    title: str, rows: Sequence[tuple[str, Sequence[Band]]], seconds: float, legend: Sequence[tuple[str, str]]
) -> Figure:
    """A row of time for each name."""
    pitch = 26
    height = TOP + pitch * len(rows) + BOTTOM
    parts = _time(seconds, height)
    for k, (name, row) in enumerate(rows):
        top = TOP + pitch * k
        parts.append(f'<text class="name" text-anchor="end" x="{LEFT - 6}" y="{top + 15}">{escape(name)}</text>')
        parts += [
            f'<rect class="area {style}" x="{x(began, seconds):.1f}" y="{top}" height="{pitch - 6}" '
            f'width="{max(1.5, x(min(ended, seconds), seconds) - x(began, seconds)):.1f}">'
            f"<title>{escape(told)}</title></rect>"
            for began, ended, style, told in sorted(row, key=_length, reverse=True)  # the short ones on top
            if began < seconds
        ]
    return Figure(title, _svg(parts, title, height), tuple(legend), height)


def bars(title: str, rows: Sequence[tuple[str, str, float]], unit: str = "") -> Figure:
    """A bar for each ``(name, style, value)`` from zero on, its name above it and its value at its end."""
    pitch = 40
    height = TOP + pitch * len(rows) + BOTTOM / 2
    most = max((value for _, _, value in rows), default=1.0) or 1.0
    room = WIDTH - LEFT - 2 * RIGHT
    parts = []
    for k, (name, style, value) in enumerate(rows):
        top = TOP + pitch * k
        width = max(1.5, room * value / most)
        parts.append(
            f'<text class="name" x="{RIGHT}" y="{top + 12}">{escape(name)}</text>'
            f'<rect class="area {style}" x="{RIGHT}" y="{top + 17}" height="14" width="{width:.1f}" rx="2"/>'
            f'<text class="name" x="{RIGHT + width + 6:.1f}" y="{top + 29}">{value:.0f}{escape(unit)}</text>'
        )
    return Figure(title, _svg(parts, title, height), (), height)


def sheet(title: str, figures: Sequence[Figure], columns: int = 1) -> str:
    """An SVG file of figures, row by row: each with its title, its legend and a card of its own.

    With several in a row the file is shown smaller, so its letters are larger.
    """
    width = WIDTH + 2 * MARGIN
    small = columns > 1
    parts, top = [], 0.0
    for k in range(0, len(figures), columns):
        row = figures[k : k + columns]
        height = max(figure.height for figure in row) + CAPTION + MARGIN
        for n, figure in enumerate(row):
            parts.append(
                f'<g transform="translate({n * width} {top:g})">{_card(figure, width, height, LETTER[small])}</g>'
            )
        top += height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * width} {top:g}" role="img" '
        f'class="{"small" if small else "large"}" '
        f'aria-label="{escape(title, quote=True)}">\n<style>\n{MARKS.read_text("utf-8")}</style>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _card(figure: Figure, width: float, height: float, letter: float) -> str:
    parts = [
        f'<rect class="card" x="4" y="4" width="{width - 8:g}" height="{height - 8:g}" rx="8"/>',
        f'<text class="title" x="{MARGIN}" y="23">{escape(figure.title)}</text>',
    ]
    at = float(MARGIN)
    for style, name in figure.legend:
        parts.append(f'<rect class="area {style}" x="{at:.1f}" y="35" width="10" height="10" rx="2"/>')
        parts.append(f'<text class="name" x="{at + 15:.1f}" y="44">{escape(name)}</text>')
        at += 32 + letter * len(name)
    place = f'<svg x="{MARGIN}" y="{CAPTION + 6}" width="{WIDTH}" height="{figure.height:g}" overflow="visible" '
    return "".join([*parts, figure.svg.replace("<svg ", place, 1)])


def _marked(band: Band, seconds: float) -> str:
    left, right = x(band.began, seconds), x(min(band.ended, seconds), seconds)
    middle = f'text-anchor="middle" x="{(left + right) / 2:.1f}" y="{TOP + 14}"'
    return (
        f'<rect class="marked {band.style}" x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/><text class="name" {middle}>{escape(band.title)}</text>'
    )


def _length(band: Band) -> float:
    return band.ended - band.began


def percent() -> Axis:
    return Axis(0.0, 1.0, (0, 0.25, 0.5, 0.75, 1), lambda share: f"{share:.0%}")


def milliseconds(values: Iterable[float]) -> Axis:
    """Seconds on a logarithmic axis, from 1 ms to beyond the largest of the values."""
    largest = max((value for value in values if not math.isnan(value)), default=0.1)
    ticks = [tick for tick in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0) if tick < largest * 3.4]
    return Axis(0.001, ticks[-1], ticks, lambda s: f"{s:.3g} s" if s >= 1 else f"{s * 1000:.3g} ms", log=True)


def numbers(values: Iterable[float]) -> Axis:
    """From 0 to beyond the largest of the values, in round steps."""
    largest = max(values, default=1.0) or 1.0
    rough = largest / 4
    scale = 10.0 ** math.floor(math.log10(rough))
    step = next(scale * k for k in (1, 2, 5, 10) if scale * k >= rough)
    ticks = [k * step for k in range(math.ceil(largest / step) + 1)]
    return Axis(0.0, ticks[-1], ticks, lambda value: f"{value:g}")
