"""Which header fields are other ones from here on? A few set, added or taken away, of a request or of its answer.

``set`` takes the place of all fields of that name, ``add`` stands beside those there are, ``remove`` takes them away:
first what is taken away, then what is set, then what is added, as in the Gateway API's header modifiers. Names are
compared without regard to case. What belongs to a connection (RFC 9110, 7.6.1), frames a message or routes it is not
edited here.
"""

from __future__ import annotations

import re
from typing import Any

import attrs

from ..errors import ConfigError

__all__ = ["NOTHING", "Edit", "RequestHeaders", "ResponseHeaders"]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE = re.compile(r"[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?|")
"""RFC 9110, 5.5: no control character, nothing blank around it."""
FRAMING = {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
           "upgrade"}  # fmt: skip
HOST = {"host", ":authority"}

Pairs = tuple[tuple[bytes, bytes], ...]


def _pairs(spec: Any, attribute: Any, given: Any) -> None:
    policy = type(spec).__name__
    if not isinstance(given, dict):
        raise ConfigError.of(policy, attribute.name, given, 'give values by name, such as {"x-env": "canary"}')
    for name, value in given.items():
        _named(spec, attribute, name)
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            fix = f"give {name} a text without control characters or blanks around it"
            raise ConfigError.of(policy, attribute.name, value, fix)


def _named(spec: Any, attribute: Any, name: Any) -> None:
    policy = type(spec).__name__
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        raise ConfigError.of(policy, attribute.name, name, "give the name of a header field")
    if name.lower() in FRAMING:
        raise ConfigError.of(policy, attribute.name, name, "it frames the message, or is of one connection only")
    if name.lower() in HOST:
        raise ConfigError.of(policy, attribute.name, name, "write Rewrite(host=...) for the host")


def _names(spec: Any, attribute: Any, given: Any) -> None:
    if not isinstance(given, tuple):
        raise ConfigError.of(type(spec).__name__, attribute.name, given, "give the names of header fields")
    for name in given:
        _named(spec, attribute, name)


def _several(given: Any) -> Any:
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else given


@attrs.frozen(kw_only=True)
class RequestHeaders:
    """Edits the header fields of a request before it is sent on. Raises `ConfigError`."""

    set: dict[str, str] = attrs.field(factory=dict, validator=_pairs)
    add: dict[str, str] = attrs.field(factory=dict, validator=_pairs)
    remove: tuple[str, ...] = attrs.field(default=(), converter=_several, validator=_names)

    def install(self, plan: Any, /) -> None:
        plan.request = plan.request.then(Edit.of(self))


@attrs.frozen(kw_only=True)
class ResponseHeaders:
    """Edits the header fields of an answer before the caller sees it. Raises `ConfigError`."""

    set: dict[str, str] = attrs.field(factory=dict, validator=_pairs)
    add: dict[str, str] = attrs.field(factory=dict, validator=_pairs)
    remove: tuple[str, ...] = attrs.field(default=(), converter=_several, validator=_names)

    def install(self, plan: Any, /) -> None:
        plan.answer = plan.answer.then(Edit.of(self))


class Edit:
    """What both come to, made once: the names that go, and the fields that come. Names are in lower case."""

    __slots__ = ("come", "gone")

    def __init__(self, gone: frozenset[bytes] = frozenset(), come: Pairs = ()) -> None:
        self.gone = gone
        self.come = come

    @classmethod
    def of(cls, spec: RequestHeaders | ResponseHeaders) -> Edit:
        gone = frozenset(name.lower().encode("ascii") for name in (*spec.remove, *spec.set))
        come = tuple(
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in (*spec.set.items(), *spec.add.items())
        )
        return cls(gone, come)

    def then(self, later: Edit) -> Edit:
        """This edit, and the other one of what comes of it."""
        come = tuple(field for field in self.come if field[0] not in later.gone) + later.come
        return Edit(self.gone | later.gone, come)

    def __bool__(self) -> bool:
        return bool(self.gone or self.come)


NOTHING = Edit()
