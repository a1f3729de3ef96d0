"""What is answered where nobody is asked? A redirect, or an answer as it is written down.

The ``Location`` of a redirect follows the Gateway API::

    scheme, host      the request's own, where none is given
    port              the one given; else, with a scheme given, that scheme's; else the request's own, as its ``Host``
                      says it; left out where it is the scheme's well-known one
    path              as `Rewrite` makes it, in its normal form; the query stays, and there is no fragment

It always says the host, and what stands behind that begins with one slash (of ``OPTIONS *`` nothing does: RFC 9112,
3.3): no path can lead elsewhere. The host is that of the request only where it could be one (`hosts`), and what no URL
may have raw in its query is percent-encoded there: no request can end the field. A request that says no host, and where
no router has seen it one whose host or path is none, is answered with 400.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any
from urllib.parse import quote

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import among, count, no_decorator, optional
from . import options
from .hosts import BadHost, bracketed, normal
from .options import PORTS
from .path import BadPath
from .path import normal as normal_path
from .rewrite import check_ways, install, new_prefix, one_host

__all__ = ["Redirect", "Respond"]

CODES = (301, 302, 303, 307, 308)
BAD_REQUEST = 400
BODILESS = (204, 205, 304)

_plain = re.compile(r"[!$-;=?-~]*").fullmatch
SAFE = r"!$%&'()*+,-./:;=?@[\]^_`{|}~"


def _code(spec: Any, attribute: Any, value: Any) -> None:
    if value not in CODES or isinstance(value, bool):
        raise ConfigError.of("Redirect", "status", value, f"give one of {', '.join(map(str, CODES))}")


@attrs.frozen
class Redirect:
    """Sends the caller elsewhere: ``Redirect(scheme="https", status=301)``. Where a route leads. Raises `ConfigError`.

    ``host``, ``path``, ``prefix``, ``regex`` and ``to`` as in `Rewrite`.
    """

    scheme: str | None = attrs.field(default=None, validator=optional(among("http", "https")), kw_only=True)
    host: str | None = attrs.field(default=None, validator=one_host, kw_only=True)
    port: int | None = attrs.field(default=None, validator=options.port, kw_only=True)
    path: str | None = attrs.field(default=None, validator=options.path, kw_only=True)
    prefix: str | None = attrs.field(default=None, validator=new_prefix, kw_only=True)
    regex: str | None = attrs.field(default=None, kw_only=True)
    to: str | None = attrs.field(default=None, kw_only=True)
    status: int = attrs.field(default=302, validator=_code, kw_only=True)

    def __attrs_post_init__(self) -> None:
        check_ways(self)

    def install(self, plan: Any, /) -> None:
        if plan.rewrite is not None or plan.host is not None:
            raise ConfigError("Redirect: its route rewrites as well: give host and path to the Redirect itself")
        install(self, plan)

    def location(self, scheme: str, host: str, port: int | None, path: str, query: str | None) -> str:
        """The ``Location`` for a request: ``path`` is the rewritten one, ``port`` the one it came to."""
        target = self.scheme or scheme
        if self.port is not None:
            port = self.port
        elif self.scheme is not None:
            port = None
        shown = "" if port is None or PORTS.get(target) == port else f":{port}"
        if query and not _plain(query):
            query = quote(query.encode("latin-1", "replace"), safe=SAFE)
        path = "" if path == "*" else path
        return f"{target}://{bracketed(host)}{shown}{path}" + (f"?{query}" if query else "")

    asked = ()
    """Nothing of a request, but that there is one; see `meshkit.fact.check`."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        return Destination("Redirect", self._answer, self)

    def _answer(self, call: Call) -> Any:
        decision: Any = call.route
        if decision is None:
            raise ConfigError("Redirect: no router has seen the request: make it the destination of a Route")
        _, scheme, own, port, _, _ = call.door.head(call)
        try:
            host = decision.host or normal(own)
            path = decision.path if decision.rule.route is not None else normal_path(decision.path)
        except (BadHost, BadPath):
            host = path = ""
        if not host:
            return call.door.respond(call, BAD_REQUEST, ())
        location = self.location(scheme, host, port, path, decision.query)
        return call.door.respond(call, self.status, ((b"location", location.encode("ascii")),))


def _encoded(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _bytes(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, bytes):
        raise ConfigError.of("Respond", attribute.name, value, "give text or bytes")
    if value and spec.status in BODILESS:
        raise ConfigError.of("Respond", attribute.name, value, f"an answer with {spec.status} has none: leave it out")


@attrs.frozen
class Respond:
    """Answers by itself: ``Respond(404, "no such shop")``. Raises `ConfigError`.

    ``body``: text (sent in UTF-8) or bytes; ``headers``: further fields, of which ``content-type`` is plain text unless
    given.
    """

    status: int = attrs.field(default=200, validator=count(200, 599))
    body: bytes = attrs.field(default=b"", converter=_encoded, validator=_bytes)
    headers: dict[str, str] = attrs.field(factory=dict, validator=options.fields, kw_only=True)

    asked = ()
    """Nothing of a request, but that there is one; see `meshkit.fact.check`."""

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        fields = {name.lower(): value for name, value in self.headers.items()}
        if self.body:
            fields.setdefault("content-type", "text/plain; charset=utf-8")
        listed = tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in fields.items())

        def answer(call: Call) -> Any:
            return call.door.respond(call, self.status, listed, self.body)

        return Destination("Respond", answer, self)


class Destination:
    """The end of a pipeline that goes to a function of its own. ``asks``: somebody is asked there, and that is an
    attempt as any other; not where the answer is written down.
    """

    __slots__ = ("asks", "destination", "name", "spec")

    def __init__(self, name: str, destination: Any, spec: Any, *, asks: bool = False) -> None:
        self.name = name
        self.destination = destination
        self.spec = spec
        self.asks = asks
