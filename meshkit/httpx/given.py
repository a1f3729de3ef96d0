"""May a transport be made of this? What it is given, looked at when it is made, and not by the first request."""

from __future__ import annotations

from typing import Any

from ..errors import ConfigError

__all__ = ["check_inner", "check_whole"]

LARGEST = 2**30
"""Bytes of a body that is read as a whole."""


def check_inner(policy: str, pipeline: Any, inner: Any, mirrors: Any, method: str) -> None:
    """Whether there is a pipeline, and what sends, for calls and for copies, has the method. Raises `ConfigError`."""
    if not hasattr(pipeline, "root"):
        raise ConfigError.of(policy, "pipeline", pipeline, "give a Pipeline, such as Pipeline(Timeout(2.0))")
    for option, given in (("inner", inner), ("mirrors", mirrors)):
        if option == "inner" or given is not None:
            made = not isinstance(given, type) and callable(getattr(given, method, None))
            if not made or _refuses(type(given), method):
                raise ConfigError.of(policy, option, given, f"give a transport, an object with the method {method}")


def _refuses(kind: Any, method: str) -> bool:
    """Whether it has the method only to say that it is of the other colour: then it closes in the same way."""
    return getattr(kind, method, None) is getattr(kind, "close" if method == "handle_request" else "aclose", method)


def check_whole(policy: str, whole: Any) -> None:
    """Whether it is so many bytes. Raises `ConfigError`."""
    if isinstance(whole, bool) or not isinstance(whole, int) or not 0 <= whole <= LARGEST:
        fix = f"give a number of bytes up to {LARGEST}, such as 65536; 0: its head is an answer"
        raise ConfigError.of(policy, "whole", whole, fix)
