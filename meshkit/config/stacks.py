"""Which policies are odd where they come together? On each way from a node, or a listener, to where somebody is asked.

What is odd about an order is `meshkit.order`'s business. Here each way is put together as it will be: the policies of
the node or listener, those of the route, those of a branch, those of the cluster. What several ways have in common is
said once, where that policy stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..cluster import Cluster
from ..order import Oddity, oddities, paths
from ..retry import Retry
from ..route.local import App, Function
from ..shared import bare
from ..timeout import Timeout
from .assembly import host_of
from .findings import NOTE, WARNING
from .located import Located
from .reach import Part
from .view import View

__all__ = ["stacks"]

FIXES = {
    "fault-injection": "leave it out once it has told what you wanted to know",
    "nobody-is-found-down": "give the cluster checks or outliers",
    "retry-without-budget": "leave budget out: there is one by default",
    "retry-without-timeout": "put a timeout below it, for each attempt, or above it, for the whole call",
    "timeout-never-strikes": "make it shorter than the one outside it",
    "two-retries": "keep one of them",
}
"""What to do in a file, where `meshkit.order` does not say it."""
NOTES = {"retry-without-deadline"}
"""What may well be meant."""
ALONE = {"fault-injection", "nobody-is-found-down", "retry-without-budget", "too-few-ejected"}
"""What is odd by itself, whatever else stands on the way."""


def stacks(view: View) -> None:
    """Notes what is odd about the ways of a mesh."""
    seen = _Seen(view)
    led: set[int] = set()
    for number, route in enumerate(view.spec.routes):
        each = [*paths(route.specs)]
        led.update(id(spec) for _, path in each for spec in path if isinstance(spec, Cluster))
        owner = _Owner(f"route {route}", view.route(number))
        for parts in _alike(view.reach.of(route)):
            for where, path in each:
                seen.look(owner, parts, where, path)
    for cluster in map(bare, view.spec.clusters):
        if id(cluster) not in led:
            owner = _Owner(f"cluster {cluster.name}", *view.cluster(cluster))
            for parts in _alike(view.reach.naming(host_of(cluster))):
                for where, path in paths((cluster,)):
                    seen.look(owner, parts, where, path)
    for told in seen.told.values():
        told.note(view)


def _alike(parts: Iterable[Part]) -> list[list[Part]]:
    """The ways in, together with those that have the same policies."""
    by: dict[tuple[int, ...], list[Part]] = {}
    for part in parts:
        by.setdefault((part.outgoing, *map(id, part.policies)), []).append(part)
    return [*by.values()]


class _Owner(NamedTuple):
    """The route or the cluster whose ways are looked at, and where it stands."""

    name: str
    node: Located
    key: str | None = None


class _Told:
    """One thing that is odd, where, and on the ways of how many."""

    __slots__ = ("key", "node", "oddity", "owners", "where")

    def __init__(self, oddity: Oddity, where: str, node: Located, key: str | None) -> None:
        self.oddity = oddity
        self.where = where
        """The way on which it was met first."""
        self.node = node
        self.key = key
        self.owners: set[str] = set()
        """The routes, and what else has such ways."""

    def note(self, view: View) -> None:
        oddity = self.oddity
        more = f", and {len(self.owners) - 1} more" if self.where and len(self.owners) > 1 else ""
        text = f"{oddity.text} ({self.where}{more})" if self.where else oddity.text
        level = NOTE if oddity.word in NOTES else WARNING
        fix = oddity.fix or FIXES.get(oddity.word, "")
        view.findings.note(oddity.word, self.node, text, fix, level=level, key=self.key)


class _Seen:
    """What was met so far: by its word, and where it stands."""

    __slots__ = ("_clusters", "_view", "told")

    def __init__(self, view: View) -> None:
        self.told: dict[tuple[str, int, str | None], _Told] = {}
        self._view = view
        self._clusters: dict[int, list[Oddity]] = {}

    def look(self, owner: _Owner, parts: list[Part], where: str, path: list[Any]) -> None:
        """At one way. ``where``: by which branches of a split; ``path``: what stands on it, behind the ``parts``."""
        for oddity in _odd(parts[0], path, self._clusters):
            node, key = self._place(oddity.spec) or (owner.node, owner.key)
            known = self.told.get((oddity.word, id(node), key))
            if known is None:
                known = _Told(oddity, self._way(oddity, owner, parts[0], node, where), node, key)
                self.told[oddity.word, id(node), key] = known
            known.owners.add(owner.name if node is not owner.node else where)

    def _way(self, oddity: Oddity, owner: _Owner, part: Part, node: Located, where: str) -> str:
        if oddity.word in ALONE:
            return ""
        own = where if node is owner.node else owner.name
        return ", ".join(filter(None, [part.name if part.policies or node is owner.node else "", own]))

    def _place(self, spec: Any) -> tuple[Located, str | None] | None:
        """Where it stands of whom something is said, if that is no route."""
        if isinstance(spec, Cluster):
            return self._view.cluster(spec)
        node = self._view.policy(spec)
        return None if node is None else (node, None)


def _odd(part: Part, path: list[Any], clusters: dict[int, list[Oddity]]) -> Iterator[Oddity]:
    whole = [*part.policies, *path]
    yield from oddities(whole, clusters)
    retries = [k for k, spec in enumerate(whole) if isinstance(spec, Retry)]
    timeouts = [k for k, spec in enumerate(whole) if isinstance(spec, Timeout)]
    if timeouts and retries and retries[0] < timeouts[0] and whole[retries[0]].attempts > 1:
        text = "no timeout outside the retry: each attempt is bounded, and the call as a whole only by their number"
        yield Oddity("retry-without-deadline", whole[retries[0]], text, "put a timeout above it, for the whole call")
    asks = any(isinstance(spec, Cluster) for spec in path)
    if not path or not (asks or isinstance(path[-1], App | Function)):
        asks = part.outgoing  # to where the request was going; behind a listener that is the app itself
    if asks and not timeouts and not retries:
        text = "no timeout: a call that hangs is never given up"
        yield Oddity("no-timeout", None, text, "add timeout: 5s to the policies, or what the callers would wait for")
