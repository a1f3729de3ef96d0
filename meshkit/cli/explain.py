"""What becomes of a request, and why? ``meshkit explain FILE METHOD URL``.

======  ==============================================================
status  for
======  ==============================================================
0       a request that a route is for
1       one that no route is for; and a file with mistakes
2       what cannot be understood
======  ==============================================================

Nothing is sent. What policies cost is measured on the spot, each by itself: the time they take where all is well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .explained import as_data, visible
from .terminal import WIDEST, bad, counted, faint, good, say, spoken, stop, strong, told, width

if TYPE_CHECKING:
    from ..config.explained import Explained, Step, Told
    from ..config.lookup import Share

__all__ = ["explain"]

MANY = 12
"""Endpoints and routes that are told, unless another number is asked for."""
WIDE, NARROW = 46, 24
"""Columns for what a file says of a policy, before what it does."""


@spoken
def explain(
    file: Annotated[Path, typer.Argument(help="The mesh file.", show_default=False)],
    method: Annotated[str, typer.Argument(help="The method, GET.", show_default=False)],
    url: Annotated[str, typer.Argument(help="The URL, http://orders/stock/7.", show_default=False)],
    *,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A field; several may be given.")
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="NAME", help="As a call of this node.")] = None,
    listener: Annotated[str | None, typer.Option(metavar="NAME", help="As it comes to this listener.")] = None,
    client: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The address that it comes from.")] = None,
    most: Annotated[int, typer.Option(min=0, metavar="N", help="Other routes that are told of.")] = MANY,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    imports: Annotated[
        bool, typer.Option("--imports/--no-imports", help="Whether Python objects that it names are imported.")
    ] = True,
) -> None:
    """What becomes of a request, and why?

    Which route it takes and why no other one, what is sent, through which policies, and to whom.
    """
    from ..config.document import read
    from ..config.explained import explained
    from ..config.file import MeshFile
    from ..config.garbage import paused
    from ..config.request import Request

    address = url if "://" in url else f"http://{url}"
    request = Request(method.upper(), address, headers=_fields(header or []), client=client)
    with paused():
        mesh = MeshFile(imports=imports)
        spec = mesh.spec(read(file))
        found = explained(mesh, spec, request, node=node, listener=listener, most=most)
    lines = [each.line for each in mesh.routes]
    if as_json:
        say(json.dumps(as_data(found, str(file), lines), indent=2))
    else:
        for line in as_text(found, str(file), lines):
            say(line)
    if found.found.route is None:
        raise typer.Exit(1)


def _fields(given: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for each in given:
        name, colon, value = each.partition(":")
        if not colon or not name.strip():
            stop(f"-H {each!r}: write it as 'name: value'", 2)
        name, value = name.strip().lower(), value.strip()
        joined = "; " if name == "cookie" else ", "
        fields[name] = f"{fields[name]}{joined}{value}" if name in fields else value
    return fields


# For people.


def as_text(told_of: Explained, file: str, lines: list[int]) -> Iterator[str]:
    """Line by line."""
    found, request = told_of.found, told_of.request
    yield strong(f"{request.method} {_shown(request.url)}") + faint(f"  {told_of.seen}")
    yield ""
    if found.route is None:
        yield told(f"{bad('no route')}: {found.status}: {_shown(found.reason)}")
    else:
        where = f"{file}:{lines[told_of.number]}" if told_of.number is not None else ""
        yield f"{'route':<10}{good(_shown(found.name))}" + (faint(f"  {where}") if where else "")
        yield from _sent(told_of)
    for title, part in (
        ("policies, outermost first", _policies(told_of.steps, told_of.seconds, "none")),
        ("it is split", _split(found.shares, 2)),
        *((f"cluster {each.spec.name}", _cluster(each)) for each in told_of.clusters),
        ("other routes" if found.route is not None and found.missed else "routes", _others(told_of, file, lines)),
    ):
        listed = [*part]
        if listed:
            yield ""
            yield strong(title)
            yield from listed


def _sent(told_of: Explained) -> Iterator[str]:
    from ..config.layout.flow import flow

    found = told_of.found
    if found.location is not None:
        yield told(f"{'answer':<10}{found.status} {_shown(found.location)}", further=" " * 10)
    elif found.status is not None:
        yield f"{'answer':<10}{found.status}"
    else:
        scheme = told_of.request.head()[1]
        yield f"{'leads to':<10}{_shown(found.to)}"
        yield told(f"{'sent as':<10}{found.method} {scheme}://{found.host}{_shown(found.path)}", further=" " * 10)
    plan = None if found.decision is None else found.decision.plan
    if plan is not None:
        yield from _edits(plan.request, "request")
        yield from _edits(plan.answer, "answer")
    for action in told_of.actions:
        yield told(f"{'with':<10}{_shown(flow(action))}", further=" " * 10)


def _edits(edit: Any, of: str) -> Iterator[str]:
    come = visible(edit)
    names = {name for name, _ in come}
    for name in sorted({each.decode("latin-1") for each in edit.gone} - names):
        yield f"{'':<10}{of} without {_shown(name)}"
    for name, value in come:
        word = "with" if name.encode("latin-1") in edit.gone else "also with"
        yield f"{'':<10}{of} {word} {_shown(name)}: {_shown(value)}"


def _policies(steps: tuple[Step, ...], seconds: float | None, without: str = "") -> Iterator[str]:
    from ..config.layout.flow import flow

    if not steps:
        yield from [f"  {without}"] if without else []
        return
    said = [_shown(flow(step.said)) for step in steps]
    room = NARROW if (width() or WIDEST) < WIDEST else WIDE
    columns = min(room, max((len(text) for text in said if len(text) <= room), default=room))
    owner = ""
    for step, text in zip(steps, said, strict=True):
        if step.owner != owner:
            yield faint(f"  of the {step.owner}")
            owner = step.owner
        price = "" if step.seconds is None else _microseconds(step.seconds)
        if len(text) > columns:
            yield told(text, "    ")
        short = text if len(text) <= columns else ""
        yield told(f"{short:<{columns}}  {price:>7}  {step.does}", "    ", " " * (columns + 15))
    if seconds is not None:
        missing = [text.partition(":")[0] for step, text in zip(steps, said, strict=True) if step.seconds is None]
        but = f" but {' and '.join(dict.fromkeys(missing))}" if missing else ""
        price = f"{_microseconds(seconds)} a call, above each by itself"
        yield told(f"all together{but}: {price}; measured just now, without the wire", "  ")


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f} µs" if seconds >= 5e-8 else "<0.1 µs"


def _split(shares: tuple[Share, ...], indent: int) -> Iterator[str]:
    sure = any(share.sure for share in shares)
    for share in shares:
        part = f"{100 * share.share:.4g}%"
        text = f"{' ' * indent}{part:>6}  {_shown(share.name)}"
        if share.to != f"cluster {share.name}":
            text += f": {_shown(share.to)}"
        if share.sure:
            text += good("  this request goes here")
        yield faint(text) if sure and not share.sure else text
        if share.plan is not None:
            for line in (*_edits(share.plan.request, "request"), *_edits(share.plan.answer, "answer")):
                yield " " * indent + line
        yield from _split(share.ways, indent + 8)


def _cluster(each: Told) -> Iterator[str]:
    from ..cluster import Endpoint
    from ..config.layout.flow import flow

    cluster = each.spec
    yield told(f"balancer {_shown(flow(each.balancer))}", "  ")
    for endpoint in each.endpoints[:MANY]:
        yield f"  {_endpoint(endpoint)}" if isinstance(endpoint, Endpoint) else told(_shown(flow(endpoint)), "  ")
    if len(cluster.endpoints) > MANY:
        yield f"  and {len(cluster.endpoints) - MANY:,} more"
    watched = [name for name, has in (("checks", cluster.checks), ("outlier detection", cluster.outliers)) if has]
    yield faint(f"  with {' and '.join(watched)}" if watched else "  no checks, no outlier detection")
    yield from _policies(each.steps, None)


def _endpoint(endpoint: Any) -> str:
    parts = [endpoint.address]
    if endpoint.name and endpoint.name != endpoint.address:
        parts.append(f"name {endpoint.name}")
    if endpoint.weight != 1:
        parts.append(f"weight {endpoint.weight:g}" if endpoint.weight else "drained")
    if endpoint.priority:
        parts.append(f"priority {endpoint.priority}")
    if endpoint.locality:
        parts.append(f"in {endpoint.locality}")
    return "  ".join(map(_shown, parts))


def _others(told_of: Explained, file: str, lines: list[int]) -> Iterator[str]:
    found = told_of.found
    for missed in found.missed:
        number = told_of.numbers.get(id(missed.route))
        where = f" (line {lines[number]})" if number is not None else ""
        yield told(f"{_shown(str(missed.route))}{where}: {_shown(missed.why)}", "  ")
    if found.others:
        yield f"  and {found.others:,} more"
    yield told(f"found among {counted(told_of.routes, 'route')} in {_microseconds(told_of.match)}", "  ")


def _shown(text: str) -> str:
    from ..config.mistakes import shown

    return shown(text, 300)
