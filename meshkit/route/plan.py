"""What is done to a request and its answer? Made once for each route of all its actions; a door obeys it.

A `Decision` is the same for one request: the route, and what only the request could say.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

from .edit import NOTHING, Edit
from .rewrite import Rewrite

__all__ = ["Decision", "Plan"]

new = object.__new__


class Plan:
    """What the actions of one route come to. Each action writes itself in with its ``install(plan)``."""

    __slots__ = (
        "__weakref__",
        "answer",
        "buffer",
        "compress",
        "cors",
        "gates",
        "host",
        "incoming",
        "mirrors",
        "outgoing",
        "paces",
        "pages",
        "request",
        "rewrite",
        "rng",
        "websocket",
    )

    def __init__(self, actions: Iterable[Any] = (), rng: Random | None = None) -> None:
        self.rng = rng or Random(0)  # noqa: S311  # shares, no secrets
        """For the states that actions make."""
        self.rewrite: Rewrite | None = None
        self.host: str | None = None
        """The host to ask under, where it is another one."""
        self.request: Edit = NOTHING
        self.answer: Edit = NOTHING
        self.mirrors: tuple[Any, ...] = ()
        """Where else a copy goes: states of `Mirror`."""
        self.gates: tuple[Any, ...] = ()
        """States that stand in front of the route's policies."""
        self.buffer: Any = None
        self.compress: Any = None
        self.cors: Any = None
        self.pages: Any = None
        self.paces: tuple[Any, ...] = ()
        """States of `Bandwidth`."""
        self.websocket: Any = None
        """What is let through of a WebSocket; ``None``: what `WebSocket` says by itself."""
        self.incoming = False
        """Whether a door must watch the body of the request,"""
        self.outgoing = False
        """and whether it must watch the answer, beyond ``answer``: one of the five above."""
        for action in actions:
            action.install(self)


class Decision:
    """What was decided about one request: its route, and the words it is sent in.

    It is not changed: attempts that run side by side have it in common, and those who come back to where it was made
    find it as it was. Where another plan is to be obeyed, another decision takes its place.
    """

    __slots__ = ("copied", "first", "host", "path", "plan", "query", "rule", "same")

    def __init__(self, rule: Any, path: str, query: str | None, same: bool) -> None:
        self.rule = rule
        plan: Plan = rule.plan
        self.plan = plan
        self.host: str | None = plan.host
        self.path = path
        """The path to send, in its normal form."""
        self.query = query
        self.same = same
        """Whether it is the very path that came."""
        self.copied = False
        self.first: Decision | None = None
        """The one whose place it has taken."""

    def under(self, plan: Plan) -> Decision:
        """The same, but for what the doors are to obey."""
        other = new(Decision)
        other.rule, other.plan, other.host = self.rule, plan, plan.host
        other.path, other.query, other.same = self.path, self.query, self.same
        other.first = self.first or self
        return other

    def copies(self) -> bool:
        """Whether now is the time to send copies of the request: once, whatever else is decided about it later."""
        first = self.first or self
        before, first.copied = first.copied, True
        return not before
