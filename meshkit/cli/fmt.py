"""How does a mesh file look in its one layout? ``meshkit fmt FILE``: printed, or with ``--write`` put in its place.

======  ================================================================
status  for
======  ================================================================
0       a file that is laid out so, or was just now
1       with ``--check``, one that is not; and one that has mistakes
2       what cannot be understood
======  ================================================================
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated

import typer

from .terminal import bad, faint, good, say, spoken, strong
from .writing import replace

__all__ = ["fmt"]

MOST = 200
"""Lines of a difference."""


@spoken
def fmt(
    file: Annotated[Path, typer.Argument(help="The mesh file, in YAML.", show_default=False)],
    *,
    check: Annotated[bool, typer.Option("--check", help="Only say whether it would change, and how.")] = False,
    write: Annotated[bool, typer.Option("--write", "-w", help="Change the file; without, it is printed.")] = False,
) -> None:
    """Lay a mesh file out anew.

    Indentation, quotes, blank lines, the order of sections. Comments stay, and so does what it means.
    """
    from ..config.document import read
    from ..config.layout.formatted import formatted

    before = read(file).mistakes.text
    after = formatted(before, str(file))
    if check:
        if after != before:
            for line in _difference(before, after, str(file)):
                say(line)
            raise typer.Exit(1)
    elif not write:
        typer.echo(after.encode(), nl=False)  # as it would be written, whatever the terminal has
    elif after != before:
        replace(file, after)
        say(f"{file}: laid out anew")


def _difference(before: str, after: str, name: str) -> list[str]:
    lines = [*difflib.unified_diff(before.splitlines(), after.splitlines(), name, f"{name}, laid out", lineterm="")]
    shown = [_shown(line, number) for number, line in enumerate(lines[:MOST])]
    return shown + ([f"and {len(lines) - MOST:,} lines more"] if len(lines) > MOST else [])


def _shown(line: str, number: int) -> str:
    if number < 2:
        return strong(line)
    style = {"+": good, "-": bad, "@": faint}.get(line[:1])
    return line if style is None else style(line)
