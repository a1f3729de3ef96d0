"""Which configuration is in force? The mesh as a file would say it, without what might be a secret.

=============================================  ====================================================================
in the mesh                                    shown
=============================================  ====================================================================
an option that ``repr`` does not show          nothing at all
a value under a name such as ``token``         ``(hidden)``
values of fields that a route sets or looks    ``(hidden)``, whatever they are called: names only
for, of cookies and of queries
a URL with a user or a query; a path with one  without both
a word of 24 characters or more that is not    ``(hidden)``: a key, a digest, a JWT
made of lower-case words
bodies, of an answer or a check; what a check  ``(hidden)``
sends; what a field or a cookie has to be
what came from Python and no file can say      the name of its class
=============================================  ====================================================================

It is made once for each version, and cut off after so many parts of one kind: a page is no place for ten thousand
routes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...config.file import MeshFile
from ...config.mistakes import SECRET
from ...errors import ConfigError
from ...observe.redact import path, text
from ...shared import bare

__all__ = ["HIDDEN", "hidden", "loaded", "shown_line"]

HIDDEN = "(hidden)"
MOST = 500
"""Parts of one kind."""
DEEP = 12
LONG = 24
"""Characters from which on a word may be a key."""
SECTIONS = ("clusters", "routes", "listeners", "nodes")
FIELDS = frozenset({"request_headers", "response_headers"})
"""Actions whose values are those of header fields."""
VALUES = frozenset({"headers", "cookies", "query"})
"""Conditions of a route on what a request bears: a canary's pass word, an API key."""

WHOLE = frozenset({"body", "header_pattern", "header_value", "receive", "send", "value"})
"""Options that are shown by name only."""

_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^\s/?#@]*@)?([^\s?#]*)(\?[^\s#]*)?", re.IGNORECASE)
_WORD = re.compile(rf"[A-Za-z0-9_+/=.~-]{{{LONG},}}")


def loaded(spec: Any) -> dict[str, Any]:
    """Of a `MeshSpec`: by section, the parts by name, as plain data."""
    file = MeshFile()
    shown: dict[str, Any] = {
        "mesh": text(spec.name),
        "egress": text(spec.egress),
        "order": text(spec.order),
    }
    for section in SECTIONS:
        those = getattr(spec, section)
        kind = file.sections[section].inner
        shown[section] = [_part(kind, bare(each)) for each in those[:MOST]]
        if len(those) > MOST:
            shown[f"more_{section}"] = len(those) - MOST
    return shown


def _part(kind: Any, spec: Any) -> dict[str, Any]:
    try:
        said = kind.write(spec)
    except ConfigError:  # what no file can say: it came from Python
        said = {"python": type(spec).__name__}
    except Exception as error:  # an option of somebody's own
        said = {"unreadable": type(error).__name__}
    if isinstance(said, Mapping):
        said = {name: each for name, each in said.items() if name != "name"}
    return {"name": hidden(spec.name or str(spec)), "is": hidden(said)}


def hidden(value: Any, name: str = "", deep: int = DEEP) -> Any:
    """The same without what might be a secret. ``name``: under which it stands."""
    if name in WHOLE or SECRET.search(name):
        return HIDDEN
    if deep == 0:
        return "..."
    if isinstance(value, Mapping):
        if name in FIELDS:
            return {text(each): _names(inner) for each, inner in value.items()}
        if name in VALUES:
            return _names(value)
        return {shown_line(str(each)): hidden(inner, str(each), deep - 1) for each, inner in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(each, name, deep - 1) for each in value]
    if isinstance(value, bool | int | float) or value is None:
        return value
    line = str(value)
    if line.startswith("/") and name != "regex":
        line = line.partition("?")[0]
    return shown_line(line)


def _names(value: Any) -> Any:
    """Of fields that are set their names, and of those that are removed as well."""
    if isinstance(value, Mapping):
        return {text(name): HIDDEN for name in value}
    return [text(each) for each in value] if isinstance(value, list | tuple) else text(value)


def shown_line(value: str) -> str:
    """A line of text without URLs' users and queries, and without words that may be keys."""
    return text(_WORD.sub(_opaque, _URL.sub(r"\1\3", value)))


def _opaque(found: re.Match[str]) -> str:
    """Of each part between slashes."""
    parts = [HIDDEN if path(part) == "*" else part for part in found[0].split("/")]
    return "/".join(parts)
