"""Play the storm: ``python -m examples.retry_storm [--after 16] [--plot storm.svg] [--page storms.md]``.

First over loopback, plain httpx beside meshkit, which lasts as long as the storm; then every way in computed time.
``--plot`` writes the figures (a second file, with ``-ways`` in its name, has one for each way), ``--page`` puts the
tables between the marks of a page. Both at once are how the page in the docs is made.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..demo.load import Side
from ..demo.plot import sheet
from .played import Played, computed, served
from .shown import COLUMNS, cells, markdown, place, storm_figures, way_figures
from .storm import BOTH, PLAIN, Storm


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m examples.retry_storm", description="A retry storm, on loopback.")
    for name in ("before", "spike", "after"):
        usual = Storm._field_defaults[name]
        parser.add_argument(f"--{name}", type=seconds, default=usual, help=f"seconds, at most 60 ({usual:g})")
    parser.add_argument("--plot", type=Path, help="where the figures go")
    parser.add_argument("--page", type=Path, help="the page the tables are put into")
    return parser.parse_args()


def seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 60:
        raise argparse.ArgumentTypeError("give a number from 1 to 60")
    return value


def line(storm: Storm, second: float, sides: Sequence[Side]) -> str:
    """What happened in the second that is over."""
    began = second - 1.0
    told = []
    for side in sides:
        good = sum(not each.error and began <= each.at + each.latency < second for each in side.outcomes)
        sent = sum(began <= each.at < second for each in side.wire.attempts)
        told.append(f"{side.name}: {sent:3d} sent, {good:3d} answered")
    spike = "spike" if storm.before < second <= storm.ends_at else ""
    return f"{second:3.0f} s  {spike:5}   {'    '.join(told)}"


def table(played: Sequence[Played]) -> Table:
    shown = Table(box=None, pad_edge=False)
    for k, name in enumerate(COLUMNS):
        shown.add_column(name, justify="right" if k else "left", no_wrap=not k)
    for each in played:
        shown.add_row(*cells(each))
    return shown


def main() -> int:
    chosen = options()
    console = Console()
    storm = Storm(chosen.before, chosen.spike, chosen.after)
    console.rule("A retry storm, over loopback")
    try:
        real = asyncio.run(
            served(storm, (PLAIN, BOTH), lambda second, sides: print(line(storm, second, sides), flush=True))
        )
    except KeyboardInterrupt:
        print("stopped; the servers are ended", file=sys.stderr)
        return 130
    console.print()
    console.print(table(real))
    console.print()
    console.rule("The same in computed time, and what each policy does by itself")
    exact = computed(storm)
    console.print(table(exact))
    if chosen.plot is not None:
        chosen.plot.write_text(sheet("A retry storm", storm_figures(storm, real)), "utf-8")
        ways = chosen.plot.with_stem(f"{chosen.plot.stem}-ways")
        ways.write_text(sheet("What each policy does by itself", way_figures(storm, exact[1:]), columns=2), "utf-8")
        console.print(f"\n{chosen.plot} and {ways} are drawn", soft_wrap=True)
    if chosen.page is not None:
        place(markdown(storm, real, exact), chosen.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
