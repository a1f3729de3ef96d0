"""Which names is a host pattern for? Exact ones, and wildcards with the Gateway API's rule.

``"orders"``, ``"shop.example"`` are that name; ``"*.shop.example"`` any name below it, one label or more, never the bare
domain. Case, and a dot at the end, do not count; ports are no part of a host. An IPv6 address stands in brackets.
"""

from __future__ import annotations

import re

from ..errors import ConfigError

__all__ = ["checked", "intersection", "suffixes"]

LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST = re.compile(rf"(?:\*\.)?{LABEL}(?:\.{LABEL})*|\[[0-9a-f:.]+\]")
LONGEST = 253


def checked(policy: str, option: str, host: object) -> str:
    """A host pattern as it is compared, or a `ConfigError`."""
    if not isinstance(host, str):
        raise ConfigError.of(policy, option, host, 'give a host, such as "orders" or "*.shop.example"')
    name = host.lower().removesuffix(".")
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            name = ""
    if len(name) > LONGEST or not HOST.fullmatch(name):
        fix = 'give a name such as "orders" or "*.shop.example", without scheme, port and path'
        raise ConfigError.of(policy, option, host, fix)
    return name


def suffixes(host: str) -> list[str]:
    """What a wildcard for this host may end in, the longest first: ``a.b.c`` gives ``b.c`` and ``c``."""
    found = []
    dot = host.find(".")
    while dot >= 0:
        found.append(host[dot + 1 :])
        dot = host.find(".", dot + 1)
    return found


def intersection(one: str | None, other: str | None) -> str | None:
    """The pattern for what both are for; ``None`` as an argument is every host. ``""``: there is none."""
    if one is None or other is None or one == other:
        return other if one is None else one
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith("*.") and narrow.removeprefix("*.").endswith(wide[1:]):
            return narrow
        if wide.startswith("*.") and narrow == "*." + wide[2:]:
            return narrow
    return ""
