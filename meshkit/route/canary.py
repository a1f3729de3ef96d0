"""Is this request for the canary? Who asks for it gets it, who will not have it does not, and of the others a share.

The order and the rules of ingress-nginx, the first that answers:

===========================================  =============================  ==============================
asked of the request                         to the canary                  to the main branch
===========================================  =============================  ==============================
``affinity``, a cookie set here, and         ``canary``                     ``main``
``affinity_behavior="sticky"``
``header`` with ``header_value``             just that value
``header`` with ``header_pattern``, and      the pattern matches somewhere
no ``header_value``                          in it
``header`` alone                             ``always``                     ``never``
``cookie``                                   ``always``                     ``never``
a draw from 1 to ``weight_total``            up to ``weight``               above it
===========================================  =============================  ==============================

Any other value asks nothing: the next rule is asked. So with a ``header_value`` (or a pattern) ``always`` and ``never``
are words like any other, and a ``header_value`` is asked in place of a ``header_pattern``. A ``weight_total`` below 100
is 100, as there. What is refused here while it is built is a pattern that is none: there it matches nothing.

``route_to_alternative_balancer`` in ingress-nginx' ``rootfs/etc/nginx/lua/balancer.lua``, and its annotations
``canary-*`` and ``affinity-canary-behavior``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..fact import text
from ..options import among, count, no_decorator
from .branch import MOST, Branch, BranchState, as_branch, names, unrouted
from .cookie import NAME, Cookie, as_cookie, is_cookie
from .lot import Lot, drawn
from .options import TOKEN
from .regex import compile as compiled
from .split import edits

if TYPE_CHECKING:
    from ..section import Section

__all__ = ["Canary", "CanaryState"]

HUNDRED = 100
ALWAYS, NEVER = -inf, inf
WORDS = {"always": ALWAYS, "never": NEVER}


def _field(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and TOKEN.fullmatch(value)):
        raise ConfigError.of("Canary", attribute.name, value, 'give the name of a header field, such as "x-canary"')


def _cookie(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and NAME.fullmatch(value)):
        raise ConfigError.of("Canary", attribute.name, value, "give a name of letters, digits and hyphens")


def _value(spec: Any, attribute: Any, value: Any) -> None:
    if value is None:
        return
    if spec.header is None:
        raise ConfigError.of("Canary", attribute.name, value, "say with header= of which header field")
    if not isinstance(value, str) or not value:
        raise ConfigError.of("Canary", attribute.name, value, "give a text")
    if attribute.name == "header_pattern":
        compiled(value, option="header_pattern", policy="Canary", search=True)


@attrs.frozen
class Canary:
    """Gives the canary those who ask for it, and a share of the others. Raises `ConfigError`.

    ``main`` and ``canary``: destinations, or a `Branch` (whose weight counts for nothing here). ``header`` and
    ``cookie``: names. ``affinity``: the name of a cookie, or a `Cookie`, that keeps a client where it has been once;
    with ``affinity_behavior="legacy"`` it is not heeded, and not set. ``name``: for records, errors and
    `Pipeline.control`.
    """

    main: Branch = attrs.field(converter=as_branch)
    canary: Branch = attrs.field(converter=as_branch)
    header: str | None = attrs.field(default=None, validator=_field, kw_only=True)
    header_value: str | None = attrs.field(default=None, validator=_value, kw_only=True)
    header_pattern: str | None = attrs.field(default=None, validator=_value, kw_only=True)
    cookie: str | None = attrs.field(default=None, validator=_cookie, kw_only=True)
    weight: int = attrs.field(default=0, validator=count(0, MOST), kw_only=True)
    weight_total: int = attrs.field(default=HUNDRED, validator=count(1, MOST), kw_only=True)
    affinity: Cookie | None = attrs.field(default=None, converter=as_cookie, validator=is_cookie, kw_only=True)
    affinity_behavior: str = attrs.field(default="sticky", validator=among("sticky", "legacy"), kw_only=True)
    name: str = attrs.field(default="Canary", validator=text, kw_only=True)

    asks = ("by_header", "by_cookie", "by_affinity")
    holds = ("inner",)
    __call__ = no_decorator

    def __attrs_post_init__(self) -> None:
        names("Canary", self.branches)
        if self.weight > self.total:
            raise ConfigError.of("Canary", "weight", self.weight, f"give a weight up to weight_total, {self.total}")

    @property
    def total(self) -> int:
        """What is drawn up to."""
        return max(self.weight_total, HUNDRED)

    @property
    def branches(self) -> tuple[Branch, Branch]:
        """Both, the main one first."""
        return self.main, self.canary

    @property
    def inner(self) -> tuple[Any, ...]:
        """The specs of both branches."""
        return (*self.main.specs, *self.canary.specs)

    @property
    def by_header(self) -> str | None:
        """What the door is asked for, as the next two."""
        return self.header and f"header:{self.header.lower()}"

    @property
    def by_cookie(self) -> str | None:
        return self.cookie and f"cookie:{self.cookie}"

    @property
    def by_affinity(self) -> str | None:
        return self.affinity.source if self.affinity is not None and self.affinity_behavior == "sticky" else None

    @property
    def asked(self) -> tuple[str, ...] | None:
        return edits(self.branches)

    def start(self, rng: Random, /) -> CanaryState:
        return CanaryState(self, rng)


class CanaryState:
    """The choice that `Canary` starts."""

    __slots__ = (
        "__weakref__",
        "_acts",
        "_affinity",
        "_canary",
        "_cookie",
        "_header",
        "_main",
        "_random",
        "_tell",
        "_test",
        "_total",
        "_weight",
        "beside",
        "branches",
        "name",
        "titles",
    )

    kind = "branch"

    def __init__(self, spec: Canary, rng: Random) -> None:
        self.name = spec.name
        self.titles = names("Canary", spec.branches)
        """What the branches are called."""
        self._main = BranchState(spec.main, self.titles[0], rng)
        self._canary = BranchState(spec.canary, self.titles[1], rng)
        self.branches = [self._main.states, self._canary.states]
        """The states of each."""
        self.beside = [self._main.plan.mirrors, self._canary.plan.mirrors]
        """What each does besides: the states of its `Mirror`s."""
        self._header, self._cookie, self._affinity = spec.by_header, spec.by_cookie, spec.by_affinity
        self._test = _test(spec)
        self._tell = None if self._affinity is None else spec.affinity.telling()  # type: ignore[union-attr]  # it is one
        self._weight, self._total = spec.weight, spec.total
        self._random = rng.random
        self._acts = spec.asked is not None

    def fold(self, fold: Callable[[list[Any]], Section], /) -> None:
        self._main.fold(fold)
        self._canary.fold(fold)

    def sections(self) -> list[Section]:
        """Of both branches."""
        return [self._main.section, self._canary.section]

    def facts(self, call: Call, /) -> Lot:
        lot = drawn(self, call, self._drawn)
        if self._acts and call.route is None:
            lot.route = unrouted(call)
        return lot

    def _drawn(self, call: Call) -> Lot:
        """``ALWAYS`` or ``NEVER`` where the request says, else a number that the weight decides about."""
        fact = call.door.fact
        point = None
        if self._affinity is not None:
            point = {"canary": ALWAYS, "main": NEVER}.get(fact(call, self._affinity))
            if point is not None:
                return Lot(point)
        if self._header is not None:
            value = fact(call, self._header)
            point = None if value is None else self._test(value)
        if point is None and self._cookie is not None:
            point = WORDS.get(fact(call, self._cookie))
        if point is None:
            point = 1 + int(self._random() * self._total)
        return Lot(point, token=None if self._affinity is None else "")

    def pick(self, call: Call, now: float, /) -> Section:
        """The section of the call's branch."""
        lot: Lot = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        branch: BranchState | None = lot.branch
        if branch is None:
            branch = lot.branch = self._canary if lot.point <= self._weight else self._main
            branch.calls += 1
        if self._acts:
            branch.edit(call, lot)
        if lot.token is not None:
            self._tell(call, "canary" if branch is self._canary else "main")  # type: ignore[misc]  # it has an affinity
        return branch.section

    def taken(self, call: Call, /) -> str:
        """The name of the branch that was picked just now."""
        return call.facts[self].branch.name  # type: ignore[index,no-any-return]  # gathered: there are facts

    def weigh(self, weights: Mapping[str, Any], now: float = 0.0, /) -> None:
        """Another weight of the canary from now on, by its name. Raises `ConfigError`."""
        for name, weight in weights.items():
            if name != self._canary.name:
                raise ConfigError.of(self.name, "weigh", name, f"only {self._canary.name!r} has a weight")
            if isinstance(weight, bool) or not isinstance(weight, int) or not 0 <= weight <= self._total:
                raise ConfigError.of(self.name, "weigh", weight, f"give a whole number from 0 to {self._total}")
        self._weight = weights.get(self._canary.name, self._weight)

    @property
    def state(self) -> str:
        """The weight of the canary: ``"orders-v2 10 of 100"``."""
        return f"{self._canary.name} {self._weight} of {self._total}"

    def snapshot(self, now: float) -> dict[str, dict[str, float]]:
        """Of each branch its share of those who ask for neither, and how many calls it was given."""
        share = self._weight / self._total
        return {
            self._main.name: {"share": 1 - share, "calls": self._main.calls},
            self._canary.name: {"weight": self._weight, "share": share, "calls": self._canary.calls},
        }

    def idle(self) -> bool:
        return self._main.idle() and self._canary.idle()

    def __repr__(self) -> str:
        return f"<Canary {self.name}: {self.state}>"


def _test(spec: Canary) -> Callable[[str], float | None]:
    """What a value of the header says."""
    if spec.header_value is not None:
        wanted = spec.header_value
        return lambda value: ALWAYS if value == wanted else None
    if spec.header_pattern is not None:
        search = compiled(spec.header_pattern, policy="Canary", search=True).search
        return lambda value: ALWAYS if search(value) else None
    return WORDS.get
