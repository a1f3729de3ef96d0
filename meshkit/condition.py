"""Which failures are worth asking again?

========================================  ===================================================================
an exception class                        the error is one of these, or amounts to it: behind every door the transport's
                                          errors are `ConnectionError` and `TimeoutError` as well
an integer, a ``range`` of integers       the response has this status
``"503"``, ``"4xx"``                      the same in words
``"5xx"``                                 any status 500..599, or no response
``"gateway-error"``                       502, 503, 504, or no response
``"reset"``                               no response: the transport's error instead (disconnect, read timeout ...)
``"connect-failure"``                     certainly nothing was sent
``"retriable-4xx"``                       409
a function ``(Failure) -> bool``          it says so
========================================  ===================================================================

Several: a tuple or list of them, or words with commas, ``"gateway-error,429"``. The words are Envoy's (``retry_on``, as
its code has them). A rejection by a policy of our own (a breaker, a limit) is neither "no response" nor a connect
failure; the doors judge it IGNORED, so no retry is asked. Where a judge of yours calls it a failure, name its class.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from .call import Failure
from .errors import ConfigError, Rejected
from .options import is_function
from .policy import awaits

__all__ = ["Condition", "On"]

Kind: TypeAlias = type[Exception] | int | str | range | Callable[[Failure], bool]
On: TypeAlias = Kind | tuple[Kind, ...] | list[Kind]

WORDS: dict[str, range | tuple[int, ...]] = {
    **{f"{n}xx": range(100 * n, 100 * n + 100) for n in range(1, 6)},
    "gateway-error": (502, 503, 504),
    "retriable-4xx": (409,),
    "reset": (),
    "connect-failure": (),
}
LOWEST, HIGHEST = 100, 599
"""Statuses of HTTP (RFC 9110, 15)."""
UNANSWERED = {"5xx", "gateway-error", "reset"}


class Condition:
    """What `Retry` was given as ``on``, taken apart. ``policy`` is who to name in a `ConfigError`."""

    __slots__ = ("_errors", "_predicates", "_unanswered", "_unsent", "statuses")

    def __init__(self, policy: str, on: Any) -> None:
        errors: list[type[Exception]] = []
        statuses: set[int] = set()
        predicates: list[Callable[[Failure], bool]] = []
        words: set[str] = set()
        kinds = list(on) if isinstance(on, tuple | list) else [on]
        if not kinds:
            raise ConfigError.of(
                policy, "on", on, "name at least one kind of failure, such as ConnectionError or '5xx'"
            )
        for kind in kinds:
            if isinstance(kind, str):
                words.update(_words(policy, kind))
            elif isinstance(kind, type):
                errors.append(_error(policy, kind))
            elif isinstance(kind, range) or (isinstance(kind, int) and not isinstance(kind, bool)):
                statuses.update(_statuses(policy, kind))
            elif is_function(kind):
                predicates.append(_predicate(policy, kind))
            else:
                fix = "give exception classes, statuses, words such as '5xx', or a function of the failure"
                raise ConfigError.of(policy, "on", kind, fix)
        for word in words:
            statuses.update(WORDS[word] if word in WORDS else (int(word),))
        self._errors = tuple(errors)
        self.statuses = frozenset(statuses)
        """Those that a response may have."""
        self._predicates = tuple(predicates)
        self._unanswered = not UNANSWERED.isdisjoint(words)
        self._unsent = "connect-failure" in words

    def __call__(self, failure: Failure) -> bool:
        error = failure.error
        kind = failure.kind
        if (
            failure.status in self.statuses
            or isinstance(error, self._errors)
            or (kind is not None and issubclass(kind, self._errors))
        ):
            return True
        if not isinstance(error, Rejected) and (
            (self._unanswered and (kind is not None or isinstance(error, OSError)))
            or (self._unsent and not failure.sent)
        ):
            return True
        return any(predicate(failure) for predicate in self._predicates)


def _words(policy: str, text: str) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word.isascii() and word.isdigit():
            if not (len(word) == 3 and LOWEST <= int(word) <= HIGHEST):
                raise ConfigError.of(policy, "on", text, _no_status(policy))
        elif word not in WORDS:
            raise ConfigError.of(policy, "on", text, _advice(word))
    return words


def _advice(word: str) -> str:
    name = word.rpartition(".")[2]
    if name.isidentifier() and name[0].isupper() and word.lower() not in WORDS:
        return f"give the class {word}, not its name"
    near = difflib.get_close_matches(word.lower(), WORDS, 1)
    known = ", ".join(map(repr, WORDS))
    return (
        f"did you mean {near[0]!r}?"
        if near
        else f"{word!r} is not known: write a status such as '503', or one of {known}"
    )


def _error(policy: str, kind: type) -> type[Exception]:
    if not issubclass(kind, Exception):
        fix = "name subclasses of Exception: cancellation and exit are never repeated"
        raise ConfigError.of(policy, "on", kind, fix)
    return kind


def _statuses(policy: str, kind: int | range) -> range | tuple[int]:
    statuses = kind if isinstance(kind, range) else (kind,)
    if not statuses or min(statuses[0], statuses[-1]) < LOWEST or max(statuses[0], statuses[-1]) > HIGHEST:
        raise ConfigError.of(policy, "on", kind, _no_status(policy))
    return statuses


def _no_status(policy: str) -> str:
    fix = f"give statuses from {LOWEST} to {HIGHEST}, such as 503 or range(500, 600)"
    return fix + "; the number of tries is attempts=3" if policy == "Retry" else fix


def _predicate(policy: str, kind: Callable[..., Any]) -> Callable[[Failure], bool]:
    """A function that can be asked of a failure: one that cannot is often the one that was to be decorated."""
    name = getattr(kind, "__qualname__", kind)
    if awaits(kind):
        fix = f"a predicate is a plain function; to guard this one, write @Pipeline({policy}(...)) above it"
        raise ConfigError.of(policy, "on", name, fix)
    try:
        parameters = inspect.signature(kind)
    except (TypeError, ValueError):  # a builtin without a signature
        return kind
    try:
        parameters.bind(None)
    except TypeError:
        fix = f"a predicate takes the failure; to guard this function, write @Pipeline({policy}(...)) above it"
        raise ConfigError.of(policy, "on", name, fix) from None
    return kind
