"""Which of several gets this request? Each a share of them, by weight; a session always the same.

::

    Split(Branch(orders, 90), Branch(orders_v2, 10))                      a canary
    Split(Branch(blue, 0), Branch(green, 1))                              blue-green
    Split(Branch(a), Branch(b), sticky="header:x-user")                   by what the request says of its session
    Split(Branch(a), Branch(b), cookie="variant")                         by a session that is made for it

The branch of a call is found once, and its further attempts go there too, as Envoy's weighted clusters have it. A share
is ``weight / sum``, as in the Gateway API: 0 gets nothing, and where all have 0 a call is refused with `NoEndpoint`.
How a call draws, and which sessions move when weights do: `lot`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ..call import Call
from ..errors import ConfigError, NoEndpoint
from ..fact import key, text
from ..options import no_decorator
from .branch import MOST, Branch, BranchState, names, unrouted
from .cookie import Cookie, as_cookie, is_cookie
from .lot import Lot, Lots, Shares, drawn

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Branch", "Split", "SplitState", "edits", "one_session"]


def _branches(spec: Any, attribute: Any, value: Any) -> None:
    if not value or not all(isinstance(each, Branch) for each in value):
        fix = "give branches, such as Branch(orders, 90), Branch(orders_v2, 10)"
        raise ConfigError.of("Split", "branches", value, fix)
    names("Split", value)


def one_session(spec: Any, attribute: Any, value: Any) -> None:
    """Validates ``cookie`` beside ``sticky``."""
    is_cookie(spec, attribute, value)
    if value is not None and spec.sticky is not None:
        fix = "sticky names the session already: leave one of the two out"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def edits(branches: tuple[Branch, ...]) -> tuple[str, ...] | None:
    """The ``asked`` of a choice (see `meshkit.fact.check`): branches with actions need a door that knows requests."""
    return () if any(branch.actions for branch in branches) else None


@attrs.frozen(init=False)
class Split:
    """Gives each branch its share of the calls. Raises `ConfigError`.

    ``sticky``: what names the session of a call, as ``"header:x-user"``, ``"cookie:basket"``, or a function of the
    call; calls without one draw. ``cookie``: makes a session for whoever has none, with a name or a `Cookie`. ``name``:
    for records, errors and `Pipeline.control`; the sessions are dealt by it, too.
    """

    branches: tuple[Branch, ...] = attrs.field(validator=_branches)
    sticky: Any = attrs.field(default=None, validator=key, kw_only=True)
    cookie: Cookie | None = attrs.field(default=None, converter=as_cookie, validator=one_session, kw_only=True)
    name: str = attrs.field(default="Split", validator=text, kw_only=True)

    asks = ("sticky", "session")
    holds = ("inner",)
    __call__ = no_decorator

    def __init__(
        self, *several: Branch, branches: Any = (), sticky: Any = None, cookie: Any = None, name: str = "Split"
    ) -> None:
        listed = branches if isinstance(branches, list | tuple) else (branches,)
        self.__attrs_init__((*several, *listed), sticky=sticky, cookie=cookie, name=name)

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of all branches."""
        return tuple(spec for branch in self.branches for spec in branch.specs)

    @property
    def session(self) -> str | None:
        """What the door is asked for where there is a cookie."""
        return None if self.cookie is None else self.cookie.source

    @property
    def asked(self) -> tuple[str, ...] | None:
        return edits(self.branches)

    def start(self, rng: Random, /) -> SplitState:
        return SplitState(self, rng)


class SplitState:
    """The choice that `Split` starts."""

    __slots__ = (
        "__weakref__",
        "_acts",
        "_branches",
        "_lots",
        "_shares",
        "_tell",
        "beside",
        "branches",
        "name",
        "titles",
    )

    kind = "branch"

    def __init__(self, spec: Split, rng: Random) -> None:
        self.name = spec.name
        self.titles = names("Split", spec.branches)
        """What the branches are called."""
        self._branches = [BranchState(*each, rng) for each in zip(spec.branches, self.titles, strict=True)]
        self.branches = [branch.states for branch in self._branches]
        """The states of each."""
        self.beside = [branch.plan.mirrors for branch in self._branches]
        """What each does besides: the states of its `Mirror`s."""
        self._shares = Shares([branch.weight for branch in spec.branches])
        self._lots = Lots(spec.name, spec.sticky, spec.cookie, self.titles, rng)
        self._tell = None if spec.cookie is None else spec.cookie.telling()
        self._acts = edits(spec.branches) is not None

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        for branch in self._branches:
            branch.fold(fold)

    def sections(self) -> list[Section]:
        """Of all branches."""
        return [branch.section for branch in self._branches]

    def facts(self, call: Call, /) -> Lot:
        lot = drawn(self, call, self._lots.draw)
        if self._acts and call.route is None:
            lot.route = unrouted(call)
        return lot

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the call's branch. Raises `NoEndpoint` where no branch has a weight."""
        lot: Lot = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        branch: BranchState | None = lot.branch
        if branch is None:
            shares = self._shares
            if not shares.total:
                raise NoEndpoint("every branch has a weight of 0", policy=self.name)
            branch = lot.branch = self._branches[shares.of(lot)]
            branch.calls += 1
        if self._acts:
            branch.edit(call, lot)
        if lot.token is not None:
            self._tell(call, lot.token)  # type: ignore[misc]  # only a cookie makes tokens
        return branch.section

    def taken(self, call: Call, /) -> str:
        """The name of the branch that was picked just now."""
        return call.facts[self].branch.name  # type: ignore[index,no-any-return]  # gathered: there are facts

    def weigh(self, weights: Mapping[str, Any], now: float = 0.0, /) -> None:
        """Other weights from now on, of some branches by their names, all at once. Raises `ConfigError`."""
        known = dict(zip(self.titles, self._shares.weights, strict=True))
        for name, weight in weights.items():
            if name not in known:
                raise ConfigError.of(self.name, "weigh", name, f"name one of {list(known)}")
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= MOST:
                raise ConfigError.of(self.name, "weigh", weight, f"give {name} a number from 0 to {MOST}")
            known[name] = weight
        self._shares = Shares([*known.values()])

    @property
    def state(self) -> str:
        """The weights: ``"orders 90, orders-v2 10"``."""
        return ", ".join(f"{name} {weight:g}" for name, weight in zip(self.titles, self._shares.weights, strict=True))

    def snapshot(self, now: float) -> dict[str, dict[str, float]]:
        """Of each branch its weight, its share, and how many calls it was given."""
        total = self._shares.total
        return {
            branch.name: {"weight": weight, "share": weight / total if total else 0.0, "calls": branch.calls}
            for branch, weight in zip(self._branches, self._shares.weights, strict=True)
        }

    def idle(self) -> bool:
        return all(branch.idle() for branch in self._branches)

    def __repr__(self) -> str:
        return f"<Split {self.name}: {self.state}>"
