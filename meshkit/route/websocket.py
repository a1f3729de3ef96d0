"""May a client speak WebSocket here, how long, and how much at once? What a gateway lets through of it (RFC 6455).

=================  ============================================  =================================================
limit              reached when                                  then
=================  ============================================  =================================================
``allowed=False``  a client asks for a WebSocket                 it is refused (403), and nobody else is asked
``max_message``    a message is longer, from either side         1009 to the client; the upstream's end too
``idle``           no side has said anything for so long         1001 to both
``lifetime``       the connection is so old                      1001 to both
``ping``           the upstream was silent for so long           it is asked for a sign of life; when as long after that
                                                                 there was none, 1014 to the client
=================  ============================================  =================================================

A ping of either side is a word, its answer is none: who wants a quiet connection to stay pings it, as nginx'
``proxy_read_timeout`` (60 s) and Envoy's ``stream_idle_timeout`` (5 min) have taught. How many there may be at once is
for a ``ConcurrencyLimit`` to say: a WebSocket holds its permit as long as it lives.
"""

from __future__ import annotations

from typing import Any

import attrs

from .. import options

__all__ = ["WebSocket"]


@attrs.frozen(kw_only=True)
class WebSocket:
    """What is let through of a WebSocket; without this action it is what stands here. Raises `ConfigError`.

    ``max_message``: bytes of one message, in however many frames it comes. ``idle``, ``lifetime``, ``ping``: seconds;
    ``None``: however long, and no pings of our own. ``allowed``: whether there is any WebSocket here.
    """

    max_message: int = attrs.field(default=1_048_576, validator=options.size(1))
    idle: float | None = attrs.field(default=300.0, validator=options.optional(options.seconds()))
    lifetime: float | None = attrs.field(default=None, validator=options.optional(options.seconds()))
    ping: float | None = attrs.field(default=None, validator=options.optional(options.seconds()))
    allowed: bool = attrs.field(default=True, validator=options.flag())

    def install(self, plan: Any, /) -> None:
        plan.websocket = self
