"""``python -m benchmarks [GROUP ...] [--only GROUP] [--quick] [--json FILE] [--markdown FILE] [--uvloop]``.

Groups: floor, limit, adaptive, window, shed, breaker, retry, hedge, share, concurrency, stack, asgi, observe, cluster,
hashing, update, client, routing, reload, gateway, memory, import. All of them take about twelve minutes, with
``--quick`` about three; most of it ``client`` and ``gateway``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from . import (
    adaptive,
    asgi,
    breaker,
    client,
    cluster,
    concurrency,
    floors,
    footprint,
    gateway,
    gateway_bodies,
    gateway_parts,
    gateway_scale,
    gateway_sockets,
    hashing,
    hedge,
    limit,
    observe,
    reload,
    report,
    retry,
    routing,
    share,
    shed,
    stack,
    update,
    window,
    wire,
    wire_bodies,
    wire_idle,
)
from .measure import FULL, QUICK
from .rows import Line

ROOMS = (
    *(floors, limit, adaptive, window, shed, breaker, retry, hedge, share, concurrency, stack, asgi),
    *(observe, cluster, hashing, update, client, routing, reload),
    *(wire, wire_bodies, wire_idle),
    *(gateway, gateway_parts, gateway_scale, gateway_bodies, gateway_sockets),
    footprint,
)
TABLE = tuple(row for room in ROOMS for row in room.ROWS)
GROUPS = tuple(dict.fromkeys(row.group for row in TABLE))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="meshkit and its peers, beside the floor."
    )
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"only these: {', '.join(GROUPS)}")
    parser.add_argument("--only", action="append", default=[], metavar="GROUP", help="the same")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables into that page")
    parser.add_argument("--uvloop", action="store_true", help="on uvloop instead of asyncio's own loop")
    given = parser.parse_args()
    given.groups = [group for word in (*given.groups, *given.only) for group in word.split(",") if group] or list(
        GROUPS
    )
    for group in given.groups:
        if group not in GROUPS:
            parser.error(f"{group}: no such group; there are {', '.join(GROUPS)}")
    return given


def loop_factory(uvloop: bool) -> Callable[[], asyncio.AbstractEventLoop]:
    if uvloop:
        from uvloop import new_event_loop

        return new_event_loop
    return asyncio.new_event_loop


def main() -> None:
    given = arguments()
    effort = QUICK if given.quick else FULL
    lines: list[Line] = []
    print(report.header(), flush=True)
    with asyncio.Runner(loop_factory=loop_factory(given.uvloop)) as runner:
        for row in TABLE:
            if row.group in given.groups:
                found: list[Line] = runner.run(row.measure(effort))
                lines += found
                for line in found:
                    print(report.text(line), flush=True)
    print(f"\n{report.verdict(lines)}")
    word = "quick" if given.quick else "full"
    if given.json:
        given.json.write_text(report.as_json(lines, word), "utf-8")
    if given.markdown:
        report.place(report.as_markdown(lines, word), given.markdown)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
