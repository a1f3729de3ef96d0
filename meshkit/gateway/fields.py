"""Which header fields go on? Those that are for the other end, and what this gateway has to say of the client.

=====================================================  ===============================================================
field                                                  then
=====================================================  ===============================================================
of one connection (RFC 9110, 7.6.1), and those that    left out, in both directions; ``TE: trailers`` is said anew
``Connection`` names
``Host``                                               in the form in which it was routed
``X-Forwarded-*``, ``Forwarded``                       written by this gateway: a trusted peer's word is continued, any
                                                       other thrown away. One of the two is written, the other left out
who somebody is, said by a proxy (``identity``)        from a trusted peer only
``Via``                                                continued (RFC 9110, 7.6.3)
a request's id                                         kept where it is a plain word, else made
a deadline                                             what is left of it is said with each attempt
=====================================================  ===============================================================

What ``Connection`` names is left out before anything of ours is added, and of the names that others rely on (the host,
credentials, who the client is) it can name none away: a client that could would undo what a proxy in front has said.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import getrandbits
from typing import Any

from ..asgi.client import Clients, canonical
from ..asgi.routed import host_of
from ..errors import NoRoute
from ..fields.deadline import NAMES
from ..route.hosts import BadHost, bracketed, normal
from ..upstream.errors import Misused

__all__ = ["CHUNKED", "HELD", "KINDS", "MANY", "USUAL", "Fields", "listed"]

Pairs = list[tuple[bytes, bytes]]

KEPT, GONE, NAMED, HOST, FORWARDED, TRUSTED, VIA, ID, LENGTH, CODING, EXPECTS, TE, HIDDEN = range(13)
DOUBTED = frozenset((FORWARDED, TRUSTED, HIDDEN))
"""Kinds that only some may send, and that nobody may."""
HOP = (
    *(b"http2-settings", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection", b"trailer"),
    b"proxy",  # nobody's: to CGI it is HTTP_PROXY, by which clients choose theirs (httpoxy, CVE-2016-5385)
)
KINDS = {
    **dict.fromkeys((*HOP, b"upgrade"), GONE),
    **dict.fromkeys((b"forwarded", b"x-real-ip", b"x-forwarded"), FORWARDED),
    **dict.fromkeys((b"x-forwarded-" + each for each in (b"for", b"host", b"port", b"proto", b"scheme")), FORWARDED),
    b"connection": NAMED,
    b"content-length": LENGTH,
    b"expect": EXPECTS,
    b"host": HOST,
    b"te": TE,
    b"transfer-encoding": CODING,
    b"via": VIA,
}
HELD = frozenset(
    name.encode("ascii")
    for name in (
        *("authorization", "cache-control", "connection", "content-length", "cookie", "forwarded", "host", "via"),
        *("transfer-encoding", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"),
        *("te", "x-request-id"),
    )
)
"""What ``Connection`` cannot name away."""
LOOPS = 16
"""How often a request may come by: what is routed back to where it came from would never end."""
PLAIN = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}").fullmatch
MANY = 1000
"""Names whose kind is remembered: a stranger may have chosen them."""
CHUNKED = (b"transfer-encoding", b"chunked")


class Fields:
    """What one listener's requests are sent on with. Raises `ConfigError`."""

    __slots__ = ("_by", "_clients", "_id", "_identity", "_kinds", "_ours", "_prefixes", "_rfc", "_trusts", "_usual")

    def __init__(self, clients: Clients, identity: tuple[str, ...], via: str | None, request_id: str | None) -> None:
        self._clients = clients
        self._trusts = clients.trusts
        self._rfc = clients.by == b"forwarded"
        self._by = None if via is None else via.encode("ascii")
        self._usual = b"1.1 %b" % (self._by or b"")
        self._id = None if request_id is None else request_id.lower().encode("ascii")
        names = [each.lower().encode("ascii") for each in identity]
        self._identity = frozenset(name for name in names if not name.endswith(b"*"))
        self._prefixes = tuple(name[:-1] for name in names if name.endswith(b"*"))
        self._kinds = {**KINDS, **dict.fromkeys((each.encode("ascii") for each in NAMES), GONE)}
        if self._id is not None:
            self._kinds[self._id] = ID
        self._ours = HELD.union(self._kinds, self._identity)

    def believed(self, scope: Any) -> Any:
        """The scope without the fields that are not believed, or that do not go on: routes and keys see what upstreams
        do.
        """
        kinds = self._kinds
        for name, value in scope["headers"]:
            kind = kinds.get(name)
            if kind is None:
                kind = self._kind(name)
            if kind in DOUBTED or (kind == NAMED and value.lower() not in USUAL):
                return self._sifted(scope)
        return scope

    def _sifted(self, scope: Any) -> Any:
        headers = scope["headers"]
        near = self._trusts and self._clients.near(scope)
        gone = self._named(b",".join([value for name, value in headers if name == b"connection"]))
        for name, _ in headers:
            kind = self._kinds.get(name) or self._kind(name)
            if kind == HIDDEN or (kind in DOUBTED and not near):
                gone.add(name)
        return {**scope, "headers": [field for field in headers if field[0] not in gone]}

    def _named(self, options: bytes) -> set[bytes]:
        """What ``Connection`` names away."""
        return {each for each in listed(options) - HELD if (self._kinds.get(each) or self._kind(each)) != TRUSTED}

    def onward(self, scope: Any) -> tuple[Pairs, str, int | None, int | None, bool]:
        """The fields to send, the host first; that host and its port; how the body is framed (``None``: there is none,
        -1 chunked, else its length); and whether it waits to be asked for. Raises `Misused` for what cannot be sent on.
        """
        kinds = self._kinds
        fields: Pairs = []
        special = []
        for field in scope["headers"]:
            kind = kinds.get(field[0])
            if kind is None:
                kind = self._kind(field[0])
            if kind:
                special.append((kind, field))
            else:
                fields.append(field)
        host = via = request_id = length = options = None
        chunked = expects = te = False
        near = self._trusts and self._clients.near(scope)
        said: Pairs = []
        for kind, field in special:
            if kind == HOST:
                if host is not None:
                    raise Misused("two Host fields")
                host = field[1]
            elif kind == FORWARDED:
                if near:
                    said.append(field)
            elif kind == TRUSTED:
                if near:
                    fields.append(field)
            elif kind == NAMED:
                options = field[1] if options is None else options + b"," + field[1]
            elif kind == LENGTH:
                if length is not None or not field[1].isdigit():
                    raise Misused("a length that is none, or two")
                length = int(field[1])
            elif kind == CODING:
                if chunked or field[1].lower() != b"chunked":
                    raise Misused("a transfer coding that is not chunked")
                chunked = True
            elif kind == VIA:
                via = field[1] if via is None else via + b", " + field[1]
            elif kind == ID:
                request_id = field[1] if request_id is None and PLAIN(field[1]) else b""
            elif kind == EXPECTS:
                expects = field[1].lower() == b"100-continue"
            elif kind == TE:
                te = te or b"trailers" in field[1].lower()
        if chunked and length is not None:
            raise Misused("a length, and a transfer coding")
        if host is None:
            raise Misused("no Host field")
        if options is not None and options.lower() not in USUAL:
            named = self._named(options)
            fields = [field for field in fields if field[0] not in named]
        authority, name, port = host_in_form(host)
        fields.insert(0, (b"host", authority))
        self._tell(scope, fields, said, authority)
        if self._id is not None:
            fields.append((self._id, request_id or b"%032x" % getrandbits(128)))
        if self._by is None:
            if via is not None:
                fields.append((b"via", via))
        else:
            if via is not None and via.count(b" " + self._by) >= LOOPS:
                raise NoRoute("it has come by here %d times already", LOOPS, policy="Gateway", status=502)
            own = self._usual
            if scope["http_version"] != "1.1":
                own = b"%b %b" % (scope["http_version"].encode("ascii"), self._by)
            fields.append((b"via", own if via is None else via + b", " + own))
        if te:
            fields += ((b"te", b"trailers"), (b"connection", b"te"))
        if chunked:
            fields.append(CHUNKED)
            length = -1
        elif length is not None:
            fields.append((b"content-length", b"%d" % length))
        expects = expects and bool(length)
        if expects:
            fields.append((b"expect", b"100-continue"))
        return fields, name, port, length, expects

    def _tell(self, scope: Any, fields: Pairs, said: Pairs, host: bytes) -> None:
        """Add who the client is, and how it came here."""
        client = scope.get("client")
        peer = client[0] if client else ""
        if not (said or self._rfc):
            fields += _told(peer, scope["scheme"], host)
            return
        scheme = _scheme(scope["scheme"])
        before = b""
        if said:
            mine = self._clients.by
            before = b", ".join([value for name, value in said if name == mine and value])
        if self._rfc:
            element = b"for=%b;host=%b;proto=%b" % (node(peer), quoted(host), scheme)
            fields.append((b"forwarded", before + b", " + element if before else element))
            return
        if peer:
            own = address(peer)
            fields.append((b"x-forwarded-for", before + b", " + own if before else own))
        elif before:
            fields.append((b"x-forwarded-for", before))
        known = dict(said)
        fields.append((b"x-forwarded-proto", known.get(b"x-forwarded-proto", scheme)))
        fields.append((b"x-forwarded-host", known.get(b"x-forwarded-host", host)))

    def _kind(self, name: bytes) -> int:
        kind = KEPT
        if name in self._identity or name.startswith(self._prefixes):
            kind = TRUSTED
        elif b"_" in name and self._hides(name.replace(b"_", b"-")):
            kind = HIDDEN
        if len(self._kinds) < MANY:
            self._kinds[name] = kind
        return kind

    def _hides(self, name: bytes) -> bool:
        """Whether a name with underscores means another one to a server that takes them for hyphens (CGI, WSGI)."""
        return name in self._ours or name.startswith(self._prefixes)


def listed(options: bytes) -> set[bytes]:
    """The names in a ``Connection`` field."""
    return {each.strip().lower() for each in options.split(b",")}


USUAL = frozenset((b"close", b"keep-alive", b"upgrade"))
"""What it says mostly, and which names no field that is left."""


@lru_cache(4096)
def host_in_form(raw: bytes) -> tuple[bytes, str, int | None]:
    """The host and port of a request in the form in which they are compared, and the two by themselves. Raises
    `Misused`.
    """
    name, port = host_of(raw.decode("latin-1"))
    try:
        name = bracketed(normal(name))
    except BadHost as error:
        raise Misused(f"the host is refused: {error.reason}") from None
    if not name:
        raise Misused("the host is empty")
    return (name if port is None else f"{name}:{port}").encode("ascii"), name, port


@lru_cache(64)
def _scheme(scheme: str) -> bytes:
    return {"ws": b"http", "wss": b"https"}.get(scheme) or scheme.encode("ascii")


@lru_cache(4096)
def _told(peer: str, scheme: str, host: bytes) -> Pairs:
    """Who the client is, where nobody in front of us has said anything. Not to be changed."""
    fields = [(b"x-forwarded-for", address(peer))] if peer else []
    return [*fields, (b"x-forwarded-proto", _scheme(scheme)), (b"x-forwarded-host", host)]


@lru_cache(4096)
def address(peer: str) -> bytes:
    return (canonical(peer) or "unknown").encode("ascii")


@lru_cache(4096)
def node(peer: str) -> bytes:
    """RFC 7239, 6: an IPv6 address in brackets and quotes."""
    known = canonical(peer) if peer else None
    return b"unknown" if known is None else b'"[%b]"' % known.encode() if ":" in known else known.encode()


def quoted(host: bytes) -> bytes:
    return b'"%b"' % host if b":" in host else host
