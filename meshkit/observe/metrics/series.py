"""How many label sets may a metric have? As many as there is room for, by construction: the rest share one.

A label set is made when it is first counted in:

====================================================  =====================================================
there are already                                     then
====================================================  =====================================================
``endpoints`` others of this cluster (or pipeline)    the label that names it becomes ``_OTHER``
nine tenths of ``series`` label sets                  every label whose values nobody has listed does
``series`` - 1 label sets                             every label does: it is the last one
====================================================  =====================================================

So the sum over a metric is right whatever comes, and ten thousand endpoints, or a million keys, cost no more memory
than ``series`` label sets. ``_OTHER`` is the word of the HTTP semantic conventions of OpenTelemetry.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ...engine.back import survive
from ...runtime.guard import guard
from ...sketch import Histogram, edges

__all__ = [
    "BOUNDS",
    "MANY",
    "OTHER",
    "Durations",
    "Family",
    "Key",
    "Noted",
    "Table",
    "Tally",
    "Texts",
    "Ways",
    "exemplified",
    "once",
    "written",
]

OTHER = "_OTHER"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds: the buckets of the HTTP semantic conventions. Each is an edge of `meshkit.sketch`: its count is exact."""
ERROR = 0.05
"""Of quantiles."""
ENDS = edges(ERROR)
LONGEST = 128
"""Characters of the labels of an exemplar, by OpenMetrics."""

MANY = 64
"""Pending counts after which they are counted in: some 20 microseconds."""
MOST = 4000
"""Ways of one pipeline that are remembered."""
SUCCESS = "success"
NAME = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")

Key = tuple[Any, ...]
"""The values of the labels, in the order of their names; ``None`` is an empty one."""
Texts = tuple[str, ...]
"""The same as a label has them: see `written`."""

Noted = tuple[dict[str, str], float] | None
"""The labels of an exemplar, and when it was, on the wall clock."""


class Family(NamedTuple):
    """A metric: ``"counter"``, ``"gauge"`` or ``"histogram"``; its labels, and of those the ones whose values come from
    outside: endpoints, hosts, routes. ``few``: no more of these than ``endpoints``.
    """

    kind: str
    help: str
    labels: tuple[str, ...]
    unlisted: tuple[str, ...] = ()
    few: bool = False


class Durations(Histogram):
    """What was observed under one label set, with the last exemplar of each bucket."""

    __slots__ = ("exemplars",)

    def __init__(self) -> None:
        super().__init__(ERROR)
        self.exemplars: dict[int, tuple[dict[str, str], float, float]] = {}
        """By the number of the bucket: labels, value, and when it was, on the wall clock."""

    def copy(self) -> Durations:
        """As it is now."""
        new = Durations.__new__(Durations)
        new._ends, new.counts, new.sum, new.exemplars = self._ends, self.counts[:], self.sum, self.exemplars.copy()
        return new


class Table:
    """One metric's label sets. To be called under the lock of its `Tally`."""

    __slots__ = ("_crowd", "_known", "_room", "_seen", "_series", "_unlisted", "family", "get", "rows")

    def __init__(self, family: Family, *, endpoints: int, series: int) -> None:
        self.family = family
        self.rows: dict[Texts, Any] = {}
        """What was counted, by label set: a `Durations`, or a list of one number."""
        self._known: dict[Key, Any] = {}
        """The same by what was to be written: several may come to one text."""
        self.get = self._known.get
        self._series = series
        self._room = max(1, series - max(2, series // 10))
        self._crowd = endpoints if family.few else series
        self._unlisted = tuple(label in family.unlisted for label in family.labels)
        self._seen: dict[Texts, set[Texts]] = {}
        """Which values of unlisted labels there are, by those of the listed ones that stand before them."""

    def row(self, key: Key) -> Any:
        """What is counted in for these labels, or for those that stand in for them."""
        row = self.get(key)
        if row is not None:
            return row
        own = texts = tuple(map(written, key))
        row = self.rows.get(texts)
        if row is None:
            if len(self.rows) >= self._room or self._crowded(texts):
                texts = tuple(OTHER if unlisted else text for text, unlisted in zip(texts, self._unlisted, strict=True))
                if texts not in self.rows and len(self.rows) >= self._series - 1:
                    return self.rest()
            row = self._row(texts)
        if texts == own and len(self._known) < 2 * self._series:
            self._known[key] = row
        return row

    def rest(self) -> Any:
        """What is counted in for labels that there is no room for, or that cannot be written."""
        return self._row((OTHER,) * len(self.family.labels))

    def _row(self, texts: Texts) -> Any:
        row = self.rows.get(texts)
        if row is None:
            row = self.rows[texts] = Durations() if self.family.kind == "histogram" else [0]
        return row

    def _crowded(self, texts: Texts) -> bool:
        """Whether it names one more endpoint than there may be."""
        if True not in self._unlisted:
            return False
        among = texts[: self._unlisted.index(True)]
        named = tuple(text for text, unlisted in zip(texts, self._unlisted, strict=True) if unlisted)
        seen = self._seen.setdefault(among, set())
        if named not in seen:
            if len(seen) >= self._crowd:
                return True
            seen.add(named)
        return False


class Ways:
    """What a usual call of one pipeline is counted in, by the way that it took: found once for all of its metrics."""

    __slots__ = ("_attempts", "_calls", "_known", "_label", "_routes", "get")

    def __init__(self, label: str, attempts: Table, calls: Table, routes: Table) -> None:
        self._label = label
        self._attempts, self._calls, self._routes = attempts, calls, routes
        self._known: dict[Key, tuple[Any, ...]] = {}
        """The endpoint, which is held here so that its identity is of no other, and the rows."""
        self.get = self._known.get

    def rows(self, way: Key, endpoint: Any) -> tuple[Any, ...]:
        """Those of a way that is new here: the identity of the endpoint, the cluster, the route, the branch."""
        _, cluster, route, branch = way
        label = self._label
        try:
            name = None if endpoint is None else str(endpoint)
            attempts = self._attempts.row((label, cluster, name, SUCCESS))
        except Exception as error:
            survive(error)
            attempts = self._attempts.rest()
        calls = self._calls.row((label, SUCCESS))
        routes = self._routes.row((label, route, branch, SUCCESS)) if route or branch else None
        if len(self._known) >= MOST:
            self._known.clear()
        rows = self._known[way] = endpoint, attempts, calls, routes
        return rows


class Tally:
    """The label sets of several metrics, and what is not counted in yet.

    Who has something to count appends it, which no other thread can strike into, and every `MANY` of them one thread
    counts them in, under the lock. So a call pays for neither. Whoever reads counts first: nothing is late. And it
    takes the lock for each label set anew: no call waits for a scrape.
    """

    __slots__ = ("lock", "pending", "tables")

    def __init__(self, families: Mapping[str, Family], *, endpoints: int, series: int) -> None:
        self.tables = {name: Table(family, endpoints=endpoints, series=series) for name, family in families.items()}
        self.pending: deque[tuple[Any, Key, Any, Any]] = deque()
        """The metric (`Table`), the labels; of a histogram the seconds, and an exemplar: its labels, and when it was.
        Or, of a usual call, `Ways`, the way, the seconds, and the endpoint."""
        self.lock: Any = guard()
        """What strikes between two instructions, a signal or a ``__del__``, may count as well."""

    def settle(self) -> None:
        """Count in what is pending."""
        pending = self.pending
        take = pending.popleft
        with self.lock:
            for _ in range(len(pending)):
                try:
                    table, key, seconds, exemplar = take()
                except IndexError:  # counted in by what struck in between
                    return
                if table.__class__ is Ways:
                    _, attempts, calls, routes = table.get(key) or table.rows(key, exemplar)
                    attempts[0] += 1
                    bucket = bisect_left(ENDS, seconds)
                    calls.counts[bucket] += 1
                    calls.sum += seconds
                    if routes is not None:
                        routes.counts[bucket] += 1
                        routes.sum += seconds
                    continue
                try:
                    row = table.get(key)
                    if row is None:
                        row = table.row(key)
                except Exception as error:  # of a label whose text cannot be had
                    survive(error)
                    row = table.rest()
                if seconds is None:
                    row[0] += 1
                else:
                    bucket = bisect_left(ENDS, seconds)
                    row.counts[bucket] += 1  # as `Histogram.add`, for half of its price
                    row.sum += seconds
                    if exemplar is not None:
                        row.exemplars[bisect_left(BOUNDS, seconds)] = exemplar[0], seconds, exemplar[1]

    def read(self, table: Table) -> Iterator[tuple[Texts, Any]]:
        """The label sets of a metric, and what was counted in for each."""
        lock = self.lock
        for texts, row in table.rows.copy().items():  # a copy is made at once, whoever strikes
            with lock:
                now = row.copy()
            yield texts, now


def exemplified(labels: Mapping[Any, Any] | None) -> dict[str, str] | None:
    """The labels of an exemplar, if there are any, they are short enough, and their names can be written."""
    if not labels:
        return None
    texts = {str(name): written(text) for name, text in labels.items()}
    length = sum(map(len, texts)) + sum(map(len, texts.values()))
    return texts if length <= LONGEST and all(map(NAME.fullmatch, texts)) else None


def written(value: Any) -> str:
    """As a label has it: ``None`` is empty, and there is nothing in it that UTF-8 has no form for."""
    if value is None:
        return ""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def once(*steps: Callable[[], Any]) -> Callable[[], None]:
    """A function that does these, the first time it is called."""
    left = deque(steps)

    def stop() -> None:
        while left:
            try:
                step = left.popleft()
            except IndexError:  # another thread stops it as well
                return
            step()

    return stop
