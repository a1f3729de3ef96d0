"""What may a mesh file say? ``meshkit schema``: its form as JSON Schema, for editors.

    meshkit schema --output mesh.schema.json

and at the top of a mesh file ``# yaml-language-server: $schema=mesh.schema.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .terminal import say, spoken
from .writing import replace

__all__ = ["schema"]


@spoken
def schema(
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file to write it to; without, it is printed.")
    ] = None,
) -> None:
    """What may a mesh file say?

    Its form as JSON Schema, for editors.
    """
    from ..config.drawn import form

    text = json.dumps(form(), indent=2) + "\n"
    if output is None:
        say(text.removesuffix("\n"))
    else:
        replace(output, text)
