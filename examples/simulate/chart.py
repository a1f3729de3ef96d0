"""How do numbers look beside each other? Lines over any axis, bars in groups; marks and sheet are the demo's.

A balancer has one colour in all plots.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

from ..demo.plot import HEIGHT, LEFT, RIGHT, WIDTH, Axis, Figure, Series, sheet

__all__ = ["Across", "bars", "chart", "milliseconds", "nines", "plain", "sheet_of", "style"]

STYLES = {
    "random": "failing",
    "round robin": "plain",
    "round robin by reports": "slow",
    "least request": "mesh",
    "least request, all": "failing",
    "peak EWMA": "healthy",
    "Prequal": "dying",
}
"""Classes of the demo's style sheet."""
FEW = 16
"""Points that are each marked."""
OTHERS = ("mesh", "plain", "healthy", "dying", "slow", "failing")
RULES = """
.dot { fill: var(--series); }
.bound { stroke: var(--faint); stroke-width: 1.5; stroke-dasharray: 5 4; fill: none; }
.value { font-size: 11px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.small .value { font-size: 14px; }
"""


def style(name: str, k: int = 0) -> str:
    return STYLES.get(name, OTHERS[k % len(OTHERS)])


class Across(NamedTuple):
    """The axis along the bottom."""

    low: float
    high: float
    ticks: Sequence[float]
    told: Callable[[float], str]
    label: str = ""
    log: bool = False

    def x(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 2 * RIGHT)


def chart(
    title: str,
    series: Sequence[Series],
    across: Across,
    axis: Axis,
    bounds: Sequence[Series] = (),
    *,
    dots: bool = False,
) -> Figure:
    """A line for each series, or only ``dots``; ``bounds`` are dashed: formulas, an offer. What lies beyond the axis is
    drawn at its edge.
    """
    parts = [_rule(axis, tick) for tick in axis.ticks]
    parts += [_below(across.x(tick), across.told(tick)) for tick in across.ticks]
    parts += [f'<polyline class="bound" points="{_path(bound.points, across, axis)}"/>' for bound in bounds]
    for name, mark, points in series:
        if not dots:
            parts.append(f'<polyline class="line {mark}" points="{_path(points, across, axis)}"/>')
        size = 5 if dots else 3.2
        if len(points) <= FEW:
            parts += [
                f'<circle class="dot {mark}" cx="{across.x(at):.1f}" cy="{_y(axis, value):.1f}" r="{size}">'
                f"<title>{escape(name)}, {escape(across.told(at))}: {escape(axis.told(value))}</title></circle>"
                for at, value in points
                if math.isfinite(value)
            ]
    legend = [(mark, _wide(name)) for name, mark, _ in series]
    if bounds:
        legend.append(("offered", bounds[0].name))
    return Figure(title, _svg(parts, title), tuple(legend))


def bars(title: str, groups: Sequence[tuple[str, Sequence[tuple[str, float]]]], axis: Axis) -> Figure:
    """Bars side by side, in named groups: ``(group, [(name, value)])``. Each value stands above its bar."""
    parts = [_rule(axis, tick) for tick in axis.ticks]
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    legend: dict[str, str] = {}
    for k, (group, each) in enumerate(groups):
        left = LEFT + k * room
        width = min(44.0, (room - 16) / len(each))
        begin = left + (room - width * len(each)) / 2
        parts.append(_below(left + room / 2, group))
        for n, (name, value) in enumerate(each):
            mark = legend.setdefault(name, style(name, n))
            top, bottom = _y(axis, value), axis.y(axis.low)
            x = begin + n * width
            parts.append(
                f'<rect class="area {mark}" x="{x + 1.5:.1f}" y="{min(top, bottom - 1):.1f}" width="{width - 3:.1f}" '
                f'height="{max(1.0, bottom - top):.1f}" rx="2"><title>{escape(name)}, {escape(group)}: '
                f"{escape(axis.told(value))}</title></rect>"
                f'<text class="value" text-anchor="middle" x="{x + width / 2:.1f}" y="{top - 4:.1f}">'
                f"{escape(axis.told(value))}</text>"
            )
    return Figure(title, _svg(parts, title), tuple((mark, _wide(name)) for name, mark in legend.items()))


def sheet_of(title: str, figures: Sequence[Figure], columns: int = 1) -> str:
    return sheet(title, figures, columns).replace("</style>", f"{RULES.lstrip()}</style>", 1)


def plain(low: float, high: float, step: float, told: Callable[[float], str]) -> Axis:
    """An even axis."""
    return Axis(low, high, [low + step * k for k in range(round((high - low) / step) + 1)], told)


def milliseconds(low: float, high: float) -> Axis:
    """Seconds, shown in milliseconds below one, on a logarithmic axis."""
    ticks = [scale * k for scale in (0.001, 0.01, 0.1, 1.0, 10.0) for k in (1, 2, 5) if low <= scale * k <= high]
    return Axis(low, high, ticks, lambda s: f"{s:.3g} s" if s >= 1 else f"{s * 1000:.3g} ms", log=True)


def nines(most: float = 0.9999) -> Across:
    """Percentiles, so that the tail has as much room as the rest: 90, 99, 99.9."""
    shares = [share for share in (0.5, 0.9, 0.99, 0.999, 0.9999) if share <= most]
    ticks = [1 / (1 - share) for share in shares]
    return Across(ticks[0], ticks[-1], ticks, lambda x: f"p{100 * (1 - 1 / x):.6g}", "percentile", log=True)


def _wide(name: str) -> str:
    """Room is given by the letter, and capitals take more of it; blanks at the end are not shown."""
    return name + " " * (sum(letter.isupper() for letter in name) // 2)


def _y(axis: Axis, value: float) -> float:
    return axis.y(min(max(value, axis.low), axis.high))


def _path(points: Sequence[tuple[float, float]], across: Across, axis: Axis) -> str:
    kept = [(at, value) for at, value in points if not math.isnan(value)]
    return " ".join(f"{across.x(at):.1f},{_y(axis, value):.1f}" for at, value in kept)


def _below(x: float, text: str) -> str:
    return f'<text class="tick" text-anchor="middle" x="{x:.1f}" y="{HEIGHT - 6}">{escape(text)}</text>'


def _rule(axis: Axis, tick: float) -> str:
    y = axis.y(tick)
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" text-anchor="end" x="{LEFT - 6}" y="{y + 4:.1f}">{escape(axis.told(tick))}</text>'
    )


def _svg(parts: Sequence[str], label: str) -> str:
    box = f"0 0 {WIDTH} {HEIGHT}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(label, quote=True)}">{"".join(parts)}</svg>'
