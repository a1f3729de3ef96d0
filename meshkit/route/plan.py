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


class Plan:
    """What the actions of one route come to. Each action writes itself in with its ``install(plan)``."""

    __slots__ = (
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
        self.incoming = False
        """Whether a door must watch the body of the request,"""
        self.outgoing = False
        """and whether it must watch the answer, beyond ``answer``: one of the five above."""
        for action in actions:
            action.install(self)


class Decision:
    """What was decided about one request: its route, and the words it is sent in."""

    __slots__ = ("copied", "host", "path", "plan", "query", "rule", "same")

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
        """Whether copies were sent already."""
