"""Is a mesh file sound? ``meshkit check FILE``: all its mistakes; and if it has none, what is hardly ever meant.

======  ================================================================
status  for
======  ================================================================
0       a file that can be used; with ``--strict``, without a warning
1       mistakes; with ``--strict``, warnings
2       what cannot be understood
======  ================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .terminal import bad, counted, faint, good, odd, say, spoken, stop, strong, told

if TYPE_CHECKING:
    from ..config.mistakes import Mistake
    from ..config.report import Report

__all__ = ["check"]

LEVELS = {"mistake": bad, "warning": odd, "note": strong}


class Format(StrEnum):
    """How it is said."""

    text = "text"
    json = "json"


@spoken
def check(
    file: Annotated[Path, typer.Argument(help="The mesh file: .yaml, .toml or .json.", show_default=False)],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Status 1 for warnings, too.")] = False,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Say nothing of this kind; may be given several times.")
    ] = None,
    format: Annotated[Format, typer.Option(help="For people, or for programs.")] = Format.text,  # noqa: A002
    imports: Annotated[
        bool, typer.Option("--imports/--no-imports", help="Whether Python objects that it names are imported.")
    ] = True,
) -> None:
    """Is a mesh file sound?

    All its mistakes; and if it has none, what in it is hardly ever meant.
    """
    from ..config.lint import WORDS
    from ..config.meant import advice
    from ..config.report import check as checked

    for word in ignore or ():
        if word not in WORDS:
            stop(f"no finding is called {word!r}: {advice(word, WORDS)}", 2)
    report = checked(file, imports=imports, ignore=ignore or ())
    if format is Format.json:
        say(json.dumps(as_data(report), indent=2))
    else:
        for each in as_text(report):
            say(each)
    if not report.sound(strict=strict):
        raise typer.Exit(1)


def as_data(report: Report) -> dict[str, Any]:
    """For programs."""
    said = [_data("mistake", "", each) for each in report.mistakes]
    said += [_data(each.level, each.word, each.said) for each in report.findings]
    counts = {"mistakes": report.wrong, "warnings": report.warnings, "notes": report.notes}
    return {"file": report.file, "sound": report.sound(), "counts": counts, "findings": said}


def _data(level: str, word: str, said: Mistake) -> dict[str, Any]:
    place = {"file": said.file, "line": said.line, "column": said.column, "path": said.path}
    return {"level": level, "word": word, **place, "text": said.text, "fix": said.suggestion}


def as_text(report: Report) -> Iterator[str]:
    """For people: each thing, then all in one line."""
    for each in report.mistakes:
        yield _said("mistake", "", each)
    for finding in report.findings:
        yield _said(finding.level, finding.word, finding.said)
    told_of = len(report.mistakes) + len(report.findings)
    more = report.wrong + report.warnings + report.notes - told_of
    if more:
        yield f"and {more:,} more\n"
    yield _summary(report)


def _said(level: str, word: str, said: Mistake) -> str:
    place = f"{said.file}:{said.line}:{said.column}" if said.line else said.file
    path = f"{said.path}: " if said.path else ""
    head = told(f"{place}: {level}: {path}{said.text}" + (f" [{word}]" if word else ""))
    head = head.replace(f"{place}: {level}:", f"{strong(place)}: {LEVELS[level](level + ':')}", 1)
    if word:
        head = head.removesuffix(f"[{word}]") + faint(f"[{word}]")
    lines = [head, *(faint(line) for line in said.excerpt)]
    if said.suggestion:
        lines.append(told(said.suggestion, "    "))
    return "\n".join(lines) + "\n"


def _summary(report: Report) -> str:
    if report.wrong:
        return f"{report.file}: " + bad(counted(report.wrong, "mistake"))
    counts = [counted(report.warnings, "warning")] if report.warnings else []
    counts += [counted(report.notes, "note")] if report.notes else []
    said = ", ".join(counts)
    spec = report.spec
    if spec is None or report.warnings:
        return f"{report.file}: " + odd(said)
    parts = ((spec.routes, "route"), (spec.clusters, "cluster"), (spec.listeners, "listener"), (spec.nodes, "node"))
    what = ", ".join(counted(len(those), word) for those, word in parts if those) or "nothing in it"
    return f"{report.file}: {good('sound')}: {what}" + (f"; {said}" if said else "")
