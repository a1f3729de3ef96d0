"""Where are they, if a name stands for all of them? What the DNS answers, asked again when its time to live is over.

    the next question comes after  min(max(time to live, least), most)  seconds

Some servers answer 0, and some a week. A time of 2**31 or more is 0 (RFC 2181, section 8). Order is no part of an
answer: a shuffled one is no change. A name that has no address at all (NODATA) is an empty set, because whoever
answered knows the name: a service scaled to nothing says so. A name that is gone (NXDOMAIN) is an error, because that
is more often a slip than a wish. Half an answer is none: where both families are asked for, both must answer.

The operating system's own resolver does not tell the time to live; hence dnspython, the extra ``[dns]``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from importlib.util import find_spec
from ipaddress import IPv4Address, ip_address
from typing import Any

import attrs

from ..cluster.endpoint import Endpoint
from ..errors import ConfigError, DiscoveryError
from ..options import among, count, flag, no_decorator, number, optional, seconds
from .hosts import SYSTEM_HOSTS, Address, named
from .resolver import ask
from .source import locality_word, located

__all__ = ["Dns"]

FAMILIES = {
    "ipv4": (("A",),),
    "ipv6": (("AAAA",),),
    "prefer-ipv4": (("A",), ("AAAA",)),
    "prefer-ipv6": (("AAAA",), ("A",)),
    "all": (("A", "AAAA"),),
}
"""Kinds of records: all of a group are asked for, and the next group only if that has none."""
VERSIONS = {"A": 4, "AAAA": 6}
HOSTS_SECONDS = 5.0
"""Between two looks into the hosts file, which tells no time to live."""


def _host(value: Any) -> str:
    """Lower case, without brackets, and without the dot at its end."""
    if not isinstance(value, str) or not value.strip(".[] "):
        raise ConfigError.of("Dns", "host", value, 'give a name such as "payments.internal"')
    host = value.lower()
    if host[0] + host[-1] == "[]":
        host = host[1:-1]
    if "%" in host:
        raise ConfigError.of("Dns", "host", value, "leave out the zone of the IPv6 address")
    try:
        return str(ip_address(host))
    except ValueError:
        if ":" in host or "/" in host:
            fix = 'give the name alone, and the rest as options: Dns("payments", 443, scheme="https")'
            raise ConfigError.of("Dns", "host", value, fix) from None
    try:
        return Endpoint(f"http://{host.removesuffix('.')}").host
    except ConfigError as error:
        raise ConfigError.of("Dns", "host", value, error.fix) from None


def _nameservers(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    fix = 'give a list of IP addresses, such as ["10.0.0.2", "10.0.0.3:5353"]'
    if not isinstance(value, list | tuple) or not value:
        raise ConfigError.of("Dns", "nameservers", value, fix)
    for each in value:
        try:
            _server(each)
        except (ValueError, AttributeError):
            raise ConfigError.of("Dns", "nameservers", each, fix) from None
    return tuple(value)


def _server(text: str) -> tuple[str, int]:
    """Address and port of ``10.0.0.2``, ``10.0.0.2:5353``, ``::1``, ``[::1]`` or ``[::1]:5353``."""
    if text.count(":") == 1 or "]:" in text:
        endpoint = Endpoint(text)
        return str(ip_address(endpoint.host)), endpoint.port
    return str(ip_address(text[1:-1] if text.startswith("[") else text)), 53


@attrs.frozen
class Dns:
    """An endpoint for each address of a name: ``Dns("payments.internal", 8080)``. Raises `ConfigError`.

    ``scheme`` as in `Endpoint`. ``family`` is "ipv4", "ipv6", "all" for both, or "prefer-ipv4" or "prefer-ipv6": the
    other is asked for only if there is none. ``nameservers`` are asked in place of the system's. ``hosts`` is the file
    that is looked into first (``None``: none). With ``search``, the system's search domains complete the name.
    ``timeout`` is for one question with all its attempts; ``least`` and ``most`` bound the seconds between two. Without
    ``private``, an answer with an address that is not public is an error, against names made to point inside.
    ``priority`` and ``locality`` are of all its endpoints.

    A host that is an address is a set of one, and nobody is asked.
    """

    host: str = attrs.field(converter=_host)
    port: int = attrs.field(validator=count(1, 65535))
    scheme: str | None = attrs.field(default=None, kw_only=True, validator=optional(among("http", "https")))
    family: str = attrs.field(default="prefer-ipv4", kw_only=True, validator=among(*FAMILIES))
    nameservers: tuple[str, ...] | None = attrs.field(default=None, kw_only=True, converter=_nameservers)
    hosts: str | None = attrs.field(default=SYSTEM_HOSTS, kw_only=True)
    search: bool = attrs.field(default=False, kw_only=True, validator=flag())
    timeout: float = attrs.field(default=5.0, kw_only=True, validator=seconds())
    least: float = attrs.field(default=1.0, kw_only=True, validator=number(0.1, 86400.0))
    most: float = attrs.field(default=300.0, kw_only=True, validator=number(0.1, 86400.0))
    private: bool = attrs.field(default=True, kw_only=True, validator=flag())
    priority: int = attrs.field(default=0, kw_only=True, validator=count(0, 127))
    locality: str | None = attrs.field(default=None, kw_only=True, validator=locality_word)

    def __attrs_post_init__(self) -> None:
        hosts: object = self.hosts
        if hosts is not None and not (isinstance(hosts, str) and hosts and "\0" not in hosts):
            raise ConfigError.of("Dns", "hosts", hosts, f"give a path such as {SYSTEM_HOSTS!r}, or None")
        if self.least > self.most:
            raise ConfigError.of("Dns", "least", self.least, f"give at most what most is, {self.most:g}")
        if self._literal() is None and find_spec("dns") is None:
            fix = "dnspython is not installed: install meshkit with its extra [dns]"
            raise ConfigError.of("Dns", "host", self.host, fix)

    __call__ = no_decorator

    def first(self) -> tuple[Endpoint, ...] | None:
        """The one endpoint, if the host is an address; else ``None``: a server has to be asked."""
        literal = self._literal()
        return None if literal is None else self._endpoints({literal})

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        """All addresses in the order of their numbers, and again when they are others. Raises `DiscoveryError`."""
        from anyio import sleep  # loaded by those who await

        known = self.first()
        if known is not None:
            yield known
            return
        given: set[Address] | None = None
        while True:
            try:
                found, ttl = await self._resolve()
            except DiscoveryError as error:
                raise DiscoveryError(f"{self.host}: {error}", source=self) from error.__cause__
            if found != given:
                given = found
                yield self._endpoints(found)
            await sleep(min(max(ttl, self.least), self.most))

    async def _resolve(self) -> tuple[set[Address], float]:
        """All addresses, and for how many seconds that holds."""
        groups = FAMILIES[self.family]
        local = await self._local()
        for kinds in groups:
            found = {each for each in local if any(each.version == VERSIONS[kind] for kind in kinds)}
            if found:
                return found, HOSTS_SECONDS
        servers = None if self.nameservers is None else [_server(each) for each in self.nameservers]
        ttl = self.most
        for kinds in groups:
            for kind in kinds:
                some, until = await ask(self.host, kind, servers=servers, search=self.search, timeout=self.timeout)
                found |= some
                ttl = min(ttl, until)
            if found:
                break
        for address in sorted(found, key=str):
            self._check(address)
        return found, ttl

    async def _local(self) -> set[Address]:
        from anyio import to_thread

        if self.hosts is None:
            return set()
        try:
            return await to_thread.run_sync(named, self.host, self.hosts, abandon_on_cancel=True)
        except OSError as error:
            raise DiscoveryError(f"{self.hosts}: {error.strerror or error!r}") from error

    def _check(self, address: Address) -> None:
        plain = getattr(address, "ipv4_mapped", None) or address
        if plain.is_unspecified or plain.is_multicast or plain == IPv4Address("255.255.255.255"):
            raise DiscoveryError(f"the answer has {address}, which is no server")
        if not (self.private or plain.is_global):
            raise DiscoveryError(f"the answer has {address}, which is not public")

    def _literal(self) -> Address | None:
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    def _endpoints(self, addresses: set[Address]) -> tuple[Endpoint, ...]:
        found = []
        for address in sorted(addresses, key=lambda each: (each.version, int(each))):
            where = f"[{address}]:{self.port}" if address.version == 6 else f"{address}:{self.port}"
            found.append(Endpoint(f"{self.scheme}://{where}" if self.scheme else where))
        return located(found, self.priority, self.locality)
