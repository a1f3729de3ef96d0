"""Had the connection gone stale? A kept-alive connection may be closed by the server while the request is on its way.

Then the request was most likely never looked at, and can be sent again on a new connection; the client cannot be sure
(RFC 9112, 9.3.1: automatic retries are for idempotent methods). The signs: the connection had served a request before,
and not one byte of an answer came.

Our own pool says so. Neither httpx nor its error does, but the HTTP/1.1 connection of httpcore that failed stands in
the error's traceback. Looking there costs nothing while all is well; the ``trace`` extension would cost a dozen calls
for every request, and cannot tell half a status line from none. What is read (``_request_count``, ``_h11_state``) is
private to httpcore: where it is not found, or the inner transport is another one, the answer is no, and a retry then
needs a condition of its own.
"""

from __future__ import annotations

from ..upstream.errors import WireError

__all__ = ["stale"]


def stale(error: BaseException) -> bool:
    """Whether ``error``, of a request without answer, is of a reused connection on which nothing was received."""
    cause = error.__cause__
    if isinstance(cause, WireError):
        return cause.stale
    trace = None if cause is None else cause.__traceback__
    connection = None
    while trace is not None:
        frame = trace.tb_frame
        owner = frame.f_locals.get("self")
        if hasattr(owner, "_h11_state"):
            connection = owner
            if frame.f_code.co_name == "_receive_response_headers" and "event" in frame.f_locals:
                return False  # a 100 or 103 came first
        trace = trace.tb_next
    if connection is None or getattr(connection, "_request_count", 0) < 2:
        return False
    wire = connection._h11_state
    return str(wire.their_state) == "SEND_RESPONSE" and not wire.trailing_data[0]
