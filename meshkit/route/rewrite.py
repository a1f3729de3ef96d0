"""Where is the request sent in other words than it came? Its host, and its path as a whole, by its prefix, or by parts.

::

    Rewrite(path="/health")                          that path, whatever was asked
    Rewrite(prefix="/v2")                            in place of the prefix that has matched
    Rewrite(regex="^/(\\w+)/old", to="/$1/new")      the first place that the expression matches
    Rewrite(to="/$1")                                the whole path, of what the route's own expression has captured
    Rewrite(host="orders.internal")                  also, or only, the host

The prefix is replaced element by element, as the Gateway API's ``ReplacePrefixMatch`` has it. The query stays. What
comes of a rewriting is brought into the normal form of paths once more, so that captured text cannot make one that is
refused; where it cannot be, the request is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ConfigError
from .hosts import checked
from .match import _path as path_option
from .regex import compile as compiled

if TYPE_CHECKING:
    from .match import Match

__all__ = ["Rewrite", "rewriter"]

Rewriter = Callable[[str, Any], str]
"""``(path, captured)`` to the path to send; ``captured``: what the route's own expression has matched."""


def _prefix(spec: Any, attribute: Any, value: Any) -> None:
    if value != "":
        path_option(spec, attribute, value)


def _host(value: Any) -> Any:
    if value is None:
        return None
    host = checked("Rewrite", "host", value)
    if host.startswith("*"):
        raise ConfigError.of("Rewrite", "host", value, "give the one host to ask")
    return host


@attrs.frozen(kw_only=True)
class Rewrite:
    """Sends the request under another host or path. Raises `ConfigError`.

    ``host`` becomes the ``Host`` of the request. Of ``path``, ``prefix`` and ``regex`` with ``to`` one at most;
    ``prefix`` needs a match by prefix, and ``to`` alone one by regex. ``$1`` and ``${name}`` in ``to`` stand for what
    was captured.
    """

    host: str | None = attrs.field(default=None, converter=_host)
    path: str | None = attrs.field(default=None, validator=path_option)
    prefix: str | None = attrs.field(default=None, validator=_prefix)
    regex: str | None = attrs.field(default=None)
    to: str | None = attrs.field(default=None)

    def __attrs_post_init__(self) -> None:
        ways = [name for name in ("path", "prefix", "to") if getattr(self, name) is not None]
        if len(ways) > 1:
            raise ConfigError(f"Rewrite: {' and '.join(ways)}: give one of them")
        if self.regex is not None:
            if self.to is None:
                raise ConfigError.of("Rewrite", "regex", self.regex, "say with to= what takes its place")
            compiled(self.regex, policy="Rewrite").template(self.to, policy="Rewrite")
        if not ways and self.host is None:
            raise ConfigError("Rewrite: nothing given: give host, path, prefix or to")

    def install(self, plan: Any, /) -> None:
        plan.rewrite = self
        plan.host = self.host or plan.host


def rewriter(spec: Rewrite, match: Match) -> Rewriter | None:
    """The function that makes the path, for requests that this match has let in; ``None``: it stays."""
    if spec.path is not None:
        path = spec.path
        return lambda _, captured: path
    if spec.prefix is not None:
        if match.prefix is None:
            fix = "it takes the place of the prefix that has matched: give each match of the route a prefix"
            raise ConfigError.of("Rewrite", "prefix", spec.prefix, fix)
        return _replacing(match.prefix, spec.prefix)
    if spec.to is None:
        return None
    if spec.regex is not None:
        regex = compiled(spec.regex, policy="Rewrite")
        template = regex.template(spec.to, policy="Rewrite")
        return lambda path, captured: regex.replace(path, template)
    if match.regex is None:
        fix = "it is made of what the route's match by regex has captured: give each match of the route one, or a regex"
        raise ConfigError.of("Rewrite", "to", spec.to, fix)
    whole = compiled(match.regex, policy="Match").template(spec.to, policy="Rewrite")
    return lambda path, captured: whole(captured)


def _replacing(prefix: str, other: str) -> Rewriter:
    cut = len(prefix.rstrip("/"))
    other = other.rstrip("/")

    def replaced(path: str, captured: Any) -> str:
        return other + path[cut:] or "/"

    return replaced
