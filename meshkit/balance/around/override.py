"""Does the call itself say which endpoint serves it? That one, then; a balancer picks where it does not.

    X-Endpoint: 10.0.0.7:8080, 10.0.0.8:8080

An endpoint is named by its name, its ``host:port``, or its address as it is written. Of several the first one counts
that is there, may be asked, and has not failed this call; so further attempts go down the list, and then to the
balancer. What is not an endpoint of the cluster cannot be reached so. Whoever may set the header chooses the server:
take it out where calls come in from strangers.

=================  ===================================================  ==========================
``also``           an endpoint that                                     Envoy's status
=================  ===================================================  ==========================
(always)           may be picked                                        healthy, degraded
``"ejected"``      outlier detection has ejected                        (healthy: it knows no other)
``"unhealthy"``    its checks found ill                                 unhealthy, timeout
``"unknown"``      its checks have not heard of yet                     unknown
=================  ===================================================  ==========================

Envoy's ``override_host`` policy, and the ``override_host_status`` of its clusters (there unknown ones are asked unless
it says otherwise); ``strict`` is that of its stateful sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from copy import copy
from random import Random
from typing import Any
from weakref import WeakSet

import attrs

from ... import fact
from ...call import Call
from ...errors import ConfigError, NoEndpoint
from ...options import flag, is_function, no_decorator
from ...policy import awaits
from ..balancer import Balancer, Load, Member, places
from .part import Part, narrowed

__all__ = ["Override"]

SLICE = 256
"""Members that are looked at in one slice."""
LONGEST = 1024
"""Characters of a list of names."""
MOST = 16
"""Names in it."""
STATES = ("ejected", "unhealthy", "unknown")


def _key(spec: Any, attribute: Any, value: Any) -> None:
    if awaits(value):
        raise ConfigError.of("Override", "key", value, fact.PLAIN)
    if not (is_function(value) or (isinstance(value, str) and value.strip())):
        fix = 'give the name of an attribute of the request, such as "header:x-endpoint", or a function of the call'
        raise ConfigError.of("Override", "key", value, fix)


def _states(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value)


def _also(spec: Any, attribute: Any, value: Any) -> None:
    if not set(value) <= set(STATES):
        raise ConfigError.of("Override", "also", value, f"name some of {STATES}")


def _inner(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not hasattr(value, "start"):
        raise ConfigError.of("Override", "balancer", value, "give a balancer, such as PeakEwma()")


@attrs.frozen
class Override:
    """Asks the endpoint that the call names, and where it names none ``balancer``.

    ``key``: the name of an attribute of the request, or a function of the call, that answers a name, several with
    commas between them or in a list, or ``None``. ``also``: in which states an endpoint is asked that is not up.
    ``strict``: a call that names any goes to none but these; where none may be asked it is refused with `NoEndpoint`.
    """

    balancer: Any = attrs.field(validator=_inner)
    key: str | Callable[[Call], Any] = attrs.field(validator=_key)
    also: tuple[str, ...] = attrs.field(default=(), converter=_states, validator=_also, kw_only=True)
    strict: bool = attrs.field(default=False, validator=flag(), kw_only=True)

    asks = ("key",)
    holds = ("balancer",)
    __call__ = no_decorator

    def start(self, rng: Random, /) -> OverrideState:
        return OverrideState(self, rng)


class OverrideState:
    """The balancer that `Override` starts."""

    __slots__ = (
        "__weakref__",
        "_key",
        "also",
        "asker",
        "askers",
        "inner",
        "known",
        "load",
        "random",
        "strict",
        "tend",
        "whole",
        "within",
    )

    load: Callable[[float], Load | None]
    tend: Callable[[Sequence[Member], float], tuple[float, bool]]

    def __init__(self, spec: Override, rng: Random) -> None:
        self.inner: Balancer = spec.balancer.start(rng)
        self.within = (self.inner,)
        self.load = self.inner.load
        if hasattr(self.inner, "tend"):
            self.tend = self.inner.tend  # unset, as if there were none, where there is none
        self.random = rng.random
        self.also = frozenset(spec.also)
        self.strict = spec.strict
        self.whole: bool = bool(self.also) or getattr(self.inner, "whole", False)
        self.asker = self
        """Who was asked for the names: where it is narrowed, the one there was before."""
        self.askers = (*getattr(self.inner, "askers", ()), self)
        self._key = fact.asking(spec.key)
        self.known: WeakSet[Named] = WeakSet()
        """The picks in use, of all priorities and localities."""

    def narrowed(self, key: Hashable, admits: Callable[[Member], bool], /) -> OverrideState:
        """See `meshkit.balance.around.part.narrowed`."""
        state = copy(self)
        state.inner = narrowed(self.inner, key, admits)
        state.known = WeakSet()
        return state

    def facts(self, call: Call, /) -> tuple[str, ...]:
        """The names the call gives, in order."""
        names = self._key(call)
        if isinstance(names, bytes):
            names = names.decode("latin-1")
        if isinstance(names, str):
            names = names.split(",") if len(names) <= LONGEST else ()
        elif names is None:
            names = ()
        elif not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"Override: the key is a {type(names).__name__}: make it a text, or a list of texts")
        return tuple(name.strip() for name in names[:MOST] if name.strip())

    def arrange(self, members: Sequence[Member], before: Named | None, /) -> Iterator[Named | None]:
        endpoints = [member.endpoint for member in members]
        if before is not None and before.endpoints == endpoints and before.members == members:
            index = before.index
        else:
            index = {}
            for number, member in enumerate(members, 1):
                for name in _names(member.endpoint):
                    index[name] = member
                if number % SLICE == 0:
                    yield None
        inner: Any = None
        if self.whole and not getattr(self.inner, "whole", False):
            inner = Part(list(members), self.inner, SOME, self.random)
            yield from inner.follow(before.inner if before is not None else None)
        else:
            for inner in self.inner.arrange(members, before.inner if before is not None else None):
                if inner is None:
                    yield None
        named = Named(self, list(members), endpoints, index, inner)
        self.known.add(named)
        yield named

    def elsewhere(self, name: str) -> Member | None:
        """The endpoint of that name, of whatever priority or locality."""
        for each in self.known:
            member = each.index.get(name)
            if member is not None:
                return member
        return None


SOME = 1e-9
"""Only if nobody is up are all taken for well."""


def _names(endpoint: Any) -> Iterator[str]:
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    yield f"{host}:{endpoint.port}"
    yield endpoint.address
    yield str(endpoint)


def _state(member: Member) -> str | None:
    """Why it is not up; ``None``: for no such reason, it is gone or drained."""
    if member.ejected:
        return "ejected"
    if member.checked is None:
        return "unknown"
    return None if member.checked else "unhealthy"


class Named:
    """Members of one priority and locality, by their names."""

    __slots__ = ("__weakref__", "_state", "endpoints", "index", "inner", "members")

    def __init__(
        self, state: OverrideState, members: list[Member], endpoints: list[Any], index: dict[str, Member], inner: Any
    ) -> None:
        self._state = state
        self.members = members
        self.endpoints = endpoints
        self.index = index
        self.inner = inner
        """The inner balancer's pick, or the part it picks from."""

    def pick(self, call: Call, now: float, /) -> Member:
        """Raises `NoEndpoint` where a strict one is named that is not to be had."""
        state = self._state
        names = call.facts[state.asker]  # type: ignore[index]  # gathered: there are facts
        first = None
        for name in names:
            member = self.index.get(name) or state.elsewhere(name)
            if member is not None and (member.up or (member.present and _state(member) in state.also)):
                if not call.avoid or member.place not in places(call.avoid):
                    return member
                first = first or member
        if names and state.strict:
            if first is not None:
                return first
            raise NoEndpoint("no endpoint to ask: none that the call names may be asked", policy="Override")
        return self.inner.pick(call, now)  # type: ignore[no-any-return]
