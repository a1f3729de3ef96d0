"""Which header fields are other ones from here on? A few set, added or taken away, of a request or of its answer.

``set`` takes the place of all fields of that name, ``add`` stands beside those there are, ``remove`` takes them away:
first what is taken away, then what is set, then what is added, as in the Gateway API's header modifiers. Names are
compared without regard to case. What belongs to a connection (RFC 9110, 7.6.1), frames a message or routes it is not
edited here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs

from .options import field_names, fields, several

__all__ = ["NOTHING", "Edit", "RequestHeaders", "ResponseHeaders"]

Pairs = tuple[tuple[bytes, bytes], ...]
REMEMBERED = 1024


@attrs.frozen(kw_only=True)
class RequestHeaders:
    """Edits the header fields of a request before it is sent on. Raises `ConfigError`."""

    set: dict[str, str] = attrs.field(factory=dict, validator=fields)
    add: dict[str, str] = attrs.field(factory=dict, validator=fields)
    remove: tuple[str, ...] = attrs.field(default=(), converter=several, validator=field_names)

    def install(self, plan: Any, /) -> None:
        plan.request = plan.request.then(Edit.of(self))


@attrs.frozen(kw_only=True)
class ResponseHeaders:
    """Edits the header fields of an answer before the caller sees it. Raises `ConfigError`."""

    set: dict[str, str] = attrs.field(factory=dict, validator=fields)
    add: dict[str, str] = attrs.field(factory=dict, validator=fields)
    remove: tuple[str, ...] = attrs.field(default=(), converter=several, validator=field_names)

    def install(self, plan: Any, /) -> None:
        plan.answer = plan.answer.then(Edit.of(self))


class Edit:
    """What both come to, made once: the names that go, and the fields that come. Names are in lower case."""

    __slots__ = ("come", "gone", "raw")

    def __init__(self, gone: frozenset[bytes] = frozenset(), come: Pairs = ()) -> None:
        self.gone = gone
        self.come = come
        self.raw = [(name, name, value) for name, value in come]
        """What comes, as httpx has it in its lists: the name as it is sent, the name as it is compared, the value."""

    @classmethod
    def of(cls, spec: RequestHeaders | ResponseHeaders) -> Edit:
        if not (spec.set or spec.add or spec.remove):
            return NOTHING
        gone = frozenset(name.lower().encode("ascii") for name in (*spec.remove, *spec.set))
        come = tuple(
            (name.lower().encode("ascii"), value.encode("latin-1"))
            for name, value in (*spec.set.items(), *spec.add.items())
        )
        return _edit(gone, come)

    def then(self, later: Edit) -> Edit:
        """First this edit, then another one of what comes of it."""
        if self is NOTHING or later is NOTHING:
            return later if self is NOTHING else self
        come = tuple(field for field in self.come if field[0] not in later.gone) + later.come
        return _edit(self.gone | later.gone, come)

    def __bool__(self) -> bool:
        return bool(self.gone or self.come)


NOTHING = Edit()


@lru_cache(REMEMBERED)
def _edit(gone: frozenset[bytes], come: Pairs) -> Edit:
    """One for all that are equal: of thousands of routes most have the same few."""
    return Edit(gone, come)
