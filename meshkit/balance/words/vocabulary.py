"""What is it called elsewhere? The words of other load balancers for what is a measure and a pick here.

    named("haproxy", "leastconn")                          # LeastConnections()
    named("haproxy", "hdr(x-user)", hash_type="consistent")
    named("envoy", "LEAST_REQUEST", choices=3)

A word is looked up without regard to case, ``-`` and ``_``. What stands in parentheses behind it is its first option.
Options are those of the other system, in words with underscores; where a word stands for one spec as it is, that spec's
own. What has no counterpart among balancers is a `ConfigError` that says why, and what to take instead.

``docs/reference/balancers-by-name.md`` is this table, written by ``docs/by_name.py``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from ...errors import ConfigError
from .words import CITRIX, ENVOY, F5, HAPROXY, INGRESS_NGINX, KONG, NGINX
from .words_mesh import ALB, AMBASSADOR, APP_MESH, CONTOUR, GLOO, GRPC, ISTIO, LINKERD, TRAEFIK, VOYAGER

__all__ = ["VENDORS", "named"]

VENDORS: Mapping[str, Mapping[str, Any]] = {
    "alb": ALB,
    "ambassador": AMBASSADOR,
    "app-mesh": APP_MESH,
    "citrix": CITRIX,
    "contour": CONTOUR,
    "envoy": ENVOY,
    "f5": F5,
    "gloo": GLOO,
    "grpc": GRPC,
    "haproxy": HAPROXY,
    "ingress-nginx": INGRESS_NGINX,
    "istio": ISTIO,
    "kong": KONG,
    "linkerd": LINKERD,
    "nginx": NGINX,
    "traefik": TRAEFIK,
    "voyager": VOYAGER,
}

_WORD = re.compile(r"\s*([\w-]+)\s*(?:\(([^()]*)\))?\s*")


class Found(NamedTuple):
    word: str
    entry: Any
    first: str | None


def named(vendor: str, word: str, **options: Any) -> Any:
    """The balancer that ``vendor`` calls so. Raises `ConfigError`."""
    found = _found(vendor, word)
    if isinstance(found.entry, str):
        _refuse(vendor, word, found.entry)
    make: Callable[..., Any] = getattr(found.entry, "make", found.entry)
    takes = takes_of(found.entry)
    known = ", ".join(each.name for each in takes) or "nothing"
    if found.first is not None:
        if not takes:
            _refuse(vendor, word, "leave out what is in parentheses: it takes nothing")
        options = {takes[0].name: int(found.first) if found.first.isdecimal() else found.first, **options}
    for each in takes:
        if each.default is each.empty and each.name not in options:
            _refuse(vendor, word, f"give {each.name}: it takes {known}")
    names = {each.name for each in takes}
    unknown = [option for option in options if option not in names]
    if unknown:
        _refuse(vendor, word, f"leave out {', '.join(unknown)}: it takes {known}")
    try:
        return make(**options)
    except TypeError as error:
        _refuse(vendor, word, f"give other values for {', '.join(options)}: {error}")


def takes_of(entry: Any) -> list[inspect.Parameter]:
    """The options of a word; the first one may stand in parentheses."""
    takes = _named(getattr(entry, "make", entry))
    names = {each.name for each in takes}
    further = getattr(entry, "further", None)
    more = [] if further is None else _named(further)
    return takes + [each for each in more if each.default is not each.empty and each.name not in names]


def _named(make: Callable[..., Any]) -> list[inspect.Parameter]:
    return [each for each in inspect.signature(make).parameters.values() if each.kind is not each.VAR_KEYWORD]


def _key(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")


def _found(vendor: str, word: str) -> Found:
    words = next((words for name, words in VENDORS.items() if _key(name) == _key(str(vendor))), None)
    if words is None:
        raise ConfigError.of("named", "vendor", vendor, f"write one of {', '.join(map(repr, VENDORS))}")
    match = _WORD.fullmatch(str(word))
    if match:
        for name, entry in words.items():
            if _key(name) == _key(match.group(1)):
                return Found(name, entry, match.group(2))
    raise ConfigError.of("named", "word", word, f"of {vendor} are known: {', '.join(words)}")


def _refuse(vendor: str, word: str, fix: str) -> NoReturn:
    raise ConfigError.of("named", vendor, word, fix)
