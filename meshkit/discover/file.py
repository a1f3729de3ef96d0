"""Where are they, if somebody writes that into a file? Where its last whole version says.

How does one know that it is whole? A file is looked at every ``interval`` by what ``stat`` says of it, symbolic links
followed; what has changed is read when it has not changed again for one interval, nor while it was being read::

    seen                          then
    the same as was read          nothing
    changed since the last look   wait: somebody may be writing
    changed, but not since then   read it, and tell if the endpoints are others
    changed ten times in a row    a new file each time: read it; the same one: an error
    gone, too large, not read     an error: the consumer keeps the set it has
    fewer endpoints than `least`  the same: a file cut short, or emptied, is more often a slip than a wish

So a file renamed over it, the swapped ``..data`` link of a Kubernetes ConfigMap, and one rewritten in place are all the
same, and half a file is no set, even where half a list still reads as one. Nothing is asked of the operating system but
``stat``: notifications (inotify and its like) follow directories, not links, and not every file system has them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Any

import attrs

from ..cluster.endpoint import Endpoint
from ..errors import ConfigError, DiscoveryError
from ..options import count, no_decorator, seconds
from .listing import FORMATS, endpoints_from
from .source import MOST_ENDPOINTS, locality_word, located
from .stamp import Stamp

__all__ = ["File"]

MOST_BYTES = 10_000_000
UNREST = 10
"""Changes in as many looks, after which one waits no longer."""


def _path(value: Any) -> str:
    if isinstance(value, PurePath):
        value = str(value)
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError.of("File", "path", value, 'give a path such as "/etc/payments/endpoints.json"')
    return value


def _at_once(path: str, flags: int) -> int:
    """Opened without waiting for whoever writes, if by now it is a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@attrs.frozen
class File:
    """The endpoints that a file lists: ``File("/etc/payments/endpoints.json")``. Raises `ConfigError`.

    ``format`` is "json", "toml" or "txt", by default what the path ends in; `endpoints_from` shows them. ``interval``
    is how often it is looked at, in seconds: a change is seen within two. ``least`` is how many endpoints it must list:
    with 0, an empty file says that there is nobody. ``priority`` is added to each endpoint's own, ``locality`` is of
    those that say none. A file of more than 10 MB or 100,000 endpoints is refused.
    """

    path: str = attrs.field(converter=_path)
    format: str = attrs.field(default=None, kw_only=True)
    interval: float = attrs.field(default=1.0, kw_only=True, validator=seconds())
    least: int = attrs.field(default=1, kw_only=True, validator=count(0, MOST_ENDPOINTS))
    priority: int = attrs.field(default=0, kw_only=True, validator=count(0, 127))
    locality: str | None = attrs.field(default=None, kw_only=True, validator=locality_word)

    def __attrs_post_init__(self) -> None:
        chosen: object = self.format
        if chosen is None:
            chosen = PurePath(self.path).suffix.removeprefix(".").lower()
        if chosen not in FORMATS:
            fix = "give format, one of " + ", ".join(map(repr, FORMATS)) + ", or let the path end in one"
            raise ConfigError.of("File", "format", self.format, fix)
        object.__setattr__(self, "format", chosen)

    __call__ = no_decorator

    @property
    def retry_within(self) -> float:
        """A look costs next to nothing, and whoever has just mended the file shall not wait for a minute."""
        return self.interval

    def first(self) -> tuple[Endpoint, ...]:
        """What it lists now, read at once. Raises `DiscoveryError`."""
        found = self._read(self._look()[0])
        if found is None:
            raise self._error("it changes while it is being read")
        return found

    async def watch(self) -> AsyncIterator[tuple[Endpoint, ...]]:
        """The endpoints listed, and again when they are others; an order is another list. Raises `DiscoveryError`."""
        from anyio import sleep, to_thread  # loaded by those who await

        given: tuple[Endpoint, ...] | None = None
        known: Stamp | None = None
        last: Stamp | None = None
        unrest = 0
        while True:
            # In a thread, because a file may lie behind a network; which is left behind if one cannot wait for it.
            version, age = await to_thread.run_sync(self._look, abandon_on_cancel=True)
            quiet = version == last or (last is None and age >= self.interval)
            unrest = 0 if quiet else unrest + 1
            impatient = unrest >= UNREST
            if impatient and version.is_same_file(last):
                raise self._error("it is rewritten in place again and again: write a new file and rename it over this")
            if version != known and (quiet or impatient):
                found = await to_thread.run_sync(self._read, version if quiet else None, abandon_on_cancel=True)
                if found is not None:
                    known, unrest = version, 0
                    if found != given:
                        given = found
                        yield found
            last = version
            await sleep(self.interval)

    def _look(self) -> tuple[Stamp, float]:
        """The version that is there, and for how many seconds; less than none if clocks disagree."""
        try:
            seen = os.stat(self.path)  # noqa: PTH116  # a Path would be made each second
        except OSError as error:
            raise self._error(error.strerror or repr(error)) from error
        if not stat.S_ISREG(seen.st_mode):
            raise self._error("it is no regular file")
        if seen.st_size > MOST_BYTES:
            raise self._error(f"it has {seen.st_size} bytes, more than {MOST_BYTES}")
        return Stamp.of(seen), time.time() - seen.st_mtime

    def _read(self, version: Stamp | None) -> tuple[Endpoint, ...] | None:
        """The endpoints of this version (of any); ``None`` if it is another by now, or another at the end."""
        try:
            with open(self.path, "rb", opener=_at_once) as file:  # as above
                opened = os.fstat(file.fileno())
                if not stat.S_ISREG(opened.st_mode):
                    raise self._error("it is no regular file")
                began = Stamp.of(opened)
                data = file.read(MOST_BYTES + 1)
                ended = Stamp.of(os.fstat(file.fileno()))
        except OSError as error:
            raise self._error(error.strerror or repr(error)) from error
        if began != ended or version not in {None, began} or len(data) > MOST_BYTES:
            return None
        try:
            listed = endpoints_from(data.decode(), self.format, self.path)
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._error(f"line {line} is no UTF-8: save it as that") from None
        except ConfigError as error:
            raise DiscoveryError(str(error), source=self) from error  # it names the path, and the line
        if len(listed) < self.least:
            many = f"{len(listed)} endpoint{'s' if len(listed) != 1 else ''}"
            fix = f"if that is meant, give least={len(listed)}"
            raise self._error(f"it lists {many}, fewer than least={self.least}: {fix}")
        try:
            return located(listed, self.priority, self.locality)
        except ConfigError as error:
            raise self._error(str(error)) from error

    def _error(self, reason: str) -> DiscoveryError:
        return DiscoveryError(f"{self.path}: {reason}", source=self)
