"""What becomes of the requests that match? Policies in front of them, actions on them, and where they go."""

from __future__ import annotations

from typing import Any

import attrs

from ..errors import ConfigError
from ..options import count
from ..policy import awaits
from .local import destination
from .match import Match
from .options import specs

__all__ = ["Route"]


def _matches(value: Any) -> Any:
    return (value,) if isinstance(value, Match) else tuple(value) if isinstance(value, list) else value


def _are_matches(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, tuple) or not value or not all(isinstance(each, Match) for each in value):
        raise ConfigError.of("Route", "match", value, "give a Match, or several of which one must hold")


def _to(value: Any) -> Any:
    return value if isinstance(value, Route) else destination(value)  # a route has specs as well, and is refused


def _is_destination(spec: Any, attribute: Any, value: Any) -> None:
    for each in value if isinstance(value, tuple) else (value,):
        if isinstance(each, type) or not (each is None or hasattr(each, "start") or awaits(each)):
            fix = "give a cluster, a pipeline, a Split, a Redirect, a Respond, a function, or None: where it was going"
            raise ConfigError.of("Route", "to", each, fix)


def _are_policies(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if isinstance(each, type) or not (hasattr(each, "start") or awaits(each)) or hasattr(each, "install"):
            raise ConfigError.of("Route", "policies", each, "give policies, such as Retry(on='5xx')")


def _are_actions(spec: Any, attribute: Any, value: Any) -> None:
    for each in value:
        if isinstance(each, type) or not hasattr(each, "install"):
            raise ConfigError.of("Route", "actions", each, "give actions, such as Rewrite(prefix='/')")
        if hasattr(each, "start"):
            raise ConfigError.of("Route", "actions", each, "it is where a route leads: give it as to=")


@attrs.frozen
class Route:
    """Where requests go that match, and what is done to them on their way. Raises `ConfigError`.

    ``match``: a `Match`, or several of which one must hold. ``to``: a `Cluster`, a `Split` of several, a pipeline that
    ends in one, a `Redirect`, a `Respond`, an `App`, a function of the request; ``None``: where the request was going.
    ``policies`` stand in front of it, outermost first; ``actions`` edit the request and its answer, in this order.
    ``priority``: routes with a higher one are asked first, whatever they match. ``name``: for records and errors.
    """

    match: tuple[Match, ...] = attrs.field(default=Match(), converter=_matches, validator=_are_matches)
    to: Any = attrs.field(default=None, converter=_to, validator=_is_destination)
    policies: tuple[Any, ...] = attrs.field(default=(), converter=specs, validator=_are_policies, kw_only=True)
    actions: tuple[Any, ...] = attrs.field(default=(), converter=specs, validator=_are_actions, kw_only=True)
    priority: int = attrs.field(default=0, validator=count(-(2**31)), kw_only=True)
    name: str = attrs.field(default="", validator=attrs.validators.instance_of(str), kw_only=True)

    @property
    def specs(self) -> tuple[Any, ...]:
        """The policies and what they lead to, as a pipeline has them."""
        to = self.to if isinstance(self.to, tuple) else () if self.to is None else (self.to,)
        return (*self.policies, *to)

    def __str__(self) -> str:
        """Its name, or what its first match is for."""
        if self.name:
            return self.name
        match = self.match[0]
        host = match.host[0] if match.host else "*"
        if match.regex is not None:
            return f"{host}{match.regex}"
        if match.starts is not None:
            return f"{host}{match.starts}*"
        if match.grpc is not None:
            return f"{host}/{match.grpc}" + ("" if "/" in match.grpc else "/*")
        prefix = match.prefix or match.path_separated_prefix or "/"
        return host + (match.path or f"{prefix.rstrip('/')}/*")
