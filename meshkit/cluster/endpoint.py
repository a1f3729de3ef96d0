"""Where is one server? An address, checked and normalised once, so that every part of a call means the same one.

``scheme://host:port`` or ``host:port``, nothing more: no userinfo (it would end up in logs), no path or query (an
endpoint is a server; rewriting paths is a route's business). Hosts are made lower case, IPv6 addresses take their
shortest form (RFC 5952), default ports are left out of URLs. A host whose last label is a number must be a whole IPv4
address, as in the WHATWG URL standard: ``010.0.0.1`` and ``10.1`` mean different servers to different libraries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Any

import attrs

from ..errors import ConfigError
from ..options import count

__all__ = ["Endpoint"]

PORTS = {"http": 80, "https": 443}
_MADE = ("address", "scheme", "host", "port", "url", "_text", "hash_key")
_ADDRESS = re.compile(r"(?:(https?)://)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?/?", re.IGNORECASE | re.ASCII)
_HOST = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER_LAST = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_FIXES = (  # the first whose sign is found in what follows http:// or https://
    (r"[^!-~]|\\", "leave out blanks, backslashes and control characters, and write an international name in punycode"),
    (r"^//|://", "begin it with http:// or https://"),
    (r"[/?#]", "leave out the path, query and fragment: an endpoint is a server"),
    (r"%", "leave out the zone of the IPv6 address"),
    (r"[\[\]]", "give a whole IP address, such as [::1]"),
    (r":.*:", 'put an IPv6 address in brackets, as in "[::1]:8080"'),
    (r":", "give a port from 1 to 65535"),
    (r"", "give a host name of letters, digits, hyphens and dots, or an IP address"),
)


def _name(spec: Any, attribute: Any, value: object) -> None:
    if value is not None and not (isinstance(value, str) and value.strip() and value.isprintable()):
        raise ConfigError.of("Endpoint", attribute.name, value, "give a short text, or leave it out")


def _tags(value: Any) -> Mapping[str, str | int | float | bool]:
    fix = 'give a dict of short words, such as {"stage": "canary"}'
    if not isinstance(value, Mapping):
        raise ConfigError.of("Endpoint", "tags", value, fix)
    for name, tag in value.items():
        if not isinstance(name, str) or not isinstance(tag, str | int | float | bool) or tag != tag:  # noqa: PLR0124  # NaN
            raise ConfigError.of("Endpoint", "tags", {name: tag}, fix)
    return MappingProxyType(dict(value))


@attrs.frozen(repr=False)
class Endpoint:
    """One server of a cluster: ``Endpoint("https://10.0.0.7")``, ``Endpoint("10.0.0.7:8080", weight=3)``.

    ``address`` is normalised; ``scheme`` (``None``: that of the request), ``host`` (an IPv6 address without brackets)
    and ``port`` are its parts, and ``url`` is it as a URL (``http`` where no scheme was given). ``weight`` is its
    capacity beside its neighbours', and 0 drains it: it finishes what it has and gets nothing new. ``name`` is what
    errors and snapshots call it, instead of ``host:port``. ``priority`` 0 is asked first, the next ones as it fails.
    ``locality`` is where it stands: a zone, or ``"region/zone/sub-zone"``. ``tags`` are what a `Subset` chooses by.
    ``hash_key`` is what tables hash in place of ``host:port``, for one that keeps its keys when its address changes.
    Raises `ConfigError`.
    """

    address: str
    weight: int = attrs.field(default=1, kw_only=True, validator=count(0, 1_000_000))
    name: str | None = attrs.field(default=None, kw_only=True, validator=_name)
    priority: int = attrs.field(default=0, kw_only=True, validator=count(0, 127))
    locality: str | None = attrs.field(default=None, kw_only=True, validator=_name)
    tags: Mapping[str, str | int | float | bool] = attrs.field(factory=dict, kw_only=True, converter=_tags, hash=False)
    _key: str | None = attrs.field(default=None, kw_only=True, validator=_name, alias="hash_key")
    scheme: str | None = attrs.field(init=False, eq=False, repr=False)
    host: str = attrs.field(init=False, eq=False, repr=False)
    port: int = attrs.field(init=False, eq=False, repr=False)
    url: str = attrs.field(init=False, eq=False, repr=False)
    hash_key: str = attrs.field(init=False, eq=False, repr=False)
    _text: str = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        scheme, host, port = _parts(self.address)
        authority = f"[{host}]" if ":" in host else host
        whole = f"{authority}:{port}"
        url = f"{scheme or 'http'}://{authority if port == PORTS[scheme or 'http'] else whole}"
        values = (url if scheme else whole, scheme, host, port, url, self.name or whole, self._key or whole)
        for option, value in zip(_MADE, values, strict=True):
            object.__setattr__(self, option, value)  # frozen, but still being made

    def __str__(self) -> str:
        return self._text

    def _options(self) -> dict[str, Any]:
        """Those that do not have their default, by name."""
        given = {
            "weight": self.weight if self.weight != 1 else None,
            "name": self.name,
            "priority": self.priority or None,
            "locality": self.locality,
            "tags": dict(self.tags) or None,
            "hash_key": self._key,
        }
        return {name: value for name, value in given.items() if value is not None}

    def __repr__(self) -> str:
        return f"Endpoint({', '.join([repr(self.address), *(f'{k}={v!r}' for k, v in self._options().items())])})"

    def __reduce__(self) -> Any:
        return _again, (self.address, self._options())


def _again(address: str, options: dict[str, Any]) -> Endpoint:
    return Endpoint(address, **options)


def _refused(address: object, fix: str) -> ConfigError:
    return ConfigError.of("Endpoint", "address", address, fix)


def _parts(address: Any) -> tuple[str | None, str, int]:
    """Scheme, host and port, in their normal form."""
    if not isinstance(address, str):
        raise _refused(address, 'give a string such as "https://10.0.0.7" or "10.0.0.7:8080"')
    if "@" in address:  # what stands before it is not repeated: it may be a password
        raise _refused("***@" + address.rpartition("@")[2], "leave out user and password: send them in a header")
    match = _ADDRESS.fullmatch(address)
    if match is None:
        rest = re.sub("^https?://", "", address, flags=re.IGNORECASE)
        raise _refused(address, next(fix for sign, fix in _FIXES if re.search(sign, rest)))
    scheme, host, digits = match.group(1), match.group(2).lower(), match.group(3)
    scheme = scheme and scheme.lower()
    if not scheme and not digits:
        raise _refused(address, 'add the port, as in "10.0.0.7:8080", or the scheme, as in "https://10.0.0.7"')
    port = int(digits) if digits else PORTS[scheme]
    if not 1 <= port <= 65535:
        raise _refused(address, "give a port from 1 to 65535")
    try:
        if host[0] == "[":
            host = str(IPv6Address(host[1:-1]))
        elif _NUMBER_LAST.fullmatch(host):
            host = str(IPv4Address(host))
    except ValueError:
        raise _refused(address, "give a whole IP address, such as 10.0.0.7 or [::1]") from None
    if ":" not in host and not _HOST.fullmatch(host):
        raise _refused(address, "give a host name of letters, digits, hyphens and dots, without a dot at its end")
    return scheme, host, port
