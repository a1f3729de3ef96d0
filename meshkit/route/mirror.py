"""Where else does a copy of the request go, and may one more go now? Its answer is read and thrown away.

=============================================  ============================================
a request that the route sends                 then
=============================================  ============================================
its method is none of ``methods``              no copy
the draw is ``share`` or more                  no copy
its body is longer than ``max_bytes``, or can  no copy, ``skipped`` + 1
be read only once; it is an upgrade
``limit`` copies are under way                 no copy, ``dropped`` + 1
otherwise                                      ``sent`` + 1; and ``failed`` + 1 if no answer
                                               comes of it within ``timeout``
=============================================  ============================================

It is asked once for each call, when its first attempt is sent. What sends the copies, and ends them, is the doors'
business (`meshkit.runtime.copying`); nothing that becomes of a copy is the request's.

Envoy's ``request_mirror_policies`` and the Gateway API's ``RequestMirror`` are the model: a fraction, all by default,
and answers that nobody waits for. Envoy appends ``-shadow`` to the host, here ``host="*-shadow"``. The ceiling for
bodies is Traefik's ``maxBodySize``. In nginx (and ingress-nginx' ``mirror-target``) a slow mirror holds up the
connection that the original request came by; the ceiling for copies, their timeout and the list of methods are ours.
"""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from ..errors import ConfigError
from ..options import count, is_function, ratio, seconds, size
from ..policy import awaits
from .answer import Redirect, Respond
from .hosts import checked
from .local import Function
from .options import FRAMING, HOST, TOKEN

__all__ = ["Mirror", "MirrorState"]

METHODS = ("GET", "HEAD", "OPTIONS")
"""Those that are safe (RFC 9110, 9.2.1), but for TRACE."""
HEADER = "x-meshkit-mirror"


def _to(value: Any) -> Any:
    if hasattr(value, "specs") or hasattr(value, "start") or isinstance(value, type) or awaits(value):
        return value
    if is_function(value):
        return Function(value)
    return tuple(value) if isinstance(value, list) else value


def _is_destination(spec: Any, attribute: Any, value: Any) -> None:
    specs = getattr(value, "specs", value)
    for each in specs if isinstance(specs, tuple) and specs else (specs,):
        bare = getattr(each, "spec", each)
        if isinstance(bare, Redirect | Respond):
            raise ConfigError.of("Mirror", "to", bare, "copies go to a cluster or a pipeline: nobody reads an answer")
        if isinstance(each, type) or not (hasattr(each, "start") or awaits(each)):
            raise ConfigError.of("Mirror", "to", each, "give a cluster, a pipeline, or policies that end in a cluster")


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | set | frozenset) else value


def _methods(spec: Any, attribute: Any, value: Any) -> None:
    sound = isinstance(value, tuple) and all(isinstance(each, str) and TOKEN.fullmatch(each) for each in value)
    if not sound or not value:
        raise ConfigError.of("Mirror", "methods", value, 'give methods, such as ("GET", "HEAD")')
    if "CONNECT" in value:
        raise ConfigError.of("Mirror", "methods", "CONNECT", "a tunnel cannot be copied: leave it out")


def _host(spec: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, str):
        checked("Mirror", "host", value.replace("*", "host", 1))
    elif value is not None:
        raise ConfigError.of("Mirror", "host", value, 'give a host, or "*-shadow" with * for the request\'s own')


def _header(spec: Any, attribute: Any, value: Any) -> None:
    known = isinstance(value, str) and TOKEN.fullmatch(value) and value.lower() not in FRAMING | HOST
    if value is not None and not known:
        raise ConfigError.of("Mirror", "header", value, "give the name of a header field of your own, or None")


@attrs.frozen
class Mirror:
    """Also sends a copy of a ``share`` of the requests elsewhere, and ignores what is answered. Raises `ConfigError`.

    ``to``: a cluster, or policies that end in one, which become a pipeline with a state of its own in each router; or a
    `Pipeline`, which is walked as it is: who listens to it is told of the copies. The other options are those of the
    table above; ``timeout`` is in seconds, for the copy as a whole. ``host``: under which host to ask, ``*`` in it
    stands for the request's own. ``header``: the field that says ``1`` in each copy; ``None``: none does. ``name``: in
    snapshots. Copies carry the request's credentials.
    """

    to: Any = attrs.field(converter=_to, validator=_is_destination)
    share: float = attrs.field(default=1.0, validator=ratio(zero=True))
    methods: tuple[str, ...] = attrs.field(default=METHODS, converter=_several, validator=_methods, kw_only=True)
    limit: int = attrs.field(default=100, validator=count(1), kw_only=True)
    timeout: float = attrs.field(default=10.0, validator=seconds(), kw_only=True)
    max_bytes: int = attrs.field(default=65536, validator=size(0), kw_only=True)
    host: str | None = attrs.field(default=None, validator=_host, kw_only=True)
    header: str | None = attrs.field(default=HEADER, validator=_header, kw_only=True)
    name: str = attrs.field(default="Mirror", validator=attrs.validators.instance_of(str), kw_only=True)

    def install(self, plan: Any, /) -> None:
        plan.mirrors = (*plan.mirrors, MirrorState(self, plan.rng))


class MirrorState:
    """What a router knows of one mirror. Its methods are called under the lock.

    A copy is any object that says by ``gone`` that its end will never be told: what ran it is no more.
    """

    __slots__ = (
        "__weakref__",
        "_draw",
        "dropped",
        "failed",
        "field",
        "limit",
        "max_bytes",
        "methods",
        "name",
        "pipeline",
        "seed",
        "sent",
        "share",
        "skipped",
        "spec",
        "timeout",
        "under_way",
    )

    def __init__(self, spec: Mirror, rng: Random) -> None:
        self.spec = spec
        self.name = spec.name
        self.methods = frozenset(spec.methods)
        self.share = spec.share
        self.limit = spec.limit
        self.timeout = float(spec.timeout)
        self.max_bytes = spec.max_bytes
        self.field = () if spec.header is None else ((spec.header.lower().encode("ascii"), b"1"),)
        """The field that tells a copy."""
        self.seed = rng.getrandbits(64)
        """For the pipeline of its own."""
        self.pipeline: Any = spec.to if hasattr(spec.to, "root") else None
        """Through which copies go; set by the first door that sends some."""
        self._draw = Random(rng.getrandbits(64)).random  # noqa: S311  # a share, no secret
        self.under_way: set[Any] = set()
        self.sent = 0
        self.dropped = 0
        self.skipped = 0
        self.failed = 0

    @property
    def specs(self) -> tuple[Any, ...]:
        """What the pipeline is made of."""
        to = self.spec.to
        return tuple(getattr(to, "specs", None) or (to if isinstance(to, tuple) else (to,)))

    def host(self, own: str) -> str | None:
        """The host to ask under, where it is another one than the request's own."""
        given = self.spec.host
        return None if given is None else given.replace("*", own, 1)

    def wants(self, method: str, /) -> bool:
        """Whether a request is one of those to copy: by its method, and by the draw."""
        return method in self.methods and (self.share >= 1 or self._draw() < self.share)

    def take(self, length: int | None, copy: Any, /) -> bool:
        """Whether a copy of one that it wants is to be sent; then it is under way until its `end`.

        ``length``: bytes of the body; ``None``: it cannot be read a second time.
        """
        if length is None or length > self.max_bytes:
            self.skipped += 1
            return False
        under_way = self.under_way
        if len(under_way) >= self.limit:
            under_way -= {each for each in under_way if each.gone}
            if len(under_way) >= self.limit:
                self.dropped += 1
                return False
        under_way.add(copy)
        self.sent += 1
        return True

    def end(self, copy: Any, /, *, failed: bool) -> None:
        """A copy is over. Once for each; what comes later is nothing new."""
        if copy in self.under_way:
            self.under_way.discard(copy)
            self.failed += failed

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Copies under way, and the counts of the table."""
        counts = {name: getattr(self, name) for name in ("sent", "dropped", "skipped", "failed")}
        return {"under_way": sum(not each.gone for each in self.under_way), **counts}

    def idle(self) -> bool:
        return all(each.gone for each in self.under_way)
