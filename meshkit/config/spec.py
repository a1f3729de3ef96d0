"""What is a mesh made of? Clusters, routes, listeners and nodes, each under a name.

==================  ==========================================================================
of AWS App Mesh     here
==================  ==========================================================================
virtual service     a host: what routes match, or a cluster's own name
virtual router      the routes with that host
virtual node        a `Node`, the process; and a `Cluster`, where others find it
virtual gateway     a `Listener`; its gateway routes are routes with the listener's hosts
backends            a node's ``calls``
egress filter       the mesh's ``egress``: ``listed`` is ``DROP_ALL``, ``any`` is ``ALLOW_ALL``
==================  ==========================================================================
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from ..asgi.client import FIELDS, Clients
from ..cluster import Cluster
from ..errors import ConfigError
from ..options import among
from ..policy import awaits
from ..route.hosts import checked
from ..route.path import Paths
from ..route.route import Route
from ..route.router import ORDERS
from ..shared import bare

__all__ = ["EGRESS", "Listener", "MeshSpec", "Node"]

EGRESS = ("listed", "any")
"""What becomes of calls to hosts that are not in the mesh."""


def _name(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ConfigError.of(type(spec).__name__, "name", value, 'give it a name, such as "web"')


def _list(value: Any) -> Any:
    specs = getattr(value, "specs", None)
    if isinstance(specs, tuple):
        return specs
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _policies(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if isinstance(each, type) or not (hasattr(each, "start") or awaits(each)):
            fix = "give policies, such as Timeout(2.0)"
            raise ConfigError.of(type(spec).__name__, attribute.name, each, fix)


def _hosts(value: Any) -> Any:
    return tuple(checked("Listener", "hosts", each) for each in _list(value))


def _calls(value: Any) -> Any:
    return None if value is None else tuple(checked("Node", "calls", each) for each in _list(value))


def _port(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
        raise ConfigError.of("Listener", "port", value, "give a port, 0 to 65535; 0: any that is free")


def _texts(spec: Any, attribute: Any, value: Any) -> None:
    if not all(isinstance(each, str) and each for each in value):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a list of names")


IDENTITY = (
    *("remote-user", "x-amzn-oidc-*", "x-auth-request-*", "x-client-cert", "x-envoy-*", "x-forwarded-client-cert"),
    *("x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username", "x-forwarded-user", "x-goog-iap-*"),
    *("x-meshkit-*", "x-remote-user", "x-ssl-client-*", "x-user", "x-user-id"),
)
"""Fields by which proxies say who somebody is, and what only those in front may ask."""
PATTERN = re.compile(r"[!#$%&'+.^_`|~0-9A-Za-z-]+\*?")


def _identity(spec: Any, attribute: Any, value: Any) -> None:
    if not all(isinstance(each, str) and PATTERN.fullmatch(each) for each in value):
        fix = 'give names of header fields, or beginnings such as "x-auth-*"'
        raise ConfigError.of("Listener", "identity", value, fix)


@attrs.frozen
class Listener:
    """Where requests come in: ``Listener("public", port=8080, hosts=["*.shop.example"])``. Raises `ConfigError`.

    ``hosts``: what it serves, names or wildcards; empty: any. Of the mesh's routes it takes those whose hosts are among
    its own, or, with ``routes``, those of these names. ``policies`` stand in front of all of them. ``address`` is the
    one it listens on, ``scheme`` ``"http"`` or ``"https"``.

    ``trusted``: the networks of proxies in front, whose word on the client counts, and ``"unix"``; ``forwarded``: the
    field they write, ``"x-forwarded-for"`` or ``"forwarded"``. ``identity``: fields that only they may send, names or
    beginnings (``"x-auth-*"``).
    """

    name: str = attrs.field(validator=_name)
    port: int = attrs.field(default=8080, validator=_port, kw_only=True)
    address: str = attrs.field(default="127.0.0.1", validator=_name, kw_only=True)
    scheme: str = attrs.field(default="http", validator=among("http", "https"), kw_only=True)
    hosts: tuple[str, ...] = attrs.field(default=(), converter=_hosts, kw_only=True)
    routes: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts, kw_only=True)
    policies: tuple[Any, ...] = attrs.field(default=(), converter=_list, validator=_policies, kw_only=True)
    trusted: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts, kw_only=True)
    forwarded: str = attrs.field(default="x-forwarded-for", validator=among(*FIELDS), kw_only=True)
    identity: tuple[str, ...] = attrs.field(default=IDENTITY, converter=_list, validator=_identity, kw_only=True)

    def __attrs_post_init__(self) -> None:
        Clients(self.trusted, self.forwarded, "Listener")  # refuses what is no network


@attrs.frozen
class Node:
    """A process of the mesh: ``Node("web", calls=["orders", "payments"])``. Raises `ConfigError`.

    ``calls``: the hosts it may call, names or wildcards; ``None``: all that the mesh has. ``policies`` stand in front
    of all its outgoing calls, ``serves`` in front of the requests that it answers, ``listeners`` are those it opens.
    ``identity`` is who it is to others, such as ``spiffe://shop/web``.
    """

    name: str = attrs.field(validator=_name)
    calls: tuple[str, ...] | None = attrs.field(default=None, converter=_calls, kw_only=True)
    policies: tuple[Any, ...] = attrs.field(default=(), converter=_list, validator=_policies, kw_only=True)
    serves: tuple[Any, ...] = attrs.field(default=(), converter=_list, validator=_policies, kw_only=True)
    listeners: tuple[str, ...] = attrs.field(default=(), converter=_list, validator=_texts, kw_only=True)
    identity: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        identity: Any = self.identity
        if identity is not None and not (isinstance(identity, str) and identity.isprintable() and identity.strip()):
            raise ConfigError.of("Node", "identity", identity, 'give a name, such as "spiffe://shop/web"')


def _kind(kind: Any, fix: str) -> Any:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        seen: set[str] = set()
        for each in value:
            found: Any = bare(each)
            if type(found) is not kind:
                raise ConfigError.of("Mesh", attribute.name, each, fix)
            name = found.name
            if name and name in seen:
                raise ConfigError.of("Mesh", attribute.name, name, "the name stands twice: give each a name of its own")
            seen.add(name)
            if kind is Cluster:
                _is_host(name)

    return check


def _is_host(name: str) -> None:
    """Whether a cluster can be called by its own name; in another namespace each part of ``shop/orders`` is one."""
    try:
        sound = not any(checked("", "", part).startswith("*") for part in name.split("/"))
    except ConfigError:
        sound = False
    if not sound:
        fix = "in a mesh a cluster's name is a host as well: write letters, digits, - and dots, such as orders-v2"
        raise ConfigError.of("Mesh", "clusters", name, fix)


@attrs.frozen(kw_only=True)
class MeshSpec:
    """A mesh, written down. Raises `ConfigError`.

    ``routes`` lead to clusters of ``clusters``, or elsewhere. ``egress``: what becomes of calls to hosts that are not
    in the mesh: ``"listed"`` refuses them with `NoRoute`, ``"any"`` lets them pass to where they were going. ``order``
    and ``paths`` as in `Router`: whose rules say which route comes first, and the normal form of paths.
    """

    name: str = attrs.field(default="mesh", validator=_name)
    clusters: tuple[Any, ...] = attrs.field(
        default=(), converter=_list, validator=_kind(Cluster, "give clusters, such as Cluster('orders', [...])")
    )
    routes: tuple[Route, ...] = attrs.field(
        default=(), converter=_list, validator=_kind(Route, "give routes, such as Route(Match(host='orders'), orders)")
    )
    listeners: tuple[Listener, ...] = attrs.field(
        default=(), converter=_list, validator=_kind(Listener, "give listeners, such as Listener('public')")
    )
    nodes: tuple[Node, ...] = attrs.field(
        default=(), converter=_list, validator=_kind(Node, "give nodes, such as Node('web', calls=['orders'])")
    )
    egress: str = attrs.field(default="listed", validator=among(*EGRESS))
    order: str = attrs.field(default="gateway-api", validator=among(*ORDERS))
    paths: Paths = attrs.field(factory=Paths, validator=attrs.validators.instance_of(Paths))

    def node(self, name: str | None) -> Node | None:
        """The node of that name; without one the only one there is, if any. Raises `ConfigError`."""
        if name is None:
            return self.nodes[0] if len(self.nodes) == 1 else None
        return _named("node", name, self.nodes)  # type: ignore[no-any-return]

    def listener(self, name: str) -> Listener:
        """The listener of that name. Raises `ConfigError`."""
        return _named("listener", name, self.listeners)  # type: ignore[no-any-return]


def _named(option: str, name: str, those: tuple[Any, ...]) -> Any:
    for each in those:
        if each.name == name:
            return each
    known = ", ".join(repr(each.name) for each in those)
    raise ConfigError.of("Mesh", option, name, f"there is none of that name; there are {known or 'none'}")
