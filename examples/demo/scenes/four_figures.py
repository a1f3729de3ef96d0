"""What did the four upstreams do, and what did each side make of it? The figures of the first scene, a bin a second."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from ..load import Side, quantile
from ..plot import Band, Figure, Series, bands, lines, milliseconds, percent, stack
from ..server import BURST, PERIOD

if TYPE_CHECKING:
    from .four_upstreams import FourUpstreams

STYLES = ("mesh", "plain")
BREAKER = (("closed", "closed"), ("half-open", "half-open"), ("open", "open"))


def figures(scene: FourUpstreams) -> list[Figure]:
    seconds = max([scene.seconds, *(outcome.at for side in scene.sides for outcome in side.outcomes)])
    found = [_success(scene, seconds)]
    for name, q in (("Median", 0.5), ("90th percentile", 0.9), ("99th percentile", 0.99)):
        series = [_latency(side, style, q) for side, style in zip(scene.sides, STYLES, strict=True)]
        axis = milliseconds(value for each in series for _, value in each.points)
        found.append(lines(f"{name} of latency, per second, all calls", series, seconds, axis))
    found += [_shares(scene, side, seconds) for side in scene.sides]
    found += [_moods(scene, seconds), _breakers(scene, seconds)]
    return found


def _bins(side: Side) -> dict[int, list[tuple[float, bool]]]:
    """``(latency, succeeded)`` by the second in which the call was due."""
    found: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for at, latency, error in side.outcomes:
        found[int(at)].append((latency, not error))
    return found


def _success(scene: FourUpstreams, seconds: float) -> Figure:
    series = [
        Series(
            side.name,
            style,
            [(k + 0.5, sum(good for _, good in calls) / len(calls)) for k, calls in sorted(_bins(side).items())],
        )
        for side, style in zip(scene.sides, STYLES, strict=True)
    ]
    return lines("Share of calls that succeeded, per second", series, seconds, percent())


def _latency(side: Side, style: str, q: float) -> Series:
    bins = sorted(_bins(side).items())
    return Series(side.name, style, [(k + 0.5, quantile((latency for latency, _ in calls), q)) for k, calls in bins])


def _shares(scene: FourUpstreams, side: Side, seconds: float) -> Figure:
    sent: dict[int, Counter[int | None]] = defaultdict(Counter)
    for at, port in side.wire.attempts:
        sent[int(at)][port] += 1
    series = [
        Series(
            upstream.kind,
            upstream.kind,
            [(float(k), ports[upstream.port] / ports.total()) for k, ports in sorted(sent.items()) if k < seconds],
        )
        for upstream in scene.upstreams
    ]
    return stack(f"Where requests went, per second: {side.name}", series, seconds, 1.0)


def _moods(scene: FourUpstreams, seconds: float) -> Figure:
    """What the upstreams did by themselves."""
    offset = scene.began_wall
    rows = []
    for upstream in scene.upstreams:
        row = []
        if upstream.kind == "failing":
            first = math.floor((offset - upstream.epoch) / PERIOD)
            for k in range(first, first + math.ceil(seconds / PERIOD) + 2):
                began = max(0.0, upstream.epoch + k * PERIOD - offset)
                ended = upstream.epoch + k * PERIOD + BURST - offset
                if ended > began:
                    row.append(Band(began, ended, "open", f"503 from {began:.1f} s to {ended:.1f} s"))
        changes = [(at - offset, up) for at, up in upstream.changes]
        for k, (at, up) in enumerate(changes):
            ended = changes[k + 1][0] if k + 1 < len(changes) else seconds
            if not up and at < seconds and at < ended:
                row.append(Band(at, ended, "down", f"down from {at:.1f} s to {ended:.1f} s"))
        rows.append((upstream.kind, [Band(0.0, seconds, "closed", "up"), *row]))
    return bands("What the upstreams did", rows, seconds, (("closed", "up"), ("open", "503"), ("down", "no process")))


def _breakers(scene: FourUpstreams, seconds: float) -> Figure:
    rows = []
    for upstream in scene.upstreams:
        changes = [(0.0, "closed"), *((at, after) for at, who, after in scene.breakers if who == upstream.kind)]
        ends = [*(at for at, _ in changes[1:]), seconds]
        row = [
            Band(at, ended, state, f"{state} from {at:.2f} s to {ended:.2f} s")
            for (at, state), ended in zip(changes, ends, strict=True)
        ]
        rows.append((upstream.kind, row))
    return bands("meshkit's breakers", rows, seconds, BREAKER)
