"""How does a body become shorter as it goes? With gzip always, with brotli and zstandard where they are installed.

===========  =====================================================  ======================================
encoding     by                                                     memory of one answer, about
===========  =====================================================  ======================================
``gzip``     zlib                                                   256 KiB (a window of 32 KiB)
``br``       the package brotli, or brotlicffi                      2 MiB (a window of 512 KiB)
``zstd``     Python 3.14, or the package zstandard                  2 MiB (a window of 512 KiB)
===========  =====================================================  ======================================

A window is no larger than that whatever the level, so that an app with a thousand answers under way stays in bounds;
browsers refuse zstd above 8 MiB (RFC 9659).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["Encoder", "encoder", "installed"]

LEVELS = {"br": 4, "gzip": 5, "zstd": 3}
WINDOW = 19
"""As a power of 2."""


class Encoder(Protocol):
    """One body on its way."""

    def encode(self, data: bytes) -> bytes:
        """What there is already of it; maybe nothing."""

    def flush(self) -> bytes:
        """All of what was given so far."""

    def finish(self) -> bytes:
        """The rest. Once."""


class Gzip:
    def __init__(self, level: int) -> None:
        self._made = zlib.compressobj(level, zlib.DEFLATED, 31)
        self.encode = self._made.compress

    def flush(self) -> bytes:
        return self._made.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._made.flush(zlib.Z_FINISH)


class Brotli:
    def __init__(self, module: Any, level: int) -> None:
        made = module.Compressor(quality=level, lgwin=WINDOW)
        self.encode: Callable[[bytes], bytes] = made.process
        self.flush: Callable[[], bytes] = made.flush
        self.finish: Callable[[], bytes] = made.finish


class Zstandard:
    """The package's."""

    def __init__(self, module: Any, level: int) -> None:
        parameters = module.ZstdCompressionParameters.from_level(level, window_log=WINDOW)
        self._made = module.ZstdCompressor(compression_params=parameters).compressobj()
        self._block = module.COMPRESSOBJ_FLUSH_BLOCK
        self.encode: Callable[[bytes], bytes] = self._made.compress
        self.finish: Callable[[], bytes] = self._made.flush

    def flush(self) -> bytes:
        return self._made.flush(self._block)  # type: ignore[no-any-return]  # it is bytes


class Zstd:
    """The standard library's."""

    def __init__(self, module: Any, level: int) -> None:
        parameters = module.CompressionParameter
        options = {parameters.compression_level: level, parameters.window_log: WINDOW}
        self._made = module.ZstdCompressor(options=options)
        self.encode: Callable[[bytes], bytes] = self._made.compress

    def flush(self) -> bytes:
        return self._made.flush(self._made.FLUSH_BLOCK)  # type: ignore[no-any-return]  # it is bytes

    def finish(self) -> bytes:
        return self._made.flush(self._made.FLUSH_FRAME)  # type: ignore[no-any-return]


MAKERS: dict[str, tuple[tuple[str, Callable[[Any, int], Encoder]], ...]] = {
    "br": (("brotli", Brotli), ("brotlicffi", Brotli)),
    "zstd": (("compression.zstd", Zstd), ("zstandard", Zstandard)),
}


@lru_cache
def _maker(name: str) -> Callable[[int], Encoder] | None:
    """What makes encoders of that name; ``None``: nothing that is installed."""
    if name == "gzip":
        return Gzip
    for module, kind in MAKERS[name]:
        try:
            loaded = importlib.import_module(module)
        except ImportError:
            continue
        return lambda level, kind=kind, loaded=loaded: kind(loaded, level)  # type: ignore[misc]  # bound here
    return None


@lru_cache
def installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the encodings that can be made."""
    return tuple(name for name in names if _maker(name) is not None)


def encoder(name: str, level: int | None) -> Encoder:
    """For one body, with an encoding that is `installed`."""
    maker = _maker(name)
    assert maker is not None, name  # noqa: S101  # it was asked
    return maker(LEVELS[name] if level is None else level)
