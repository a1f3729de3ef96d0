"""What is one of several destinations? Where it leads, what share it gets, and what its own actions make of a plan.

The actions of a branch come after those of its route. What both come to is a plan as any other, made once for each pair
of a route and a branch, when they first meet. States that actions make (of a mirror, say) are the branch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import number
from ..policy import awaits
from .answer import Redirect
from .edit import Edit
from .local import destination
from .plan import Decision, Plan
from .rewrite import Rewrite

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["MOST", "Branch", "BranchState", "as_branch", "names", "unrouted"]

MOST = 1_000_000
"""The largest weight, as in the Gateway API."""


def _is_destination(spec: Any, attribute: Any, value: Any) -> None:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, type) or not (each is None or hasattr(each, "start") or awaits(each)):
            fix = "give a cluster, a pipeline that ends in one, a Respond, a function, or None: where it was going"
            raise ConfigError.of("Branch", "to", each, fix)
        if isinstance(each, Redirect) and (each.host, each.path, each.prefix, each.to) != (None, None, None, None):
            raise ConfigError.of("Branch", "to", each, "a redirect to another host or path is a route's: make it one")


def _list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _are_actions(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if isinstance(each, type) or not hasattr(each, "install"):
            fix = "give actions, such as RequestHeaders(set={'x-version': '2'})"
            raise ConfigError.of("Branch", "actions", each, fix)
        if isinstance(each, Rewrite) and (each.path, each.prefix, each.to) != (None, None, None):
            fix = "a branch rewrites the host only: another path is the route's, or a route of its own"
            raise ConfigError.of("Branch", "actions", each, fix)


@attrs.frozen
class Branch:
    """One of several destinations. Raises `ConfigError`.

    ``to``: a cluster, a pipeline (or a list of policies) that ends in one, another `Split`, a `Respond`, a function of
    the request; ``None``: where the request was going. ``weight``: its share is this part of the sum of all; 0: it gets
    nothing. ``actions`` as in `Route`, after its own; of rewritings, that of the host. ``name``: for
    `meshkit.control.Control.weigh`, records and snapshots; by default that of the cluster.
    """

    to: Any = attrs.field(converter=destination, validator=_is_destination)
    weight: float = attrs.field(default=1, validator=number(0, MOST))
    actions: tuple[Any, ...] = attrs.field(default=(), converter=_list, validator=_are_actions, kw_only=True)
    name: str = attrs.field(default="", validator=attrs.validators.instance_of(str), kw_only=True)

    @property
    def specs(self) -> tuple[Any, ...]:
        """What it leads through and to, as a pipeline has it."""
        return self.to if isinstance(self.to, tuple) else () if self.to is None else (self.to,)

    def __str__(self) -> str:
        last = self.specs[-1] if self.specs else None
        last = getattr(last, "spec", last)  # shared
        if self.name or last is None:
            return self.name or "onwards"
        return str(getattr(last, "name", "") or getattr(getattr(last, "fn", last), "__name__", type(last).__name__))


def as_branch(value: Any) -> Branch:
    """An attrs converter: a destination may stand where only its actions would need a `Branch`."""
    return value if isinstance(value, Branch) else Branch(value)


def names(policy: str, branches: Sequence[Branch]) -> list[str]:
    """What the branches are called; the second of a name that nobody has given is ``"orders 2"``."""
    found: list[str] = []
    for branch in branches:
        name, count = str(branch), 1
        while name in found:
            if branch.name:
                raise ConfigError.of(policy, "branches", name, "the name stands twice: give each branch its own")
            count += 1
            name = f"{branch} {count}"
        found.append(name)
    return found


class BranchState:
    """A branch that was started."""

    __slots__ = ("_acts", "_plans", "calls", "name", "plan", "section", "states")

    section: Section

    def __init__(self, spec: Branch, name: str, rng: Random) -> None:
        self.name = name
        self.plan = Plan(spec.actions, rng)
        """What its own actions come to."""
        started = [each.start(rng) if hasattr(each, "start") else each for each in spec.specs]
        self.states: list[Any] = [*self.plan.gates, *started]
        self.calls = 0
        """How many calls have been given to it."""
        self._acts = bool(spec.actions)
        self._plans: WeakKeyDictionary[Plan, Plan] = WeakKeyDictionary()
        """With its own actions: of each plan that it has met, for as long as there is a route with that."""

    def fold(self, fold: Callable[[list[Any]], Section]) -> None:
        self.section = fold(self.states)

    def edit(self, call: Call, lot: Any) -> None:
        """Have the doors obey the branch's actions as well, beside those on the way to its choice."""
        decision: Decision | None = call.route
        if decision is None:
            decision = call.route = lot.route or unrouted(call)
        if self._acts:
            plan = decision.plan
            call.route = decision.under(self._plans.get(plan) or self._combined(plan))

    def _combined(self, plan: Plan) -> Plan:
        made = self._plans[plan] = combined(plan, self.plan)
        return made

    def idle(self) -> bool:
        return all(state.idle() for state in (*self.states, *self.plan.mirrors) if hasattr(state, "idle"))


PARTS = tuple(name for name in Plan.__slots__ if name != "__weakref__")


def combined(plan: Plan, more: Plan) -> Plan:
    """What the actions of both come to: edits one after the other, lists together, of all else what the second says."""
    made = Plan()
    for part in PARTS:
        first, second = getattr(plan, part), getattr(more, part)
        if isinstance(second, Edit):
            second = first.then(second)
        elif isinstance(second, tuple):
            second = first + second
        setattr(made, part, second or first)
    return made


class _Unrouted:
    """Stands for the rule where no router was asked."""

    plan = Plan()
    route = None


def unrouted(call: Call) -> Decision:
    """What is decided of a request that no router has seen: it is sent as it came."""
    _, _, _, _, path, query = call.door.head(call)
    return Decision(_Unrouted, path, query, True)
