"""httpx or httpx2? Each has its own classes and insists on them; what the door needs of either is looked up once.

An object's library is that of the class it was made from. Nothing is imported before the first object comes along.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from ..errors import ConfigError, MeshError, Overlong, Rejected, TimedOut

__all__ = ["Library", "installed", "library_of"]

NAMES = ("httpx", "httpx2")


class Library:
    """One of the two, and its errors by what they mean."""

    __slots__ = (
        "AsyncByteStream",
        "ByteStream",
        "TimeoutException",
        "_doubles",
        "broken",
        "mistakes",
        "module",
        "unsent",
    )

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.AsyncByteStream = module.AsyncByteStream
        self.ByteStream = module.ByteStream
        self.TimeoutException = module.TimeoutException
        self.unsent = (module.ConnectError, module.ConnectTimeout, module.PoolTimeout, module.ProxyError)
        """Certainly no byte of the request has left; a ``ProxyError`` is about the tunnel."""
        self.mistakes = (module.InvalidURL, module.UnsupportedProtocol, module.LocalProtocolError, module.StreamError)
        """The caller's own: they say nothing of the upstream."""
        self.broken = (module.RemoteProtocolError, module.ReadError, module.WriteError)
        """A connection that ended before the answer did."""
        self._doubles: dict[type[MeshError], type[MeshError]] = {}

    def kind(self, error: BaseException) -> type[Exception] | None:
        """The builtin exception that one of the transport's amounts to."""
        if isinstance(error, self.TimeoutException):
            return TimeoutError
        return ConnectionError if isinstance(error, self.module.TransportError) else None

    def adopt(self, error: MeshError, request: Any) -> MeshError:
        """Make one of our errors also one of the library's: `TimedOut` its timeout, `Rejected` and `Overlong` a
        ``TransportError``.

        It stays the same object, with its attributes, cause, notes and traceback.
        """
        kind: type[MeshError] = type(error)
        if not isinstance(error, Rejected | TimedOut | Overlong) or isinstance(error, self.module.TransportError):
            return error
        double = self._doubles.get(kind)
        if double is None:
            theirs = self.module.TimeoutException if issubclass(kind, TimedOut) else self.module.TransportError
            names = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": _reduce}
            double = self._doubles[kind] = type(kind.__name__, (kind, theirs), names)
        error.__class__ = double  # type: ignore[assignment]  # a class made from its own
        vars(error)["_request"] = request  # what their clients set as ``error.request``
        return error


def _reduce(error: MeshError) -> tuple[Any, ...]:
    """Pickled, it is ours alone: a class made on the way cannot be found by its name. The request stays behind."""
    state = {name: value for name, value in error.__dict__.items() if name != "_request"}
    return type(error).__mro__[1], error.args, state


_libraries: dict[str, Library] = {}
_by_class: dict[type, Library] = {}


def _library(name: str) -> Library:
    if name not in _libraries:
        _libraries[name] = Library(importlib.import_module(name))
    return _libraries[name]


def library_of(thing: Any) -> Library:
    """The library of a request, a response or a transport. Raises `TypeError` for anything else."""
    kind = type(thing)
    found = _by_class.get(kind)
    if found is None:
        for ancestor in kind.__mro__:
            name = ancestor.__module__.partition(".")[0]
            if name in NAMES:
                found = _by_class[kind] = _library(name)
                return found
        raise TypeError(f"{kind.__module__}.{kind.__qualname__} is of neither httpx nor httpx2")
    return found


def installed(policy: str) -> Library:
    """The default one: httpx, or httpx2 where only that is. Raises `ConfigError` in the name of ``policy``."""
    for name in NAMES:
        try:
            return _library(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
    raise ConfigError.of(policy, "inner", None, "install the package httpx or httpx2, or give a transport")
