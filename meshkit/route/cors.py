"""May a page of another origin read this answer, and may it ask so at all? The fields of CORS, by the Fetch standard.

=============================================  =====================================================================
a request                                      then
=============================================  =====================================================================
``OPTIONS`` with ``Origin`` and                a preflight: answered here with 204, in front of the route's policies,
``Access-Control-Request-Method``              and nobody behind is asked
another one, of an origin that is listed       served; the answer says that this origin may read it
of an origin that is not listed, or of none    served; the answer says nothing, so a browser keeps it from the page
=============================================  =====================================================================

A preflight is routed as the request that it asks about: by its ``Access-Control-Request-Method``. It brings neither
credentials nor the fields of that request, so that the route's policies (who is this?) would refuse it.

An origin is compared byte by byte, as browsers write it: in lower case, without the scheme's own port (which what is
listed may have). ``*.`` in front of a host is one label or more, ``*`` alone any host, as in the Gateway API's
``HTTPCORSFilter``. ``"*"`` in the place of an origin is everybody, without credentials; where credentials count, ``*``
in methods and in header fields is what was asked for.

Sources: Fetch, 3.3 (CORS protocol); Gateway API, GEP-1767. It is for servers: no browser sits behind a client.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import attrs

from .. import options
from ..call import Call
from ..errors import ConfigError
from ..policy import Pairs
from ..section import LEAF, Section
from .lines import varied
from .options import TOKEN, several

__all__ = ["Cors", "preflight"]

SCHEME = r"[a-z][a-z0-9+.-]*"
NAME = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
ADDRESS = r"\[[0-9a-f:.]+\]"
PORT = r"(?::([0-9]{1,5}))?"
PATTERN = re.compile(rf"({SCHEME})://(\*|(?:\*\.)?{NAME}|{ADDRESS}){PORT}", re.ASCII)
ORIGIN = re.compile(rf"({SCHEME})://({NAME}|{ADDRESS}){PORT}", re.ASCII)
PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
REMEMBERED = 1024
LONGEST = 512
"""Characters of an origin; a host has 253 at most."""
OURS = frozenset(
    (
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"access-control-max-age",
    )
)
"""Of these the route has the only word: an app's own are taken away."""


def _origin(value: str) -> str | None:
    """An origin, or a pattern of some, as browsers write them; ``None`` where it is none."""
    found = PATTERN.fullmatch(value.lower().removesuffix("/"))
    if found is None:
        return None
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port is None or PORTS.get(scheme) == port else f":{port}")


def _origins(spec: Any, attribute: Any, value: Any) -> None:
    fix = 'give origins, such as "https://shop.example", "https://*.shop.example" or "*", without a path'
    if not isinstance(value, tuple) or not value:
        raise ConfigError.of("Cors", "origins", value, fix)
    for each in value:
        if not isinstance(each, str) or (each != "*" and _origin(each) is None):
            raise ConfigError.of("Cors", "origins", each, fix)


def _tokens(what: str) -> Any:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        sound = isinstance(value, tuple) and all(isinstance(each, str) and TOKEN.fullmatch(each) for each in value)
        if not sound or ("*" in value and len(value) > 1):
            raise ConfigError.of("Cors", attribute.name, value, f'give {what}, or "*" alone')

    return check


@attrs.frozen
class Cors:
    """Lets pages of other origins ask, and read the answers. Raises `ConfigError`.

    ``origins``: those that may. ``methods``, ``headers``: what they may ask with, besides what Fetch lets everybody
    (GET, HEAD, POST, and a few fields); ``expose``: the fields of an answer that they may read, besides the usual ones.
    ``credentials``: whether cookies and the like may come with it. ``max_age``: seconds for which a browser may
    remember what a preflight was told; browsers cut it to two hours, or to a day.
    """

    origins: tuple[str, ...] = attrs.field(converter=several, validator=_origins)
    methods: tuple[str, ...] = attrs.field(
        default=("GET", "HEAD", "POST"), converter=several, validator=_tokens("methods"), kw_only=True
    )
    headers: tuple[str, ...] = attrs.field(
        default=(), converter=several, validator=_tokens("names of header fields"), kw_only=True
    )
    expose: tuple[str, ...] = attrs.field(
        default=(), converter=several, validator=_tokens("names of header fields"), kw_only=True
    )
    credentials: bool = attrs.field(default=False, validator=options.flag(), kw_only=True)
    max_age: float = attrs.field(default=600.0, validator=options.seconds(zero=True), kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.credentials and "*" in self.origins:
            fix = 'with credentials any site could act for its visitors: list the origins ("https://*": all, knowingly)'
            raise ConfigError.of("Cors", "origins", self.origins, fix)
        if self.credentials and "*" in self.expose:
            raise ConfigError.of("Cors", "expose", self.expose, "with credentials * means nothing: list the fields")

    def install(self, plan: Any, /) -> None:
        before = plan.cors
        plan.cors = state = CorsState(self)
        plan.gates = (state, *(each for each in plan.gates if each is not before))
        plan.outgoing = True


class CorsState:
    """What `Cors` comes to: the fields of an answer, and a `Gate` that has preflights answered."""

    __slots__ = ("_allows", "_any", "_echoed", "_exact", "_preflight", "_section", "_shown", "_wild", "exit", "name")

    def __init__(self, spec: Cors) -> None:
        self.name = "Cors"
        self.exit = None
        self._any = "*" in spec.origins
        """Everybody is told the same."""
        known = [_origin(each) or "" for each in spec.origins if each != "*"]
        self._exact = frozenset(each for each in known if "*" not in each)
        self._wild = tuple(_parts(each) for each in known if "*" in each)
        self._allows = lru_cache(REMEMBERED)(self._listed)
        credentials = [(b"access-control-allow-credentials", b"true")] if spec.credentials else []
        self._shown = [*credentials, *_field(b"access-control-expose-headers", spec.expose)]
        self._preflight = [*credentials, (b"access-control-max-age", b"%d" % spec.max_age)]
        self._echoed: list[tuple[bytes, bytes]] = []
        """What may be anything: the field that allows it, and the one that asks for it."""
        for name, asked, given in (
            (b"access-control-allow-methods", b"access-control-request-method", spec.methods),
            (b"access-control-allow-headers", b"access-control-request-headers", spec.headers),
        ):
            if "*" in given and spec.credentials:
                self._echoed.append((name, asked))
            else:
                self._preflight += _field(name, given)
        self._section = Section(LEAF, self._answer)

    def _listed(self, origin: str) -> bool:
        if origin in self._exact:
            return True
        found = ORIGIN.fullmatch(origin) if self._wild else None
        if found is None:
            return False
        scheme, host, port = found.groups()
        return any(
            (scheme, port) == (wanted, at) and host.endswith(end) and host != end for wanted, end, at in self._wild
        )

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may read the answers."""
        return self._any or (len(origin) <= LONGEST and self._allows(origin))

    def edited(self, headers: Pairs, asked: Pairs, method: str | None) -> list[tuple[bytes, bytes]]:
        """The fields of an answer with those of CORS, for a request that ``asked`` with these."""
        origin, preflight = None, False
        for name, value in asked:
            if name == b"origin":
                origin = value
            elif name == b"access-control-request-method" and method == "OPTIONS":
                preflight = True
        edited = [field for field in headers if field[0].lower() not in OURS]
        # An answer may be given to others by a cache, which must know that it is another one for each.
        if preflight:
            edited = varied(edited, b"origin, access-control-request-method, access-control-request-headers")
        elif not self._any:
            edited = varied(edited, b"origin")
        if origin is None or not self.allows(origin.decode("latin-1")):
            return edited
        edited.append((b"access-control-allow-origin", b"*" if self._any else origin))
        if not preflight:
            return edited + self._shown
        for name, question in self._echoed:
            edited += ((name, value) for each, value in asked if each == question)
        return edited + self._preflight

    def facts(self, call: Call, /) -> bool:
        """Whether it is a preflight that comes to a server."""
        return call.door.fact(call, "method") == "OPTIONS" and preflight(call) is not None

    def enter(self, call: Call, now: float, /) -> Section | None:
        return self._section if call.facts[self] else None  # type: ignore[index]  # gathered: there are facts

    def _answer(self, call: Call) -> Any:
        """The door adds the fields, as to every answer."""
        return call.door.respond(call, 204)

    def idle(self) -> bool:
        return True


def preflight(call: Call) -> str | None:
    """The method that an ``OPTIONS`` asks about; ``None``: it is no preflight, or goes out from here."""
    door = call.door
    if not hasattr(door, "take") or door.fact(call, "header:origin") is None:  # only servers take in bodies
        return None
    method: str | None = door.fact(call, "header:access-control-request-method")
    return method


def _parts(pattern: str) -> tuple[str, str, str | None]:
    """Scheme, what the host must end in, port."""
    scheme, _, rest = pattern.partition("://")
    host, colon, port = rest.partition(":")
    return scheme, host[1:], port if colon else None


def _field(name: bytes, values: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    return [(name, ", ".join(values).encode("ascii"))] if values else []
