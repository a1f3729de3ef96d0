"""The tables answer as a list does that is gone through from end to end: the rules of each order, written once more.

The oracle knows nothing of tables: it asks every match of every route, and takes the one that the documented order puts
first. In each scene there are few names, so that routes overlap; a scene is drawn from a seed, by which it can be seen
again.
"""

from __future__ import annotations

import re
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit.route.match import Match
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import ORDERS, Router
from meshkit.route.value import Value

from .asking import chosen

REGEXES = {"/a/[ab]": "/a/", "/ab?": "/a", "/[ab](/b)?": "/", "/.*b": "/", ".*": "", "/a/b": "/a/b", "/A/.": "/A/"}
"""Each with what a path must begin with, as far as that is plain."""

PATHS = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/b", "/a/a", "/A/b", "/a/b/c/d"]
HOSTS = ["a.b", "a.a.b", "b", "a.c"]
PATTERNS = ["a.b", "*.b", "*.a.b", "a.*", "*"]
TESTS = ["1", True, Value("2", invert=True), Value(least=1), Value(regex="[0-9]"), False, Value(below=2)]
WAYS = ["path", "prefix", "starts", "path_separated_prefix"]


def scene(draw):
    """Routes, as lists of matches with a priority and whether they rewrite, and requests."""
    paths, patterns = draw.sample(PATHS, 3), draw.sample(PATTERNS, 2)
    several = [
        (_matches(draw, paths, patterns), draw.choice([0, 0, 0, 1, -1]), not draw.randrange(9)) for _ in range(9)
    ]
    requests = [
        {
            "host": draw.choice(HOSTS),
            "path": draw.choice([*paths, *PATHS]),
            "method": draw.choice(["GET", "GET", "PUT"]),
            "port": draw.choice([None, None, 80, 8080]),
            **{kind: _some(draw, ["1", "1", "2"]) for kind in ("headers", "query", "cookies")},
        }
        for _ in range(12)
    ]
    return several, requests


def _matches(draw, paths, patterns):
    found = []
    for _ in range(draw.choice([1, 1, 2])):
        way = draw.choice(WAYS)
        path = {way: draw.choice(paths)} if draw.randrange(6) else {"regex": draw.choice([*REGEXES])}
        options = {
            "host": draw.choice([(), *((each,) for each in patterns), tuple(patterns)]),
            "method": draw.choice([(), (), "GET", ("GET", "PUT")]),
            "port": draw.choice([None, None, 80]),
        }
        conditions = {kind: _some(draw, TESTS) for kind in ("headers", "query", "cookies") if draw.randrange(2)}
        found.append(Match(**path, **options, **conditions))
    return found


def _some(draw, values):
    return {name: draw.choice(values) for name in draw.sample(["x", "y"], draw.choice([0, 1, 1, 2]))}


def fits(pattern, host):
    """How near a pattern is to a host, the smaller the nearer; ``None``: it is not for it."""
    if pattern == host:
        return (0,)
    if pattern.startswith("*.") and host.endswith(pattern[1:]) and len(host) > len(pattern) - 1:
        return (1, -len(pattern))
    if pattern.endswith(".*") and host.startswith(pattern[:-1]):
        return (2, -len(pattern))
    return (3,) if pattern == "*" else None


def below(path, prefix):
    return (path.rstrip("/") + "/").startswith(prefix.rstrip("/") + "/")


def true(test, value):
    if test.exact is not None:
        held = value == test.exact
    elif test.present is not None:
        held = (value is not None) == test.present
    elif test.least is not None or test.below is not None:
        held = value is not None and (test.least or 0) <= int(value) < (test.below or 9)
    else:
        held = value is not None and re.fullmatch(test.regex, value) is not None
    return held != test.invert


def rest(match, request):
    """Whether all that is no host and no path holds."""
    return (
        (not match.method or request["method"] in match.method)
        and (match.port is None or (request["port"] or 80) == match.port)
        and all(true(test, request["headers"].get(name)) for name, test in match.headers.items())
        and all(true(test, request["query"].get(name)) for name, test in match.query.items())
        and all(true(test, request["cookies"].get(name)) for name, test in match.cookies.items())
    )


def gateway_api(listed, request):
    """All that match, and the least of them."""
    host, path = request["host"], request["path"]
    found = []
    for number, match in enumerate(listed):
        for pattern in match.host or ("*",):
            near = fits(pattern, host)
            prefix = match.prefix or match.path_separated_prefix
            if match.path is not None:
                way = (0,) if path == match.path else None
            elif match.regex is not None:
                way = (1, -len(REGEXES[match.regex]), 1) if re.fullmatch(match.regex, path) else None
            elif match.starts is not None:
                way = (1, -len(match.starts), 1) if path.startswith(match.starts) else None
            else:
                way = (1, -len((prefix or "/").rstrip("/") or "/"), 0) if below(path, prefix or "/") else None
            if near and way and rest(match, request):
                counts = (-len(match.headers) - len(match.cookies), -len(match.query), -(match.port is not None))
                found.append((near, way, not match.method, *counts, number))
    return min(found)[-1] if found else None


def envoy(listed, request):
    """One virtual host, and its first."""
    every = {pattern for match in listed for pattern in match.host or ("*",)}
    nearest = min(
        (pattern for pattern in every if fits(pattern, request["host"])),
        default=None,
        key=lambda each: fits(each, request["host"]),
    )
    for number, match in enumerate(listed):
        if nearest in (match.host or ("*",)):
            path = request["path"]
            held = (
                path == match.path
                if match.path is not None
                else re.fullmatch(match.regex, path)
                if match.regex is not None
                else below(path, match.path_separated_prefix)
                if match.path_separated_prefix is not None
                else path.startswith(match.prefix or match.starts or "")
            )
            if held and rest(match, request):
                return number
    return None


def ingress_nginx(listed, request, every):
    """One server, and its longest location; or the first expression, by length."""
    host, path = request["host"], request["path"]
    known = {pattern for match in listed for pattern in match.host or ("*",)}
    wild = "*." + host.partition(".")[2]
    server = next((pattern for pattern in (host, wild, "*") if pattern in known), None)
    tight = any(server in (match.host or ("*",)) and (match.regex is not None or rewrites) for match, rewrites in every)
    found = []
    for number, match in enumerate(listed):
        if server not in (match.host or ("*",)):
            continue
        prefix = match.prefix or match.path_separated_prefix
        text = match.path or match.starts or match.regex or prefix or "/"
        if tight:
            way = (-len(text), [-ord(each) for each in text]) if re.match(text, path, re.IGNORECASE) else None
        elif match.path is not None:
            way = (-9999,) if path == text else None
        elif match.starts is not None:
            way = (-len(text), 1) if path.startswith(text) else None
        else:
            way = (-len(text.rstrip("/") + "/"), 0) if below(path, text) else None
        if way and rest(match, request):
            found.append((way, number))
    return min(found)[-1] if found else None


@settings(max_examples=200)
@given(st.integers(0, 2**32))
def test_the_router_agrees_with_a_list(seed):
    draw = Random(seed)
    order = draw.choice([*ORDERS])
    several, requests = scene(draw)
    if order == "ingress-nginx":  # which has no such wildcard
        several = [each for each in several if not any("a.*" in match.host for match in each[0])]
    default = Route(name="default") if draw.randrange(2) else None
    routes = [
        Route(those, actions=[Rewrite(path="/r")] if rewrites else [], priority=priority, name=str(number))
        for number, (those, priority, rewrites) in enumerate(several)
    ]
    router = Router(routes, default=default, order=order).start(Random(1))
    for request in requests:
        expected = oracle(order, several, request) or ("default" if default else 404)
        port = f":{request['port']}" if request["port"] else ""
        query = "&".join(f"{name}={value}" for name, value in request["query"].items())
        cookies = "; ".join(f"{name}={value}" for name, value in request["cookies"].items())
        fields = {**request["headers"], "cookie": cookies}
        url = f"http://{request['host']}{port}{request['path']}?{query}"
        assert chosen(router, url, request["method"], fields) == expected, (request, routes)


def oracle(order, several, request):
    """The name of the route; ``None``: there is none."""
    every = [(match, rewrites) for those, _, rewrites in several for match in those]
    for priority in (1, 0, -1):
        listed = [(match, name) for name, (those, own, _) in enumerate(several) for match in those if own == priority]
        matches = [match for match, _ in listed]
        if order == "ingress-nginx":
            number = ingress_nginx(matches, request, every)
        else:
            number = (envoy if order == "envoy" else gateway_api)(matches, request)
        if number is not None:
            return str(listed[number][1])
    return None
