r"""How is what anybody may have written put into a line that nobody can forge? Escaped, cut, and in printable ASCII.

::

    plain    00-1F, 7F-FF, " and \ become \xHH, as nginx writes them; alone, without quotes around: blanks and [ ] too
    JSON     RFC 8259, and all but printable ASCII becomes \uHHHH

What is longer than a field may be ends with ``...``, and never within an escape. OWASP's Logging Cheat Sheet and
CWE-117 say what is lost otherwise: a line end in a user agent is a second line of somebody's own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = [
    "AGENT",
    "METHOD",
    "NAME",
    "REFERER",
    "TARGET",
    "authority",
    "bare",
    "escaped",
    "iso",
    "protocol",
    "shown",
    "stamp",
    "written",
]

METHOD, TARGET, REFERER, AGENT, NAME = 40, 2000, 1000, 500, 200
"""Characters of a field, escapes included; in JSON it may be twice as many."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
UNSAFE = re.compile(rb"[^ !#-\[\]-~]")
UNSAFE_ALONE = re.compile(rb"[^!#-Z^-~]")
HALF = re.compile(r"\\(x[0-9A-F]?)?$")
"""What is left of an escape that was cut."""
HIDDEN = re.compile(r"[?#].*", re.DOTALL)
BLANKS = "".join(map(chr, range(0x21)))
NO_BLANKS = dict.fromkeys(range(0x21))
SLASHES = re.compile(r"([/\\][/\\\x00-\x20]*)")
"""With what browsers overlook between them."""


def escaped(value: bytes | str | None, most: int, *, alone: bool = False) -> str:
    """Without quotes and backslashes but those of an escape; ``-`` for nothing. At most ``most`` characters."""
    if not value:
        return "-"
    raw = value.encode("utf-8", "backslashreplace") if isinstance(value, str) else value
    unsafe = UNSAFE_ALONE if alone else UNSAFE
    line = unsafe.sub(lambda found: b"\\x%02X" % found[0][0], raw[: most + 1]).decode("ascii")
    return line if len(line) <= most else HALF.sub("", line[: most - 3]) + "..."


def shown(value: bytes | str | None, most: int) -> str | None:
    """A value of an object; ``None`` for nothing. At most ``most`` characters, and twice as many once it is written."""
    if not value:
        return None
    words = _decoded(value) if isinstance(value, bytes) else value
    if len(words) > most:
        words = words[: most - 3] + "..."
    return words if len(json.dumps(words)) <= 2 * most else words[: most // 6 - 4] + "..."


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def written(values: Mapping[str, Any]) -> str:
    """An object, in one line."""
    return json.dumps(values, separators=(",", ":"))


def bare(url: bytes | None) -> bytes | None:
    """A URL without user, query and fragment; read leniently, for what is no URL may hold a password as well.

    A user may stand at the beginning, after ``//``, and after a colon and any slash: also of a URL within the URL.
    """
    if url is None:
        return None
    parts = SLASHES.split(HIDDEN.sub("", url.decode("latin-1")))
    before, slashes = ":", ""
    for place in range(0, len(parts), 2):
        part = parts[place]
        if before.rstrip(BLANKS).endswith(":") or len(slashes.translate(NO_BLANKS)) > 1:
            parts[place] = part.rpartition("@")[2]
        before, slashes = part, parts[place + 1] if place + 1 < len(parts) else ""
    return "".join(parts).encode("latin-1")


def authority(about: Mapping[str, Any]) -> str:
    """The beginning of a URL: ``https://shop:8443``."""
    host, port = about["host"], about.get("port")
    return f"{about.get('scheme')}://{f'[{host}]' if ':' in host else host}{'' if port is None else f':{port}'}"


def protocol(version: str) -> str:
    return f"HTTP/{version}" if "." in version else f"HTTP/{version}.0"


def stamp(at: float) -> str:
    """The local time, as Apache writes it: in English, whatever the locale."""
    then = time.localtime(at)
    minutes = abs(then.tm_gmtoff) // 60
    zone = f"{'-' if then.tm_gmtoff < 0 else '+'}{minutes // 60:02d}{minutes % 60:02d}"
    day = f"{then.tm_mday:02d}/{MONTHS[then.tm_mon - 1]}/{then.tm_year}"
    return f"[{day}:{then.tm_hour:02d}:{then.tm_min:02d}:{then.tm_sec:02d} {zone}]"


def iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC).isoformat(timespec='milliseconds')[:-6]}Z"
