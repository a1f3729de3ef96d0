"""What do a few fields of an answer say? How long it is, and on what it depends, so that caches know."""

from __future__ import annotations

from ..policy import Pairs

__all__ = ["joined", "told", "varied"]


def joined(headers: Pairs, wanted: bytes) -> str | None:
    """A field's value, its lines in order; ``None``: there is none."""
    lines = [value for name, value in headers if name == wanted or name.lower() == wanted]
    return b", ".join(lines).decode("latin-1") if lines else None


def told(length: str | None) -> int | None:
    """What a ``Content-Length`` says, if it says something."""
    return int(length) if length is not None and length.isascii() and length.isdecimal() and len(length) < 20 else None


def varied(headers: Pairs, by: bytes) -> list[tuple[bytes, bytes]]:
    """The fields of an answer, which say that it depends on those named as well. Names are in lower case."""
    told = joined(headers, b"vary")
    if told is not None:
        known = {name.strip(" \t") for name in told.lower().split(",")}
        missing = [] if "*" in known else [name for name in by.decode("ascii").split(", ") if name not in known]
        by = ", ".join(missing).encode("ascii")
    return [*headers, (b"vary", by)] if by else [*headers]
