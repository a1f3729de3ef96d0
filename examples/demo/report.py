"""What remains to look at? One HTML page, whole in itself: the tables of the scenes and their figures."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvicorn

from .plot import MARKS, Figure

if TYPE_CHECKING:
    from .scenes import Scene

__all__ = ["write"]

STYLE = Path(__file__).with_name("report.css")


def write(path: Path, scenes: Sequence[Scene]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(scenes), "utf-8")


def page(scenes: Sequence[Scene]) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>meshkit beside plain httpx</title>
<style>
{MARKS.read_text("utf-8")}{STYLE.read_text("utf-8")}</style>
</head>
<body>
<h1>meshkit beside plain httpx</h1>
<p>The same traffic, over loopback. Point at a mark to read it.</p>
{"".join(map(section, scenes))}
<footer>{time.strftime("%Y-%m-%d %H:%M")}, {platform.python_implementation()} {platform.python_version()},
httpx {httpx.__version__}, uvicorn {uvicorn.__version__}</footer>
</body>
</html>
"""


def section(scene: Scene) -> str:
    figures = "".join(map(drawn, scene.figures()))
    return (
        f"<section>\n<h2>{escape(scene.title)}</h2>\n<p>{escape(scene.story)}</p>\n"
        f'<pre class="scroll">{escape(scene.stack)}</pre>\n'
        f'{table(scene.rows())}\n<div class="figures">{figures}</div>\n</section>\n'
    )


def table(rows: Sequence[tuple[str, ...]]) -> str:
    head, *rest = rows
    marks = [' class="ours"' if name.startswith("meshkit") else "" for name in head]
    body = "".join(row_of("td", row, marks) for row in rest)
    return f'<div class="scroll"><table>\n{row_of("th", head, marks)}{body}</table></div>'


def row_of(kind: str, cells: Sequence[str], marks: Sequence[str]) -> str:
    each = "".join(f"<{kind}{mark}>{escape(cell)}</{kind}>" for cell, mark in zip(cells, marks, strict=True))
    return f"<tr>{each}</tr>\n"


def drawn(figure: Figure) -> str:
    legend = "".join(f'<span><i class="{style}"></i>{escape(name)}</span>' for style, name in figure.legend)
    return (
        f'<figure><figcaption><h3>{escape(figure.title)}</h3><div class="legend">{legend}</div></figcaption>'
        f"{figure.svg}</figure>\n"
    )
