"""How is a cookie given to whoever is answered? ``Set-Cookie: name=value; attributes`` (RFC 6265, 4.1)."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["NAME", "lines"]

NAME = b"set-cookie"


def lines(cookies: Iterable[tuple[str, str, str]]) -> list[bytes]:
    """The field's values for (name, value, attributes), of which the last of a name counts."""
    last = {name: f"{name}={value}{attributes and '; '}{attributes}" for name, value, attributes in cookies}
    return [line.encode("latin-1") for line in last.values()]
