"""What is hardly ever meant in a mesh file is found, where it stands; and nothing else is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from meshkit import ConfigError
from meshkit.config.document import parse
from meshkit.config.lint import WORDS
from meshkit.config.report import check, checked

from .large import large

CLUSTERS = """
clusters:
  orders: {endpoints: ["10.0.0.1:80", "10.0.0.2:80"]}
  v2: {endpoints: ["10.0.0.3:80"]}
"""
TIMED = "policies: [timeout: 2s]"
RARE = "load-shed-inside-retry stale-inside-retry too-few-ejected"


def told(text, *, ignore=(), **options):
    report = checked(parse(text, "mesh.yaml"), ignore=ignore, **options)
    assert report.mistakes == ()
    return [(each.word, each.said.line) for each in report.findings]


def found(routes, more="", **options):
    """The words and lines of what is said of these routes, which begin on line 1."""
    return told(f"routes:{routes.rstrip()}\n{CLUSTERS.strip()}\n{more}", **options)


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        ("timeout: 2s", []),
        ("timeout: 2s, retry: 5xx", []),
        ("retry: ConnectionError, timeout: 2s", ["timeout-not-repeated", "retry-without-deadline"]),
        ("retry: 5xx, timeout: 2s", ["retry-without-deadline"]),
        ("retry: {on: 5xx, attempts: 1}, timeout: 2s", []),
        ("timeout: 5s, retry: [5xx, TimeoutError], timeout: 1s", []),
        ("timeout: 5s, retry: [5xx, TimeoutError], timeout: 5s", ["timeout-never-strikes"]),
        ("retry: 5xx", ["retry-without-timeout"]),
        ("timeout: 2s, retry: {on: 5xx, budget: none}", ["retry-without-budget"]),
        ("timeout: 2s, circuit_breaker, retry: 5xx", ["breaker-outside-retry"]),
        ("timeout: 2s, retry: 5xx, retry: 5xx", ["two-retries"]),
        ("timeout: 2s, throttle, retry: 5xx", ["throttle-outside-retry"]),
        ("timeout: 2s, pace, retry: 5xx", ["pace-outside-retry"]),
        ("timeout: 2s, fallback: {value: a, on: 5xx}", ["fallback-inside-timeout"]),
        ("timeout: 2s, retry: 5xx, hedge: {after: 1s}", ["hedge-inside-retry"]),
        ("timeout: 2s, hedge: {after: 1s}, single_flight", ["single-flight-inside-hedge"]),
        ("stale_if_error: 1m, timeout: 2s", []),
        ("timeout: 2s, stale_if_error: 1m", ["stale-inside-timeout"]),
        ("timeout: 2s, fault_injection: {share: 1%, abort: 503, expires: 1h}", ["fault-injection"]),
        (
            "timeout: 2s, fault_injection: {share: 1%, abort: 503, expires: 1h}, retry: 5xx",
            ["fault-injection", "fault-outside-retry"],
        ),
        ("rate_limit: 1/s", ["no-timeout"]),
    ],
)
def test_the_order_of_policies(policies, words):
    assert [word for word, _ in found(f"\n- {{match: {{host: a}}, to: orders, policies: [{policies}]}}")] == words


def test_what_is_said_of_a_policy_stands_at_it_and_is_said_once():
    text = """
policies:
  odd:
  - timeout: 1s
  - retry: {on: ConnectionError, budget: none}
clusters:
  orders: {endpoints: ["10.0.0.1:80"]}
routes:
- {match: {host: a}, to: orders, policies: odd}
- {match: {host: b}, to: orders, policies: [odd, timeout: 2s], name: b}
- {match: {host: c}, to: orders, policies: [odd, timeout: 3s], name: c}
"""
    report = checked(parse(text, "mesh.yaml"))
    assert "\n".join(map(str, report.findings)) == (
        "warning: mesh.yaml:5:5: policies.odd[1]: a retry without a budget multiplies the load on an upstream that "
        "fails; leave budget out: there is one by default [retry-without-budget]\n"
        "warning: mesh.yaml:5:5: policies.odd[1]: an attempt that times out is not repeated (route b, and 1 more); "
        "name TimeoutError in the retry's on [timeout-not-repeated]\n"
        "warning: mesh.yaml:10:50: routes[1].policies[1]: a timeout of 2 s within one of 1 s never strikes (route b); "
        "make it shorter than the one outside it [timeout-never-strikes]\n"
        "warning: mesh.yaml:11:50: routes[2].policies[1]: a timeout of 3 s within one of 1 s never strikes (route c); "
        "make it shorter than the one outside it [timeout-never-strikes]"
    )
    assert report.findings[0].said.excerpt[0] == "      - retry: {on: ConnectionError, budget: none}"


def test_a_timeout_may_stand_anywhere_on_the_way():
    route = "\n- {match: {host: a}, to: orders}"
    assert found(route) == [("no-timeout", 2)]
    assert found(route, "nodes: {web: {calls: [a], policies: [timeout: 1s]}}") == [("unreachable-cluster", 5)]
    assert found(route, "nodes: {web: {policies: [timeout: 1s]}}") == []
    assert found(route, "listeners: {public: {hosts: [a], policies: [timeout: 1s]}}") == [("unreachable-cluster", 5)]
    assert ("no-timeout", 2) in found(route, "listeners: {public: {hosts: [a]}}")
    inside = CLUSTERS.replace('80"]}', '80"], pipeline: [timeout: 1s]}')
    assert told(f"routes: [{{match: {{host: a}}, to: orders}}]\n{inside}") == []
    both = "nodes: {web: {calls: [a], policies: [timeout: 1s]}, shop: {calls: [a], policies: [rate_limit: 1/s]}}"
    [finding] = checked(parse(f"routes:{route}{CLUSTERS}{both}", "a.yaml"), ignore=["unreachable-cluster"]).findings
    assert finding.said.text == "no timeout: a call that hangs is never given up (calls of node shop)"


def test_who_needs_no_timeout():
    assert found("\n- {match: {host: a, path: /b}, to: {redirect: {path: /c}}}") == []
    assert found("\n- {match: {host: a}, to: {respond: 404}}") == []
    assert found("\n- {match: {host: a}, to: passthrough}") == [("no-timeout", 2)]
    assert found("\n- {match: {host: a}, to: passthrough}", "listeners: {public: {hosts: [a]}}")[:1] == [
        ("unreachable-cluster", 4)
    ]


def test_a_cluster_that_is_called_by_its_own_name():
    assert told(CLUSTERS) == []
    assert told(f"{CLUSTERS}nodes: {{web: {{calls: [orders, v2]}}}}") == [("no-timeout", 3), ("no-timeout", 4)]
    assert told(f"{CLUSTERS}nodes: {{web: {{calls: [orders, v2], policies: [timeout: 1s]}}}}") == []
    text = CLUSTERS.replace('80"]}', '80"], localities: {zone_first: eu}}')
    assert [word for word, _ in told(f"{text}nodes: {{web: {{calls: [orders, v2], policies: [timeout: 1s]}}}}")] == [
        "nobody-is-found-down",
        "nobody-is-found-down",
    ]


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ("host: a", "host: a", "shadowed-route"),
        ("host: a, path: /b", "host: a, path: /b", "shadowed-route"),
        ("host: a, prefix: /b", "host: a, prefix: /b", "shadowed-route"),
        ("host: a, starts: /b", "host: a, starts: /b", "shadowed-route"),
        ("host: a, regex: /b+", "host: a, regex: /b+", "shadowed-route"),
        ("host: a, method: [GET, POST]", "host: a, method: GET", "shadowed-route"),
        ("host: a, headers: {X-A: b}", "host: a, headers: {x-a: b}", "shadowed-route"),
        ("host: [a, b]", "host: b", "shadowed-route"),
        ("grpc: shop.Orders", "grpc: shop.Orders", "shadowed-route"),
        ("path: /shop.Orders/Get, method: POST", "grpc: shop.Orders/Get", "shadowed-route"),
        ("host: a, prefix: /b", "host: a, prefix: /b/c", None),
        ("host: a, prefix: /b", "host: a, path: /b", None),
        ("host: a, prefix: /b", "host: a, starts: /b", None),
        ("host: '*'", "host: a", None),
        ("host: b", "host: [a, b]", None),
        ("host: a, method: GET", "host: a", None),
        ("host: a, method: GET", "host: a, method: [GET, POST]", None),
        ("host: a, headers: {x-a: b}", "host: a", None),
        ("host: a, headers: {x-a: b}", "host: a, headers: {x-a: c}", None),
        ("host: a, headers: {x-a: b}", "host: a, headers: {x-b: b}", None),
        ("host: a, scheme: http", "host: a, port: 80", None),
        ("grpc: shop.Orders/Get", "path: /shop.Orders/Get, method: POST", None),
    ],
)
def test_a_route_that_never_gets_a_request(one, two, said):
    routes = f"\n- {{match: {{{one}}}, to: orders, {TIMED}}}\n- {{match: {{{two}}}, to: v2, {TIMED}}}"
    words = [word for word, _ in found(routes)]
    assert words == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("one", "two", "shadowed"),
    [
        ("host: '*'", "host: a", True),
        ("host: '*.a'", "host: b.a", True),
        ("host: '*.a'", "host: '*.b.a'", True),
        ("host: b.*", "host: b.a", True),
        ("host: '*.a'", "host: a", False),
        ("host: '*.a'", "host: '*'", False),
        ("host: a", "host: [a, b]", False),
        ("host: [a, b]", "host: [a, b], path: /c", True),
        ("prefix: /b", "prefix: /b/c", True),
        ("prefix: /b", "prefix: /bc", False),
        ("prefix: /b", "path: /b", True),
        ("prefix: /b", "path: /b/", True),
        ("path: /b/", "path: /b", False),
        ("path: /b/", "prefix: /b", False),
        ("prefix: /b", "starts: /b/", True),
        ("prefix: /b", "starts: /b", False),
        ("prefix: /b", "regex: '/b/[0-9]+'", True),
        ("prefix: /b", "regex: '/b[0-9]+'", False),
        ("starts: /b", "prefix: /bc", True),
        ("starts: /b", "regex: '/b[0-9]+'", True),
        ("starts: /bc", "prefix: /b", False),
        ("regex: '/[a-z]+'", "path: /b", True),
        ("regex: '/[a-z]+'", "path: /1", False),
        ("regex: '/[a-z]+'", "regex: /b", False),
        ("prefix: /", "host: a, path: /b, method: GET, query: {c: d}", True),
        ("method: [GET, POST]", "method: GET", True),
        ("method: GET", "path: /b", False),
        ("headers: {x-a: b}", "path: /b, headers: {x-a: b, x-c: d}", True),
        ("headers: {x-a: b}", "path: /b", False),
    ],
)
def test_a_route_of_a_higher_priority_takes_all(one, two, shadowed):
    routes = f"\n- {{match: {{{two}}}, to: v2, {TIMED}}}\n- {{match: {{{one}}}, to: orders, {TIMED}, priority: 1}}"
    assert found(routes) == ([("shadowed-route", 2)] if shadowed else [])


def test_several_may_take_all_together():
    get = f"\n- {{match: {{host: a, method: GET}}, to: orders, {TIMED}}}"
    post = f"\n- {{match: {{host: a, method: POST}}, to: orders, {TIMED}}}"
    both = f"\n- {{match: {{host: a, method: [GET, POST]}}, to: v2, {TIMED}}}"
    assert found(get + post + both) == [("shadowed-route", 4)]
    assert found(get + both + post) == [("shadowed-route", 4)]
    assert found(get + both) == []
    one = f"\n- {{match: {{host: a}}, to: orders, {TIMED}}}"
    other = f"\n- {{match: {{host: b}}, to: orders, {TIMED}}}"
    assert found(one + other + f"\n- {{match: {{host: [a, b]}}, to: v2, {TIMED}}}") == [("shadowed-route", 4)]


def test_matches_of_a_route():
    twice = f"\n- {{match: [{{host: a}}, {{host: b}}, {{host: a}}], to: orders, {TIMED}}}"
    assert found(twice) == [("duplicate-match", 2)]
    first = f"\n- {{match: {{host: a}}, to: orders, {TIMED}}}"
    assert found(first + f"\n- {{match: [{{host: b}}, {{host: a}}], to: v2, {TIMED}}}") == [("shadowed-match", 3)]
    assert found(first + f"\n- {{match: [{{host: a}}, {{host: a}}], to: v2, {TIMED}}}") == [("shadowed-route", 3)]


def test_other_orders():
    wide = f"\n- {{match: {{host: a, prefix: /b}}, to: orders, {TIMED}}}"
    near = f"\n- {{match: [{{host: c}}, {{host: a, path: /b}}], to: v2, {TIMED}}}"
    assert found(wide + near) == []
    assert found(wide + near, "order: envoy") == [("shadowed-match", 3)]
    assert found(near + wide, "order: envoy") == []
    assert found(wide + near, "order: ingress-nginx") == []
    redirect = "\n- {match: [{host: [a, b]}, {host: c}], to: {redirect: {path: /login}}}"
    assert found(redirect, "order: ingress-nginx") == []  # all its paths are expressions
    assert found(redirect, "order: envoy") == [("redirect-loop", 2)]


def test_a_listener_may_choose_the_second_of_two():
    routes = "".join(f"\n- {{name: {name}, match: {{host: a}}, to: {name}, {TIMED}}}" for name in ("orders", "v2"))
    assert found(routes) == [("shadowed-route", 3)]
    assert found(routes, "listeners: {public: {routes: [v2]}, inner: {}}") == []
    assert found(routes, "listeners: {public: {routes: [orders, v2]}, inner: {}}") == [("shadowed-route", 3)]


def test_what_nobody_reaches():
    routes = f"\n- {{match: {{host: a.shop}}, to: orders, {TIMED}}}\n- {{match: {{host: b}}, to: v2, {TIMED}}}"
    assert found(routes) == []
    assert found(routes, "nodes: {web: {calls: ['*.shop']}}") == [("unreachable-route", 3)]
    assert found(routes, "nodes: {web: {calls: ['*.shop']}}\nlisteners: {public: {hosts: [b]}}") == []
    assert found(routes, "nodes: {web: {calls: ['*.shop']}, all: {}}") == []
    one = f"\n- {{match: {{host: a}}, to: orders, {TIMED}}}"
    assert found(one) == []
    assert found(one, "nodes: {web: {calls: [a]}}") == [("unreachable-cluster", 5)]
    assert found(one, "nodes: {web: {calls: [a, v2], policies: [timeout: 1m]}}") == []
    mirrored = f"\n- {{match: {{host: a}}, to: orders, {TIMED}, actions: [mirror: v2]}}"
    assert found(mirrored, "nodes: {web: {calls: [a]}}") == []


def test_stacks_that_nothing_refers_to():
    stacks = "policies: {careful: [timeout: 1s], more: [careful, retry: 5xx], lost: [timeout: 2s]}"
    route = "\n- {match: {host: a}, to: orders, policies: more}"
    assert found(route, stacks) == [("unused-policies", 6)]


def test_other_namespaces_have_places_too():
    text = f"""
namespaces:
  shop:
    grants: {{default: [stock]}}
    policies:
      lost: [timeout: 1s]
    clusters:
      stock: {{endpoints: ["10.0.0.1:80"]}}
      spare: {{endpoints: ["10.0.0.1:80"]}}
    routes:
    - {{match: {{host: a}}, to: stock}}
routes:
- {{match: {{host: b}}, to: shop/stock, {TIMED}}}
nodes: {{web: {{calls: [a, b]}}}}
"""
    assert told(text) == [("unused-policies", 6), ("unreachable-cluster", 9), ("no-timeout", 11)]


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("split: {orders: 1}", ["one-branch"]),
        ("split: {orders: 1, v2: 0}", []),
        ("split: {branches: [{to: {split: {orders: 1}}, weight: 1}, {to: v2}]}", ["one-branch"]),
        ("canary: {main: orders, canary: v2}", ["no-weight"]),
        ("canary: {main: orders, canary: v2, weight: 1}", []),
        ("canary: {main: orders, canary: v2, header: x-canary}", []),
        ("rollout: {main: orders, canary: v2}", []),
        (
            "canary: {main: orders, weight: 1, canary: {to: v2, actions: [mirror: {to: orders, methods: PUT}]}}",
            ["unsafe-mirror"],
        ),
    ],
)
def test_what_is_split(to, words):
    assert [word for word, _ in found(f"\n- {{match: {{host: a}}, {TIMED}, to: {{{to}}}}}")] == words


def test_copies_of_what_changes_something():
    route = f"\n- match: {{host: a}}\n  {TIMED}\n  to: orders\n  actions:\n  - mirror:\n      to: v2\n      methods: "
    assert found(route + "[GET, HEAD]") == []
    assert found(route + "[GET, POST]") == [("unsafe-mirror", 8)]


@pytest.mark.parametrize(
    ("match", "redirect", "loops"),
    [
        ("host: a, path: /old", "path: /new", False),
        ("host: a", "path: /login", True),
        ("host: a, prefix: /a", "path: /b", False),
        ("host: a", "prefix: /b", True),
        ("host: a, prefix: /a", "prefix: /a/b", True),
        ("host: a", "host: b", False),
        ("host: '*.a'", "host: b.a", True),
        ("host: a", "scheme: https", True),
        ("host: a, scheme: http", "scheme: https", False),
        ("host: a, method: POST", "path: /login, status: 307", True),
        ("host: a", "port: 8443, scheme: https", True),
        ("host: a, headers: {x-a: b}", "path: /b", False),
        ("host: a, regex: '/.*'", "path: /b", False),
    ],
)
def test_redirects_that_lead_back(match, redirect, loops):
    route = f"\n- {{match: {{{match}}}, to: {{redirect: {{{redirect}}}}}}}"
    assert found(route) == ([("redirect-loop", 2)] if loops else [])


def test_a_redirect_to_where_another_listener_is():
    route = "\n- {match: {host: a}, to: {redirect: {scheme: https}}}"
    ignored = ["unreachable-cluster"]
    assert found(route, "listeners: {public: {hosts: [a]}}", ignore=ignored) == []
    both = "listeners: {public: {hosts: [a]}, tls: {hosts: [a], scheme: https, port: 8443}}"
    assert found(route, both, ignore=ignored) == [("redirect-loop", 2)]


def test_expressions_for_re2():
    pytest.importorskip("re2")
    apart = f"\n- match:\n  - host: [a, b]\n  - {{host: [c, d], regex: '/(a+)+'}}\n  to: orders\n  {TIMED}"
    assert found(apart, "order: ingress-nginx") == [("needs-re2", 4)]
    apart = f"\n- match:\n  - host: [a, b]\n  - {{host: [c, d], regex: '/(a+)+'}}\n  to: orders\n  {TIMED}"
    assert found(apart, "order: ingress-nginx") == [("needs-re2", 4)]
    assert found(f"\n- {{match: {{host: a, regex: '/(a+)+'}}, to: orders, {TIMED}}}") == [("needs-re2", 2)]
    assert found(f"\n- {{match: {{host: a, regex: '/a+'}}, to: orders, {TIMED}}}") == []
    value = "headers: {x-a: {regex: '(a+)+'}}"
    assert found(f"\n- {{match: {{host: a, {value}}}, to: orders, {TIMED}}}") == [("needs-re2", 2)]


def test_what_is_unknown_where_it_is_asked():
    source = f"\n- {{match: {{host: a, source: 10.0.0.0/8}}, to: orders, {TIMED}}}"
    ignored = ["unreachable-cluster"]
    assert found(source) == [("unknown-fact", 2)]
    assert found(source, "listeners: {public: {hosts: [a]}}", ignore=ignored) == []
    assert found(source, "nodes: {web: {calls: [a]}}", ignore=ignored) == [("unknown-fact", 2)]
    key = "\n- {match: {host: a}, to: orders, policies: [timeout: 1s, rate_limit: {rate: 1/s, key: client}]}"
    assert found(key) == [("unknown-fact", 2)]
    assert found(key.replace("client", "header:x-a")) == []


def test_keys_in_front_of_routes_are_known_as_well():
    limited = "policies: [rate_limit: {rate: 5/s, key: ip}]"
    route = f"\n- {{match: {{host: a}}, to: passthrough, {TIMED}}}"
    ignored = ["unreachable-cluster"]
    assert found(route, f"listeners: {{public: {{hosts: [a], {limited}}}}}", ignore=ignored) == [("unknown-fact", 6)]
    assert found(route, f"nodes: {{web: {{calls: [a], {limited}}}}}", ignore=ignored) == [("unknown-fact", 6)]
    serves = limited.replace("policies", "serves")
    assert found(route, f"nodes: {{web: {{calls: [a], {serves}}}}}", ignore=ignored) == [("unknown-fact", 6)]
    assert found(route, f"nodes: {{web: {{calls: [a], {serves.replace('ip', 'client')}}}}}", ignore=ignored) == []
    report = checked(parse(f"listeners: {{public: {{{limited}}}}}", "mesh.yaml"))
    assert str(report.findings[0].said).endswith("gets an error; the address of who asks is client")


def test_a_listener_leads_to_clusters_or_to_an_app():
    routes = f"\n- {{match: {{host: a}}, to: orders, {TIMED}, name: shop}}"
    routes += f"\n- {{match: {{host: a, path: /b}}, to: v2, {TIMED}}}"
    routes += f"\n- {{match: {{host: a, path: /c}}, to: passthrough, {TIMED}}}"
    routes += f"\n- {{match: {{host: a, path: /d}}, to: {{respond: 404}}, {TIMED}}}"
    text = f"routes:{routes}{CLUSTERS}listeners: {{public: {{hosts: [a]}}}}"
    report = checked(parse(text, "mesh.yaml"))
    assert [(each.word, each.level, each.said.line, each.said.path) for each in report.findings] == [
        ("needs-gateway", "note", 9, "listeners.public")
    ]
    assert report.findings[0].said.text == (
        "route shop leads to a cluster, which meshkit serve sends on to and no mesh.middleware() does; "
        "routes[2] leads to an app, which only mesh.middleware() has"
    )
    for served in (
        text.replace("to: orders", "to: passthrough").replace("to: v2", "to: passthrough"),
        text.replace("to: passthrough", "to: v2"),
        text.replace("to: passthrough", "to: {app: 'os:getcwd'}"),
    ):
        assert checked(parse(served, "mesh.yaml"), ignore=["unreachable-cluster"]).findings == ()
    split = text.replace("to: passthrough", "to: {split: {branches: [{to: passthrough}, {to: v2}]}}")
    assert [each.word for each in checked(parse(split, "mesh.yaml")).findings] == ["needs-gateway"]


def test_what_only_a_server_does():
    actions = "actions: [cors: {origins: 'https://shop.example'}, compress, websocket: {idle: 1h}]"
    route = f"\n- {{match: {{host: a}}, to: orders, {TIMED}, {actions}}}"
    ignored = ["unreachable-cluster"]
    assert found(route) == [("only-for-servers", 2)] * 3
    assert found(route, "nodes: {web: {calls: [a]}}", ignore=ignored) == [("only-for-servers", 2)] * 3
    assert found(route, "listeners: {public: {hosts: [a]}}", ignore=ignored) == []


@pytest.mark.parametrize(
    ("match", "word", "fix"),
    [
        ("headers: {x-a: 'beta-*'}", "literal-pattern", "write {prefix: beta-}"),
        ("query: {a: '*.eu'}", "literal-pattern", "write {suffix: .eu}"),
        ("cookies: {a: '*b*'}", "literal-pattern", "write {regex: '.*b.*'}"),
        ("headers: {x-a: '*'}", "literal-pattern", "write true, if it is any value"),
        ("headers: {x-a: yes}", "literal-truth", "write true, if it only has to be there"),
        ("method: GTE", "unusual-method", "did you mean GET?"),
        ("method: [GET, DELTE]", "unusual-method", "did you mean DELETE?"),
        ("headers: {x-a: a*b}", None, ""),
        ("headers: {x-a: {regex: 'a*'}}", None, ""),
        ("headers: {x-a: true}", None, ""),
        ("method: [PROPFIND, PROPPATCH, QUERY, REPORT, PURGE, LOCK, SEARCH]", None, ""),
    ],
)
def test_what_seems_to_be_something_else(match, word, fix):
    route = f"- {{match: {{host: a, {match}}}, to: orders, {TIMED}}}"
    said = checked(parse(f"routes:\n{route}{CLUSTERS}", "mesh.yaml")).findings
    assert [(each.word, each.said.suggestion) for each in said] == ([] if word is None else [(word, fix)])


def test_what_routes_leave_of_a_clusters_own_host():
    def words(match, more=""):
        text = f"\n- {{match: {{{match}}}, to: v2, {TIMED}}}{more}"
        return [each for each in found(text, "nodes: {web: {calls: [orders]}}") if each[0] != "no-timeout"]

    assert words("host: orders, prefix: /new") == [("own-host-uncovered", 2)]
    assert words("host: orders") == words("host: '*', prefix: /new") == []
    rest = f"\n- {{match: {{host: '*'}}, to: orders, {TIMED}}}"
    assert words("host: orders, prefix: /new", rest) == []
    web = "nodes: {web: {calls: [orders], policies: [timeout: 9s]}}"
    part = f"\n- {{match: {{host: orders, prefix: /new}}, to: v2, {TIMED}}}"
    assert found(part, web) == []
    assert found(part.replace(TIMED, "policies: []"), web) == []


def test_what_is_open_to_all():
    assert told(f"egress: any{CLUSTERS}") == [("egress-any", 1)]
    assert told(f"egress: listed{CLUSTERS}") == []
    assert told("listeners:\n  a: {address: 0.0.0.0}\n  b: {address: '::', scheme: https}\n  c: {}") == [
        ("plain-listener", 2)
    ]


def test_notes_are_no_warnings():
    report = checked(parse(f"egress: any{CLUSTERS}", "mesh.yaml"))
    assert (report.warnings, report.notes) == (0, 1)
    assert report.sound(strict=True)
    report = checked(parse(f"routes: [{{match: {{host: a}}, to: orders}}]{CLUSTERS}", "mesh.yaml"))
    assert (report.warnings, report.notes) == (1, 0)
    assert report.sound()
    assert not report.sound(strict=True)


def test_what_is_to_be_passed_over(tmp_path):
    text = f"egress: any\nroutes: [{{match: {{host: a}}, to: orders}}]{CLUSTERS}"
    assert told(text) == [("egress-any", 1), ("no-timeout", 2)]
    assert told(text, ignore=["no-timeout"]) == [("egress-any", 1)]
    with pytest.raises(ConfigError, match="did you mean no-timeout"):
        check(tmp_path / "mesh.yaml", ignore=["no-timeouts"])


def test_a_file_with_mistakes_is_not_looked_at_further(tmp_path):
    file = tmp_path / "mesh.yaml"
    file.write_text("routes: [{match: {host: a}, to: orders}]")
    report = check(file)
    assert (report.wrong, report.findings, report.spec) == (1, (), None)
    assert not report.sound()
    assert check(tmp_path / "none.yaml").wrong == 1


def test_many_are_counted():
    routes = "".join(f"\n- {{match: {{host: a{number}}}, to: orders}}" for number in range(150))
    report = checked(parse(f"routes:{routes}{CLUSTERS}", "mesh.yaml"))
    assert (len(report.findings), report.warnings) == (100, 150)
    assert [each.said.line for each in report.findings] == [*range(2, 102)]


def test_each_word_is_met_on_this_page():
    """But for those of rare orders, which are `tests/test_order.py`'s."""
    text = Path(__file__).read_text("utf-8")
    assert {word for word in WORDS if f'"{word}"' not in text} == {*RARE.split()}


def test_a_large_mesh_costs_what_its_routes_do():
    def seconds(routes):
        document = parse(large(routes), "mesh.yaml")
        began = time.process_time()
        assert checked(document).findings == ()
        return time.process_time() - began

    seconds(50)
    assert seconds(1600) < 4 * 2.5 * min(seconds(400) for _ in range(3))
