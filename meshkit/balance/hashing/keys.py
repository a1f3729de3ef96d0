"""By what are calls told apart, that those alike shall go to the same endpoint?

A source is a name that the door knows (``"header:x-user"``, ``"cookie:sid"``, ``"query:q"``, ``"path"``, ``"uri"``,
``"client"``), a function of the call, or one of these, which look at a source more closely:

=============  ========================================================================  =========================
`Uri`          as much of a URI as counts: its length, its depth, with or without query  HAProxy ``balance uri``
`Domain`       ``example`` of ``www.example.com:80``                                     ``use_domain_only``
`Network`      the network of an address                                                 HAProxy ``ipmask``
`RdpCookie`    who connects, by the first bytes of a remote desktop connection           HAProxy ``rdp-cookie``
`FirstOf`      the first source that says anything                                       Kong ``hash_fallback``
`Combined`     all of them together                                                      Envoy ``hash_policy``
=============  ========================================================================  =========================

Nothing and an empty text are no key. Text and bytes are hashed as they are; numbers, UUIDs and tuples as the text they
are written as; a `Hash` is taken for what its number says. An object that would be written as its place in memory is a
`TypeError`: it would be another key for each call.

`Combined` is Envoy's, exactly: ``hash = rotate left by 1 (hash) xor xxHash64(source)`` over the sources that say
anything, until after one that is ``terminal`` if there is a hash by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

import attrs

from ...call import Call
from ...errors import ConfigError
from ...fact import asking
from ...options import count, flag, is_function
from ...policy import awaits
from .hashes import encoded, xxh64

__all__ = ["Combined", "Domain", "FirstOf", "Hash", "Key", "Network", "RdpCookie", "Uri", "reading", "source", "text"]

Reading = Callable[[Call], Any]

M64 = 2**64 - 1

_AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://[^/?]*", re.IGNORECASE)
_AHEAD = 11
"""Bytes of TPKT and X.224 in front of a remote desktop cookie."""


class Hash(int):
    """A key that is a hash already: its low 64 bits, or low 32, are where it stands in the table."""

    __slots__ = ()


def text(value: Any) -> str | bytes | Hash | None:
    """What is to be hashed of whatever a source has said; ``None``: nothing."""
    kind = value.__class__
    if kind is str or kind is bytes or kind is Hash or value is None:
        return value  # type: ignore[no-any-return]
    if isinstance(value, str | bytes):
        return value
    if isinstance(value, tuple):
        return "\x1f".join(str(_decoded(text(each))) for each in value)
    if kind.__str__ is object.__str__ and kind.__repr__ is object.__repr__:
        raise TypeError(f"Hashed: the key is a {kind.__name__}, another one for each call: make it a string")
    return str(value)


def reading(source: Any) -> Reading:
    """A function of the call for a source."""
    made: Reading = source.reading() if hasattr(source, "reading") else asking(source)
    return made


def source(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a source."""
    policy = type(spec).__name__
    if awaits(value):
        raise ConfigError.of(policy, attribute.name, value, "write a plain def: nothing awaits what it would answer")
    named = isinstance(value, str) and value.strip()
    if isinstance(value, type) or not (named or is_function(value) or hasattr(value, "reading")):
        fix = 'name an attribute of the request, such as "header:x-user", or give a function of the call'
        raise ConfigError.of(policy, attribute.name, value, fix)


@attrs.frozen
class Key:
    """A source, and whether it is the last one that counts: see `Combined`."""

    source: Any = attrs.field(validator=source)
    terminal: bool = attrs.field(default=False, kw_only=True, validator=flag())

    asks = holds = ("source",)

    def reading(self) -> Reading:
        return reading(self.source)


@attrs.frozen
class Uri:
    """Its first ``length`` characters, up to its slash number ``depth`` + 1 (0: all), without the query unless
    ``whole``; ``path_only``: and without scheme and host, where it has them.
    """

    source: Any = attrs.field(default="uri", validator=source)
    length: int = attrs.field(default=0, kw_only=True, validator=count(0))
    depth: int = attrs.field(default=0, kw_only=True, validator=count(0))
    whole: bool = attrs.field(default=False, kw_only=True, validator=flag())
    path_only: bool = attrs.field(default=False, kw_only=True, validator=flag())

    asks = holds = ("source",)

    def reading(self) -> Reading:
        read = reading(self.source)
        return lambda call: self.cut(_decoded(read(call)))

    def cut(self, uri: str | None) -> str | None:
        if uri is None:
            return None
        if self.path_only:
            authority = _AUTHORITY.match(uri)
            uri = uri[authority.end() :] if authority else uri
        if self.length:
            uri = uri[: self.length]
        if not self.whole:
            uri = uri.partition("?")[0]
        if self.depth:
            uri = "/".join(uri.split("/", self.depth + 1)[: self.depth + 1])
        return uri


@attrs.frozen
class Domain:
    """The label before the last dot of a host: all of a domain's hosts are one key."""

    source: Any = attrs.field(default="host", validator=source)

    asks = holds = ("source",)

    def reading(self) -> Reading:
        read = reading(self.source)
        return lambda call: self.cut(_decoded(read(call)))

    @staticmethod
    def cut(host: str | None) -> str | None:
        if not host:
            return None
        end = host.rfind(".", 1)
        return host if end < 0 else host[host.rfind(".", 0, max(0, end - 1)) + 1 : end]


@attrs.frozen
class Network:
    """The network of an IP address, by prefix lengths: clients of one network are one key. What is no address stays."""

    source: Any = attrs.field(default="client", validator=source)
    v4: int = attrs.field(default=24, kw_only=True, validator=count(0, 32))
    v6: int = attrs.field(default=64, kw_only=True, validator=count(0, 128))

    asks = holds = ("source",)

    def reading(self) -> Reading:
        read = reading(self.source)
        return lambda call: self.cut(read(call))

    def cut(self, address: Any) -> Any:
        try:
            found = ip_address(_decoded(address).partition("%")[0].strip("[]"))
        except (ValueError, AttributeError):
            return address
        found = getattr(found, "ipv4_mapped", None) or found
        prefix = self.v4 if found.version == 4 else self.v6
        return str(ip_network((found, prefix), strict=False))


@attrs.frozen
class RdpCookie:
    """The value after ``Cookie: NAME=`` in the bytes that ``source`` answers, with or without the eleven of TPKT and
    X.224 before it ([MS-RDPBCGR], 2.2.1.1). A cookie without its line's end is none yet.
    """

    source: Any = attrs.field(validator=source)
    name: str = attrs.field(default="mstshash", kw_only=True)

    asks = holds = ("source",)

    def __attrs_post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str) or not re.fullmatch(r"[!-<>-~]+", name):
            raise ConfigError.of("RdpCookie", "name", name, 'name the cookie, such as "mstshash"')

    def reading(self) -> Reading:
        read = reading(self.source)
        find = re.compile(rb"Cookie: *" + re.escape(self.name.encode()) + rb"=([^\r]*)\r\n", re.IGNORECASE).match

        def cookie(call: Call) -> bytes | None:
            value = read(call)
            if value is None:
                return None
            data = encoded(value)
            found = find(data) or find(data, _AHEAD)
            return found[1] if found else None

        return cookie


def _sources(value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigError.of("Combined", "sources", value, "give several sources")
    return tuple(each if hasattr(each, "reading") else Key(each) for each in value)


def _several(spec: Any, attribute: Any, value: tuple[Any, ...]) -> None:
    for each in value:
        source(spec, attribute, each)
    if not value:
        raise ConfigError.of(type(spec).__name__, "sources", value, "give at least one source")


@attrs.frozen(init=False)
class FirstOf:
    """``FirstOf("header:x-user", "client")``: the client only where there is no user."""

    sources: tuple[Any, ...] = attrs.field(converter=_sources, validator=_several)

    holds = ("sources",)

    def __init__(self, *sources: Any) -> None:
        self.__attrs_init__(sources)

    def reading(self) -> Reading:
        readings = [reading(each) for each in self.sources]

        def first(call: Call) -> Any:
            for read in readings:
                value = read(call)
                if value is not None and value not in ("", b""):
                    return value
            return None

        return first


@attrs.frozen(init=False)
class Combined:
    """``Combined("header:x-user", Key("cookie:sid", terminal=True), "client")``: one hash of several sources."""

    sources: tuple[Any, ...] = attrs.field(converter=_sources, validator=_several)

    holds = ("sources",)

    def __init__(self, *sources: Any) -> None:
        self.__attrs_init__(sources)

    def reading(self) -> Reading:
        readings = [(reading(each), getattr(each, "terminal", False)) for each in self.sources]

        def mixed(call: Call) -> Hash | None:
            so_far: int | None = None
            for read, terminal in readings:
                value = text(read(call))
                if value is not None and (value or value.__class__ is Hash):
                    before = so_far or 0
                    turned = (before << 1 | before >> 63) & M64
                    so_far = turned ^ (value & M64 if isinstance(value, Hash) else xxh64(value))
                if terminal and so_far is not None:
                    break
            return None if so_far is None else Hash(so_far)

        return mixed


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
