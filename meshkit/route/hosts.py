r"""Which names is a host pattern for? And what is the one form of a host, for matching?

====================  ========================================================================================
pattern               is for
====================  ========================================================================================
``shop.example``      that name
``*.shop.example``    names below it, one label or more, never the bare domain (the Gateway API's rule)
``shop.*``            names above it, one label or more (Envoy's prefix wildcard, at a dot)
``*``                 every host, and none
``[2001:db8::7]``     that address, however it is written
====================  ========================================================================================

Case, and a dot at the end, do not count; ports are no part of a host. A name that is not ASCII is compared as IDNA has
it (RFC 3490), where that can be undone; other names are to be written in that form, ``xn--…``.

Of a request a host is what could be a name, or an address (RFC 3986, 3.2.2): letters, digits, ``-``, ``.``, ``_``.
Whatever else stands there (``user@``, a blank, ``/``, an octet above ASCII) is refused: another reader might take
another part for the host.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address

from ..errors import ConfigError

__all__ = ["ANY", "BadHost", "bracketed", "checked", "intersection", "normal", "prefixes", "suffixes"]

ANY = "*"
LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
NAME = rf"{LABEL}(?:\.{LABEL})*"
PATTERN = re.compile(rf"(?:\*\.)?{NAME}|{NAME}\.\*")
LONGEST = 253
REMEMBERED = 4096

_plain = re.compile(r"[a-z0-9._-]*").fullmatch


class BadHost(ValueError):
    """A host that is refused. ``reason``: why, in a few words of ours; nothing of the host."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@lru_cache(REMEMBERED)
def normal(host: str) -> str:
    """A request's host as it is compared: in lower case, without the dot at its end, an IPv6 address without brackets.

    Empty where there is none. Raises `BadHost`.
    """
    name = host.lower()
    if _plain(name):
        if len(name) > LONGEST or ".." in name or name.startswith("."):
            raise BadHost("no name")
        return name.removesuffix(".")
    if ":" in name:
        return _address(name[1:-1] if name[0] == "[" and name[-1] == "]" else name)
    raise BadHost("a character that no host has")


def _address(text: str) -> str:
    try:
        address = IPv6Address(text)
    except AddressValueError:
        raise BadHost("no IPv6 address") from None
    if address.scope_id is not None:
        raise BadHost("an IPv6 address with a zone")
    inside = address.ipv4_mapped
    return str(address) if inside is None else f"::ffff:{inside}"  # as RFC 5952 has it, and CPython since 3.13


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def checked(policy: str, option: str, host: object) -> str:
    """A host pattern as it is compared, or a `ConfigError`."""
    fix = 'give a name such as "orders" or "*.shop.example", without scheme, port and path'
    if not isinstance(host, str):
        raise ConfigError.of(policy, option, host, fix)
    name = host.lower().removesuffix(".")
    if name == ANY:
        return ANY
    if name.startswith("[") and name.endswith("]"):
        try:
            return normal(name)
        except BadHost as error:
            raise ConfigError.of(policy, option, host, f"it is {error}") from None
    if not name.isascii():
        name = _ascii(policy, option, host, name)
    if len(name) > LONGEST or not PATTERN.fullmatch(name):
        raise ConfigError.of(policy, option, host, fix)
    return name


def _ascii(policy: str, option: str, host: str, name: str) -> str:
    try:
        encoded = name.encode("idna")
        if encoded.decode("idna") == name:
            return encoded.decode("ascii")
    except UnicodeError:
        pass
    raise ConfigError.of(policy, option, host, 'write it in its ASCII form, which begins with "xn--"')


def suffixes(host: str) -> list[str]:
    """What a ``*.`` for this host may end in, the longest first: ``a.b.c`` gives ``b.c`` and ``c``."""
    found = []
    dot = host.find(".")
    while dot >= 0:
        found.append(host[dot + 1 :])
        dot = host.find(".", dot + 1)
    return found


def prefixes(host: str) -> list[str]:
    """What a ``.*`` for this host may begin with, the longest first: ``a.b.c`` gives ``a.b`` and ``a``."""
    found = []
    dot = host.rfind(".")
    while dot >= 0:
        found.append(host[:dot])
        dot = host.rfind(".", 0, dot)
    return found


def intersection(one: str | None, other: str | None) -> str:
    """The pattern for what two are for, as the Gateway API's listeners and routes have it; empty: there is nothing.

    ``None`` is `ANY`. Patterns of which neither is within the other have nothing in common, as far as this goes.
    """
    one, other = one or ANY, other or ANY
    if one == other or _within(other, one):
        return other
    return one if _within(one, other) else ""


def _within(narrow: str, wide: str) -> bool:
    """Whether all that one pattern is for, the other one is for."""
    if wide == ANY:
        return True
    if wide.startswith("*."):
        return narrow.removeprefix("*.").endswith(wide[1:]) and not narrow.endswith(".*")
    if wide.endswith(".*"):
        return narrow.removesuffix(".*").startswith(wide[:-1]) and not narrow.startswith("*.")
    return False
