"""What does a query, or a ``Cookie`` field, say under a name? The first of that name counts, as it is written there.

::

    query     *( pair "&" ) pair      pair    name [ "=" value ]; "+" is a blank, %XX a byte of UTF-8 (WHATWG URL, 5.1)
    cookie    *( pair ";" SP ) pair   pair    name "=" value; quotes around a value are no part of it (RFC 6265, 4.1.1)

A name without "=" has an empty value in a query, and is passed over in a cookie. Names of cookies are case-sensitive.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote_plus

__all__ = ["cookie", "parameter"]


def parameter(query: str, name: str) -> str | None:
    """The first value of that name, decoded."""
    for pair in query.split("&"):
        key, _, value = pair.partition("=")
        if pair and (key == name or unquote_plus(key) == name):
            return unquote_plus(value)
    return None


def cookie(lines: Iterable[str], name: str) -> str | None:
    """The first value of that name, in the lines of a request's ``Cookie`` fields: HTTP/2 may have taken them apart."""
    for line in lines:
        if name not in line:
            continue
        for pair in line.split(";"):
            key, equals, value = pair.partition("=")
            if equals and key.strip(" \t") == name:
                value = value.strip(" \t")
                return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return None
