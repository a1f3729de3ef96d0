"""How are the figures shown? A plain table as they come in, JSON for machines, Markdown for the page."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import attrs

from .measure import Figure
from .rows import Line

__all__ = ["as_json", "as_markdown", "header", "place", "text", "verdict"]

COLUMNS = ("path", "unit", "ours", "target", "reached", "best peer", "usual choice", "spread")
WIDTHS = (63, 15, 7, 13, 8, 24, 42, 7)
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Of the distributions that were measured."""
    found = {}
    for name in sorted({part for each in names for part in each.split(" + ")}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def number(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _one(line: Line, name: str | None) -> str:
    if name is None or name not in line.figures:
        return "-"
    return f"{number(line.figures[name].ratio)} {name}"


def _target(line: Line) -> str:
    return "-" if line.target is None else f"{'at least ' if line.more else ''}{line.target:g}"


def cells(line: Line) -> tuple[str, ...]:
    ours = line.figures.get(line.ours or "")
    return (
        line.path,
        line.unit,
        number(ours.ratio) if ours else "-",
        _target(line),
        {None: "-", True: "yes", False: "no"}[line.reached],
        _one(line, line.best_peer),
        _one(line, line.usual),
        f"{ours.spread:.0%}" if ours else "-",
    )


def header() -> str:
    titles = "  ".join(title.ljust(width) for title, width in zip(COLUMNS, WIDTHS, strict=True))
    return f"{', '.join(machine().values())} cores\n\n{titles.rstrip()}\n{'-' * len(titles.rstrip())}"


def text(line: Line) -> str:
    """One line; where nothing is ours, a line for all that was looked at."""
    if line.ours is None:
        return f"{line.path}, in {line.unit} of {nanoseconds(line.figures['floor'])}: {everybody(line)}"
    row = "  ".join(cell.ljust(width) for cell, width in zip(cells(line), WIDTHS, strict=True)).rstrip()
    told = [f"    {everybody(line)}"] if line.full and line.figures else []
    return "\n".join([row, *told, *(f"    {name}: {why}" for name, why in line.missing.items())])


def verdict(lines: Sequence[Line]) -> str:
    judged = [line for line in lines if line.reached is not None]
    return f"{sum(bool(line.reached) for line in judged)} of {len(judged)} targets reached"


def nanoseconds(figure: Figure) -> str:
    return f"{figure.nanoseconds:.3g} ns"


def everybody(line: Line) -> str:
    ranked = sorted(line.figures.items(), key=lambda item: item[1].ratio, reverse=line.more)
    return " · ".join(f"{name} {number(figure.ratio)}" for name, figure in ranked if name != "floor")


def as_json(lines: Sequence[Line], effort: str) -> str:
    names = {name for line in lines for name in line.figures}
    document = {
        "machine": machine(),
        "effort": effort,
        "versions": versions(names),
        "lines": [{**attrs.asdict(line), "reached": line.reached, "best_peer": line.best_peer} for line in lines],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_markdown(lines: Sequence[Line], effort: str) -> str:
    """The table, then every figure behind it, then what was measured."""
    ours = [line for line in lines if line.ours is not None]
    parts = [f"{', '.join(machine().values())} cores, {effort} run.", ""]
    parts += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    parts += [f"| {' | '.join(cells(line))} |" for line in ours]
    parts += ["", "Everybody, in the unit of the row:", ""]
    for line in lines:
        floor = line.figures.get("floor")
        unit = (
            f"{line.unit} of {nanoseconds(floor)}" if floor and line.unit.startswith(("empty", "bare")) else line.unit
        )
        parts.append(f"- **{line.path}** ({unit}): {everybody(line)}.")
        parts += [f"    - {name} {why}" for name, why in line.missing.items()]
        parts += [f"    - {note}" for note in line.notes]
    measured = versions(name for line in lines for name in line.figures)
    parts += ["", "Versions: " + ", ".join(f"{name} {number}" for name, number in measured.items()) + "."]
    return "\n".join(parts) + "\n"


def place(markdown: str, page: Path) -> None:
    """Put the figures between the two marks of a page, or write a page of nothing else."""
    marked = f"{BEGIN}\n\n{markdown}\n{END}"
    if page.exists() and BEGIN in (old := page.read_text("utf-8")):
        page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: marked, old, flags=re.DOTALL), "utf-8")
    else:
        page.write_text(marked + "\n", "utf-8")
