"""Which requests is a route for? All that is written in a match must hold; of several matches, one.

A path is written in one of these ways, and always in its normal form (`path`)::

    path="/orders"                     just that path
    prefix="/orders"                   that path, and those below it, element by element: not /orders2
    starts="/orders"                   all that begin with these characters: /orders2 as well
    regex="/orders/[0-9]+"             a path that the expression matches as a whole
    grpc="shop.Orders/Get"             a method of gRPC, or all of a service

How another order of routes reads them: `envoy`, `ingress_nginx`. Names of header fields are compared without regard to
case, everything else with. Where a field, a parameter or a cookie comes several times, `meshkit.policy.Door.fact` says
what counts. The rules are those of the Gateway API's HTTPRoute, where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import among, is_function, optional
from ..policy import awaits
from . import options
from .hosts import checked
from .options import TOKEN, once, several
from .regex import compile as compiled
from .value import Test, Value, tested, value, values

__all__ = ["Match"]

GRPC = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*(?:/[A-Za-z_]\w*)?", re.ASCII)
GRPC_TYPE = re.compile(r"application/grpc(?:\+[^;]*)?\s*(?:;.*)?", re.IGNORECASE)
"""Not gRPC-Web's."""
WAYS = ("path", "prefix", "path_separated_prefix", "starts", "regex", "grpc")


def _hosts(given: Any) -> Any:
    hosts = several(given)
    if hosts is None:
        return ()
    if not isinstance(hosts, tuple):
        raise ConfigError.of("Match", "host", given, 'give a host, such as "orders", or several')
    return tuple(checked("Match", "host", each) for each in hosts)


def _regex(spec: Any, attribute: Any, given: Any) -> None:
    if given is not None:
        compiled(given, policy="Match")


def _named(spec: Any, attribute: Any, given: Any) -> None:
    sound = isinstance(given, dict) and all(isinstance(each, Value) for each in given.values())
    if not sound:
        fix = 'give values by name, such as {"x-user": "anna"} or {"x-user": Value(prefix="a")}'
        raise ConfigError.of("Match", attribute.name, given, fix)
    for name in given:
        fits = isinstance(name, str) and (TOKEN.fullmatch(name) if attribute.name != "query" else name)
        if not fits:
            raise ConfigError.of("Match", attribute.name, name, "give a name")
    if attribute.name == "headers":
        once("Match", "headers", given)


def _networks(spec: Any, attribute: Any, given: Any) -> None:
    try:
        for each in given:
            ip_network(each)
    except (TypeError, ValueError):
        fix = 'give addresses or networks, such as "10.0.0.0/8"'
        raise ConfigError.of("Match", attribute.name, given, fix) from None


def _when(spec: Any, attribute: Any, given: Any) -> None:
    if given is not None and (not is_function(given) or awaits(given)):
        raise ConfigError.of("Match", "when", given, "give a plain function of the call that answers yes or no")


def _grpc(spec: Any, attribute: Any, given: Any) -> None:
    if given is not None and not (isinstance(given, str) and GRPC.fullmatch(given)):
        raise ConfigError.of("Match", "grpc", given, 'give a service, or one with its method: "shop.Orders/Get"')


def _client(spec: Any, attribute: Any, given: Any) -> None:
    if given is not None and not isinstance(given, Value):
        raise ConfigError.of("Match", attribute.name, given, "give text, a boolean or a Value")


@attrs.frozen(kw_only=True)
class Match:
    """What a request must be. Without options: any request. Raises `ConfigError`.

    ``host``: a name or a wildcard (`hosts`), or several; ``path``, ``prefix``, ``starts``, ``regex``, ``grpc``: one of
    them; ``path_separated_prefix``: a ``prefix`` that is one element by element in every order of routes. ``method``:
    one or several; ``scheme``; ``port``: the one the request was sent to. ``headers``, ``query``, ``cookies``: for each
    name a text, a boolean (there is one, or none), or a `Value`. ``source``: networks of which the client's address
    must be in one; ``sni`` and ``certificate`` (the client's, its subject): the same as for a header; these three are
    known to servers only. ``when``: a function of the call, asked last; what it raises is the caller's to see.
    """

    host: tuple[str, ...] = attrs.field(default=(), converter=_hosts)
    path: str | None = attrs.field(default=None, validator=options.path)
    prefix: str | None = attrs.field(default=None, validator=options.path)
    path_separated_prefix: str | None = attrs.field(default=None, validator=options.path)
    starts: str | None = attrs.field(default=None, validator=options.path)
    regex: str | None = attrs.field(default=None, validator=_regex)
    method: tuple[str, ...] = attrs.field(default=(), converter=several, validator=options.methods)
    scheme: str | None = attrs.field(default=None, validator=optional(among("http", "https", "ws", "wss")))
    port: int | None = attrs.field(default=None, validator=options.port)
    headers: dict[str, Value] = attrs.field(factory=dict, converter=values, validator=_named)
    query: dict[str, Value] = attrs.field(factory=dict, converter=values, validator=_named)
    cookies: dict[str, Value] = attrs.field(factory=dict, converter=values, validator=_named)
    source: tuple[str, ...] = attrs.field(default=(), converter=several, validator=_networks)
    sni: Value | None = attrs.field(default=None, converter=value, validator=_client)
    certificate: Value | None = attrs.field(default=None, converter=value, validator=_client)
    grpc: str | None = attrs.field(default=None, validator=_grpc)
    when: Callable[[Call], Any] | None = attrs.field(default=None, validator=_when)

    def __attrs_post_init__(self) -> None:
        given = [name for name in WAYS if getattr(self, name) is not None]
        if len(given) > 1:
            fix = "a request has one path: give one of them, or several matches"
            raise ConfigError(f"Match: {' and '.join(given)}: {fix}")

    @property
    def asked(self) -> dict[str, str]:
        """The facts that it needs to know of a request, by their names, each with the option that asks."""
        given = {"grpc": self.grpc, "source": self.source or None, "sni": self.sni, "certificate": self.certificate}
        return {
            **{f"header:{name.lower()}": "headers" for name in self.headers},
            **{f"cookie:{name}": "cookies" for name in self.cookies},
            **{f"query:{name}": "query" for name in self.query},
            **{FACTS[option]: option for option, value in given.items() if value is not None},
        }

    def facts(self) -> list[tuple[str, Test]]:
        """What is asked of the request besides its line, in the order in which it is cheap to ask."""
        found = []
        if self.headers or self.cookies or self.query:
            headers = {name.lower(): each for name, each in self.headers.items()}
            found += tested("header", headers) + tested("cookie", self.cookies) + tested("query", self.query)
        if self.grpc is not None:
            found.append((FACTS["grpc"], lambda given: given is not None and bool(GRPC_TYPE.fullmatch(given))))
        if self.source:
            networks = tuple(ip_network(each) for each in self.source)
            found.append((FACTS["source"], lambda address: _within(networks, address)))
        if self.sni is not None:
            found.append((FACTS["sni"], self.sni.test()))
        if self.certificate is not None:
            found.append((FACTS["certificate"], self.certificate.test()))
        return found


FACTS = {"grpc": "header:content-type", "source": "client", "sni": "sni", "certificate": "certificate"}


def _within(networks: tuple[Any, ...], address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:  # a Unix socket's peer
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
