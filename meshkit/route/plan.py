"""What is done to a request and its answer? Made once for each route of all its actions; a door obeys it.

A `Decision` is the same for one request: the route, and what only the request could say.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .edit import NOTHING, Edit
from .rewrite import Rewrite

__all__ = ["Decision", "Plan"]


class Plan:
    """What the actions of one route come to. Each action writes itself in with its ``install(plan)``."""

    __slots__ = ("answer", "bodies", "cors", "host", "mirrors", "pages", "request", "rewrite")

    def __init__(self, actions: Iterable[Any] = ()) -> None:
        self.rewrite: Rewrite | None = None
        self.host: str | None = None
        """The host to ask under, where it is another one."""
        self.request: Edit = NOTHING
        self.answer: Edit = NOTHING
        self.mirrors: tuple[Any, ...] = ()
        """Where else a copy goes: states of `Mirror`."""
        self.cors: Any = None
        self.pages: Any = None
        self.bodies: tuple[Any, ...] = ()
        """What watches or changes bodies: limits of size and of pace, compression."""
        for action in actions:
            action.install(self)


class Decision:
    """What was decided about one request: its route, and the words it is sent in."""

    __slots__ = ("captured", "copied", "host", "path", "plan", "query", "rule", "same")

    def __init__(self, rule: Any, path: str, query: str | None, same: bool, captured: Any) -> None:
        self.rule = rule
        self.plan: Plan = rule.plan
        self.host: str | None = rule.plan.host
        self.path = path
        """The path to send, in its normal form."""
        self.query = query
        self.same = same
        """Whether it is the very path that came."""
        self.captured = captured
        """What the route's expression has matched, for what is made of that."""
        self.copied = False
        """Whether copies were sent already."""
