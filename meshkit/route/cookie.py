"""How is a session told to a browser, so that it comes back with it? By a cookie (RFC 6265)."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import ceil
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import among, flag, optional, seconds

__all__ = ["TOKEN", "Cookie", "as_cookie", "is_cookie"]

TOKEN = re.compile(r"[0-9a-f]{16}")
"""A session that was made here."""
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
PATH = re.compile(r"/[!-:<-~]{0,1023}")
"""RFC 6265: no control character, no semicolon."""


def _matches(pattern: re.Pattern[str], fix: str) -> Callable[[Any, Any, Any], None]:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ConfigError.of("Cookie", attribute.name, value, fix)

    return check


@attrs.frozen
class Cookie:
    """A cookie for those who have none: ``Cookie("canary", max_age=86400.0)``. Raises `ConfigError`.

    ``path``, ``max_age`` (seconds; ``None``: until the browser ends), ``secure``, ``http_only`` and ``same_site`` are
    what the browser is told.
    """

    name: str = attrs.field(validator=_matches(NAME, "give a name of letters, digits and hyphens"))
    path: str = attrs.field(
        default="/", kw_only=True, validator=_matches(PATH, "give a path that begins with / and has no blank or ;")
    )
    max_age: float | None = attrs.field(default=None, kw_only=True, validator=optional(seconds()))
    secure: bool = attrs.field(default=False, kw_only=True, validator=flag())
    http_only: bool = attrs.field(default=True, kw_only=True, validator=flag())
    same_site: str | None = attrs.field(default="lax", kw_only=True, validator=optional(among("lax", "strict", "none")))

    def __attrs_post_init__(self) -> None:
        if not self.secure and (self.same_site == "none" or self.name.startswith(("__Host-", "__Secure-"))):
            option = "same_site" if self.same_site == "none" else "name"
            fix = "browsers take such a cookie with secure=True only"
            raise ConfigError.of("Cookie", option, getattr(self, option), fix)
        if self.name.startswith("__Host-") and self.path != "/":
            raise ConfigError.of("Cookie", "path", self.path, 'browsers take a "__Host-" cookie with path="/" only')

    @property
    def source(self) -> str:
        """What the door is asked for."""
        return f"cookie:{self.name}"

    @property
    def attributes(self) -> str:
        parts = [f"Path={self.path}"]
        if self.max_age is not None:
            parts.append(f"Max-Age={ceil(self.max_age)}")
        if self.secure:
            parts.append("Secure")
        if self.http_only:
            parts.append("HttpOnly")
        if self.same_site is not None:
            parts.append(f"SameSite={self.same_site.capitalize()}")
        return "; ".join(parts)

    def telling(self) -> Callable[[Call, str], None]:
        """A function that has the client told a value."""
        name, attributes = self.name, self.attributes

        def tell(call: Call, value: str) -> None:
            others = [each for each in call.cookies or () if each[0] != name]
            call.cookies = [*others, (name, value, attributes)]  # a new list: that of a fork is not its origin's

        return tell


def as_cookie(value: Any) -> Any:
    """An attrs converter: the name alone will do."""
    return Cookie(value) if isinstance(value, str) else value


def is_cookie(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a cookie, or ``None``."""
    if value is not None and not isinstance(value, Cookie):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a name, or Cookie(...)")
