"""What tells one version of a file from another? What ``stat`` says of it, symbolic links followed."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

__all__ = ["Stamp"]


class Stamp(NamedTuple):
    """Of one version. The change of its metadata is among it: ``mtime`` can be set."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def at(cls, path: str) -> Stamp | None:
        """Of the regular file that is there; ``None``: there is none."""
        try:
            seen = os.stat(path)  # noqa: PTH116  # a Path would be made each time
        except (OSError, ValueError):
            return None
        return cls.of(seen) if stat.S_ISREG(seen.st_mode) else None

    @classmethod
    def of(cls, seen: os.stat_result) -> Stamp:
        return cls(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)

    def is_same_file(self, other: Stamp | None) -> bool:
        return other is not None and (self.device, self.inode) == (other.device, other.inode)
