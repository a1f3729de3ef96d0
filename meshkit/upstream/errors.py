"""What can go wrong on a wire, and was anything sent?

::

    WireError
    ├ Unsent              no byte of the request has left: safe to try elsewhere
    │ ├ ConnectFailed     refused, unreachable, no such name, a handshake that failed
    │ ├ ConnectTimedOut
    │ └ PoolTimedOut      no place became free in time
    ├ WriteFailed         the connection broke while the request was on its way
    ├ WriteTimedOut
    ├ ReadFailed          the connection broke before the answer was complete
    ├ ReadTimedOut
    ├ Malformed           the peer does not keep to HTTP/1.1, or stopped in the middle of an answer
    └ Misused             the caller does not: a field that cannot be sent, a body of another length than declared

Those that are late are `TimeoutError` as well, those of a connection that failed `ConnectionError`.
"""

from __future__ import annotations

from ..errors import MeshError

__all__ = [
    "ConnectFailed",
    "ConnectTimedOut",
    "Malformed",
    "Misused",
    "PoolTimedOut",
    "ReadFailed",
    "ReadTimedOut",
    "Unsent",
    "WireError",
    "WriteFailed",
    "WriteTimedOut",
]


class WireError(MeshError):
    """Everything that the pool raises of its own."""

    sent = True
    """Whether a byte of the request may have left."""
    stale = False
    """Whether the connection had served others before, and not a byte of an answer came: the peer had most likely
    closed it already, and never looked at the request."""


class Unsent(WireError):
    sent = False


class ConnectFailed(Unsent, ConnectionError):
    pass


class ConnectTimedOut(Unsent, TimeoutError):
    pass


class PoolTimedOut(Unsent, TimeoutError):
    pass


class WriteFailed(WireError, ConnectionError):
    pass


class WriteTimedOut(WireError, TimeoutError):
    pass


class ReadFailed(WireError, ConnectionError):
    pass


class ReadTimedOut(WireError, TimeoutError):
    pass


class Malformed(WireError):
    pass


class Misused(WireError):
    sent = False
