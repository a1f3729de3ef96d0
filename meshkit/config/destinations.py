"""Where does a route lead, as a file says it? A cluster by its name, another destination by its word, shares of some.

==========================================  ======================================================================
``to: orders``                              a cluster, by its name
``to: passthrough``                         where the request was going anyway
``to: {redirect: {scheme: https}}``         another destination, by its word
``to: {split: {orders: 90, canary: 10}}``   shares by the names of clusters; or ``branches``, each with all it may have
==========================================  ======================================================================
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

from ..cluster import Cluster
from ..route.answer import Redirect, Respond
from ..route.branch import Branch
from ..route.split import Split
from ..shared import bare
from .kinds.choice import Choice
from .kinds.classes import Class
from .kinds.kind import Definitions, Kind, Schema, unwritable
from .located import WRONG, Located
from .mistakes import Mistakes, quoted, shown
from .names import Names

__all__ = ["PASS", "ClusterName", "Copies", "Destination", "Instead", "Shares"]

PASS = "passthrough"  # noqa: S105

ONWARDS = {"direct", "none", "origin", "pass", "proxy", "upstream"}
"""Words with which it may be meant."""

_PORTED = re.compile(r":[0-9]+$")


class ClusterName(Kind):
    """A cluster, by its name."""

    expects = "the name of a cluster"
    shapes: tuple[type, ...] = (str,)

    def __init__(self, names: Names) -> None:
        self.names = names

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not str:
            return self.wrong(node, mistakes)
        if "://" in value or _PORTED.search(value) is not None:
            fix = "write the name of a cluster: servers stand under clusters:, in its endpoints:"
            mistakes.note(node, f"{quoted(value)} is an address", fix)
            return WRONG
        return self.names.cluster(node, mistakes)

    def suits(self, value: Any) -> bool:
        return isinstance(bare(value), Cluster)

    def write(self, value: Any) -> Any:
        return bare(value).name

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "description": "The name of a cluster; of another namespace, namespace/name."}


class Instead(ClusterName):
    """A cluster by its name where a policy, by one of these ``words``, or something to import may stand as well."""

    def __init__(self, names: Names, words: Collection[str]) -> None:
        super().__init__(names)
        self.words = words

    def fits(self, node: Located) -> bool:
        value = node.value
        if value.__class__ is not str or value in self.words or ":" in value:
            return False
        return "." not in value or self.names.has("cluster", value)


class Destination(Kind):
    """Where a route leads."""

    expects = "the name of a cluster, or a destination such as redirect"
    shapes: tuple[type, ...] = (str, dict)
    choice: Choice

    def __init__(self, cluster: ClusterName) -> None:
        self.cluster = cluster

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value == PASS:
            return None
        if value.__class__ is str:
            if value in self.choice.members and not self.cluster.names.has("cluster", value):
                return self.choice.members[value].bare(node, mistakes, value)
            if value in ONWARDS and not self.cluster.names.has("cluster", value):
                mistakes.note(node, f"there is no cluster {quoted(value)}", f"write {PASS} for where it was going")
                return WRONG
            return self.cluster.read(node, mistakes)
        if value.__class__ is not dict:
            listed = value.__class__ is list and value
            return self.wrong(node, mistakes, _split(map(_share, value)) if listed else "")
        if value and all(self.cluster.names.has("cluster", name) for name in value):
            shares = ((Located(name), each.written or "1") for name, each in value.items())
            mistakes.note(node, "shares of clusters stand in a split", _split(shares))
            return WRONG
        return self.choice.read(node, mistakes)

    def suits(self, value: Any) -> bool:
        return value is None or self.cluster.suits(value) or self.choice.suits(value)

    def write(self, value: Any) -> Any:
        if value is None:
            return PASS
        if self.cluster.suits(value):
            return self.cluster.write(value)
        if not self.choice.suits(value):
            raise unwritable(value, "a file has clusters and destinations; policies stand in the route")
        return self.choice.write(value)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [self.cluster.schema(definitions), self.choice.schema(definitions)]}


class Copies(Kind):
    """Where copies go."""

    expects = "the name of a cluster"
    shapes: tuple[type, ...] = (str, dict)

    def __init__(self, to: Destination) -> None:
        self.to = to

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        found = self.to.read(node, mistakes)
        if found is None or isinstance(found, Redirect | Respond):
            mistakes.note(node, "copies go to a cluster: nobody reads their answers", "write the name of one")
            return WRONG
        return found

    def suits(self, value: Any) -> bool:
        return value is not None and self.to.suits(value)

    def write(self, value: Any) -> Any:
        return self.to.write(value)

    def fits(self, node: Located) -> bool:
        return self.to.fits(node)

    def schema(self, definitions: Definitions) -> Schema:
        return self.to.schema(definitions)


class Shares(Kind):
    """A `Split`, which may be written as shares by the names of clusters."""

    shapes: tuple[type, ...] = (dict, list)
    classes: tuple[type, ...] = (Split,)

    def __init__(self, inner: Class, cluster: ClusterName, weight: Kind) -> None:
        self.inner = inner
        self.cluster = cluster
        self.weight = weight
        self.expects = "branches, or the weights of clusters by their names"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value == {}:
            mistakes.note(
                node, "there is nothing in it", "write clusters and their weights, {orders: 90, orders-v2: 10}"
            )
            return WRONG
        shares = _listed(value, self.cluster.names)
        if shares:
            mistakes.note(node, "shares are a mapping", f"write {{{shares}}}")
            return WRONG
        if value.__class__ is not dict or any(name in self.inner.options for name in value):
            found = self.inner.read(node, mistakes)
        else:
            found = self._by_name(node, mistakes)
        if found is not WRONG and not any(branch.weight for branch in found.branches):
            mistakes.note(node, "all weights are 0: every call would be refused", "give one of them more")
            return WRONG
        return found

    def _by_name(self, node: Located, mistakes: Mistakes) -> Any:
        names = self.cluster.names
        branches = []
        sound = True
        for name, each in node.value.items():
            if each.value.__class__ is dict and "weight" in each.value:
                sound = False
                self.weight.wrong(each, mistakes, f"write {name}: {each.value['weight'].written}")
                continue
            weight = self.weight.read(each, mistakes)
            cluster = WRONG if weight is WRONG else names.cluster(node, mistakes, name)
            if cluster is WRONG:
                sound = False
            else:
                branches.append(Branch(cluster, weight))
        return Split(branches=tuple(branches)) if sound else WRONG

    def bare(self, node: Located, mistakes: Mistakes, word: str) -> Any:
        return self.inner.bare(node, mistakes, word)

    def write(self, value: Any) -> Any:
        told = self.inner.write(value)
        plain = value == Split(branches=value.branches) and all(
            self.cluster.suits(branch.to) and branch == Branch(branch.to, branch.weight) for branch in value.branches
        )
        if plain and len({str(branch) for branch in value.branches}) == len(value.branches):
            return {bare(branch.to).name: branch.weight for branch in value.branches}
        return told

    def schema(self, definitions: Definitions) -> Schema:
        weights = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0}, "minProperties": 1}
        return {"anyOf": [self.inner.schema(definitions), weights]}


def _split(clusters: Iterable[tuple[Located, str]]) -> str:
    told = [
        f"{shown(each.value, 20)}: {shown(weight, 9).rstrip('%')}"
        for each, weight in clusters
        if isinstance(each.value, str)
    ]
    return f"write to: {{split: {{{', '.join(told)}}}}}" if told else ""


def _share(item: Located) -> tuple[Located, str]:
    """What may be meant by an item of a list: a cluster and its weight."""
    value: Any = item.value
    if not isinstance(value, dict):
        return item, "1"
    name = next((value[word] for word in ("to", "cluster", "name", "service", "backend") if word in value), item)
    return name, (value["weight"].written if "weight" in value else None) or "1"


def _listed(value: Any, names: Names) -> str:
    """Shares that are written as a list of clusters, each with its weight: ``[orders: 90, canary: 10]``."""
    items = [each.value for each in value] if value.__class__ is list else []
    one = [next(iter(each.items())) for each in items if each.__class__ is dict and len(each) == 1]
    if not one or len(one) < len(items) or not all(names.has("cluster", name) for name, _ in one):
        return ""
    return shown(", ".join(f"{name}: {each.written or 1}" for name, each in one))
