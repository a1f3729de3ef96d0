"""How are the parts of a mesh written? Routes, what they lead to, what they do, and what is only named.

==========================================  ======================================================================
``to: orders``                              a cluster, by its name
``to: passthrough``                         where the request was going anyway
``to: {redirect: {scheme: https}}``         another destination, by its word
``to: {split: {orders: 90, canary: 10}}``   shares by the names of clusters; or ``branches``, each with all it may have
``policies: [careful, timeout: 2s]``        policies, and stacks of them by their names
==========================================  ======================================================================
"""

from __future__ import annotations

from typing import Any

from ..cluster import Cluster
from ..errors import ConfigError
from ..route.answer import Redirect, Respond
from ..route.bandwidth import Bandwidth
from ..route.branch import Branch
from ..route.buffer import Buffer
from ..route.canary import Canary
from ..route.compress import Compress
from ..route.cors import Cors
from ..route.edit import RequestHeaders, ResponseHeaders
from ..route.local import App, Function
from ..route.match import Match
from ..route.mirror import Mirror
from ..route.pages import Pages
from ..route.rewrite import Rewrite
from ..route.rollout import Rollout
from ..route.route import Route
from ..route.split import Split
from ..route.value import Value
from ..shared import bare
from .kinds.choice import Choice
from .kinds.classes import Class
from .kinds.kind import Definitions, Kind, Schema, unwritable
from .kinds.numbers import Ratio
from .kinds.several import Either, Several, Table
from .located import BROKEN, MERGE, WRONG, Located
from .meant import near
from .mistakes import Mistakes
from .names import Names
from .spec import Listener, Node
from .typed import Kinds

__all__ = ["PASS", "add_to"]

PASS = "passthrough"  # noqa: S105
ACTIONS = (
    Bandwidth, Buffer, Compress, Cors, Mirror, Pages, RequestHeaders, ResponseHeaders, Rewrite,
)  # fmt: skip


def add_to(kinds: Kinds, names: Names) -> None:
    """Add the kinds of a mesh's parts, whose names are ``names``."""
    cluster = ClusterName(names)
    to = Destination(cluster)
    stack = Stack(kinds.one_of("policy"), names)
    values = Table(kinds.of(str | bool | Value))
    branch = Either(cluster, kinds.of(Branch))
    actions = Several(kinds.group("action", *ACTIONS))
    options: dict[tuple[type, str], Kind] = {
        (Branch, "actions"): actions,
        (Branch, "to"): to,
        (Canary, "canary"): branch,
        (Canary, "main"): branch,
        (Cluster, "pipeline"): stack,
        (Listener, "policies"): stack,
        (Match, "cookies"): values,
        (Match, "headers"): values,
        (Match, "query"): values,
        (Mirror, "to"): to,
        (Node, "policies"): stack,
        (Node, "serves"): stack,
        (Rollout, "canary"): branch,
        (Rollout, "main"): branch,
        (Rollout, "steps"): Several(Ratio(zero=False), single=False),
        (Route, "actions"): actions,
        (Route, "match"): Several(kinds.of(Match)),
        (Route, "policies"): stack,
        (Route, "to"): to,
        (Split, "branches"): Several(kinds.of(Branch)),
    }
    for (spec, name), kind in options.items():
        kinds.option(spec, name, kind)
    kinds.register(Route, Leading(kinds.named(Route, "").inner))
    kinds.register(Split, Shares(kinds.named(Split, "").inner, cluster))
    to.choice = kinds.group("destination", App, Canary, Function, Redirect, Respond, Rollout, Split, bare=False)


class ClusterName(Kind):
    """A cluster, by its name."""

    expects = "the name of a cluster"
    shapes: tuple[type, ...] = (str,)

    def __init__(self, names: Names) -> None:
        self.names = names

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        if node.value.__class__ is not str:
            return self.wrong(node, mistakes)
        return self.names.cluster(node, mistakes)

    def suits(self, value: Any) -> bool:
        return isinstance(bare(value), Cluster)

    def write(self, value: Any) -> Any:
        return bare(value).name

    def schema(self, definitions: Definitions) -> Schema:
        return {"type": "string", "description": "The name of a cluster; of another namespace, namespace/name."}


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
            if value in self.choice.members and value not in self.cluster.names.known("cluster"):
                return self.choice.members[value].bare(node, mistakes, value)
            return self.cluster.read(node, mistakes)
        if value.__class__ is not dict:
            return self.wrong(node, mistakes)
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


class Leading(Kind):
    """A route, which leads somewhere."""

    expects = "a route, a mapping with match and to"
    shapes: tuple[type, ...] = (dict,)
    classes: tuple[type, ...] = (Route,)

    def __init__(self, inner: Class) -> None:
        self.inner = inner

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not dict:
            return self.wrong(node, mistakes)
        if "to" not in value and MERGE not in value:
            fix = f"add to: and the name of a cluster, a destination such as redirect, or {PASS}"
            mistakes.note(node, "the route leads nowhere", fix)
        return self.inner.read(node, mistakes)

    def write(self, value: Any) -> Any:
        told = self.inner.write(value)
        named = told if isinstance(told, dict) else {"match": told}
        return {**named, "to": self.inner.options["to"].kind.write(value.to)}

    def schema(self, definitions: Definitions) -> Schema:
        return definitions.named("route", lambda: self._drawn(definitions))

    def _drawn(self, definitions: Definitions) -> Schema:
        drawn = self.inner.schema(definitions)
        whole = drawn.pop("anyOf")[0]  # the other one is a match alone
        return {**drawn, **whole, "required": ["to"]}


class Shares(Kind):
    """A `Split`, which may be written as shares by the names of clusters."""

    shapes: tuple[type, ...] = (dict, list)
    classes: tuple[type, ...] = (Split,)

    def __init__(self, inner: Class, cluster: ClusterName) -> None:
        self.inner = inner
        self.cluster = cluster
        self.expects = "branches, or the weights of clusters by their names"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = node.value
        if value.__class__ is not dict or not value or any(name in self.inner.options for name in value):
            return self.inner.read(node, mistakes)
        branches = []
        sound = True
        for name, weight in value.items():
            if weight.value is BROKEN or not isinstance(weight.value, int | float) or isinstance(weight.value, bool):
                sound = False
                mistakes.wrong(weight, "a weight such as 90")
                continue
            cluster = self.cluster.names.cluster(node, mistakes, name)
            if cluster is WRONG:
                sound = False
                continue
            try:
                branches.append(Branch(cluster, weight.value))
            except ConfigError as error:
                sound = False
                mistakes.note(weight, f"{mistakes.described(weight)} cannot stand here", error.fix)
        try:
            return Split(branches=tuple(branches)) if sound else WRONG
        except ConfigError as error:
            mistakes.note(node, str(error).removeprefix("Split: "))
            return WRONG

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


class Stack(Kind):
    """Policies in order, outermost first; a name that is no policy's stands for a stack of them."""

    expects = "a list of policies"
    shapes: tuple[type, ...] = (list, str, dict)

    def __init__(self, policy: Choice, names: Names) -> None:
        self.policy = policy
        self.names = names

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        found: list[Any] = []
        sound = True
        for each in node.value if node.value.__class__ is list else [node]:
            if each.value.__class__ is str and each.value not in self.policy.members and self._is_name(each.value):
                stack = self.names.policies(each, mistakes)
                if stack is WRONG:
                    sound = False
                else:
                    found += stack
                continue
            policy = self.policy.read(each, mistakes)
            if policy is WRONG:
                sound = False
            else:
                found.append(policy)
                self.names.places[id(policy)] = each
        return tuple(found) if sound else WRONG

    def _is_name(self, word: str) -> bool:
        """Whether it is likelier to be meant as a name than as a policy."""
        known = self.names.known("policies")
        if word in known or "/" in word or word in self.names.space.misnamed:
            return True
        return near(word, self.policy.members) is None and near(word, known) is not None

    def suits(self, value: Any) -> bool:
        return isinstance(value, tuple)

    def write(self, value: Any) -> Any:
        return [self.policy.write(bare(each)) for each in value]

    def schema(self, definitions: Definitions) -> Schema:
        one = {"anyOf": [self.policy.schema(definitions), {"type": "string"}]}
        return {"anyOf": [{"type": "array", "items": one}, one]}
