"""Run the demo: ``python -m examples.demo [--seconds 10] [--rate 60] [--report build/demo/report.html]``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from .report import write
from .scenes import SCENES, InFront, Scene
from .table import played
from .why import asked


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.demo", description="meshkit beside plain httpx, on loopback."
    )
    parser.add_argument("--seconds", type=within(1, 600), default=10.0, help="how long the traffic lasts (%(default)g)")
    parser.add_argument("--rate", type=within(1, 200), default=60.0, help="calls per second, on each side (60)")
    parser.add_argument(
        "--report", type=Path, default=Path("build/demo/report.html"), help="where the page goes (%(default)s)"
    )
    return parser.parse_args()


def within(least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"give a number from {least:g} to {most:g}")
        return value

    return number


async def play(scenes: list[Scene], console: Console) -> None:
    async with AsyncExitStack() as stack:
        for scene in scenes:
            if isinstance(scene, InFront):
                stack.push_async_callback(scene.aclose)  # its gateway stays, to be looked at
            await played(scene, console)
        await asked(console)


def main() -> int:
    chosen = options()
    console = Console()
    scenes = [scene(chosen.seconds, chosen.rate) for scene in SCENES]
    try:
        asyncio.run(play(scenes, console))
    except KeyboardInterrupt:
        print("stopped; the upstreams are ended", file=sys.stderr)
        return 130
    write(chosen.report, scenes)
    console.print(f"The same with plots: {chosen.report.resolve().as_uri()}", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
