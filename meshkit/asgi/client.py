"""Who is asking? The client's address, through the proxies that are trusted, and no other.

Every proxy appends the address of who connected to it. What stands to the right was written by the proxy nearest to us;
what stands left of the first address we do not trust may be anybody's invention. So the list is read from the right::

    peer is no trusted proxy          -> the peer
    the rightmost untrusted address   -> the client
    every address is trusted          -> the leftmost
    an element that is no address     -> the peer: what stands left of it cannot be judged
    more than 100 elements in a line  -> the same for what stands left of the last 100

One field counts, never both: ``X-Forwarded-For`` (addresses, some proxies add a port), or ``Forwarded`` (RFC 7239:
``for=`` with brackets, ports, quotes, ``unknown`` and obfuscated names). Lines of one field are joined in order.

An IPv4 address written as IPv6 (``::ffff:192.0.2.1``) is the IPv4 address. A network is what one subscriber usually
has: an IPv6 /64, a single IPv4 address.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from ..errors import ConfigError

__all__ = ["Clients", "canonical", "network_of"]

FIELDS = {"x-forwarded-for": b"x-forwarded-for", "forwarded": b"forwarded"}
FORWARDING = {b"x-forwarded-for", b"forwarded"}
UNIX = "unix"
MOST = 100
"""Elements of a line that are looked at, empty ones too; a longer one is nobody's way through so many proxies."""
REMEMBERED = 4096
"""Addresses whose reading is remembered, for each kind of question."""
LONGEST = 64
"""Characters of an address; the longest, with zone and port, has fewer."""

_PAIR = re.compile(r'[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[!#$%&\'*+.^_`|~0-9A-Za-z-]*)[ \t]*')
_ESCAPED = re.compile(r"\\(.)")


@lru_cache(REMEMBERED)
def canonical(text: str) -> str | None:
    """The one way to write an address, without port, brackets and zone; ``None`` for what is none."""
    address = _address(text)
    return None if address is None else str(address)


@lru_cache(REMEMBERED)
def network_of(text: str) -> str | None:
    """The subscriber's network: ``2001:db8:0:1::/64``, ``192.0.2.1/32``."""
    address = _address(text)
    if address is None:
        return None
    return str(ip_network((address, 64 if address.version == 6 else 32), strict=False))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip(" \t")
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or ":" not in text or (port and not _is_port(port[1:], port[0])):
            return None
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port, ":"):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_port(digits: str, colon: str) -> bool:
    return colon == ":" and 1 <= len(digits) <= 5 and digits.isascii() and digits.isdecimal()


def peer(scope: Any) -> str | None:
    """Where no proxy is trusted, the client is who has connected."""
    client = scope.get("client")
    if not client:
        return None
    name: str = client[0]
    return canonical(name) or name or None


class Clients:
    """Reads the client's address out of a scope, by the proxies trusted and the one field they write."""

    __slots__ = ("_field", "_networks", "_trusted", "_unix", "of", "trusts")

    def __init__(self, trusted: Iterable[str], field: str, policy: str = "MeshMiddleware") -> None:
        if field not in FIELDS:
            raise ConfigError.of(policy, "forwarded", field, f"write one of {', '.join(map(repr, FIELDS))}")
        if isinstance(trusted, str):
            if trusted != UNIX:
                _network(policy, trusted, trusted)  # what is wrong with it in a list is said at once
            raise ConfigError.of(policy, "trusted", trusted, f"give a list: [{trusted!r}]")
        words = list(trusted)
        self.trusts = bool(words)
        """Whether there is anybody who is trusted."""
        self._unix = UNIX in words
        self._networks = tuple(_network(policy, word, words) for word in words if word != UNIX)
        self._field = FIELDS[field]
        self._trusted: Callable[[str], bool] = lru_cache(REMEMBERED)(self._trusts)
        self.of: Callable[[Any], str | None] = self._behind if words else peer
        """The client's address by the scope: canonical, or what the server calls its peer where that is no address, or
        ``None``: a Unix socket whose peer is not trusted or names nobody.
        """

    @property
    def by(self) -> bytes:
        """The one field that counts, in lower case."""
        return self._field

    def _trusts(self, address: str) -> bool:
        parsed = ip_address(address)
        return any(parsed in network for network in self._networks)

    def near(self, scope: Any) -> bool:
        """Whether who has connected is trusted."""
        client = scope.get("client")
        name = client[0] if client else ""
        address = canonical(name) if name else None
        return self._unix if not name else address is not None and self._trusted(address)

    def itself(self, scope: Any) -> bool:
        """Whether who has connected is trusted and speaks for itself: a proxy hands on what anybody has written."""
        return self.near(scope) and not any(name in FORWARDING for name, _ in scope["headers"])

    def _behind(self, scope: Any) -> str | None:
        client = scope.get("client")
        name = client[0] if client else ""
        address = canonical(name) if name else None
        # uvicorn has been here before and trusted the proxy: a port of 0 is its mark, and no peer's.
        resolved = address is not None and client[1] == 0
        if not resolved and (self._unix if not name else address is not None and self._trusted(address)):
            field = self._field
            lines = [value.decode("latin-1") for each, value in scope["headers"] if each == field]
            if lines:
                return self._named(lines) or address or name or None
        return address or name or None

    def _named(self, lines: list[str]) -> str | None:
        """By the field, from the right; ``None``: it cannot be told."""
        elements = _forwarded if self._field == b"forwarded" else _listed
        address = None
        for line in reversed(lines):
            for element in elements(line):
                address = canonical(element) if len(element) <= LONGEST else None
                if address is None or not self._trusted(address):
                    return address
        return address


def _listed(line: str) -> Iterable[str]:
    """The elements of X-Forwarded-For, from the right; empty ones are none (RFC 9110, 5.6.1)."""
    end = len(line)
    for _ in range(MOST):
        comma = line.rfind(",", 0, end)
        element = line[comma + 1 : end]
        if element.strip(" \t"):
            yield element
        if comma < 0:
            return
        end = comma
    yield ""


def _forwarded(line: str) -> Iterable[str]:
    """The ``for`` of each element of Forwarded, from the right; "" where there is none, or the line is malformed."""
    found: list[str] = []
    position, node, pairs = 0, "", 0
    while True:
        match = _PAIR.match(line, position)
        if match is not None:
            position, pairs = match.end(), pairs + 1
            if match[1].lower() == "for":
                if node:
                    return [""]
                quoted = match[2].startswith('"')
                node = _ESCAPED.sub(r"\1", match[2][1:-1]) if quoted else match[2]
        else:
            while position < len(line) and line[position] in " \t":
                position += 1
        if position < len(line) and line[position] not in ";,":
            return [""]
        if position == len(line) or line[position] == ",":
            if pairs:
                found.append(node)
            node, pairs = "", 0
        if position == len(line):
            return [*reversed(found)] if len(found) <= MOST else [*reversed(found[-MOST:]), ""]
        position += 1


def _network(policy: str, word: Any, words: Any) -> IPv4Network | IPv6Network:
    fix = f'give the networks of your proxies in a list, such as ["10.0.0.0/8"], or [{UNIX!r}] for a Unix socket'
    everybody = f"whoever connects could then write any address: {fix}"
    try:
        if not isinstance(word, str):
            raise ValueError  # noqa: TRY004  # it is told as all the others are
        network = ip_network(word, strict=False)
    except ValueError:
        raise ConfigError.of(policy, "trusted", words, everybody if word == "*" else fix) from None
    if network.prefixlen == 0:
        raise ConfigError.of(policy, "trusted", words, everybody)
    return network
