"""Asks a router about requests that are written down as URLs, of which nothing is changed on the way."""

from __future__ import annotations

from random import Random

import httpx

from meshkit import NoRoute, Pipeline
from meshkit.call import Call
from meshkit.fields.pairs import cookie, parameter
from meshkit.httpx import MeshTransport
from meshkit.route.plan import Decision
from meshkit.route.router import Router


class Door:
    """Knows of a request what its URL and its fields say, and whatever else it was given."""

    def head(self, call):
        return call.request.head

    def fact(self, call, name):
        request = call.request
        kind, _, which = name.partition(":")
        if kind == "header":
            found = [value for each, value in request.fields if each.lower() == which]
            return ", ".join(found) if found else None
        if kind == "cookie":
            return cookie([value for each, value in request.fields if each.lower() == "cookie"], which)
        if kind == "query":
            return parameter(request.head[5] or "", which)
        return request.facts.get(name)

    def respond(self, call, status, headers=(), body=b""):
        return status, dict(headers), body


class Request:
    def __init__(self, url, method="GET", headers=(), **facts):
        scheme, _, rest = url.partition("://")
        authority, slash, path = rest.partition("/")
        path, mark, query = (slash + path).partition("?")
        host, colon, port = authority.rpartition(":")
        if not colon or not port.isdecimal():
            host, port = authority, ""
        self.head = (method, scheme, host.lower(), int(port) if port else None, path or "/", query if mark else None)
        self.fields = [*(headers.items() if isinstance(headers, dict) else headers)]
        self.facts = facts


def decided(router, url, method="GET", headers=(), **facts):
    """The decision about a request, or what is answered instead."""
    state = router if hasattr(router, "facts") else router.start(Random(1))
    call = Call(Door(), Request(url, method, headers, **facts), 0.0)
    call.facts = {state: state.facts(call)}
    if isinstance(call.facts[state], Decision):
        return call.facts[state]
    try:
        return state.pick(call, 0.0)
    except NoRoute as error:
        return error.status


def chosen(router, url, method="GET", headers=(), **facts):
    """The name of the route, or the status of a refusal."""
    found = decided(router, url, method, headers, **facts)
    return found.rule.route.name if isinstance(found, Decision) else found


def sent(router, url, method="GET", headers=None, answer=()):
    """What a client's request becomes: as the transport below is given it, and the answer that comes back."""
    seen = []

    def inner(request):
        seen.append(request)
        return httpx.Response(200, headers=answer)

    routes = router if isinstance(router, Router) else Router(router)
    with httpx.Client(transport=MeshTransport(Pipeline(routes), httpx.MockTransport(inner))) as client:
        response = client.request(method, url, headers=headers, follow_redirects=False)
    return (seen[0] if seen else None), response
