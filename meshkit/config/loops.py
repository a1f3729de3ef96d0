"""Which redirects lead back to their own route, again and again?

Asked of the router itself: a request that the route is for, where its redirect leads, and where that leads. Only routes
are asked about whose match says host, path and method alone: then it is known which request to ask with. A redirect to
another scheme comes back only where that one is served: where it is not, somebody else answers there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ..route.answer import Redirect
from ..route.hosts import ANY, bracketed
from ..route.options import PORTS
from ..route.router import Router, RouterState
from ..route.rule import ELEMENTS, REGEX, Rule
from ..shared import bare
from .lookup import Lookup, Request

__all__ = ["loops"]

TURNS = 3
"""Redirects by one route, one after the other, that are a loop."""
SOME = "host.example"


def loops(
    router: Router, state: RouterState, rules: Iterable[Rule], schemes: frozenset[str]
) -> Iterator[tuple[Rule, str]]:
    """Of the rules of a router those whose redirect comes back, with where it leads. ``schemes``: those that are
    served.
    """
    lookup = Lookup.of(router, state)
    for rule in rules:
        to = rule.route.to
        spec = bare(to[-1] if isinstance(to, tuple) and to else to)
        if isinstance(spec, Redirect) and not (rule.checks or rule.when or rule.kind == REGEX):
            for url in _requests(rule):
                leads = _led(lookup, rule, url, schemes)
                if leads is not None:
                    yield rule, leads
                    break


def _requests(rule: Rule) -> Iterator[str]:
    """URLs that a rule is for."""
    match = rule.match
    scheme = match.scheme or "http"
    for pattern in (match.host or (ANY,))[:2]:
        host = SOME if pattern == ANY else bracketed(pattern.replace("*", "any"))
        port = f":{match.port}" if match.port is not None and PORTS.get(scheme) != match.port else ""
        yield f"{scheme}://{host}{port}{rule.text}"
        if rule.kind == ELEMENTS:
            yield f"{scheme}://{host}{port}{rule.text.rstrip('/')}/x"


def _led(lookup: Lookup, rule: Rule, url: str, schemes: frozenset[str]) -> str | None:
    """Where the redirects lead at last, if all are this rule's route's."""
    method = min(rule.methods) if rule.methods else "GET"
    first: Any = None
    for _ in range(TURNS):
        found = lookup.find(Request(method, url))
        if found.route is not rule.route or found.location is None:
            return None
        before, after = urlsplit(url), urlsplit(found.location)
        if after.scheme != before.scheme and after.scheme not in schemes:
            return None
        if after.port != before.port and after.scheme == before.scheme:
            return None  # another listener's
        url = found.location
        first = first or url
    return first  # type: ignore[no-any-return]
