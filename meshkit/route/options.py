"""What may stand in the specs of routes? Validators for paths, names and fields of headers, ports; one of several."""

from __future__ import annotations

import re
from typing import Any

from ..errors import ConfigError
from ..options import count, optional
from .path import BadPath, Paths, normal

__all__ = [
    "FRAMING",
    "HOST",
    "PORTS",
    "TOKEN",
    "check",
    "field_names",
    "fields",
    "methods",
    "once",
    "path",
    "port",
    "several",
    "specs",
]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2: the name of a header field, a method."""
VALUE = re.compile(r"[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?|")
"""RFC 9110, 5.5: no control character, nothing blank around it."""
FRAMING = {"connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
           "upgrade"}  # fmt: skip
HOST = {"host", ":authority"}
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
"""Those that a URL leaves out."""
ANY_PATHS = Paths(slashes="keep", encoded_slash="keep", octets="any", longest=2**20)
"""What is normal for some router's paths is normal for these."""

port = optional(count(1, 65535))
"""Validates a port, or ``None``."""


def several(value: Any) -> Any:
    """An attrs converter: one text, or a list of them."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def specs(value: Any) -> Any:
    """An attrs converter: one spec, several, or a pipeline's."""
    found = getattr(value, "specs", None)
    if isinstance(found, tuple):
        return found
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def methods(spec: Any, attribute: Any, value: Any) -> None:
    """Validates methods."""
    if not isinstance(value, tuple) or not all(isinstance(each, str) and TOKEN.fullmatch(each) for each in value):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, 'give a method, such as "GET", or several')


def path(spec: Any, attribute: Any, value: Any) -> None:
    """Validates a path in a normal form, or ``None``."""
    if value is None:
        return
    policy = type(spec).__name__
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigError.of(policy, attribute.name, value, 'give a path that begins with "/"')
    check(policy, attribute.name, value, ANY_PATHS)


def check(policy: str, option: str, value: str, paths: Paths) -> None:
    """That a path is in the normal form of ``paths``; a `ConfigError` otherwise."""
    try:
        same = normal(value, paths)
    except BadPath as error:
        raise ConfigError.of(policy, option, value, f"no request has such a path: {error}") from None
    if same != value:
        raise ConfigError.of(policy, option, value, f"paths are compared in their normal form: write {same!r}")


def field_names(spec: Any, attribute: Any, given: Any) -> None:
    """Validates names of header fields that may be edited."""
    if not isinstance(given, tuple):
        raise ConfigError.of(type(spec).__name__, attribute.name, given, "give the names of header fields")
    for name in given:
        _named(type(spec).__name__, attribute.name, name)


def fields(spec: Any, attribute: Any, given: Any) -> None:
    """Validates header fields by name."""
    policy = type(spec).__name__
    if not isinstance(given, dict):
        raise ConfigError.of(policy, attribute.name, given, 'give values by name, such as {"x-env": "canary"}')
    for name, value in given.items():
        _named(policy, attribute.name, name)
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            fix = f"give {name} a text without control characters or blanks around it"
            raise ConfigError.of(policy, attribute.name, value, fix)
    once(policy, attribute.name, given)


def once(policy: str, option: str, names: Any) -> None:
    """That no name stands there twice, written otherwise."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            fix = f"it stands there as {seen[name.lower()]!r} already, and names of fields have no case"
            raise ConfigError.of(policy, option, name, fix)
        seen[name.lower()] = name


def _named(policy: str, option: str, name: Any) -> None:
    if not isinstance(name, str) or not TOKEN.fullmatch(name):
        raise ConfigError.of(policy, option, name, "give the name of a header field")
    if name.lower() in FRAMING:
        raise ConfigError.of(policy, option, name, "it frames the message, or is of one connection only")
    if name.lower() in HOST:
        raise ConfigError.of(policy, option, name, "write Rewrite(host=...) for the host")
