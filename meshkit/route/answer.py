"""What is answered where nobody is asked? A redirect, or an answer as it is written down.

The ``Location`` of a redirect follows the Gateway API::

    scheme, host      the request's own, where none is given
    port              the one given; else, with a scheme given, that scheme's; else the request's own;
                      left out where it is the scheme's well-known one
    path              as `Rewrite` makes it; the query stays, and there is no fragment
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from ..call import Call
from ..errors import ConfigError
from ..options import no_decorator
from .edit import _pairs as header_fields
from .match import _port as port_option
from .rewrite import Rewrite

__all__ = ["Redirect", "Respond"]

WELL_KNOWN = {"http": 80, "https": 443}
CODES = (301, 302, 303, 307, 308)


def _scheme(spec: Any, attribute: Any, value: Any) -> None:
    if value not in (None, "http", "https"):
        raise ConfigError.of("Redirect", "scheme", value, 'write "http" or "https"')


def _code(spec: Any, attribute: Any, value: Any) -> None:
    if value not in CODES or isinstance(value, bool):
        raise ConfigError.of("Redirect", "status", value, f"give one of {', '.join(map(str, CODES))}")


@attrs.frozen
class Redirect:
    """Sends the caller elsewhere: ``Redirect(scheme="https", status=301)``. Raises `ConfigError`.

    ``host``, ``path``, ``prefix``, ``regex`` and ``to`` as in `Rewrite`.
    """

    scheme: str | None = attrs.field(default=None, validator=_scheme, kw_only=True)
    host: str | None = attrs.field(default=None, kw_only=True)
    port: int | None = attrs.field(default=None, validator=port_option, kw_only=True)
    path: str | None = attrs.field(default=None, kw_only=True)
    prefix: str | None = attrs.field(default=None, kw_only=True)
    regex: str | None = attrs.field(default=None, kw_only=True)
    to: str | None = attrs.field(default=None, kw_only=True)
    status: int = attrs.field(default=302, validator=_code, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self.rewrite  # noqa: B018  # it says what is wrong

    @property
    def rewrite(self) -> Rewrite | None:
        """How host and path change."""
        given = {name: getattr(self, name) for name in ("host", "path", "prefix", "regex", "to")}
        return Rewrite(**given) if any(value is not None for value in given.values()) else None

    def location(self, scheme: str, host: str, port: int | None, path: str, query: str | None) -> str:
        """The ``Location`` for a request: ``path`` is the rewritten one, ``port`` the one it came to."""
        target = self.scheme or scheme
        if self.port is not None:
            port = self.port
        elif self.scheme is not None:
            port = None
        shown = "" if port is None or WELL_KNOWN.get(target) == port else f":{port}"
        return f"{target}://{host}{shown}{path}" + (f"?{query}" if query else "")

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        return Destination("Redirect", self._answer, self)

    def _answer(self, call: Call) -> Any:
        decision: Any = call.route
        _, scheme, host, port, _, _ = call.door.head(call)
        location = self.location(scheme, decision.host or host, port, decision.path, decision.query)
        return call.door.respond(call, self.status, ((b"location", location.encode("ascii")),))


def _status(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 200 <= value <= 599:
        raise ConfigError.of("Respond", "status", value, "give a final status, 200 to 599")


def _body(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@attrs.frozen
class Respond:
    """Answers by itself: ``Respond(404, "no such shop")``. Raises `ConfigError`.

    ``body``: text (sent in UTF-8) or bytes; ``headers``: further fields, of which ``content-type`` is plain text unless
    given.
    """

    status: int = attrs.field(default=200, validator=_status)
    body: bytes = attrs.field(default=b"", converter=_body, validator=attrs.validators.instance_of(bytes))
    headers: dict[str, str] = attrs.field(factory=dict, validator=header_fields, kw_only=True)

    __call__ = no_decorator

    def start(self, rng: Random, /) -> Destination:
        fields = {name.lower(): value for name, value in self.headers.items()}
        if self.body:
            fields.setdefault("content-type", "text/plain; charset=utf-8")
        listed = tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in fields.items())

        def answer(call: Call) -> Any:
            return call.door.respond(call, self.status, listed, self.body)

        return Destination("Respond", answer, self)


class Destination:
    """The end of a pipeline that goes to a function of its own."""

    __slots__ = ("destination", "name", "spec")

    def __init__(self, name: str, destination: Any, spec: Any) -> None:
        self.name = name
        self.destination = destination
        self.spec = spec
