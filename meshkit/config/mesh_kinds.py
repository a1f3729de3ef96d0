"""How are the parts of a mesh written? Routes, what they lead to, what they do, and what is only named.

==========================================  ======================================================================
a route                                     `leading`; where it leads, `destinations`
an endpoint                                 `servers`
hosts, paths, methods, networks             `kinds.requests`
``policies: [careful, timeout: 2s]``        policies, and stacks of them by their names
==========================================  ======================================================================
"""

from __future__ import annotations

from typing import Any

from ..cluster import Cluster, Endpoint
from ..fallback import Fallback
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
from ..route.path import Paths
from ..route.rewrite import Rewrite
from ..route.rollout import Rollout
from ..route.route import Route
from ..route.split import Split
from ..route.value import Value
from ..route.websocket import WebSocket
from ..shared import bare
from .destinations import PASS, ClusterName, Copies, Destination, Instead, Shares
from .kinds import references
from .kinds.choice import Choice
from .kinds.kind import Definitions, Kind, Schema
from .kinds.numbers import Ratio
from .kinds.requests import Address, Host, Method, Network, Path, Values
from .kinds.several import Either, OrNone, Several, Table
from .kinds.texts import Text
from .leading import Leading
from .located import WRONG, Located
from .meant import near
from .mistakes import Mistakes
from .names import Names
from .servers import Server
from .spec import Listener, Node
from .typed import Kinds

__all__ = ["PASS", "add_to"]

ACTIONS = (
    Bandwidth, Buffer, Compress, Cors, Mirror, Pages, RequestHeaders, ResponseHeaders, Rewrite, WebSocket,
)  # fmt: skip


def add_to(kinds: Kinds, names: Names) -> None:
    """Add the kinds of a mesh's parts, whose names are ``names``."""
    cluster = ClusterName(names)
    to = Destination(cluster)
    stack = Stack(kinds.one_of("policy"), names)
    values = Values(kinds.of(str | bool | Value))
    branch = Either(cluster, kinds.of(Branch))
    actions = Several(kinds.group("action", *ACTIONS))
    server = Server(kinds.named(Endpoint, "").inner, kinds.one_of("source"), kinds.one_of("policy"), names)
    page = Either(Text(lines=True), kinds.of(App), references.Function(allowed=kinds.imports, explicit=True))
    options: dict[tuple[type, str], Kind] = {
        (App, "app"): references.Function(allowed=kinds.imports),
        (Branch, "actions"): actions,
        (Branch, "to"): to,
        (Canary, "canary"): branch,
        (Canary, "main"): branch,
        (Cluster, "endpoints"): Several(server),
        (Cluster, "pipeline"): stack,
        (Fallback, "instead"): _instead(kinds, names),
        (Listener, "address"): Address(),
        (Listener, "hosts"): Several(Host()),
        (Listener, "policies"): stack,
        (Match, "cookies"): values,
        (Match, "headers"): values,
        (Match, "host"): Several(Host(beside=True)),
        (Match, "method"): Several(Method()),
        (Match, "query"): values,
        (Match, "source"): Several(Network()),
        (Mirror, "to"): Copies(to),
        (Node, "calls"): OrNone(Several(Host())),
        (Node, "policies"): stack,
        (Node, "serves"): stack,
        (Pages, "pages"): Statuses(page),
        (Rollout, "canary"): branch,
        (Rollout, "main"): branch,
        (Rollout, "steps"): Several(Ratio(zero=False), single=False),
        (Route, "actions"): actions,
        (Route, "match"): Matches(kinds.of(Match)),
        (Route, "policies"): stack,
        (Route, "to"): to,
        (Split, "branches"): Several(kinds.of(Branch)),
    }

    def form() -> Paths:
        return names.paths

    for each in (Match, Redirect, Rewrite):
        options[each, "path"] = OrNone(Path(form=form))
        options[each, "prefix"] = OrNone(Path(prefix=True, empty=each is not Match, form=form))
    for name in ("path_separated_prefix", "starts"):
        options[Match, name] = OrNone(Path(prefix=True, form=form))
    for (spec, name), kind in options.items():
        kinds.option(spec, name, kind)
    kinds.register(Route, Leading(kinds.named(Route, "").inner, kinds, names))
    kinds.register(Split, Shares(kinds.named(Split, "").inner, cluster, kinds.option_of(Branch, "weight")))
    to.choice = kinds.group("destination", App, Canary, Function, Redirect, Respond, Rollout, Split, bare=False)


def _instead(kinds: Kinds, names: Names) -> Kind:
    step = kinds.one_of("step")
    cluster = Instead(names, step.members)
    several = Several(Either(cluster, step), single=False)
    return Either(cluster, step, several, references.Function(allowed=kinds.imports))


class Statuses(Table):
    """Pages, each by its status."""

    def __init__(self, inner: Kind) -> None:
        super().__init__(inner)
        self.expects = "pages by status, such as {404: not found, 5xx: try again later}"

    def offers(self, word: str) -> bool:
        return word[:1].isdigit()


class Matches(Several):
    """The matches of a route, of which one must hold."""

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        if node.value == []:
            mistakes.note(node, "there is no match in it", "leave match: out, if the route is for any request")
            return WRONG
        return super().read(node, mistakes)


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
            word = next(iter(each.value)) if each.value.__class__ is dict and len(each.value) == 1 else None
            if word is not None and word not in self.policy.members and self.names.has("policies", word):
                mistakes.note(
                    each, f"{word} is a stack of policies, and has no options", f"write {word} alone", key=word
                )
                sound = False
                continue
            if each.value.__class__ is str and self._is_name(each.value):
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
        if word in self.names.space.misnamed:
            return True
        if word in self.policy.members:
            return False
        if self.names.has("policies", word) or "/" in word:
            return True
        known = self.names.known("policies")
        return near(word, self.policy.members) is None and near(word, known) is not None

    def suits(self, value: Any) -> bool:
        return isinstance(value, tuple)

    def write(self, value: Any) -> Any:
        return [self.policy.write(bare(each)) for each in value]

    def schema(self, definitions: Definitions) -> Schema:
        one = {"anyOf": [self.policy.schema(definitions), {"type": "string"}]}
        return {"anyOf": [{"type": "array", "items": one}, one]}
