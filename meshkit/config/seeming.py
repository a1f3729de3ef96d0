"""Does a match ask for what it seems to ask for?

====================  =============================================================================================
word
====================  =============================================================================================
`literal-pattern`     a value with a ``*`` at an end, which is compared as it is
`literal-truth`       a note: ``yes`` and the like, which are texts
`unusual-method`      a method that nobody has heard of, and is nearly one that everybody has
`own-host-uncovered`  routes with policies on a cluster's own host: what they leave goes to the cluster without them
====================  =============================================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from ..route.hosts import ANY, intersection
from ..route.rule import CHARACTERS, ELEMENTS, Rule
from ..shared import bare
from .assembly import host_of
from .findings import NOTE, below
from .kinds.requests import METHODS
from .mistakes import quoted, shown
from .view import View

__all__ = ["seeming"]

TRUTHS = {"yes", "no", "on", "off", "y", "n"}
"""What YAML 1.1 takes for true or false, and YAML 1.2 for a text."""
LIKE = 0.65
"""How like a method must be to another one, of 1: ``GTE`` is."""


def seeming(view: View) -> None:
    """Notes what is otherwise than it seems."""
    for number, route in enumerate(view.spec.routes):
        for place, match in enumerate(route.match):
            for option in ("headers", "query", "cookies"):
                for name, value in getattr(match, option).items():
                    if value.exact is not None:
                        _value(view, (number, "match", place, option, name), value.exact)
            for method in match.method:
                _method(view, (number, "match", place, "method"), method)
    _own_hosts(view)


def _value(view: View, where: tuple[Any, ...], text: str) -> None:
    node = below(view.route(where[0]), *where[1:])
    if text.lower() in TRUTHS:
        said = f"it is the text {quoted(text)}, to which the value is compared"
        view.findings.note("literal-truth", node, said, "write true, if it only has to be there", level=NOTE)
    elif text == ANY:
        view.findings.note("literal-pattern", node, "it is a text of one star", "write true, if it is any value")
    elif text.startswith(ANY) or text.endswith(ANY):
        inner, kind = text.strip(ANY), "prefix" if text.endswith(ANY) else "suffix"
        both = text.startswith(ANY) and text.endswith(ANY)
        fix = f"write {{regex: '.*{shown(inner)}.*'}}" if both else f"write {{{kind}: {shown(inner)}}}"
        view.findings.note("literal-pattern", node, "its * is compared as it is, and stands for nothing else", fix)


def _method(view: View, where: tuple[Any, ...], method: str) -> None:
    if method in METHODS:
        return
    near = [each for each in difflib.get_close_matches(method, METHODS, 3, LIKE) if abs(len(each) - len(method)) < 2]
    if near:
        text = f"hardly anybody sends the method {shown(method)}"
        view.findings.note("unusual-method", below(view.route(where[0]), *where[1:]), text, f"did you mean {near[0]}?")


def _own_hosts(view: View) -> None:
    by_host: dict[str, int] = {}
    for number, route in enumerate(view.spec.routes):
        for match in route.match if route.policies else ():
            for host in match.host:
                by_host.setdefault(host, number)
    hosts = [host_of(each) for each in view.spec.clusters if not bare(each).pipeline]
    hosts = [host for host in hosts if host in by_host]
    covered = [*_covered(view.rules())] if hosts else []
    for host in hosts:
        bare_way = any(not part.policies for part in view.reach.calling(host))
        if bare_way and not any(intersection(host, pattern) == host for pattern in covered):
            text = f"what no route of http://{host} takes goes to the cluster by its own name, without these policies"
            fix = f"add a route for the rest, match: {{host: {host}}}, or write policies as the cluster's pipeline:"
            view.findings.note("own-host-uncovered", below(view.route(by_host[host]), "policies"), text, fix)


def _covered(rules: list[Rule]) -> Iterator[str]:
    """The hosts, and patterns of some, of which a route takes all."""
    for rule in rules:
        if rule.always and rule.text == "/" and rule.kind in {CHARACTERS, ELEMENTS}:
            yield from rule.match.host or (ANY,)
