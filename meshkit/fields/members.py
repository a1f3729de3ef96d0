r"""Which members has a List, and with which parameters? As much of RFC 9651 as the ``RateLimit`` fields use.

::

    list       member *( OWS "," OWS member )
    member     string *( ";" *SP key [ "=" value ] )        a value left out is true
    string     DQUOTE *( printable ASCII, " and \ escaped ) DQUOTE
    value      integer / decimal / string / token / ":" base64 ":" / "?0" / "?1" / "@" integer

What a member is not made of so (an inner list, a token for its name) is left out, and reading goes on behind the next
comma that stands in no string. Each character is looked at a fixed number of times at most.
"""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError

__all__ = ["members", "quoted"]

LONGEST = 4096
"""Characters that are read of a field; one that is longer is not read at all."""
MANY = 32
"""Members that are read; those behind them are not."""

_STRING = r'"(?:[ !#-\[\]-~]|\\["\\])*+"'
_NAME = re.compile(rf"[ \t]*({_STRING})")
_PARAMETER = re.compile(
    rf""";\ *([a-z*][a-z0-9_.*-]*)
    (?:=(?:
        (?P<string>{_STRING})
      | (?P<integer>-?[0-9]{{1,15}})(?![0-9.])
      | -?[0-9]{{1,12}}\.[0-9]{{1,3}}(?![0-9.])
      | (?P<token>[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*)
      | :[A-Za-z0-9+/=]*: | \?[01] | @-?[0-9]{{1,15}}(?![0-9.])
    ))?""",
    re.VERBOSE,
)
_END = re.compile(r"[ \t]*(?:,|\Z)")
_PASSED_OVER = re.compile(rf'(?:[^",]|{_STRING})*+(?:,|\Z)')


def members(value: str) -> list[tuple[str, dict[str, Any]]]:
    """The names of a List of Strings, each with its parameters: integers, strings and tokens as they are, others as
    ``None``. Empty for what is too long, or broken off within a string.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    if len(value) > LONGEST:
        return found
    at = 0
    for _ in range(MANY):
        if at >= len(value):
            break
        start, parameters = at, {}
        name = _NAME.match(value, at)
        if name is not None:
            at = name.end()
            while parameter := _PARAMETER.match(value, at):
                at = parameter.end()
                parameters[parameter[1]] = _bare(parameter)
            end = _END.match(value, at)
            if end is not None:
                found.append((_plain(name[1]), parameters))
                at = end.end()
                continue
        passed = _PASSED_OVER.match(value, start)
        if passed is None:  # a string without an end: what stands behind it cannot be known
            break
        at = passed.end()
    return found


def _bare(parameter: re.Match[str]) -> Any:
    if parameter["integer"] is not None:
        return int(parameter["integer"])
    return _plain(parameter["string"]) if parameter["string"] is not None else parameter["token"]


def _plain(string: str) -> str:
    return re.sub(r"\\(.)", r"\1", string[1:-1])


def quoted(name: str) -> bytes:
    """A name as a String. A `ConfigError` for one with characters that no field may carry: not printable, not ASCII."""
    if not (name.isascii() and name.isprintable()):
        raise ConfigError.of(
            "RateLimit fields", "name", name, "give the limit a name in printable ASCII: a field says it"
        )
    return b'"%b"' % name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")
