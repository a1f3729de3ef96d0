"""How do the policies stand right now? What the snapshots of all pipelines say, sorted by what it is.

==============================================  ===================================================================
in a snapshot (`meshkit.inside`)                here
==============================================  ===================================================================
endpoints by name, each with ``up``, ``picks``  a cluster; the same one in several pipelines is shown once
ways by name, each with ``to``                  a router; with a ``share`` each, a split; with a ``state``, a rollout
anything else                                   a policy: of the pipeline, of a route, of an endpoint
==============================================  ===================================================================

An endpoint is, the worst first: ``down`` (its checks say so, or the source), ``ejected`` (outlier detection), ``open``
(a breaker, also by hand), ``probing`` (half-open), else ``up``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...observe.redact import scalar, text

__all__ = ["CONDITIONS", "Standing"]

CONDITIONS = ("down", "ejected", "open", "probing", "up")
STATES = {"ejected": "ejected", "open": "open", "half-open": "probing", "isolated": "open"}
WHOLE = " as a whole"
NUMBERED = re.compile(r" [0-9]+\Z")
"""What tells two of one name apart."""
DEEP = 3
MOST = 2000
"""Rows of one kind."""


class Standing:
    """Of one `Mesh.snapshot`: plain data, fit for JSON."""

    def __init__(self, snapshot: Mapping[str, Mapping[str, Any]]) -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        """By name: its endpoints, each with its condition, and what is said of it as a whole."""
        self.splits: list[dict[str, Any]] = []
        self.policies: list[dict[str, Any]] = []
        """Of pipelines and routes."""
        self.routes: dict[tuple[str, str], str] = {}
        """Where each route leads, by pipeline and name."""
        self._ways: dict[tuple[str, str], list[str]] = {}
        """Where each split leads."""
        self._names: dict[tuple[str, str], str] = {}
        """Of clusters whose name something else has, too, and which are numbered in the snapshot."""
        for pipeline, picture in snapshot.items():
            for name, said in picture.items():
                self._sort(text(pipeline), name, said, picture)

    def ends(self, pipeline: str, route: str) -> list[str]:
        """Where a route leads in the end: clusters, or what answers."""
        found: list[str] = []
        left = [self.routes.get((pipeline, route), "")]
        for _ in range(MOST):
            if not left:
                break
            name = left.pop(0)
            ways = self._ways.get((pipeline, name))
            if ways is not None:
                left = [*ways, *left]
            elif name and self._names.get((pipeline, name), name) not in found:
                found.append(self._names.get((pipeline, name), name))
        return found

    def _sort(self, pipeline: str, name: str, said: Mapping[str, Any], picture: Mapping[str, Any]) -> None:
        if name.endswith(WHOLE) and name.removesuffix(WHOLE) in picture:
            return
        whole = picture.get(f"{name}{WHOLE}")
        if whole is not None or _all_have(said, "up", "picks"):
            plain = NUMBERED.sub("", name)
            if plain != name and f"{plain}{WHOLE}" not in picture:  # what else has that name is no cluster
                self._names[pipeline, text(name)] = plain
                name = plain
            if name not in self.clusters:
                self.clusters[name] = _cluster(said, whole or {})
            return
        ways = {title: way for title, way in said.items() if isinstance(way, Mapping) and "to" in way}
        if not ways:
            self._policy(pipeline, "", name, said)
        elif _all_have(ways, "share"):
            self._split(pipeline, name, said, ways)
        else:
            for title, way in ways.items():
                self.routes[pipeline, text(title)] = "" if way["to"] is None else text(way["to"])
                for each, numbers in way.items():
                    if isinstance(numbers, Mapping):
                        self._policy(pipeline, text(title), each, numbers)

    def _policy(self, pipeline: str, route: str, name: str, said: Mapping[str, Any]) -> None:
        if len(self.policies) < MOST:
            self.policies.append({"pipeline": pipeline, "route": route, "name": text(name), **_plain(said)})

    def _split(self, pipeline: str, name: str, said: Mapping[str, Any], ways: Mapping[str, Any]) -> None:
        if len(self.splits) >= MOST:
            return
        self._ways[pipeline, text(name)] = ["" if way["to"] is None else text(way["to"]) for way in ways.values()]
        own = {text(each): scalar(value) for each, value in said.items() if each not in ways}
        branches = [
            {"name": text(title), **{n: v for n, v in _plain(way)["numbers"].items() if n != "to"}}
            for title, way in ways.items()
        ]
        kind = "rollout" if "state" in own else "split"
        self.splits.append({"pipeline": pipeline, "name": text(name), "kind": kind, **own, "branches": branches})


def _all_have(those: Mapping[str, Any], *names: str) -> bool:
    return bool(those) and all(isinstance(each, Mapping) and all(n in each for n in names) for each in those.values())


def _cluster(endpoints: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    shown = {text(name): _endpoint(said) for name, said in endpoints.items()}
    return {"endpoints": shown, "whole": _plain(whole)["numbers"] | _nested(whole)}


def _nested(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Priorities that panic, what is ejected, and sources that are in trouble."""
    told: dict[str, Any] = {}
    priorities, outliers, sources = (whole.get(name) or {} for name in ("priorities", "outliers", "sources"))
    panics = [str(level) for level, said in priorities.items() if isinstance(said, Mapping) and said.get("panic")]
    if panics:
        told["panic"] = panics
    if outliers:
        told["outliers"] = _plain(outliers)["numbers"]
    trouble = sorted({text(why) for why in sources.values() if why is not None})
    if trouble:
        told["sources"] = trouble
    return told


def _endpoint(said: Mapping[str, Any]) -> dict[str, Any]:
    states = {name: inner["state"] for name, inner in said.items() if isinstance(inner, Mapping) and "state" in inner}
    found = {STATES.get(state, "up") for state in states.values() if isinstance(state, str)}
    if not said["up"] and "ejected" not in found:
        found.add("down")
    condition = next(each for each in CONDITIONS if each in {*found, "up"})
    notes = {text(name): scalar(state) for name, state in states.items() if STATES.get(str(state))}
    shown = {
        "state": condition,
        "well": bool(said.get("well", True)),
        "picks": scalar(said.get("picks")),
        "weight": scalar(said.get("weight")),
    }
    if "in_flight" in said:
        shown["in_flight"] = scalar(said["in_flight"])
    return {**shown, **({"notes": notes} if notes else {})}


def _plain(said: Mapping[str, Any], deep: int = DEEP) -> dict[str, Any]:
    """Numbers and words, and what is within (what stands instead, in a fallback)."""
    numbers = {text(name): scalar(value) for name, value in said.items() if not isinstance(value, Mapping | list)}
    inside = [{"name": text(name), **_plain(each, deep - 1)} for name, each in _within(said) if deep]
    return {"numbers": numbers, **({"inside": inside} if inside else {})}


def _within(said: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in said.items():
        if isinstance(value, Mapping):
            yield name, value
