"""What can go wrong, and was it sent?

::

    MeshError
    ├── ConfigError(ValueError)       while building only: names the policy, the option, the value and the fix
    ├── Rejected                      never sent: safe to try elsewhere
    │   ├── RateLimited               a rate limit has no token left
    │   ├── CircuitOpen               a breaker is open, or its probes are taken
    │   ├── Overloaded                no permit, or none before the queue or the deadline ran out
    │   ├── NoEndpoint                the cluster has nobody to ask
    │   ├── NoRoute                   no route is for this request, or its path is no path
    │   ├── TooLarge                  the request's body is longer than its route lets through
    │   └── TooLate                   the deadline that came with the call leaves no time for it
    ├── TimedOut(TimeoutError)        may have been executed
    │   ├── AttemptTimedOut           one attempt took too long
    │   └── DeadlineExceeded          the whole call did
    ├── Overlong                      the answer's body is longer than its route lets through
    ├── Unread                        the request did not come to its end in time: the client's doing
    └── DiscoveryError                where the endpoints are could not be found out; no call's

The upstream's own exception is none of these: it passes unchanged. The branch says whether the protected thing may have
been reached. A rejection's text is made only when somebody reads it, because rejecting must stay cheap under load.
"""

from __future__ import annotations

from collections.abc import Hashable

__all__ = [
    "AttemptTimedOut",
    "CircuitOpen",
    "ConfigError",
    "DeadlineExceeded",
    "DiscoveryError",
    "MeshError",
    "NoEndpoint",
    "NoRoute",
    "Overloaded",
    "Overlong",
    "RateLimited",
    "Rejected",
    "TimedOut",
    "TooLarge",
    "TooLate",
    "Unread",
]


class MeshError(Exception):
    """Everything that meshkit raises by itself."""


class ConfigError(MeshError, ValueError):
    """A pipeline that cannot be built. Raised while building, never while calling."""

    policy = ""
    option = ""
    fix = ""
    """What to write instead. All three are empty where the error is about no single option."""

    @classmethod
    def of(cls, policy: str, option: str, value: object, fix: str) -> ConfigError:
        """The four things a reader needs: which policy, which option, what stood there, what to write instead."""
        try:
            shown = repr(value)
        except Exception:  # a number of thousands of digits, or a repr that fails
            shown = f"<{type(value).__name__}>"
        error = cls(f"{policy}: {option}={shown}: {fix}")
        error.policy, error.option, error.fix = policy, option, fix
        return error


class Rejected(MeshError):
    """The call was refused before it reached what it protects: nothing was sent.

    ``reason`` is a ``%``-template for ``values``. ``policy`` is the name of the policy that refused, ``endpoint`` the
    endpoint it guards where there is one, ``retry_after`` the seconds until it may pay to ask again (``None``:
    unknown).
    """

    again = "try again in"

    def __init__(
        self,
        reason: str = "rejected",
        *values: object,
        policy: str = "",
        endpoint: object = None,
        retry_after: float | None = None,
    ) -> None:
        # `args`, (reason, *values), was set by the exception's __new__.
        self.policy = policy
        self.endpoint = endpoint
        self.retry_after = retry_after

    def __str__(self) -> str:
        reason, *values = self.args or ("rejected",)
        reason = str(reason)
        who = "/".join(str(part) for part in (self.policy, self.endpoint) if part)
        text = f"{who}: " if who else ""
        text += reason % tuple(values) if values else reason
        if self.retry_after is not None:
            text += f"; {self.again} {self.retry_after:{'.0f' if self.retry_after >= 1000 else '.3g'}} s"
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"


class RateLimited(Rejected):
    """A rate limit has no token left for this call. ``key``: whose limit that is, where there is one for each key; it
    is for listeners, and not in the text.
    """

    key: Hashable = None


class CircuitOpen(Rejected):
    """A circuit breaker is open, or half-open with all its probes under way."""

    again = "next probe in"


class Overloaded(Rejected):
    """No permit was free, the queue was full, or the wait outlived its limit or the call's deadline."""


class NoEndpoint(Rejected):
    """The cluster has no endpoint to send this call to."""


class NoRoute(Rejected):
    """No route is for this request. ``status``: what a server says of it: 404; 400 where its host or path is
    refused; 414 where the path is too long.
    """

    def __init__(self, reason: str = "no route", *values: object, policy: str = "", status: int = 404) -> None:
        super().__init__(reason, *values, policy=policy)
        self.status = status


class TooLarge(Rejected):
    """The body of the request is longer than its route lets through. Where its length was not told, that was found out
    on the way: then a part of it may have been sent, and never its end.
    """

    status = 413


class TooLate(Rejected):
    """The deadline that came with the call has passed, or leaves no time: what cannot finish is not started."""


class TimedOut(MeshError, TimeoutError):
    """Time ran out after the call was sent: it may have been executed. ``policy`` and ``endpoint`` as in `Rejected`."""

    def __init__(self, reason: str = "timed out", *, policy: str = "", endpoint: object = None) -> None:
        super().__init__(reason)
        self.policy = policy
        self.endpoint = endpoint


class AttemptTimedOut(TimedOut):
    """A single attempt took longer than the timeout inside the retry."""


class DeadlineExceeded(TimedOut):
    """The call, with all its attempts and waits, took longer than the timeout outside the retry."""


class Overlong(MeshError):
    """The body of the answer is longer than its route lets through: it was broken off. The request was executed.
    ``policy`` and ``endpoint`` as in `Rejected`; ``status``: what a server says of it, where it still can.
    """

    status = 502

    def __init__(self, reason: str = "overlong", *, policy: str = "", endpoint: object = None) -> None:
        super().__init__(reason)
        self.policy = policy
        self.endpoint = endpoint


class Unread(MeshError):
    """The client took too long over the body of its request. ``status``: what a server says of it."""

    status = 408


class DiscoveryError(MeshError):
    """A source of endpoints could not say where they are. The last good set stays in use."""

    def __init__(self, reason: str, *, source: object = None) -> None:
        super().__init__(reason)
        self.source = source
        """The spec that was asked."""
