"""Where do the records of calls go, so that another process can tell of them? One line of JSON each, in a bounded file.

::

    .meshkit/calls.jsonl       the newest, up to `limit` bytes
    .meshkit/calls.jsonl.1     those before, as many again: what was older is gone

Where something is in the way of the second (a folder of that name, or one that may not be changed), the first grows to
twice the limit, and then begins anew. A symbolic link is followed, and the second file is beside the one it leads to.

A line is added by one ``write`` to a file opened with ``O_APPEND`` (POSIX: no other write comes between), so any number
of threads and processes may share a journal, also over a ``fork``: nothing is kept open, nobody waits for anybody. Only
turning over takes a lock, and whoever does not get it goes on writing. On Windows, which has no such locks, one process
at a time is to write. JSON Lines: https://jsonlines.org.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import IO, Any, Protocol

from ...errors import ConfigError

if sys.platform != "win32":
    import fcntl

__all__ = ["Journal", "Lines", "default_path", "read"]

LIMIT = 4 * 2**20
LINE = 64 * 1024
"""Bytes of a line that is read: a record has half as many at most."""
READING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Not blocking: a pipe in the file's place is found out, and not waited for."""
FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
NO_FILE = "no regular file"


def default_path() -> Path:
    """``$MESHKIT_JOURNAL``, or ``.meshkit/calls.jsonl`` under the working directory."""
    return Path(os.environ.get("MESHKIT_JOURNAL") or Path(".meshkit", "calls.jsonl"))


def before(path: Path) -> Path:
    """The file of those that came before: beside the journal itself, and not beside a link to it."""
    return Path(f"{os.path.realpath(path)}.1")


class Written(Protocol):
    """What is written: a record."""

    def json(self) -> str: ...


class Journal:
    """A file of records: ``Recorder(to=Journal().write)``. Made, with its folder, by the first record.

    ``path``: ``None`` is `default_path`. ``limit``: bytes of this file, and of the one before. What is made here only
    its owner may read. Raises `ConfigError`.
    """

    __slots__ = ("_alone", "limit", "path")

    def __init__(self, path: str | os.PathLike[str] | None = None, *, limit: int = LIMIT) -> None:
        try:
            self.path = default_path() if path is None else Path(path)
            self.path.with_name("any")
        except (TypeError, ValueError):
            raise ConfigError.of("Journal", "path", path, "give the path of a file") from None
        given: object = limit
        if isinstance(given, bool) or not isinstance(given, int) or given < 1:
            raise ConfigError.of("Journal", "limit", limit, "give a number of bytes, such as 4 * 2**20")
        self.limit = limit
        self._alone: AbstractContextManager[Any] = nullcontext() if sys.platform != "win32" else threading.Lock()

    def write(self, record: Written, /) -> None:
        """Add one line, at once and in the caller's thread. Raises `OSError` where that cannot be done."""
        line = record.json().replace("\r", " ").replace("\n", " ").encode("utf-8", "replace") + b"\n"
        with self._alone:
            file = self._opened()
            try:
                size = os.fstat(file).st_size
                if size and size + len(line) > self.limit and self._moved_away(file, len(line)):
                    os.close(file)
                    file = -1
                    file = self._opened()
                    size = os.fstat(file).st_size
                if size and not _complete(file, size):
                    line = b"\n" + line  # what is torn (a full disk, a kill) takes no other with it
                if os.write(file, line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            finally:
                if file >= 0:
                    os.close(file)

    def read(self) -> Lines:
        """What is in it by now: see `read`."""
        return read(self.path)

    def _opened(self) -> int:
        try:
            file = os.open(self.path, FLAGS, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, FLAGS, 0o600)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            os.close(file)
            raise OSError(errno.EINVAL, NO_FILE, str(self.path))
        return file

    if sys.platform == "win32":

        def _moved_away(self, file: int, more: int) -> bool:
            """No open file can be renamed: what it holds is copied, and then dropped."""
            try:
                before(self.path).write_bytes(self.path.read_bytes())
            except OSError:
                if os.fstat(file).st_size + more <= 2 * self.limit:
                    return False
            os.ftruncate(file, 0)
            return True

    else:

        def _moved_away(self, file: int, more: int) -> bool:
            """Whether the path leads elsewhere now, because this file was moved away: by us, or by others before; or
            to the same file, which is empty now, as there was no other way. ``more``: bytes that are to come.
            """
            path = Path(os.path.realpath(self.path))  # while others need not wait for it
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return False  # somebody is at it
            try:
                if os.path.samestat(os.fstat(file), path.stat()):
                    self._moved(path, file, more)
            except FileNotFoundError:
                pass  # it was moved, and is not made anew yet
            except OSError:
                return False
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)  # closing would not do where a fork has it open as well
            return True

        def _moved(self, path: Path, file: int, more: int) -> None:
            try:
                path.replace(f"{path}.1")
            except FileNotFoundError:
                raise
            except OSError:
                if os.fstat(file).st_size + more <= 2 * self.limit:
                    raise
                os.ftruncate(file, 0)

    def __repr__(self) -> str:
        return f"Journal({str(self.path)!r}, limit={self.limit})"


def _complete(file: int, size: int) -> bool:
    """Whether the last line is."""
    os.lseek(file, size - 1, os.SEEK_SET)
    return os.read(file, 1) == b"\n"


def read(path: str | os.PathLike[str] | None = None) -> Lines:
    """The records of a journal as plain data, the newest last. Read line by line as they are asked for; the first one
    raises `OSError` where there is no journal, or it cannot be read, or is no regular file.
    """
    return Lines(default_path() if path is None else Path(path))


class Lines(Iterator[dict[str, Any]]):
    """Records, one by one."""

    __slots__ = ("_rows", "skipped")

    def __init__(self, path: Path) -> None:
        self.skipped = 0
        """Lines so far that were torn, too long, or no records."""
        self._rows = self._of(path)

    def __next__(self) -> dict[str, Any]:
        return next(self._rows)

    def _of(self, path: Path) -> Iterator[dict[str, Any]]:
        with ExitStack() as opened:
            for file in [opened.enter_context(file) for file in _files(path)]:
                for line in self._lines(file):
                    data = _parsed(line)
                    if data is not None:
                        yield data
                    elif line.strip():
                        self.skipped += 1

    def _lines(self, file: IO[bytes]) -> Iterator[bytes]:
        """Those of some length: of longer ones the parts are thrown away as they come."""
        long = False
        while piece := file.readline(LINE):
            whole = len(piece) < LINE or piece.endswith(b"\n")
            if whole and not long:
                yield piece
            self.skipped += whole and long
            long = not whole
        self.skipped += long


def _files(path: Path) -> list[IO[bytes]]:
    """Both, opened together: while they are read they may be turned over."""
    try:
        newer = _regular(path)
    except FileNotFoundError:
        if not before(path).exists():
            raise
        return [_regular(before(path))]
    try:
        older = _regular(before(path))
    except OSError:
        return [newer]
    if os.path.samestat(os.fstat(older.fileno()), os.fstat(newer.fileno())):  # turned over between the two
        older.close()
        try:
            return [newer, _regular(path)]
        except FileNotFoundError:
            return [newer]
    return [older, newer]


def _regular(path: Path) -> IO[bytes]:
    """A file to be read. Whatever else stands there is no journal: a pipe would be waited for."""
    file = os.open(path, READING)
    mode = os.fstat(file).st_mode
    if not stat.S_ISREG(mode):
        os.close(file)
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(number, os.strerror(number) if stat.S_ISDIR(mode) else NO_FILE, str(path))
    return os.fdopen(file, "rb")


def _finite(digits: str) -> float | None:
    value = float(digits)
    return value if math.isfinite(value) else None


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A record; ``null`` stands in it for what JSON has not, and for what is too large for a float."""
    try:
        data = json.loads(line, parse_float=_finite, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    version = data.get("meshkit") if isinstance(data, dict) else None
    return data if isinstance(version, int) and not isinstance(version, bool) else None
