"""Who served this session before? A balancer around a balancer: the inner one picks for new sessions only.

==============  ==============================================  ==============================================
mode            the cookie                                      its session moves
==============  ==============================================  ==============================================
``balanced``    random; it stands for one of the 65 536         with its slot: to a new endpoint with the
                slots of a table                                chance of its share, so that loads even out
``persistent``  names the endpoint, by a hash                   when that endpoint is no longer there
==============  ==============================================  ==============================================

The table is a ring: each endpoint has 64 points by its ``hash_key``, and a slot belongs to the first point at or behind
it. So a new endpoint takes slots, and one that leaves gives up its own; no other slot changes hands. Who is picked for
a new session is the inner balancer's to say; the cookie is then drawn from the slots of that endpoint.

For those without cookies ``key`` names the session, and a table of the latest ones remembers who served it.

A session whose endpoint is ill, or has failed in this call, is served by another one: for good (``move``), or for this
time only (``keep``). With ``persistent`` one that is drained (weight 0) gets no new session and keeps those it has, as
in HAProxy. What a client sends is looked up, never followed: a forged cookie reaches an endpoint of this cluster, as
any cookie does.

Around a `Subset`, a session stays whatever later calls ask for; inside one, it never leaves what the call asks for.

ingress-nginx's ``affinity-mode`` and ``session-cookie-change-on-failure`` (``balancer/sticky.lua``), HAProxy's
``cookie insert``, ``weight 0`` and ``stick-table``; Karger et al., "Consistent Hashing and Random Trees" (1997).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from hashlib import blake2b
from math import ceil
from random import Random
from typing import Any

import attrs

from ...errors import ConfigError
from ...fact import Key, asking, hashable
from ...fact import key as named
from ...options import among, count, flag, no_decorator, optional, seconds
from ..load.peak_ewma import PeakEwma
from .sessions import Asker, Sessions

__all__ = ["Sticky"]

NAME = re.compile(r"[0-9a-f]{32}")
TOKEN = re.compile(r"[0-9a-f]{16}")
COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
PATH = re.compile(r"/[!-:<-~]{0,1023}")
"""RFC 6265: no control character, no semicolon."""


def _inner(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not hasattr(value, "start"):
        raise ConfigError.of("Sticky", attribute.name, value, "give a balancer, such as PeakEwma()")


def _matches(pattern: re.Pattern[str], fix: str) -> Callable[[Any, Any, Any], None]:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ConfigError.of("Sticky", attribute.name, value, fix)

    return check


def _secret(spec: Any, attribute: Any, value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise ConfigError.of("Sticky", attribute.name, "***", "give a string, the same in all processes, or None")


@attrs.frozen
class Sticky:
    """Keeps a session with the endpoint that served it first. Raises `ConfigError`.

    ``inner`` picks for new sessions. ``cookie`` is the name, ``path``, ``max_age`` (seconds; ``None``: until the
    browser ends), ``secure``, ``http_only`` and ``same_site`` are what the browser is told. ``mode`` and ``on_failure``
    as above. ``key`` (``"header:x-session"``, or a function of the call) takes the place of the cookie: ``max_age`` are
    then the seconds after which an unused session is forgotten, and no more than ``remembered`` are known. ``secret``:
    without one, whoever can guess an address can tell whether it is the one a persistent cookie names.
    """

    inner: Any = attrs.field(factory=PeakEwma, validator=_inner)
    cookie: str = attrs.field(
        default="meshkit", kw_only=True, validator=_matches(COOKIE, "give a name of letters, digits and hyphens")
    )
    key: Key = attrs.field(default=None, kw_only=True, validator=named)
    mode: str = attrs.field(kw_only=True, validator=among("balanced", "persistent"))
    on_failure: str = attrs.field(default="move", kw_only=True, validator=among("move", "keep"))
    path: str = attrs.field(
        default="/", kw_only=True, validator=_matches(PATH, "give a path that begins with / and has no blank or ;")
    )
    max_age: float | None = attrs.field(default=None, kw_only=True, validator=optional(seconds()))
    secure: bool = attrs.field(default=False, kw_only=True, validator=flag())
    http_only: bool = attrs.field(default=True, kw_only=True, validator=flag())
    same_site: str | None = attrs.field(default="lax", kw_only=True, validator=optional(among("lax", "strict", "none")))
    secret: str | None = attrs.field(default=None, kw_only=True, repr=False, validator=_secret)
    remembered: int = attrs.field(default=100_000, kw_only=True, validator=count(1, 10_000_000))
    source: Key = attrs.field(init=False, eq=False, repr=False)
    """What the door is asked for."""

    asks = ("source",)
    holds = ("inner",)
    __call__ = no_decorator

    @mode.default
    def _mode(self) -> str:
        return "balanced" if self.key is None else "persistent"

    @source.default
    def _source(self) -> Key:
        return f"cookie:{self.cookie}" if self.key is None else self.key

    def __attrs_post_init__(self) -> None:
        if self.key is not None and self.mode == "balanced":
            fix = "leave it out, for a table that remembers; to hash the key and remember nothing is Hashed(key)"
            raise ConfigError.of("Sticky", "mode", self.mode, fix)
        if not self.secure and (self.same_site == "none" or self.cookie.startswith(("__Host-", "__Secure-"))):
            fix = "browsers take such a cookie with secure=True only"
            option = "same_site" if self.same_site == "none" else "cookie"
            raise ConfigError.of("Sticky", option, getattr(self, option), fix)
        if self.cookie.startswith("__Host-") and self.path != "/":
            raise ConfigError.of("Sticky", "path", self.path, 'browsers take a "__Host-" cookie with path="/" only')

    def start(self, rng: Random, /) -> Sessions:
        read: Callable[[Any], Hashable] = _session
        if self.key is None:
            read = _token if self.mode == "balanced" else _name
        secret = b"" if self.secret is None else blake2b(self.secret.encode("utf-8", "surrogatepass")).digest()
        asker = Asker(asking(self.source), read)
        return Sessions(self, self.inner.start(rng), rng, asker=asker, secret=secret, attributes=_attributes(self))


def _token(value: Any) -> tuple[int, str] | None:
    return (int(value[:4], 16), value[4:8]) if isinstance(value, str) and TOKEN.fullmatch(value) else None


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and NAME.fullmatch(value) else None


def _session(value: Any) -> Hashable:
    nobody = value is None or (isinstance(value, str | bytes) and not value)
    return None if nobody else (hashable("Sticky", value),)


def _attributes(spec: Sticky) -> str:
    parts = [f"Path={spec.path}"]
    if spec.max_age is not None:
        parts.append(f"Max-Age={ceil(spec.max_age)}")
    if spec.secure:
        parts.append("Secure")
    if spec.http_only:
        parts.append("HttpOnly")
    if spec.same_site is not None:
        parts.append(f"SameSite={spec.same_site.capitalize()}")
    return "; ".join(parts)
