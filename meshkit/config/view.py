"""What is looked at for what is odd? A mesh that was read, with where each of its parts stands, and its router."""

from __future__ import annotations

from typing import Any

import attrs

from ..route.router import Router, RouterState
from ..route.rule import Rule
from ..shared import bare
from .file import MeshFile
from .findings import Findings
from .located import Located
from .names import DEFAULT
from .reach import Reach
from .spec import MeshSpec

__all__ = ["View"]


class View:
    """``router`` has the routes of ``spec``, in their order, before all others; ``state`` was started of it."""

    def __init__(self, file: MeshFile, spec: MeshSpec, router: Router, state: RouterState, findings: Findings) -> None:
        self.file = file
        self.spec = spec
        self.router = router
        self.state = state
        self.findings = findings
        self.reach = Reach(spec)
        self._numbers = {id(route): number for number, route in enumerate(router.routes[: len(spec.routes)])}
        self._spaces = {space.name: sections for space, sections in file.spaces}

    def rules(self) -> list[Rule]:
        """Those of the file's routes."""
        return [rule for rule in self.state.rules if id(rule.route) in self._numbers]

    def number(self, rule: Rule) -> int:
        """Which of the file's routes it is of."""
        return self._numbers[id(rule.route)]

    def place(self, rule: Rule) -> int:
        """Which of its route's matches it is; where matches are taken apart by their hosts, the first such one."""
        own, host = rule.match, rule.match.host
        same = (
            place
            for place, match in enumerate(rule.route.match)
            if match is own or attrs.evolve(match, host=host) == own
        )
        return next(same, 0)

    def route(self, number: int) -> Located:
        """Where a route stands."""
        return self.file.routes[number]

    def policy(self, spec: Any) -> Located | None:
        """Where a policy stands."""
        return self.file.names.places.get(id(spec))

    def cluster(self, cluster: Any) -> tuple[Located, str]:
        """The section in which a cluster stands, and its key there."""
        space, _, own = bare(cluster).name.rpartition("/")
        return self._spaces[space or DEFAULT]["clusters"], own

    def section(self, space: str, name: str) -> Located:
        """A section of a namespace."""
        return self._spaces[space][name]

    def named(self, section: str, name: str) -> Located:
        """What has a name in a section of the file."""
        found: Located = self.file.top[section].value[name]
        return found
