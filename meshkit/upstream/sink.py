"""What does a parser tell, and whom? One for each connection, which feeds it and is its sink.

A parser is told of each request and fed with what comes back; it tells its sink. A mistake of the peer is `Malformed`,
after everything that was good before it; bytes beyond the end of an answer as well, and then ``ended`` has said that
the connection cannot be used again.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["Headers", "Parser", "Sink"]

Headers = list[tuple[bytes, bytes]]


class Sink(Protocol):
    """Who is told, while a parser is fed. What it raises comes out of ``feed``; the parser is of no use then."""

    def informed(self, status: int, reason: bytes, headers: Headers) -> None:
        """An interim answer (1xx), but for 101."""

    def began(self, status: int, reason: bytes, version: bytes, headers: Headers) -> None:
        """The head of the answer: the version is ``HTTP/1.1`` or ``HTTP/1.0``, names are in the case they came in."""

    def got(self, chunk: bytes) -> None:
        """A part of its body, never empty."""

    def ended(self, trailers: Headers, reusable: bool) -> None:
        """The answer is complete. ``reusable``: as far as it goes, another exchange may follow."""

    def switched(self, rest: bytes) -> None:
        """After ``began`` (101, or a 2xx to CONNECT): the rest, and what comes, is of another protocol."""


class Parser(Protocol):
    """One for each connection; one exchange at a time."""

    def __init__(self, sink: Sink) -> None: ...

    def expect(self, method: bytes) -> None:
        """Once before each exchange: what is asked decides whether the answer has a body."""

    def feed(self, data: bytes) -> None:
        """What came. Raises `Malformed`."""

    def eof(self) -> None:
        """No more will come. Ends a body that lasts until then, else raises `Malformed`."""
