"""What does the mesh file of a soak say, in each of its versions? Also what a file says that must not come into force.

Every answer names the version by which it was given. The last endpoint is there in every other version: what is under
way to it has to end well while nobody asks it any more. Limits, balancers, shares and the routes' order change, too.
"""

from __future__ import annotations

from random import Random

from .processes import Upstreams

__all__ = ["bad", "good"]

GOOD = """\
mesh: soak
clusters:
  shop:
    endpoints: [{endpoints}]
    balancer: {balancer}
    checks: [http_check: {{path: /check/0/0, interval: 500ms, timeout: 1s, unhealthy: 2, healthy: 1}}]
    outliers:
      outlier_detection: {{base_ejection_time: 1s, max_ejection_time: 1s, interval: 1s, max_ejected: 50%}}
  chat: [{sockets}]
  shadow: [{mirror}]
policies:
  again: [retry: {{on: [5xx, reset], attempts: 5, budget: null, backoff: {{constant: {{seconds: 10ms}}}}}}]
  short: [timeout: 15s, again, concurrency_limit: {{limit: {limit}, queue: 500}}, timeout: 2s]
routes:
{routes}
listeners:
  public: {{address: 127.0.0.1, port: {port}}}
"""
SHORT = """\
- name: {name}
  match: {{prefix: /{name}}}
  policies: [short]
  actions:
  - response_headers: {{set: {{x-version: "{version}"}}}}
  - mirror: {{to: shadow, share: {share}, methods: [GET, POST], limit: 5, timeout: 3s}}
  to: shop
"""
LONG = """\
- name: {name}
  match: {{prefix: /{name}}}
  policies: [again, timeout: 4s]
  actions: [response_headers: {{set: {{x-version: "{version}"}}}}]
  to: {to}
"""
SHORTS = {"get", "put", "post"}
ROUTES = ("get", "put", "post", "download", "upload", "events", "chat")


def good(upstreams: Upstreams, port: int, version: int, random: Random) -> str:
    """One that is in force as soon as it is read."""
    names = [name for name in upstreams.all if name != "mirror"]
    names = names if version % 2 else names[:-1]
    routes = "".join(
        (SHORT if name in SHORTS else LONG).format(
            name=name, version=version, share=random.choice([0.2, 0.5]), to="chat" if name == "chat" else "shop"
        )
        for name in random.sample(ROUTES, len(ROUTES))
    )
    return GOOD.format(
        endpoints=", ".join(upstreams.address(name) for name in names),
        sockets=", ".join(upstreams.address(name, 1) for name in names),
        mirror=upstreams.address("mirror"),
        balancer=random.choice(["peak_ewma", "least_request", "round_robin"]),
        limit=random.choice([100, 200]),
        port=port,
        routes=routes,
    )


def bad(upstreams: Upstreams, port: int, version: int, random: Random) -> str:
    """One with a mistake: half of a file, a word that is none, a cluster that is nowhere, an address that is none."""
    text = good(upstreams, port, version, random).replace(f'"{version}"', "bad")
    match random.randrange(4):
        case 0:
            return text[: len(text) // 2] + "  - ["
        case 1:
            return text.replace("attempts: 5", "atempts: 5")
        case 2:
            return text.replace("to: shop\n", "to: shopp\n")
    return text.replace(upstreams.address("a"), "127.0.0.1:70000")
