"""What in a mesh does nobody use? Routes that others take everything from, clusters without a way to them, stacks.

======================  ================================================================================================
word
======================  ================================================================================================
`shadowed-route`        another route comes first, and takes all its requests (`shadows`)
`shadowed-match`        one of its matches gets none
`duplicate-match`       one of its matches says the same as another one
`unreachable-route`     no node calls its hosts, and no listener serves them (`reach`)
`unreachable-cluster`   no route leads to it, and no node calls it by its name
`unused-policies`       a stack that nothing refers to
======================  ================================================================================================
"""

from __future__ import annotations

from ..shared import bare
from .assembly import host_of
from .findings import below
from .names import DEFAULT
from .shadows import Shadow, shadows
from .view import View

__all__ = ["unused"]


def unused(view: View) -> None:
    """Notes what nobody uses."""
    _shadowed(view)
    _unreachable(view)
    _unreferred(view)


def _shadowed(view: View) -> None:
    rules = view.rules()
    by_route: dict[int, list[Shadow]] = {}
    for shadow in shadows(rules, view.router.order):
        if _also_elsewhere(view, shadow):
            by_route.setdefault(view.number(shadow.rule), []).append(shadow)
    for number, several in by_route.items():
        route = view.spec.routes[number]
        own = [shadow for shadow in several if view.number(shadow.first) == number]
        for shadow in own:
            place = view.place(shadow.rule)
            text = f"it says nothing that match {view.place(shadow.first) + 1} does not say"
            view.findings.note("duplicate-match", below(view.route(number), "match", place), text, "leave it out")
        others = [shadow for shadow in several if shadow not in own]
        if others and len({id(shadow.rule.match) for shadow in several}) == len(route.match):
            text = f"never reached: {_first(view, others[0])} takes all its requests"
            view.findings.note("shadowed-route", view.route(number), text, "leave it out, or let it ask for more")
            continue
        for shadow in others:
            place = view.place(shadow.rule)
            text = f"this match gets no request: {_first(view, shadow)} takes all of them"
            view.findings.note("shadowed-match", below(view.route(number), "match", place), text, "leave it out")


def _first(view: View, shadow: Shadow) -> str:
    number = view.number(shadow.first)
    name = view.spec.routes[number].name
    called = f"route {name}" if name else f"routes[{number}]"
    why = "which has a higher priority" if shadow.first.route.priority > shadow.rule.route.priority else "further up"
    return f"{called} on line {view.route(number).line}, {why},"


def _also_elsewhere(view: View, shadow: Shadow) -> bool:
    """Whether the one that takes all is there for each listener that chooses the other one by its name."""
    one, other = (view.spec.routes[view.number(rule)].name for rule in shadow)
    return not any(one in each.routes and other not in each.routes for each in view.spec.listeners)


def _unreachable(view: View) -> None:
    spec = view.spec
    if not spec.nodes and not spec.listeners:
        return
    for number, route in enumerate(spec.routes):
        if not view.reach.of(route):
            text = "nobody comes here: no node calls its hosts, and no listener serves them"
            fix = "add one to the calls of a node, or to the hosts of a listener"
            view.findings.note("unreachable-route", view.route(number), text, fix)
    for cluster in spec.clusters:
        node, own = view.cluster(cluster)
        space = bare(cluster).name.rpartition("/")[0] or DEFAULT
        if (space, "cluster", own) not in view.file.names.used and not view.reach.calling(host_of(cluster)):
            text = "nobody comes here: no route leads to it, and no node calls its host"
            view.findings.note("unreachable-cluster", node, text, "leave it out, or lead a route to it", key=own)


def _unreferred(view: View) -> None:
    for space, _ in view.file.spaces:
        for own in space.nodes["policies"]:
            if (space.name, "policies", own) not in view.file.names.used:
                node = view.section(space.name, "policies")
                view.findings.note("unused-policies", node, "nothing refers to this stack", "leave it out", key=own)
