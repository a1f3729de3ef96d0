"""Who reads the answers? One of two parsers that say the same of the same bytes."""

from __future__ import annotations

import logging

from .sink import Headers, Parser, Sink

__all__ = ["Headers", "Parser", "Sink", "best"]

_told = False


def best() -> type[Parser]:
    """The quick one where httptools is installed, else the one on h11, which httpx brings."""
    global _told  # noqa: PLW0603  # once for the process
    try:
        from .llhttp import LlhttpParser
    except ImportError as error:
        if not _told:
            _told = True
            logging.getLogger("meshkit").info(
                "answers are parsed by h11, some 80 us each instead of 4: %s (pip install meshkit[fast])", error
            )
        from .pure import PureParser

        return PureParser
    return LlhttpParser
