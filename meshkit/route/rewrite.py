r"""Where is the request sent in other words than it came? Its host; its path as a whole, by its prefix, by parts.

::

    Rewrite(path="/health")                          that path, whatever was asked
    Rewrite(prefix="/v2")                            in place of the prefix that has matched
    Rewrite(regex="^/(\w+)/old", to="/$1/new")       the first place that the expression matches
    Rewrite(to="/$1")                                the whole path, of what the route's own expression has captured
    Rewrite(host="orders.internal")                  also, or only, the host

A prefix is replaced element by element, as the Gateway API's ``ReplacePrefixMatch`` has it; characters by which a
route's ``starts`` has matched are replaced as they are, as by Envoy's ``prefix_rewrite``. The query stays. What comes
of a rewriting is brought into the normal form of paths once more, so that captured text cannot make one that is
refused; where it cannot be, the request is. A dot segment in it is not resolved, but refused as well: the path that was
matched has none, and one that comes about by what stands beside the rest (``/public/`` in place of ``/a`` in
``/a../admin``) would lead out of where the route leads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import ConfigError
from . import options
from .hosts import ANY, checked
from .options import check
from .path import TOO_LONG, BadPath, Paths, normal
from .regex import compile as compiled
from .rule import CHARACTERS, ELEMENTS

if TYPE_CHECKING:
    from .rule import Rule

__all__ = ["Rewrite", "Rewriter", "check_ways", "install", "new_prefix", "one_host", "rewriter"]

REMEMBERED = 16
Rewriter = Callable[[str], str]
"""The path as it was matched to the path to send."""


def one_host(spec: Any, attribute: Any, value: Any) -> None:
    """Validates the one host to ask, or ``None``."""
    if value is not None and ANY in checked(type(spec).__name__, attribute.name, value):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give the one host to ask")


def new_prefix(spec: Any, attribute: Any, value: Any) -> None:
    """Validates what takes a prefix's place: a path, or nothing."""
    if value != "":
        options.path(spec, attribute, value)


@attrs.frozen(kw_only=True)
class Rewrite:
    """Sends the request under another host or path. Raises `ConfigError`.

    ``host`` becomes the ``Host`` of the request. Of ``path``, ``prefix`` and ``regex`` with ``to`` one at most;
    ``prefix`` needs a match by prefix, and ``to`` alone one by regex. ``$1`` and ``${name}`` in ``to`` stand for what
    was captured.
    """

    host: str | None = attrs.field(default=None, validator=one_host)
    path: str | None = attrs.field(default=None, validator=options.path)
    prefix: str | None = attrs.field(default=None, validator=new_prefix)
    regex: str | None = attrs.field(default=None)
    to: str | None = attrs.field(default=None)

    def __attrs_post_init__(self) -> None:
        if not check_ways(self) and self.host is None:
            raise ConfigError("Rewrite: nothing given: give host, path, prefix or to")

    def install(self, plan: Any, /) -> None:
        install(self, plan)


def install(spec: Any, plan: Any) -> None:
    """Write a rewriting, or what has its options, into the plan of a route."""
    if spec.host is not None:
        plan.host = checked(type(spec).__name__, "host", spec.host)
    if spec.path is not None or spec.prefix is not None or spec.to is not None:
        plan.rewrite = spec


def check_ways(spec: Any) -> bool:
    """That the path is rewritten in one way, or not at all; whether it is."""
    policy = type(spec).__name__
    ways = [name for name in ("path", "prefix", "to") if getattr(spec, name) is not None]
    if len(ways) > 1:
        raise ConfigError(f"{policy}: {' and '.join(ways)}: give one of them")
    if spec.regex is not None:
        if spec.to is None:
            raise ConfigError.of(policy, "regex", spec.regex, "say with to= what takes its place")
        compiled(spec.regex, policy=policy, search=True).template(spec.to, policy=policy)
    return bool(ways)


def rewriter(spec: Any, rule: Rule, paths: Paths) -> Rewriter | None:
    """The function that makes the path of ``spec`` (`Rewrite` and whoever has its options), in its normal form, for the
    requests that a rule has let in; ``None``: it stays. Raises `ConfigError`.
    """
    policy = type(spec).__name__
    if spec.path is not None:
        check(policy, "path", spec.path, paths)
        path = spec.path
        return lambda _: path
    if spec.prefix is not None:
        return _replacing(policy, spec.prefix, rule, paths)
    if spec.to is None:
        return None
    paths = _without_dots(paths)
    if spec.regex is not None:
        regex = compiled(spec.regex, policy=policy, search=True)
        template = regex.template(spec.to, policy=policy)
        return lambda path: normal(regex.replace(path, template), paths)
    if rule.template is None:
        fix = "it is made of what the route's match by regex has captured: give each match of the route one, or a regex"
        raise ConfigError.of(policy, "to", spec.to, fix)
    captured, made = rule.regex, rule.template(spec.to, policy=policy)
    return lambda path: normal(made(captured(path)), paths)


@lru_cache(maxsize=REMEMBERED)
def _without_dots(paths: Paths) -> Paths:
    return attrs.evolve(paths, dots="reject")


def _replacing(policy: str, other: str, rule: Rule, paths: Paths) -> Rewriter:
    check(policy, "prefix", other or "/", paths)
    if rule.kind == CHARACTERS:
        length, paths = len(rule.text), _without_dots(paths)
        return lambda path: normal(other + path[length:], paths)
    if rule.kind != ELEMENTS:
        fix = "it takes the place of the prefix that has matched: give each match of the route a prefix"
        raise ConfigError.of(policy, "prefix", other, fix)
    cut = len(rule.text.rstrip("/"))
    stem = other.rstrip("/")
    if paths.slashes == "keep":  # what is left may begin with two
        return lambda path: normal(stem + path[cut:], paths)
    most = paths.longest

    def replaced(path: str) -> str:
        made = stem + path[cut:] or "/"
        if len(made) > most:
            raise BadPath(TOO_LONG)
        return made  # two normal paths, put together at a slash, are one

    return replaced
