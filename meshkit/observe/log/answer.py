"""What was the client sent? The status of an exchange that is over, and the bytes of its body.

==============================================================  =====================================================
the client had gone before an answer began                      499, which is nginx's; also where a deadline passed
                                                                later, or the app has answered nobody
an answer had begun                                             its status, whatever became of it
refused, or out of time, by the pipeline                        that of the answer that stands for it: 429, 503, 504
the same by a call of the app's, and ``translate`` is on        503, 504
the app raised, or returned without an answer                   500, which is what servers make of that
==============================================================  =====================================================

To a HEAD, and with 204 and 304, no body goes out, whatever the app has sent (RFC 9110, 9.3.2, 15.3.5, 15.4.5). Of one
that the server has taken out of a file (``pathsend``) nobody has seen the bytes: where none were, and its
``content-length`` speaks of some, they are unknown.
"""

from __future__ import annotations

from typing import Any

from ...call import Failure

__all__ = ["GONE", "answer"]

GONE, BROKE = 499, 500
BODILESS = (204, 304)


def answer(exchange: Any, failure: Failure | None, *, gone: bool = False) -> tuple[int, int | None]:
    """What the client was sent, or is about to be, and how much of it; ``gone``: it was when the answer began."""
    size = getattr(exchange, "size", None)
    if gone:
        return GONE, None if size is None else 0
    if exchange.status is not None:
        return exchange.status, _seen(exchange, size)
    error = None if failure is None else failure.error
    if exchange.gone or (error is not None and not isinstance(error, Exception)):
        return GONE, size
    from ...asgi.refusal import foretold  # whoever is served has loaded it

    refusal = foretold(exchange, error)
    if refusal is not None:
        return refusal[0], size if refusal[1] is None else refusal[1]
    return BROKE, size


def _seen(exchange: Any, size: int | None) -> int | None:
    """The bytes of an answer that has begun."""
    if exchange.status in BODILESS:
        return 0
    if size == 0 and exchange.over and exchange.scope.get("method") != "HEAD":
        length = next((value for name, value in exchange.headers if name.lower() == b"content-length"), b"0")
        return None if length.strip(b"0 ") else 0
    return size
