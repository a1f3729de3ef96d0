"""How does one match of a route stand in the tables? Taken apart, with what orders it among the others."""

from __future__ import annotations

from typing import Any

from .match import Match
from .plan import Plan
from .regex import compile as compiled
from .rewrite import rewriter
from .value import Test

__all__ = ["Rule"]


class Rule:
    """A match of a route. ``checks`` are asked of the request in order, ``when`` last; the line of the request is the
    table's business.
    """

    __slots__ = (
        "checks",
        "literal",
        "match",
        "methods",
        "path",
        "plan",
        "port",
        "prefix",
        "rank",
        "regex",
        "rewriter",
        "route",
        "scheme",
        "section",
        "states",
        "title",
        "when",
    )

    def __init__(self, route: Any, match: Match, plan: Plan, states: list[Any], rewrite: Any) -> None:
        self.route = route
        self.match = match
        self.plan = plan
        self.states = states
        self.section: Any = None
        self.title = ""
        """What its route is called."""
        self.checks: tuple[tuple[str, Test], ...] = tuple(match.facts())
        self.when = match.when
        self.methods = frozenset(match.method)
        self.scheme = match.scheme
        self.port = match.port
        self.path, self.prefix = match.path, match.prefix
        if match.grpc is not None:
            if "/" in match.grpc:
                self.path = "/" + match.grpc
            else:
                self.prefix = "/" + match.grpc
            self.methods = self.methods or frozenset({"POST"})
        self.regex = None if match.regex is None else compiled(match.regex, policy="Match")
        self.literal = "" if self.regex is None else self.regex.literal
        self.rewriter = None if rewrite is None else rewriter(rewrite, match)
        self.rank: tuple[Any, ...] = ()
        """Its place among those that match the same request: the smaller comes first."""

    def holds(self, call: Any, head: tuple[Any, ...]) -> bool:
        """Whether it matches, as far as the tables cannot say."""
        method, scheme, _, port, _, _ = head
        if self.methods and method not in self.methods:
            return False
        if (self.scheme is not None and scheme != self.scheme) or (self.port is not None and port != self.port):
            return False
        if self.checks:
            fact = call.door.fact
            for name, test in self.checks:
                if not test(fact(call, name)):
                    return False
        return self.when is None or bool(self.when(call))
