"""What does the system know of a socket that the loop has not said yet?

A loop looks at its sockets between two turns. What came since is seen by asking: a peer that has closed, before a
request is written to it; an answer that came before the connection broke, before it is thrown away.
"""

from __future__ import annotations

import os
import select
import ssl
from collections.abc import Callable
from typing import Any

__all__ = ["last_words", "took_leave", "watched"]

MOST = 262_144


def watched(transport: Any) -> Callable[[int], Any]:
    """A function of 0 that says whether there is something to read, an end included; it takes half a microsecond."""
    socket = transport.get_extra_info("socket")
    if socket is None or not hasattr(select, "poll"):  # Windows has none
        return nothing
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return poll.poll


def nothing(_: int) -> None:
    """What a socket that cannot be asked answers."""


def took_leave(transport: Any) -> bool:
    """Whether a peer that sends no more has said so: over TLS, with a ``close_notify``.

    asyncio tells of any end alike; the TLS object itself reads nothing after a leave, and waits for more otherwise.
    """
    tls = transport.get_extra_info("ssl_object")
    try:
        return tls is None or tls.read(1) == b""
    except ssl.SSLError:
        return False


def last_words(transport: Any) -> bytes:
    """What is still to be read. A loop closes a socket that cannot be written to, and does not read it once more."""
    try:
        return os.read(transport.get_extra_info("socket").fileno(), MOST)
    except (OSError, AttributeError):
        return b""
