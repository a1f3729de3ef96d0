"""What does a server of a mesh write? What goes wrong here, in a line each; and not the same thing a thousand times.

Clients that break off, send no HTTP or time out are no news, and nothing is written of them. A traceback is of a fault
in this process; of the same kind one a minute is written, with the number of those that were not.
"""

from __future__ import annotations

import logging
import sys
import time
from logging.handlers import WatchedFileHandler
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ...observe import AccessLog

__all__ = ["Sparing", "access_log", "written"]

PAUSE: Final = 60.0
MOST: Final = 100
"""Kinds that are remembered."""


class Sparing(logging.Filter):
    """Lets one record of a kind pass in so many seconds."""

    def __init__(self, pause: float = PAUSE) -> None:
        super().__init__()
        self._pause = pause
        self._since: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info:
            return True
        kind = record.name, record.exc_info[0]
        now = time.monotonic()
        since, kept = self._since.get(kind, (-self._pause, 0))
        if now - since < self._pause:
            self._since[kind] = since, kept + 1
            return False
        if len(self._since) >= MOST:
            self._since.clear()
        self._since[kind] = now, 0
        if kept:
            record.msg = f"{record.getMessage()} (and {kept:,} more like it)"
            record.args = None
        return True


NO_NEWS: Final = ("ASGI callable returned without completing handshake", "Invalid UTF-8 sequence received from client")
"""What uvicorn says of clients of WebSockets."""


def is_news(record: logging.LogRecord) -> bool:
    """Whether it is more than what any client can do."""
    return not str(record.msg).startswith(NO_NEWS)


class Once(logging.Filter):
    """Has a worker say nothing of what all of them find in the file of the mesh: their parent does."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith("mesh %s")


def written(worker: int | None = None) -> None:
    """Write to standard error, unless the program has a log of its own. ``worker``: which of several this is, from 1;
    0: it is their parent.
    """
    root = logging.getLogger()
    if not root.handlers:
        stream = logging.StreamHandler(sys.stderr)
        stream.addFilter(Sparing())
        root.addHandler(stream)
        logging.getLogger("meshkit").setLevel(logging.INFO)
        ours = True
    else:
        ours = any(isinstance(each, Sparing) for handler in root.handlers for each in handler.filters)
    if ours:
        which = f"worker {worker}: " if worker else ""
        handler = root.handlers[0]
        for each in [*handler.filters]:
            if isinstance(each, Once):
                handler.removeFilter(each)
        if worker:
            handler.addFilter(Once())
        root.handlers[0].setFormatter(logging.Formatter(f"%(asctime)s {which}%(levelname)s %(message)s"))
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(is_news)


def access_log(to: str, form: str) -> AccessLog:
    """A line for each request: to a file, which may be moved away meanwhile, or ``"-"``, standard output. Raises
    `OSError`.
    """
    from ...observe import AccessLog

    handler = logging.StreamHandler(sys.stdout) if to == "-" else WatchedFileHandler(to)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("meshkit.access")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return AccessLog(format=form)
