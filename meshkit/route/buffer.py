"""How long may a body be? So many bytes of a request, and of an answer; a request may be taken in before it goes on.

==========================================  =========================================================================
a body                                      then
==========================================  =========================================================================
request: ``Content-Length`` says too much   `TooLarge` before the route's policies are asked: 413, the body is not read
request: more comes than that               `TooLarge` to whoever reads it: 413, if no answer has begun
answer: ``Content-Length`` says too much    `Overlong` before it has begun: 502
answer: more comes than that                `Overlong`, and the answer is broken off: never is it silently short
==========================================  =========================================================================

Bytes are counted as they are sent, encoded ones as they are. Nothing is kept, unless with ``whole``: then the request
is read to its end first, before the route's policies are asked, and a slow client holds neither their permits nor the
app. What is kept is no longer than ``max_request``, for each request that is on its way in.

Traefik's Buffering, nginx's ``client_max_body_size`` and ``proxy_request_buffering``, Envoy's buffer filter; none of
the body is ever put on a disk.
"""

from __future__ import annotations

from typing import Any

import attrs

from .. import options
from ..call import Call
from ..errors import ConfigError, Overlong, TooLarge
from .lines import told

__all__ = ["Buffer"]


@attrs.frozen(kw_only=True)
class Buffer:
    """Caps the bodies of requests and answers. Raises `ConfigError`.

    ``max_request``, ``max_response``: bytes; ``None``: any length. ``whole``: the request is read as a whole before
    anything is asked; behind a server's door only, a client has it already.
    """

    max_request: int | None = attrs.field(default=None, validator=options.optional(options.size()))
    max_response: int | None = attrs.field(default=None, validator=options.optional(options.size()))
    whole: bool = attrs.field(default=False, validator=options.flag())

    def __attrs_post_init__(self) -> None:
        if self.max_request is None and self.max_response is None:
            raise ConfigError("Buffer: nothing given: give max_request or max_response, in bytes")
        if self.whole and self.max_request is None:
            fix = "say with max_request= how many bytes of each request there is memory for"
            raise ConfigError.of("Buffer", "whole", self.whole, fix)

    def install(self, plan: Any, /) -> None:
        plan.buffer = self
        others = tuple(each for each in plan.gates if not isinstance(each, Length | Whole))
        first = () if self.max_request is None else (Length(self.max_request),)
        plan.gates = (*others, *first, *((Whole(),) if self.whole else ()))
        plan.incoming = plan.incoming or self.max_request is not None
        plan.outgoing = True

    def too_large(self) -> TooLarge:
        return TooLarge("a request of more than %d bytes", self.max_request, policy="Buffer")

    def overlong(self, endpoint: object = None) -> Overlong:
        text = f"the answer is longer than {self.max_response} bytes"
        return Overlong(text, policy="Buffer", endpoint=endpoint)


class Length:
    """The `Gate` that refuses what is told to be too long."""

    __slots__ = ("_most", "exit", "name")

    def __init__(self, most: int) -> None:
        self.name = "Buffer"
        self.exit = None
        self._most = most

    def facts(self, call: Call, /) -> int | None:
        return told(call.door.fact(call, "header:content-length"))

    def enter(self, call: Call, now: float, /) -> None:
        length = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if length is not None and length > self._most:
            raise TooLarge("a request of %d bytes, and %d are let through", length, self._most, policy=self.name)

    def idle(self) -> bool:
        return True


class Whole:
    """The middleware that has a door take in the request before anything behind it is asked."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = "Buffer"

    def __call__(self, call: Call, call_next: Any) -> Any:
        """What is awaited instead of ``call_next()``."""
        take = getattr(call.door, "take", None)
        return call_next() if take is None else take(call, call_next)
