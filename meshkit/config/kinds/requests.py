"""How is written what a request must be: its host, its path, its method, where it comes from?

==========  ==============================================  ==================================================
kind        is written                                      not
==========  ==============================================  ==================================================
host        ``orders`` ``*.shop.example`` ``[::1]``         ``http://orders`` ``orders:8080`` ``::1``
path        ``/orders/17``                                  ``orders`` ``/v1/*`` ``/orders/{id}`` ``/a?b=c``
method      ``GET``                                         ``get`` ``GET,POST``
network     ``10.0.0.0/8`` ``2001:db8::/32``                ``10.0.0.1/8`` ``localhost``
address     ``0.0.0.0`` ``::1`` ``localhost``               ``0.0.0.0:80``
==========  ==============================================  ==================================================

What may stand there is the business of the specs; here is said what was meant by what may not. A path is one of those
that a router can have: another one no request would have.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import quote, urlsplit

from ...errors import ConfigError
from ...route.hosts import ANY, checked
from ...route.path import BadPath, Paths, normal
from ..located import WRONG, Located
from ..mistakes import Mistakes, quoted
from .kind import Kind
from .several import Table
from .texts import Text

__all__ = ["Address", "Host", "Method", "Network", "Path", "Values"]

METHODS = {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
USUAL = Paths()
WAYS = {
    "PathPrefix": "prefix", "RegularExpression": "regex", "exact": "path", "prefix": "prefix", "regex": "regex",
    "safe_regex": "regex",
}  # fmt: skip
"""What others call a kind of path, and the option that is meant."""
SAFE = "/%:@!$&'()*+,;=~"
SUCH = "such as orders, *.shop.example or [2001:db8::7]: without scheme, port and path"

_parameter = re.compile(r"\{[^{}/]*\}|<[^<>/]*>")
_expression = re.compile(r"[\\^$|()\[\]{}]|\.\*|\.\+")
_label = re.compile(r"[a-z0-9][a-z0-9-]*")
_socket = re.compile(r"unix:/[^\0\s]+")
_ported = re.compile(r"([^:/\s]+):([0-9]+)")


class Host(Text):
    """A host, or a pattern of some. ``beside``: whether ports and paths may stand beside it, as options."""

    expects = "a host such as orders or *.shop.example"

    def __init__(self, *, beside: bool = False) -> None:
        super().__init__()
        self.beside = beside

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = super().read(node, mistakes)
        if value is WRONG:
            return WRONG
        try:
            checked("", "", value)
        except ConfigError as error:
            fix = self._meant(value) or (error.fix if "xn--" in error.fix else SUCH)
            mistakes.note(node, f"{quoted(value)} is no host", fix)
            return WRONG
        return value

    def _meant(self, value: str) -> str:
        space, slash, own = value.partition("/")
        if slash and not self.beside and _label.fullmatch(space) and _label.fullmatch(own):
            return f"write {own}.{space}, which is the host of that namespace's cluster"
        with suppress(ValueError):
            return f"write [{IPv6Address(value)}]"
        try:
            parts = urlsplit(value if "://" in value else f"//{value}")
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return ""
        if host.startswith(ANY) and not host.startswith("*."):
            host = f"*.{host[1:].lstrip('.')}"
        try:
            checked("", "", host)
        except ConfigError:
            return ""
        more = [f"port: {port}"] if port else []
        more += [f"prefix: {parts.path}"] if parts.path.strip("/") else []
        return f"write {host}" + (f", and {', '.join(more)} beside it" if more and self.beside else "")


class Path(Text):
    """A path. ``prefix``: other paths begin with it. ``empty``: there may be none. ``form``: answers the normal form of
    paths; the usual one without it.
    """

    expects = "a path such as /orders"
    plain = False

    def __init__(self, *, prefix: bool = False, empty: bool = False, form: Callable[[], Paths] = lambda: USUAL) -> None:
        super().__init__()
        self.prefix = prefix
        self.empty = empty
        self._form = form

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        if node.value.__class__ is dict:
            return self.wrong(node, mistakes, _one_way(node.value))
        value = super().read(node, mistakes)
        if value is WRONG or (self.empty and not value):
            return value
        if not value.startswith("/"):
            where = "write its path alone" if "://" in value else f"write /{value}"
            mistakes.note(node, f"{quoted(value)} does not begin with a slash", where)
            return WRONG
        if value.endswith(("/*", "/**")):
            stem = value.rstrip("*").rstrip("/") or "/"
            fix = f"write {stem}" if self.prefix else f"write prefix: {stem}"
            mistakes.note(node, "a * is no wildcard in a path", fix)
            return WRONG
        same: str | None
        try:
            same, why = normal(value, self._form()), "paths are compared in their normal form"
        except BadPath as error:
            same, why = None, f"no request has the path {quoted(value)}: {error}"
        if same == value:
            return value
        mistakes.note(node, why, self._meant(value) or ("" if same is None else f"write {same}"))
        return WRONG

    def _meant(self, value: str) -> str:
        if _parameter.search(value):
            return f"for any text in a place of it write regex: {_parameter.sub('[^/]+', value)}"
        if "?" in value and not _expression.search(value):
            path, _, query = value.partition("?")
            name, _, text = query.partition("=")
            return f"write {path}, and query: {{{name}: {text or 'true'}}} beside it"
        if _expression.search(value):
            return "write an expression as regex:"
        encoded = quote(value, safe=SAFE)
        with suppress(BadPath):
            return f"write {encoded}" if normal(encoded, self._form()) == encoded != value else ""
        return ""


def _one_way(told: dict[str, Located]) -> str:
    """What to write for a path that says itself of which kind it is, as the Gateway API and Envoy have it."""
    if "value" in told:
        kind = str(told["type"].value) if "type" in told else "Exact"
        return f"write {WAYS.get(kind, 'path')}: {told['value'].value}"
    return next((f"write {WAYS[name]}: {each.value}" for name, each in told.items() if name in WAYS), "")


class Method(Text):
    expects = "a method such as GET"
    plain = False

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = super().read(node, mistakes)
        if value is WRONG:
            return WRONG
        words = re.split(r"[\s,|]+", value.strip())
        if value in METHODS or not all(word.upper() in METHODS for word in words):
            return value
        several = len(words) > 1
        told = ", ".join(word.upper() for word in words)
        why = f"{quoted(value)} is not one method" if several else "methods are written in capitals"
        mistakes.note(node, why, f"write [{told}]" if several else f"write {told}")
        return WRONG


class Network(Text):
    expects = "an address or a network such as 10.0.0.0/8"
    plain = False

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = super().read(node, mistakes)
        if value is WRONG:
            return WRONG
        try:
            ip_network(value)
        except ValueError:
            fix = "such as 10.0.0.0/8, 10.0.0.7 or 2001:db8::/32"
            with suppress(ValueError):
                fix = f"write {ip_network(value, strict=False)}, or {value.partition('/')[0]} for that one address"
            mistakes.note(node, f"{quoted(value)} is no network", fix)
            return WRONG
        return value


class Values(Table):
    """What header fields, parameters or cookies must be, by name."""

    def __init__(self, inner: Kind) -> None:
        super().__init__(inner)
        self.expects = "values by name, such as {x-user: anna}"

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        first = node.value[0].value if node.value.__class__ is list and node.value else None
        if isinstance(first, dict) and "name" in first:
            text = next((first[word].value for word in ("value", "exact", "exact_match") if word in first), "...")
            return self.wrong(node, mistakes, f"write {{{first['name'].value}: {text}}}")
        return super().read(node, mistakes)


class Address(Text):
    """Where a listener listens: on an address, or ``unix:/run/shop.sock``."""

    expects = "an address such as 0.0.0.0"
    plain = False

    def read(self, node: Located, mistakes: Mistakes) -> Any:
        value = super().read(node, mistakes)
        if value is WRONG or _socket.fullmatch(value):
            return value
        try:
            ip_address(value)
        except ValueError:
            ported = _ported.fullmatch(value)
            try:
                if ported is None and ANY not in checked("", "", value):
                    return value
            except ConfigError:
                pass
            fix = f"write address: {ported[1]} and port: {ported[2]}" if ported else "such as 0.0.0.0, ::1 or localhost"
            mistakes.note(node, f"{quoted(value)} is no address to listen on", fix)
            return WRONG
        return value
