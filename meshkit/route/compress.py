"""Is this answer sent in fewer bytes, and in which encoding? By what the client takes, and by what the answer is.

======================================================================  ============================================
an answer                                                               then
======================================================================  ============================================
that has an encoding already, a digest of its body, or ``no-transform``  is left alone
206, 204, 304, or with a ``Content-Range``                              is left alone
of another type than listed, of none, an event stream                   is left alone
told to be shorter than ``least``                                       is left alone
sent by the server out of a file (``pathsend``, ``zerocopysend``)       is left alone
else, and the client takes none of the encodings                        gets ``Vary: Accept-Encoding``
else, to a HEAD                                                         gets ``Vary: Accept-Encoding``
else                                                                    is encoded
======================================================================  ============================================

Of the encodings that the client takes (RFC 9110, 12.5.3) the one it likes best is chosen, by the quality it gives them,
and among equals the first of ours; none, where it likes the answer as it is better. What is encoded loses its
``Content-Length`` and its ``Accept-Ranges``, and its ``ETag`` is a weak one from then on.

An event stream lasts for hours, its events are a few bytes, and each would keep an encoder's memory. Any other stream
is flushed with each part that the app sends: nothing is kept back.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import attrs

from .. import options
from ..errors import ConfigError
from ..policy import Pairs
from .lines import told, varied
from .options import several

__all__ = ["ENCODINGS", "Compress", "accepted"]

ENCODINGS = ("zstd", "br", "gzip")
TYPES = (
    "text/*",
    "application/*+json",
    "application/*+xml",
    "application/javascript",
    "application/json",
    "application/wasm",
    "application/x-ndjson",
    "application/xml",
    "image/svg+xml",
)
TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]*\*?[a-z0-9!#$&^_.+-]*")
STREAM = "text/event-stream"
WEIGHT = re.compile(r"[ \t]*q[ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*", re.IGNORECASE)
BODILESS = frozenset({204, 205, 206, 304})
AS_IT_IS = frozenset(
    (b"content-digest", b"content-encoding", b"content-md5", b"content-range", b"digest", b"repr-digest")
)
"""With one of these an answer is left alone."""
REMEMBERED = 1024
LONGEST = 1000
"""Characters of an ``Accept-Encoding`` that are read."""


def _encodings(spec: Any, attribute: Any, value: Any) -> None:
    sound = isinstance(value, tuple) and value and all(each in ENCODINGS for each in value)
    if not sound or len(set(value)) < len(value):
        raise ConfigError.of("Compress", "encodings", value, f"list some of {', '.join(map(repr, ENCODINGS))}")


def _types(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, str) and TYPE.fullmatch(each) for each in value):
        fix = 'list media types in lower case, such as "text/*" or "application/json"'
        raise ConfigError.of("Compress", "types", value, fix)


@attrs.frozen
class Compress:
    """Sends answers in an encoding that the client takes. Raises `ConfigError`.

    ``encodings``: the better one first; what is not installed is left out (the extra ``compress`` has ``zstd`` and
    ``br``). ``least``: bytes below which it is not worth it, where the length is known. ``types``: media types, with
    one ``*`` for anything. ``level``: 1, the quickest, to 9, the smallest; ``None``: what suits bodies made on the fly,
    zstd 3, br 4, gzip 5.
    """

    encodings: tuple[str, ...] = attrs.field(default=ENCODINGS, converter=several, validator=_encodings)
    least: int = attrs.field(default=1024, validator=options.size(), kw_only=True)
    types: tuple[str, ...] = attrs.field(default=TYPES, converter=several, validator=_types, kw_only=True)
    level: int | None = attrs.field(default=None, validator=options.optional(options.count(1, 9)), kw_only=True)

    def install(self, plan: Any, /) -> None:
        plan.compress = CompressState(self)
        plan.outgoing = True


class CompressState:
    """What `Compress` comes to."""

    __slots__ = ("_exact", "_least", "_open", "_suits", "encodings", "level")

    def __init__(self, spec: Compress) -> None:
        self.encodings = spec.encodings
        self._least = spec.least
        self.level = spec.level
        self._exact = frozenset(each for each in spec.types if "*" not in each)
        self._open = tuple(each.partition("*") for each in spec.types if "*" in each)
        self._suits = lru_cache(REMEMBERED)(self._is_listed)

    def encoded(
        self, status: int, headers: Pairs, accepts: str | None, offered: tuple[str, ...]
    ) -> tuple[str | None, list[tuple[bytes, bytes]]]:
        """The one of the encodings ``offered`` that an answer is sent in, to a request with this ``Accept-Encoding``;
        ``None``: as it is. And its fields then. To a HEAD nothing is offered.
        """
        kind, length, caching, left = None, b"", b"", False
        for field, value in headers:
            name = field.lower()
            if name == b"content-type":
                kind = value
            elif name == b"content-length":
                length = value
            elif name == b"cache-control":
                caching += value.lower()
            elif name in AS_IT_IS:
                left = True
        if left or status in BODILESS or kind is None or b"no-transform" in caching or not self._suits(kind):
            return None, [*headers]
        size = told(length.decode("latin-1"))
        if size is not None and size < self._least:
            return None, [*headers]
        chosen = None if accepts is None else accepted(accepts, offered)
        if chosen is None:
            return None, varied(headers, b"accept-encoding")
        changed = [(b"content-encoding", chosen.encode("ascii"))]
        for field, value in headers:
            name = field.lower()
            if name not in (b"accept-ranges", b"content-length"):
                strong = name == b"etag" and not value.startswith(b"W/")
                changed.append((field, b"W/" + value if strong else value))
        return chosen, varied(changed, b"accept-encoding")

    def _is_listed(self, given: bytes) -> bool:
        """Whether answers of this ``Content-Type`` are worth it."""
        kind = given.decode("latin-1").partition(";")[0].strip().lower()
        if kind == STREAM:
            return False
        return kind in self._exact or any(
            len(kind) > len(begin) + len(end) and kind.startswith(begin) and kind.endswith(end)
            for begin, _, end in self._open
        )


def accepted(field: str, offered: tuple[str, ...]) -> str | None:
    """The one of the encodings ``offered`` to send, by an ``Accept-Encoding``; ``None``: the answer as it is."""
    return _accepted(field[:LONGEST], offered)


@lru_cache(REMEMBERED)
def _accepted(field: str, offered: tuple[str, ...]) -> str | None:
    weights: dict[str, float] = {}
    for element in field.lower().split(","):
        name, semicolon, parameter = element.partition(";")
        name = name.strip(" \t")
        weight = WEIGHT.fullmatch(parameter) if semicolon else None
        if semicolon and weight is None:
            continue  # what cannot be read is not taken
        weights["gzip" if name == "x-gzip" else name] = 1.0 if weight is None else float(weight[1])
    others = weights.get("*", 0.0)
    best, most = None, weights.get("identity", 0.0)
    for each in offered:
        weight_of = weights.get(each, others)
        if weight_of > 0 and (weight_of > most or (best is None and weight_of >= most)):
            best, most = each, weight_of
    return best
