"""What is there to be seen? All that the status page shows, as plain data, by section.

==============  =====================================================================================================
``mesh``        name, node, version, the versions it has had, what is wrong with its file, the other workers
``live``        under way, per second, errors and latencies of all calls of the last minute, what is under way for long
``routes``      the same for each route, and where it leads; the busiest ones first; of very many, those that fail
``clusters``    the same for each cluster and each of its endpoints, with how they stand
``graph``       who calls whom: listeners, routes, clusters, and what goes between them
``splits``      branches with their shares; rollouts with their step
``policies``    limits, budgets, breakers of pipelines and routes, with their numbers
``changes``     endpoints and breakers that went from one state to another, the newest first
``failures``    by kind, with the newest story of each
``config``      the loaded configuration, without secrets
==============  =====================================================================================================

Rates are per second, latencies milliseconds, shares 0 to 1, all of the last minute unless said. Numbers that only mean
something together are of one instant.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ...observe.redact import text
from .loaded import loaded, shown_line
from .series import SLOTS, Sum
from .standing import CONDITIONS, Standing
from .traffic import End, Traffic, Way

__all__ = ["FORM", "Picture"]

FORM = 1
"""Of the form: it grows, and what is in it keeps its meaning."""
ROUTES = 500
ENDPOINTS = 5000
"""That are shown, of all clusters."""
VERSIONS = 20
LINES = 20
"""Of what is wrong with the file."""

Row = dict[str, Any]


class Picture:
    """Of a mesh, and what came by."""

    def __init__(self, mesh: Any, traffic: Traffic, gateway: Any, siblings: list[dict[str, str]]) -> None:
        self._mesh = mesh
        self._traffic = traffic
        self._gateway = gateway
        self._siblings = siblings
        self._since = datetime.now(UTC)
        self._config: tuple[Any, Row] | None = None

    def taken(self) -> dict[str, Any]:
        """It as it is now: section by section."""
        standing = Standing(self._snapshot())
        ways = self._traffic.sums(lambda way: way)
        routes = _by(ways, lambda way: (way.pipeline, way.route))
        return {
            "mesh": self._whole(),
            "live": self._live(_by(ways, lambda way: "all").get("all")),
            "routes": self._routes(routes, standing),
            "clusters": self._clusters(self._traffic.ends(), standing),
            "graph": self._graph(routes, _by(ways, lambda way: way.cluster and (way.pipeline, way.route, way.cluster))),
            "splits": standing.splits,
            "policies": standing.policies,
            "changes": [*reversed([*self._traffic.changes])],
            "failures": self._traffic.failures.shown(),
            "config": self._loaded(),
        }

    def _snapshot(self) -> dict[str, Any]:
        """Of all pipelines, by the name that calls have of them; without that for outgoing calls where there are only
        incoming ones: whoever watches a mesh makes it.
        """
        mesh = self._mesh
        name = mesh.spec.name
        found = {}
        for kind, picture in mesh.snapshot().items():
            found[name if kind == "outgoing" else f"{name} {kind.removeprefix('listener ')}"] = picture
        if len(found) > 1 and not self._traffic.seen(name):
            found.pop(name, None)
        return found

    def _whole(self) -> Row:
        mesh, gateway = self._mesh, self._gateway
        trouble = mesh.trouble
        node = mesh.node
        versions = mesh.versions
        return {
            "name": text(mesh.spec.name),
            "node": None if node is None else text(node.name),
            "since": _written(self._since),
            "version": mesh.version,
            "versions": [
                {"number": each.number, "at": _written(each.at), "changes": [shown_line(one) for one in each.changes]}
                for each in reversed(versions[-VERSIONS:])
            ],
            "trouble": None if trouble is None else _told(trouble),
            "draining": bool(getattr(gateway, "draining", False)),
            "siblings": self._siblings,
        }

    def _live(self, total: Sum | None) -> Row:
        """``total``: of the same calls as those of the routes, so that these add up to it."""
        traffic = self._traffic
        gateway = self._gateway
        return {
            "under_way": traffic.under_way() if gateway is None else gateway.under_way,
            **(NOTHING if total is None else total.shown()),
            "failed": traffic.failures.total,
            "history": traffic.whole().history,
            "longest": traffic.longest(),
            **({} if gateway is None else {"connections": _connections(gateway)}),
        }

    def _routes(self, sums: dict[Any, Sum], standing: Standing) -> Row:
        rows = []
        for pipeline, route in {*sums, *standing.routes}:
            if not route and (pipeline, route) not in sums:
                continue
            total = sums.get((pipeline, route))
            row = {
                "pipeline": text(pipeline),
                "name": text(route),
                "to": standing.ends(pipeline, route),
                **_numbers(total),
            }
            rows.append(row)
        rows.sort(key=lambda row: (-row["calls"], row["pipeline"], row["name"]))
        shown = rows
        if len(rows) > ROUTES:  # what fails is not left out for what is well
            ill = [row for row in rows if row["error_share"] or row["rejected_share"]]
            shown = [*ill, *(row for row in rows if not (row["error_share"] or row["rejected_share"]))][:ROUTES]
        return {"rows": shown, "more": len(rows) - len(shown)}

    def _clusters(self, ends: dict[End, Sum], standing: Standing) -> list[Row]:
        by_cluster: dict[str, dict[str, Sum]] = {}
        for end, total in ends.items():
            by_cluster.setdefault(end.cluster, {})[end.endpoint] = total
        clusters, left = [], ENDPOINTS
        for name in sorted({*standing.clusters, *by_cluster}):
            known = standing.clusters.get(name, {"endpoints": {}, "whole": {}})
            calls = by_cluster.get(name, {})
            rows = [
                {"name": text(each), **known["endpoints"].get(each, {"state": "gone"}), **_numbers(calls.get(each))}
                for each in {**known["endpoints"], **calls}
                if each in known["endpoints"] or calls[each].calls
            ]
            rows.sort(key=_worst)
            whole = next(iter(calls.values())).none() if calls else None
            for total in calls.values():
                whole.join(total)  # type: ignore[union-attr]  # there is one for the first of them
            states = {state: sum(row["state"] == state for row in rows) for state in CONDITIONS}
            clusters.append(
                {
                    "name": text(name),
                    "states": {state: count for state, count in states.items() if count},
                    **_numbers(whole),
                    "in_flight": sum(row.get("in_flight") or 0 for row in rows),
                    "whole": known["whole"],
                    "endpoints": rows[:left],
                    "more": max(0, len(rows) - left),
                }
            )
            left = max(0, left - len(rows))
        return clusters

    def _graph(self, into: dict[Any, Sum], onto: dict[Any, Sum]) -> Row:
        """Edges with numbers: from listeners to routes, and from routes to clusters."""
        edges = [
            *(
                {"from": text(key[0]), "to": text(key[1]), "kind": "route", **_short(total)}
                for key, total in into.items()
            ),
            *(
                {"from": text(key[1]), "within": text(key[0]), "to": text(key[2]), "kind": "cluster", **_short(total)}
                for key, total in onto.items()
            ),
        ]
        edges.sort(key=lambda edge: (-edge["rate"], edge["kind"], edge["from"], edge["to"]))
        return {"edges": edges[: 2 * ROUTES], "more": max(0, len(edges) - 2 * ROUTES)}

    def _loaded(self) -> Row:
        spec = self._mesh.spec
        if self._config is None or self._config[0] is not spec:
            self._config = spec, loaded(spec)
        return self._config[1]


def _by(ways: dict[Way, Sum], of: Callable[[Way], Any]) -> dict[Any, Sum]:
    """What came by, added up by what ``of`` answers for its way; what is empty is left out."""
    found: dict[Any, Sum] = {}
    for way, total in ways.items():
        by = of(way)
        if by:
            found.setdefault(by, total.none()).join(total)
    return found


def _numbers(total: Sum | None) -> Row:
    if total is None:
        return {**NOTHING, "history": [[0] * SLOTS] * 2}
    return {**total.shown(), "history": total.history}


def _short(total: Sum) -> Row:
    shown = total.shown()
    return {name: shown[name] for name in ("rate", "error_share", "rejected_share", "p50", "p99")}


def _worst(row: Row) -> tuple[Any, ...]:
    state = row["state"]
    return (
        CONDITIONS.index(state) if state in CONDITIONS else len(CONDITIONS),
        -row["error_share"],
        -(row["p99"] or 0),
    )


def _connections(gateway: Any) -> Row:
    """To endpoints."""
    shown = gateway.pool.snapshot()
    return {"busy": shown["busy"], "idle": shown["idle"]}


def _told(trouble: Exception) -> list[str]:
    """What is wrong, line by line; without the lines of the file, which stand beside."""
    lines = [line for line in str(trouble).split("\n") if line.strip() and not line.startswith(" ")]
    return [shown_line(line) for line in lines[:LINES]] or [type(trouble).__name__]


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


NOTHING = Sum(0.0, 0.0).shown()
