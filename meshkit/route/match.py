"""Which requests is a route for? All that is written in a match must hold; of several matches, one.

A path is one of three::

    path="/orders"             just that path
    prefix="/orders"           that path, and those below it, element by element: not /orders2
    regex="/orders/[0-9]+"     a path that the expression matches as a whole

Names of header fields are compared without regard to case, everything else with. Where a field, a parameter or a cookie
comes several times, `meshkit.policy.Door.fact` says what counts. The rules are those of the Gateway API's HTTPRoute,
where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import is_function
from ..policy import awaits
from .hosts import checked
from .path import BadPath, normal
from .regex import compile as compiled
from .value import Test, Value, tested, values

__all__ = ["Match"]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
GRPC = re.compile(r"[\w.]+(?:/\w+)?")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _hosts(value: Any) -> Any:
    several = _several(value)
    if several is None or several == ():
        return ()
    if not isinstance(several, tuple):
        raise ConfigError.of("Match", "host", value, 'give a host, such as "orders", or several')
    return tuple(checked("Match", "host", each) for each in several)


def _methods(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, str) and TOKEN.fullmatch(each) for each in value):
        raise ConfigError.of("Match", "method", value, 'give a method, such as "GET", or several')


def _path(spec: Any, attribute: Any, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigError.of("Match", attribute.name, value, 'give a path that begins with "/"')
    try:
        same = normal(value)
    except BadPath as error:
        raise ConfigError.of("Match", attribute.name, value, f"no request has such a path: {error}") from None
    if same != value:
        raise ConfigError.of("Match", attribute.name, value, f"paths are matched in their normal form: write {same!r}")


def _regex(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None:
        compiled(value, policy="Match")


def _named(spec: Any, attribute: Any, given: Any) -> None:
    sound = isinstance(given, dict) and all(isinstance(each, Value) for each in given.values())
    if not sound:
        fix = 'give values by name, such as {"x-user": "anna"} or {"x-user": Value(prefix="a")}'
        raise ConfigError.of("Match", attribute.name, given, fix)
    for name in given:
        fits = isinstance(name, str) and (TOKEN.fullmatch(name) if attribute.name != "query" else name)
        if not fits:
            raise ConfigError.of("Match", attribute.name, name, "give a name")


def _lowered(given: Any) -> Any:
    known = values(given)
    if isinstance(known, dict):
        return {name.lower() if isinstance(name, str) else name: value for name, value in known.items()}
    return known


def _networks(spec: Any, attribute: Any, value: Any) -> None:
    try:
        for each in value:
            ip_network(each)
    except (TypeError, ValueError):
        fix = 'give addresses or networks, such as "10.0.0.0/8"'
        raise ConfigError.of("Match", attribute.name, value, fix) from None


def _when(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (not is_function(value) or awaits(value)):
        raise ConfigError.of("Match", "when", value, "give a plain function of the call that answers yes or no")


def _port(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536):
        raise ConfigError.of("Match", "port", value, "give a port, 1 to 65535")


def _scheme(spec: Any, attribute: Any, value: Any) -> None:
    if value not in (None, "http", "https", "ws", "wss"):
        raise ConfigError.of("Match", "scheme", value, 'write "http", "https", "ws" or "wss"')


def _grpc(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and GRPC.fullmatch(value)):
        raise ConfigError.of("Match", "grpc", value, 'give a service, or one with its method: "shop.Orders/Get"')


def _client(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not isinstance(value, Value):
        raise ConfigError.of("Match", attribute.name, value, "give text or a Value")


def _value(given: Any) -> Any:
    return Value(given) if isinstance(given, str) else given


@attrs.frozen(kw_only=True)
class Match:
    """What a request must be. Without options: any request. Raises `ConfigError`.

    ``host``: a name or a wildcard (`hosts`), or several; ``path``, ``prefix``, ``regex``: one of the three; ``method``:
    one or several; ``scheme``; ``port``: the one the request was sent to. ``headers``, ``query``, ``cookies``: for each
    name a text, a boolean (there is one, or none), or a `Value`. ``source``: networks of which the client's address
    must be in one; ``sni`` and ``certificate`` (the client's, its subject): a text or a `Value`; these three are known
    to servers only. ``grpc``: a service, or a service and method. ``when``: a function of the call, asked last; what it
    raises is the caller's to see.
    """

    host: tuple[str, ...] = attrs.field(default=(), converter=_hosts)
    path: str | None = attrs.field(default=None, validator=_path)
    prefix: str | None = attrs.field(default=None, validator=_path)
    regex: str | None = attrs.field(default=None, validator=_regex)
    method: tuple[str, ...] = attrs.field(default=(), converter=_several, validator=_methods)
    scheme: str | None = attrs.field(default=None, validator=_scheme)
    port: int | None = attrs.field(default=None, validator=_port)
    headers: dict[str, Value] = attrs.field(factory=dict, converter=_lowered, validator=_named)
    query: dict[str, Value] = attrs.field(factory=dict, converter=values, validator=_named)
    cookies: dict[str, Value] = attrs.field(factory=dict, converter=values, validator=_named)
    source: tuple[str, ...] = attrs.field(default=(), converter=_several, validator=_networks)
    sni: Value | None = attrs.field(default=None, converter=_value, validator=_client)
    certificate: Value | None = attrs.field(default=None, converter=_value, validator=_client)
    grpc: str | None = attrs.field(default=None, validator=_grpc)
    when: Callable[[Call], Any] | None = attrs.field(default=None, validator=_when)

    def __attrs_post_init__(self) -> None:
        given = [name for name in ("path", "prefix", "regex", "grpc") if getattr(self, name) is not None]
        if len(given) > 1:
            fix = "a request has one path: give one of them, or several matches"
            raise ConfigError(f"Match: {' and '.join(given)}: {fix}")

    @property
    def asked(self) -> tuple[str, ...]:
        """The facts that it needs to know of a request, by their names."""
        return tuple(name for name, _ in self.facts())

    def facts(self) -> list[tuple[str, Test]]:
        """What is asked of the request besides its line, in the order in which it is cheap to ask."""
        found = tested("header", self.headers) + tested("cookie", self.cookies) + tested("query", self.query)
        if self.grpc is not None:
            grpc = Value(prefix="application/grpc")
            found.append(("header:content-type", grpc.test()))
        if self.source:
            networks = tuple(ip_network(each) for each in self.source)
            found.append(("client", lambda address: _within(networks, address)))
        if self.sni is not None:
            found.append(("sni", self.sni.test()))
        if self.certificate is not None:
            found.append(("certificate", self.certificate.test()))
        return found


def _within(networks: tuple[Any, ...], address: str | None) -> bool:
    try:
        parsed = ip_address(address or "")
    except ValueError:  # a Unix socket's peer
        return False
    return any(parsed in network for network in networks)
