"""How is it told in a terminal? A live table while a scene plays, a still one after it.

Where there is no terminal, a line now and then.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

if TYPE_CHECKING:
    from .scenes import Scene

__all__ = ["played"]

BREATH = 0.5
"""Seconds between two pictures: drawing them takes the time of both sides."""
PULSE = 3.0
"""Seconds between two lines."""


async def played(scene: Scene, console: Console) -> None:
    """Play a scene to its end, telling how it goes, then what came of it."""
    console.rule(scene.title)
    console.print(scene.story)
    console.print()
    show = _live(scene, console) if console.is_terminal else _lines(scene, console)
    async with asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(show)
        await scene.play()
        telling.cancel()
    console.print(_table(scene.rows()))
    console.print()
    console.print(scene.stack, soft_wrap=True, highlight=False, markup=False)
    console.print()


async def _live(scene: Scene, console: Console) -> None:
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_picture(scene), refresh=True)
            await asyncio.sleep(BREATH)


async def _lines(scene: Scene, console: Console) -> None:
    while True:
        await asyncio.sleep(PULSE)
        console.print(f"{scene.progress:4.0%}  {scene.pulse()}", soft_wrap=True)


def _picture(scene: Scene) -> RenderableType:
    if not scene.progress:
        return "starting the upstreams ..."
    bar = ProgressBar(total=1.0, completed=scene.progress, width=60)
    return Group(bar, "", _table(scene.rows()), "", _table(scene.status()))


def _table(rows: list[tuple[str, ...]]) -> Table:
    head, *rest = rows or [()]
    table = Table(*head[:1], box=None, pad_edge=False)
    for name in head[1:]:
        table.add_column(name, justify="right", style="bold" if name.startswith("meshkit") else None)
    for row in rest:
        table.add_row(*row)
    return table
