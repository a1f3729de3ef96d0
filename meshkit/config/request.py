"""What is a request that is only asked about? Its line and its fields, written down; and the door that reads them.

What a client's or a server's door knows of a request, this one knows as well, so far as it was written: ``client`` (the
address it comes from), ``header:x-user``, ``cookie:...``, ``query:...``, the parts of its URL. Whatever else somebody
asks for is in ``facts``, by the name of the fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import attrs

from ..asgi.client import canonical, network_of
from ..call import Call
from ..errors import ConfigError
from ..fields.pairs import cookie, parameter
from ..policy import Head
from ..route.options import PORTS, TOKEN

__all__ = ["PAPER", "SERVED", "PaperDoor", "Request"]

FIX = 'give a whole URL, such as "http://orders/stock/7"'
SEEN = "".join(map(chr, range(0x21, 0x7F)))


def _url(value: Any) -> Any:
    """As a client has it, which percent-encodes what no URL has."""
    return quote(value, safe=SEEN, errors="replace") if isinstance(value, str) else value


def _is_url(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not value.partition("://")[0] or "://" not in value:
        raise ConfigError.of("Request", "url", value, FIX)
    try:
        urlsplit(value).port  # noqa: B018  # it is looked at
    except ValueError as error:
        raise ConfigError.of("Request", "url", value, f"{error}: {FIX}") from None


def _method(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise ConfigError.of("Request", "method", value, 'give a method, such as "GET"')


def _fields(value: Mapping[str, str] | None) -> dict[str, str]:
    return {name.lower(): text for name, text in dict(value or {}).items()}


@attrs.frozen
class Request:
    """A request that is only asked about: ``Request("GET", "http://orders/stock/7")``.

    A ``host`` among the ``headers`` is the one that counts. ``client`` is the address it comes from; ``facts`` is
    whatever else a route asks for, by the name of the fact (``{"sni": "shop.example"}``). Raises `ConfigError`.
    """

    method: str = attrs.field(validator=_method)
    url: str = attrs.field(converter=_url, validator=_is_url)
    headers: dict[str, str] = attrs.field(factory=dict, converter=_fields, kw_only=True)
    client: str | None = attrs.field(default=None, kw_only=True)
    facts: dict[str, Any] = attrs.field(factory=dict, kw_only=True)

    def head(self) -> Head:
        """See `meshkit.policy.Door.head`."""
        parts = urlsplit(self.url)
        host, port = parts.hostname or "", parts.port
        given = self.headers.get("host")
        if given is not None:
            host, port = _authority(given)
        elif ":" in host:
            host = f"[{host}]"
        return self.method, parts.scheme, host, port, parts.path or "/", parts.query or None


def _authority(text: str) -> tuple[str, int | None]:
    """Host and port of a ``Host`` field; what is no port is a part of the host, which is refused for it."""
    name, colon, port = text.rpartition(":")
    if colon and port.isascii() and port.isdecimal() and "]" not in port and (":" not in name or name.endswith("]")):
        return name, int(port)
    return text, None


class PaperDoor:
    """Translates a `Request`."""

    def head(self, call: Call, /) -> Head:
        return call.request.head()  # type: ignore[no-any-return]

    def knows(self, name: str, /) -> None:
        """Every name."""

    def fact(self, call: Call, name: str, /) -> Any:
        request: Request = call.request
        if name in request.facts:
            return request.facts[name]
        kind, colon, which = name.partition(":")
        if colon:
            return _named(request, kind, which)
        if name in {"client", "client-network"}:
            if request.client is None:
                return None
            found = canonical(request.client) if name == "client" else network_of(request.client)
            return found or request.client
        method, scheme, host, port, path, query = request.head()
        shown = host if port is None or PORTS.get(scheme) == port else f"{host}:{port}"
        known = {"host": host, "method": method, "origin": f"{scheme}://{shown}", "path": path, "scheme": scheme}
        return known.get(name) if name != "uri" else path if query is None else f"{path}?{query}"


def _named(request: Request, kind: str, which: str) -> str | None:
    if kind == "header":
        return request.headers.get(which)
    if kind == "cookie":
        return cookie([request.headers.get("cookie", "")], which)
    return parameter(urlsplit(request.url).query, which) if kind == "query" else None


class ServedDoor(PaperDoor):
    """Translates a `Request` that comes to a server, which answers preflights."""

    take = None
    """Only servers take in bodies, by which they are told from clients; there is none to be taken in here."""


PAPER, SERVED = PaperDoor(), ServedDoor()
