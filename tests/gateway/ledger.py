"""What was asked, what came of it, what did the upstreams see: and does it add up?

=====================================  ===============================================================================
what has come of a request             it is a violation
=====================================  ===============================================================================
right                                  never; but see below
the client has left                    never
wrong: another body than it must be    always; a short one that ends as if it were whole is such
hung: nothing for `PATIENCE` s         always
bare: an error without Proxy-Status    always: the upstreams answer no errors, so it is the gateway's own
refused: an error with one             of one that can be sent again; of another one, where nothing explains it
broken off, so that it can be seen     of a short one that can be sent again; of others, where nothing explains it
=====================================  ===============================================================================

A kill or a freeze of an endpoint explains what ended badly while it lasted, and `AFTER` s later: of that endpoint,
where it is known which one it was, else of any. Whatever came of it, a POST was seen by the upstreams at most once, and
what was answered was seen; a mirror sees no request twice, and none without a mirror.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import inf

import attrs

__all__ = ["KINDS", "PATIENCE", "Disturbance", "Kind", "Ledger", "Record", "percentile"]

PATIENCE = 30.0
"""Seconds after which a client says that a request hangs: twice what its route gives to all attempts together."""
AFTER = 1.0
"""Seconds for which a disturbance is felt after it has ended."""


@attrs.frozen
class Kind:
    """``again``: the gateway may send it again, and has what it needs for that. ``lasting``: its answer takes its time,
    and may be broken off in the midst.
    """

    name: str
    share: int
    again: bool = True
    lasting: bool = False
    mirrored: bool = False


KINDS = (
    Kind("get", 40, mirrored=True),
    Kind("put", 14),
    Kind("post", 18, again=False, mirrored=True),
    Kind("download", 7, lasting=True),
    Kind("upload", 5, again=False),
    Kind("events", 5, lasting=True),
    Kind("chat", 5, again=False, lasting=True),
)


@attrs.define
class Record:
    """One request. Instants are in seconds of one clock, those of `Disturbance` as well."""

    number: int
    kind: Kind
    began: float
    ended: float = inf
    outcome: str = "under way"
    what: str = ""
    """The status, or what was wrong."""
    server: str = ""
    """Which endpoint has answered, where that is known."""
    version: str = ""
    """The version of the mesh by which it was answered."""
    once: bool = False
    """Whether it may be done but once."""


@attrs.define
class Disturbance:
    server: str
    what: str
    began: float
    ended: float = inf

    def explains(self, record: Record, servers: Sequence[str]) -> bool:
        return (not servers or self.server in servers) and (
            self.began <= record.ended and record.began <= self.ended + AFTER
        )


@attrs.define
class Ledger:
    records: list[Record] = attrs.field(factory=list)
    disturbances: list[Disturbance] = attrs.field(factory=list)
    seen: dict[int, list[str]] = attrs.field(factory=dict)
    """By number: the endpoints that have seen it, each as often as it has."""
    copied: Counter[int] = attrs.field(factory=Counter)
    """By number: how often the mirror has seen it."""

    def violations(self) -> list[str]:
        """What must not be, in the order in which it was asked for."""
        found = []
        for record in self.records:
            seen = self.seen.get(record.number, [])
            what = self._outcome(record, seen) or _seen(record, seen)
            if what:
                found.append(f"{record.kind.name}/{record.number}: {what}")
        asked = {record.number: record.kind for record in self.records}
        for number, times in sorted(self.copied.items()):
            kind = asked.get(number)
            if times > 1:
                found.append(f"copy/{number}: seen {times} times by the mirror")
            if kind is None or not kind.mirrored:
                found.append(f"copy/{number}: of a request that has no mirror")
        found += [f"seen/{number}: nobody has asked for it" for number in sorted(set(self.seen) - set(asked))]
        return found

    def _outcome(self, record: Record, seen: list[str]) -> str:
        told = f"{record.outcome} ({record.what})"
        match record.outcome:
            case "right" | "left":
                return ""
            case "refused" if record.kind.again:
                return f"lost: {told}"
            case "broken" if record.kind.again and not record.kind.lasting:
                return f"lost: {told}"
            case "refused" | "broken":
                servers = [record.server] if record.server else seen
                if any(each.explains(record, servers) for each in self.disturbances):
                    return ""
                return f"{told}, and nothing explains it; seen by {', '.join(seen) or 'none'}"
        return told

    def table(self) -> str:
        """How often each kind has come to what, and how long those took that were answered."""
        counts = Counter((record.kind.name, record.outcome) for record in self.records)
        names = [name for name, _ in Counter(record.outcome for record in self.records).most_common()]
        lines = [f"{'':<10}{'asked':>9}" + "".join(f"{name:>9}" for name in names) + f"{'p50 ms':>9}{'p99 ms':>9}"]
        for kind in KINDS:
            times = [each.ended - each.began for each in self.records if each.kind is kind and each.outcome == "right"]
            asked = sum(counts[kind.name, name] for name in names)
            cells = "".join(f"{counts[kind.name, name] or '.':>9}" for name in names)
            ends = "".join(f"{percentile(times, part) * 1e3:>9.1f}" for part in (0.5, 0.99))
            lines.append(f"{kind.name:<10}{asked:>9}{cells}{ends}")
        return "\n".join(lines)


def _seen(record: Record, seen: list[str]) -> str:
    if record.once and len(seen) > 1:
        return f"duplicated: seen by {', '.join(seen)}"
    if record.outcome == "right" and not seen:
        return "answered, and seen by no upstream"
    return ""


def percentile(values: Iterable[float], part: float) -> float:
    """The nearest rank; 0 of none."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)] if ordered else 0.0
