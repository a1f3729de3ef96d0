"""What goes where? Each scene's table stands between two marks of a page, its figures in files beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import black_hole, brown_out, ejections, fleet, hashing, hedging, slow_server, supermarket, testbed, troubles
from .chart import sheet_of

__all__ = ["DOCS", "SCENES", "Scene", "drawn", "place", "placed"]

DOCS = Path(__file__).parents[2] / "docs" / "explanation"
WHICH, HOW = "which-balancer.md", "simulation.md"


class Scene(NamedTuple):
    name: str
    play: Callable[[], Any]
    tables: dict[str, tuple[str, Callable[[Any], list[str]]]]
    """By the mark: the page and what makes the table."""
    sheet: str = ""
    """The file of its figures; empty: it has none."""
    figures: Callable[[Any], list[Any]] = lambda found: []
    title: str = ""


def _scene(module: Any, page: str, title: str = "", **tables: tuple[str, Callable[[Any], list[str]]]) -> Scene:
    several = getattr(module, "figures", None)
    one = getattr(module, "figure", None)
    made = several or ((lambda found: [one(found)]) if one is not None else None)
    names = {module.NAME: (page, module.table), **tables}
    if made is None:
        return Scene(module.NAME, module.play, names)
    return Scene(module.NAME, module.play, names, f"simulated-{module.NAME}.svg", made, title)


SCENES = {
    scene.name: scene
    for scene in (
        _scene(slow_server, WHICH, "One slow server"),
        _scene(testbed, WHICH, "Shared machines"),
        _scene(troubles, WHICH),
        _scene(black_hole, WHICH, "A server that fails at once"),
        _scene(fleet, WHICH, "Many clients"),
        _scene(hashing, WHICH, "Tables", keys=(WHICH, hashing.keys_table)),
        _scene(supermarket, HOW, "The supermarket"),
        _scene(hedging, HOW, "Hedging"),
        _scene(brown_out, HOW, "A brown-out"),
        _scene(ejections, HOW),
    )
}


def drawn(scene: Scene, found: Any) -> Iterator[tuple[str, str]]:
    """The files of figures of a scene, each with its text."""
    figures = scene.figures(found)
    if figures:
        yield scene.sheet, sheet_of(scene.title, figures)


def placed(text: str, mark: str, lines: list[str]) -> str:
    """The text of a page, with these lines between the two marks. Raises `ValueError` where it has none."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    if begin not in text:
        raise ValueError(f"the page has no {begin}")
    table = "\n".join(lines)
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n\n{table}\n\n{end}", text, flags=re.DOTALL)


def place(scene: Scene, found: Any, docs: Path) -> None:
    """Put what came of a scene into the docs."""
    for mark, (page, table) in scene.tables.items():
        path = docs / page
        path.write_text(placed(path.read_text("utf-8"), mark, table(found)), "utf-8")
    for name, text in drawn(scene, found):
        (docs / name).write_text(text, "utf-8")
