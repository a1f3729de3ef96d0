"""Which fields of an answer come back? Those that are for the other end (RFC 9110, 7.6.1)."""

from __future__ import annotations

from .fields import HELD, KINDS, MANY, USUAL, listed

__all__ = ["answered", "ended_with"]

Pairs = list[tuple[bytes, bytes]]

CLOSED = (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
GONE_BACK = frozenset((*CLOSED, b"proxy-authenticate"))


class Names(dict[bytes, bytes]):
    """Names of fields of answers, in lower case; those that do not go on are empty."""

    def __missing__(self, name: bytes) -> bytes:
        lower = name.lower()
        kept = b"" if lower in GONE_BACK else lower
        if len(self) < MANY:
            self[name] = kept
        return kept


NAMES_BACK = Names()


def answered(headers: Pairs) -> Pairs:
    """The fields of an upstream's answer, as they go to the client: names in lower case."""
    known = NAMES_BACK
    fields = [(kept, value) for name, value in headers if (kept := known[name])]
    if len(fields) != len(headers):
        options = [value for name, value in headers if len(name) == 10 and name.lower() == b"connection"]
        if any(value.lower() not in USUAL for value in options):
            named = listed(b",".join(options)) - HELD - USUAL
            fields = [field for field in fields if field[0] not in named]
    return fields


def ended_with(trailers: Pairs) -> Pairs:
    """The trailers that may go on: nothing that frames, routes or authenticates (RFC 9110, 6.5.1)."""
    return [field for field in answered(trailers) if field[0] not in HELD and field[0] not in KINDS]
