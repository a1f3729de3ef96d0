"""What went wrong, for a program to read? Problem details (RFC 9457) and the ``Proxy-Status`` field (RFC 9209).

A problem is a JSON object with ``type``, ``title``, ``status`` and ``detail``, and members that its type defines. Where
the status says all there is to say the type is ``about:blank``, and the title then that of the status.

``Proxy-Status`` says that an intermediary made this answer, not what stands behind it, and of which kind of error::

    Proxy-Status: meshkit; error=connection_limit_reached
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

__all__ = ["MEDIA_TYPE", "problem", "proxy_status", "quoted"]

MEDIA_TYPE = b"application/problem+json"

_TOKEN = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*")


def problem(status: int, detail: str, kind: str | None = None, title: str | None = None, **members: Any) -> bytes:
    """The body. ``kind`` is the problem type's URI; without one the problem is that of the status."""
    if title is None:
        title = HTTPStatus(status).phrase
    written = {"type": kind or "about:blank", "title": title, "status": status, "detail": detail, **members}
    return json.dumps(written, separators=(",", ":")).encode("ascii")


def quoted(text: str) -> bytes:
    """A string of a structured field (RFC 9651, 3.3.3); what is not printable ASCII becomes a question mark."""
    plain = "".join(each if " " <= each <= "~" else "?" for each in text)
    return b'"' + plain.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'


def proxy_status(who: str, error: str) -> bytes:
    """The field's value: who made the answer, a token or else a string in printable ASCII, and an error of RFC 9209."""
    if not _TOKEN.fullmatch(who):
        if not (who.isascii() and who.isprintable() and who):
            raise ValueError(who)
        who = '"' + who.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{who}; error={error}".encode("ascii")
