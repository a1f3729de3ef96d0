"""How does one match of a route stand in the tables? Taken apart, with what orders it among the others.

===============  =======================  ==============================================
kind             ``text``                 the path
===============  =======================  ==============================================
`EXACT`          a path                   is that one
`ELEMENTS`       a path                   is that one, or below it, element by element
`CHARACTERS`     how a path begins        begins so
`REGEX`          an expression            is matched by ``regex``
===============  =======================  ==============================================
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .match import Match
from .options import PORTS
from .regex import compile as compiled
from .value import Test

__all__ = ["CHARACTERS", "ELEMENTS", "EXACT", "REGEX", "Reading", "Rule", "read"]

EXACT, ELEMENTS, CHARACTERS, REGEX = range(4)


class Reading(NamedTuple):
    """What a match asks of the path."""

    kind: int
    text: str
    regex: Any = None
    """``regex(path)`` answers what was captured, or ``None``;"""
    template: Any = None
    """``template(text, policy=)`` what makes a text of that."""
    literal: str = ""
    """What all paths begin with that it matches."""


def read(match: Match, prefix: int = ELEMENTS) -> Reading:
    """What is asked of the path; ``prefix``: as what a ``prefix`` is read."""
    if match.path is not None:
        return Reading(EXACT, match.path)
    if match.starts is not None:
        return Reading(CHARACTERS, match.starts)
    if match.regex is not None:
        regex = compiled(match.regex, policy="Match")
        return Reading(REGEX, match.regex, regex.full, regex.template, regex.literal)
    if match.grpc is not None:
        return Reading(EXACT if "/" in match.grpc else ELEMENTS, "/" + match.grpc)
    if match.prefix is not None:
        return Reading(prefix, match.prefix)
    return Reading(ELEMENTS, match.path_separated_prefix or "/")


class Rule:
    """A match of a route. ``checks`` are asked of the request in order, ``when`` last; the line of the request is the
    table's business.
    """

    __slots__ = (
        "always",
        "checks",
        "folded",
        "kind",
        "literal",
        "match",
        "methods",
        "number",
        "plan",
        "port",
        "regex",
        "rewriter",
        "route",
        "scheme",
        "section",
        "states",
        "template",
        "text",
        "title",
        "when",
    )

    def __init__(self, route: Any, match: Match, reading: Reading, number: int = 0) -> None:
        self.route = route
        self.match = match
        self.number = number
        """Its place, as written."""
        self.kind, self.text, self.regex, self.template, self.literal = reading
        self.checks: tuple[tuple[str, Test], ...] = tuple(match.facts())
        self.when = match.when
        self.methods = frozenset(match.method or (("POST",) if match.grpc is not None else ()))
        self.scheme = match.scheme
        self.port = match.port
        self.always = not (self.checks or self.when or self.methods or self.scheme or self.port)
        """Whether it holds for all requests that the tables have found it for."""
        self.title = ""
        """What its route is called."""
        self.plan: Any = None
        self.states: list[Any] = []
        self.section: Any = None
        self.folded: Any = None
        """Who watches in its section; ``None``: nobody."""
        self.rewriter: Any = None

    def holds(self, call: Any, head: tuple[Any, ...]) -> bool:
        """Whether it matches, as far as the tables cannot say."""
        if self.methods and head[0] not in self.methods:
            return False
        if self.scheme is not None and head[1] != self.scheme:
            return False
        if self.port is not None and (head[3] or PORTS.get(head[1])) != self.port:
            return False
        if self.checks:
            fact = call.door.fact
            for name, test in self.checks:
                if not test(fact(call, name)):
                    return False
        return self.when is None or bool(self.when(call))
