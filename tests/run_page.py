"""Runs the Python of a Markdown page, as a reader would: ``python run_page.py page.md``.

All blocks of a page whose language is ``python`` share one namespace, from top to bottom; a block may use ``await`` at
its top level, and all that do share one asyncio loop. Line numbers in a traceback are those of the page. A block below
the comment ``<!-- skip: reason -->`` must be Python, but is not run.

A block whose language is ``output`` is what the Python above it prints. A number with a point in it stands for any
number (a duration is never the same twice); all else is meant to the letter.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import sys
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})(?P<language>[\w-]*)")
SKIP = re.compile(r"^\s*<!--\s*skip:(?P<reason>.*?)-->\s*$")


class Block(NamedTuple):
    line: int
    """Of the page, counted from 1, on which the code begins."""
    code: str
    skipped: str | None
    printed: str | None = None


def blocks(text: str) -> list[Block]:
    found: list[Block] = []
    opened = None
    code: list[str] = []
    last = ""
    for number, line in enumerate(text.splitlines(), start=1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, code = fence, []
                skip = SKIP.match(last)
            elif line.strip():
                last = line
        elif fence and not fence["language"] and fence["ticks"].startswith(opened["ticks"]):
            if opened["language"] in {"python", "py"}:
                begin = number - len(code)
                found.append(Block(begin, textwrap.dedent("\n".join(code)), skip["reason"].strip() if skip else None))
            elif opened["language"] == "output":
                found[-1] = found[-1]._replace(printed=textwrap.dedent("\n".join(code)))
            opened, last = None, ""
        else:
            code.append(line)
    if opened is not None:
        raise ValueError("a fenced block is not closed")
    return found


def run(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks(page.read_text("utf-8")):
            code = compile("\n" * (block.line - 1) + block.code, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if block.skipped is not None:
                assert block.skipped, f"{page}:{block.line - 1}: skipped for no reason"
                continue
            with contextlib.redirect_stdout(io.StringIO()) as stdout:
                if code.co_flags & inspect.CO_COROUTINE:
                    runner.run(eval(code, namespace))
                else:
                    exec(code, namespace)
            if block.printed is not None:
                seen = stdout.getvalue().rstrip("\n")
                assert alike(block.printed, seen), f"{page}:{block.line}: this prints\n{seen}"


def alike(page: str, seen: str) -> bool:
    """Whether the page shows what was seen, but for numbers with a point."""
    parts = re.split(r"(?<![\d.])\d+\.\d+(?:e-?\d+)?(?!\.?\d)", page)
    return re.fullmatch(r"\d+(?:\.\d+)?(?:e-?\d+)?".join(map(re.escape, parts)), seen) is not None


if __name__ == "__main__":
    run(Path(sys.argv[1]))
