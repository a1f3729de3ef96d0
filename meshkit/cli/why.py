"""Why did the last call fail? ``meshkit why``.

======================================  ======================================================
``why``, ``why --last``                 the story of the last failed call, and of the one below it
``why --count 5``                       of the last five, the newest last
``why --all``                           also of calls that did not fail, and were recorded
``why --pipeline orders``               of that pipeline's calls
``why --json``                          their records instead, one line of JSON each
======================================  ======================================================

A call that failed further in ends before the one that made it, and tells more: it is found by the record it stands
within, or by its trace. With ``--pipeline`` and ``--json`` only what was asked for is told.

It reads the journal that a `Recorder` has written: ``$MESHKIT_JOURNAL``, or ``.meshkit/calls.jsonl``. Told: exit status
0. Nothing to tell, and why: 1, on standard error. What cannot be understood: 2.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..observe.record.below import below
from ..observe.record.journal import default_path, read
from ..observe.record.phrases import plain
from ..observe.record.story import tell
from .terminal import say, spoken, stop

__all__ = ["why"]

MOST = 1000
"""Calls that are told of at once."""
DEEP = 4
"""Calls within calls that are told below one."""
RECORDING = "pipeline.listen(Recorder(to=Journal().write)) has failed calls written down"


@spoken
def why(
    *,
    last: Annotated[bool, typer.Option("--last", help="The last one only, which is the default.")] = False,
    every: Annotated[bool, typer.Option("--all/--failed", help="All recorded calls, or those that failed.")] = False,
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many of the last ones.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Their records, one line of JSON each.")] = False,
    file: Annotated[Path | None, typer.Option(help="The journal: $MESHKIT_JOURNAL, or .meshkit/calls.jsonl.")] = None,
    pipeline: Annotated[str | None, typer.Option(help="Calls of this pipeline only, by its name.")] = None,
) -> None:
    """Why did the last call fail?"""
    path = default_path() if file is None else file
    lines, shown = read(path), plain(str(path))
    kept: deque[dict[str, Any]] = deque(maxlen=1 if last else count)
    others: deque[dict[str, Any]] = deque(maxlen=MOST)
    pipelines: Counter[str] = Counter()
    of_it = 0
    try:
        for data in lines:
            if failed(data):
                others.append(data)
            name = data.get("pipeline")
            pipelines[name if isinstance(name, str) else ""] += 1
            if pipeline is not None and name != pipeline:
                continue
            of_it += 1
            if every or failed(data):
                kept.append(data)
    except FileNotFoundError:
        stop(f"no journal at {shown}: {RECORDING}; --file says where else")
    except OSError as error:
        stop(f"{shown} cannot be read: {error.strerror}")
    if not kept:
        what = "recorded" if every else "failed"
        stop(f"no {what} call in {shown}: {nothing(pipelines, of_it, pipeline, lines.skipped)}")
    if as_json:
        texts = [json.dumps(data, allow_nan=False).replace("\x7f", "\\u007f") for data in kept]
    else:
        known = [each for each in others if not any(each is data for data in kept)]
        texts = ["\n".join(story(data, known if pipeline is None else ())) for data in kept]
    say(("\n" if as_json else "\n\n").join(texts))
    if lines.skipped:
        say(f"{shown}: what is no record was skipped, {lines.skipped} times", err=True)


def story(data: dict[str, Any], known: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Of a call, and below it those of the failed calls that it has led to."""
    yield tell(data)
    inner = below(data, known)
    for depth in range(1, DEEP + 1):
        if inner is None:
            return
        indent = "  " * depth
        yield f"{indent}below it: " + tell(inner).replace("\n", f"\n{indent}")
        inner = below(inner, known)


def failed(data: dict[str, Any]) -> bool:
    """Whether the call has ended, and not in success."""
    return data.get("outcome") is not None and data["outcome"] != "success"


def nothing(pipelines: Counter[str], of_it: int, pipeline: str | None, skipped: int) -> str:
    """Why there is nothing to tell."""
    if not pipelines and skipped:
        return f"it holds no record, but {skipped} other line{'' if skipped == 1 else 's'}: is it a journal?"
    if not pipelines:
        return f"it is empty; {RECORDING}"
    if not of_it:
        names = ", ".join(repr(plain(name)) for name, _ in pipelines.most_common(8))
        return f"none of its {pipelines.total()} records is of a pipeline {plain(pipeline)!r}; there are {names}"
    return f"{of_it} recorded, and none of them failed; --all tells those"
