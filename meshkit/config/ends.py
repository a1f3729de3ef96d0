"""Where do routes lead, and what do they do on the way, that cannot be meant?

=================  ====================================================================================================
word
=================  ====================================================================================================
`no-weight`        a split whose branches all have a weight of 0; a canary that nobody ever gets
`one-branch`       a split that splits nothing
`redirect-loop`    a redirect that leads to its own route (`loops`)
`unsafe-mirror`    copies of requests that change something
`needs-re2`        a note: an expression that only RE2 can be trusted with (`meshkit.route.regex`)
=================  ====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..order import ways
from ..route.canary import Canary
from ..route.mirror import METHODS, Mirror
from ..route.regex import compile as compiled
from ..route.split import Split
from ..route.value import Value
from ..shared import bare
from .findings import NOTE, below
from .located import Located
from .loops import loops
from .view import View

__all__ = ["ends"]

SAFE = {*METHODS, "TRACE"}
Note = Callable[..., None]


def ends(view: View) -> None:
    """Notes what cannot be meant."""
    for number, route in enumerate(view.spec.routes):
        node = view.route(number)
        _actions(view.findings.note, route, node)
        _to(view.findings.note, route.to, below(node, "to"))
    _loops(view)
    _expressions(view)


def _actions(note: Note, spec: Any, node: Located) -> None:
    for place, action in enumerate(spec.actions):
        if isinstance(action, Mirror) and not SAFE.issuperset(action.methods):
            unsafe = " and ".join(sorted({*action.methods} - SAFE))
            text = f"copies of {unsafe}: what they change is changed twice, there and in the copy's cluster"
            fix = "leave methods out, unless the cluster has data of its own"
            note("unsafe-mirror", below(node, "actions", place, "mirror", "methods"), text, fix)


def _to(note: Note, to: Any, node: Located) -> None:
    spec = bare(to)
    if not ways(spec):
        return
    if isinstance(spec, Split):
        inner = below(node, "split")
        if not any(branch.weight for branch in spec.branches):
            note(
                "no-weight", inner, "every branch has a weight of 0: each call is refused", "give one of them a weight"
            )
        elif len(spec.branches) == 1:
            text, fix = "a split with one branch splits nothing", "lead the route to its cluster itself"
            note("one-branch", inner, text, fix)
    if isinstance(spec, Canary) and not (spec.weight or spec.header or spec.cookie):
        text = "the canary gets nothing: it has no weight, and no header or cookie asks for it"
        note("no-weight", below(node, "canary"), text, "give it a weight, such as weight: 5")
    for place, way in enumerate(ways(spec)):
        inner = _branch(node, spec, place)
        _actions(note, way.spec, inner)
        _to(note, way.spec.to, below(inner, "to"))


def _branch(node: Located, spec: Any, place: int) -> Located:
    """Where a branch stands."""
    if isinstance(spec, Split):
        return below(node, "split", "branches", place)
    return below(node, "canary" if isinstance(spec, Canary) else "rollout", ("main", "canary")[place])


def _loops(view: View) -> None:
    served = frozenset(each.scheme for each in view.spec.listeners) or frozenset({"http", "https"})
    seen: set[int] = set()
    for rule, leads in loops(view.router, view.state, view.rules(), served):
        if view.number(rule) in seen:
            continue
        seen.add(view.number(rule))
        node = below(view.route(view.number(rule)), "to", "redirect")
        text = f"it leads to {leads}, for which this route is there again: nobody gets an answer"
        view.findings.note("redirect-loop", node, text, "match what is to be redirected, and no more")


def _expressions(view: View) -> None:
    for rule in view.rules():
        match, place = rule.match, None
        if rule.regex is not None and rule.regex.__self__.engine == "re2":
            place = "regex"
        else:
            place = next((option for option, value in _values(match) if _needs_re2(value.regex)), None)
        if place is not None:
            node = below(view.route(view.number(rule)), "match", view.place(rule), place)
            text = "an expression that needs RE2: the file can be loaded only where meshkit[re2] is installed"
            view.findings.note("needs-re2", node, text, level=NOTE)


def _values(match: Any) -> Iterator[tuple[str, Value]]:
    for option in ("headers", "query", "cookies"):
        yield from ((option, value) for value in getattr(match, option).values())
    for option in ("sni", "certificate"):
        if getattr(match, option) is not None:
            yield option, getattr(match, option)


def _needs_re2(pattern: str | None) -> bool:
    return pattern is not None and compiled(pattern, policy="Value").engine == "re2"
