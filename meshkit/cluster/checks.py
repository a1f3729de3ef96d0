"""How is an endpoint asked whether it is well?

`HttpCheck` and `TcpCheck` say what to ask, how often, and how many answers it takes; `checkup` is the machine that
counts them, `meshkit.runtime.rounds` the loop that asks.

Between the end of one check and the beginning of the next pass ``interval`` seconds, or ``interval_unhealthy`` after a
bad answer, or ``interval_no_traffic`` as long as no call has gone to the cluster; and up to ``jitter`` of that more, at
random, so that the callers of a fleet do not ask all at once.

The options are those of Envoy's ``HealthCheck``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import attrs

from ..errors import ConfigError
from ..options import count, flag, no_decorator, optional, ratio, seconds

__all__ = ["HttpCheck", "TcpCheck"]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-~]*")
_HOST = re.compile(r"([0-9A-Za-z._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_VALUE = re.compile(r"[!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?|")


def _often(default: float | None, **more: Any) -> Any:
    validator = seconds() if default is not None else optional(seconds())
    return attrs.field(default=default, kw_only=True, validator=validator, **more)


def _in_a_row(default: int) -> Any:
    return attrs.field(default=default, kw_only=True, validator=count())


def _spread() -> Any:
    return attrs.field(default=0.1, kw_only=True, validator=ratio(zero=True))


def _port() -> Any:
    return attrs.field(default=None, kw_only=True, validator=optional(count(1, 65535)))


def _initial() -> Any:
    return attrs.field(default=None, kw_only=True, validator=optional(flag()))


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _fits(pattern: re.Pattern[str], fix: str) -> Callable[[Any, Any, Any], None]:
    def check(spec: Any, attribute: Any, value: Any) -> None:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)

    return check


def _is_bytes(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, bytes):
        raise ConfigError.of(type(spec).__name__, attribute.name, value, "give a string or bytes")


def _statuses(value: Any) -> Any:
    """``200``, ``(200, 299)``, or a list of these; left as it is where it is none."""
    if _one(value):
        return ((value, value),)
    if isinstance(value, tuple) and len(value) == 2 and _one(value[0]) and _one(value[1]):
        return (value,)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    return tuple((each, each) if _one(each) else tuple(each) if isinstance(each, list) else each for each in value)


def _one(value: Any) -> bool:
    return type(value) is int


def _are_statuses(spec: Any, attribute: Any, value: Any) -> None:
    ranges = value if isinstance(value, tuple) else ()
    if not ranges or not all(
        isinstance(each, tuple) and len(each) == 2 and all(map(_one, each)) and 100 <= each[0] <= each[1] <= 599
        for each in ranges
    ):
        fix = "give statuses from 100 to 599 and ranges of them, such as [(200, 299), 304]"
        raise ConfigError.of(type(spec).__name__, attribute.name, value, fix)


def _fields(value: Any) -> Any:
    return tuple(getattr(value, "items", lambda: value)()) if isinstance(value, Iterable) else value


def _are_fields(spec: Any, attribute: Any, value: Any) -> None:
    for field in value if isinstance(value, tuple) else (None,):
        if not (
            isinstance(field, tuple)
            and len(field) == 2
            and all(isinstance(part, str) for part in field)
            and _TOKEN.fullmatch(field[0])
            and _VALUE.fullmatch(field[1])
        ):
            fix = 'give names and values, such as {"authorization": "Bearer ..."}'
            raise ConfigError.of(type(spec).__name__, attribute.name, "***", fix)  # it may be a secret


@attrs.frozen
class HttpCheck:
    """Ask for ``path`` over HTTP/1.1, on a connection of its own. Raises `ConfigError`.

    Well is whoever answers within ``timeout`` seconds, its connection included, with a status in ``expect``, and with
    ``body`` somewhere in the first 64 KB of its body, if that is given.
    """

    path: str = attrs.field(default="/", validator=_fits(_TARGET, 'give a path, such as "/health"'))
    interval: float = _often(10.0)
    timeout: float = _often(2.0)
    expect: tuple[tuple[int, int], ...] = attrs.field(
        default=((200, 399),), kw_only=True, converter=_statuses, validator=_are_statuses
    )
    body: bytes | None = attrs.field(default=None, kw_only=True, converter=_bytes, validator=optional(_is_bytes))
    host: str | None = attrs.field(
        default=None,
        kw_only=True,
        validator=optional(_fits(_HOST, 'give a host name, such as "orders.example"')),
    )
    """What ``Host`` says, and whom TLS asks the endpoint to be; ``None``: the endpoint's own host."""
    method: str = attrs.field(default="GET", kw_only=True, validator=_fits(_TOKEN, 'give a method, such as "GET"'))
    headers: tuple[tuple[str, str], ...] = attrs.field(
        default=(), kw_only=True, converter=_fields, validator=_are_fields, repr=False
    )
    healthy: int = _in_a_row(2)
    unhealthy: int = _in_a_row(3)
    jitter: float = _spread()
    interval_unhealthy: float | None = _often(None)
    interval_no_traffic: float | None = _often(None)
    port: int | None = _port()
    """Where to ask; ``None``: where the calls go."""
    tls: bool | None = attrs.field(default=None, kw_only=True, validator=optional(flag()))
    """``None``: where the endpoint's address begins with ``https``."""
    initial: bool | None = _initial()
    """What an endpoint is taken for before its first answer; ``None``: unknown."""

    protocol: ClassVar[str] = "http"
    __call__ = no_decorator

    def __attrs_post_init__(self) -> None:
        if self.method == "CONNECT":
            raise ConfigError.of("HttpCheck", "method", self.method, 'give a method with an answer, such as "GET"')
        if self.method == "HEAD" and self.body is not None:
            raise ConfigError.of("HttpCheck", "body", self.body, "leave it out: an answer to HEAD has no body")


@attrs.frozen
class TcpCheck:
    """Connect, and be well if that succeeds within ``timeout`` seconds. Raises `ConfigError`.

    ``send`` is then sent, and ``receive`` must be in the first 64 KB that come, if they are given.
    """

    interval: float = _often(10.0)
    timeout: float = _often(2.0)
    send: bytes = attrs.field(default=b"", kw_only=True, converter=_bytes, validator=_is_bytes)
    receive: bytes = attrs.field(default=b"", kw_only=True, converter=_bytes, validator=_is_bytes)
    healthy: int = _in_a_row(2)
    unhealthy: int = _in_a_row(3)
    jitter: float = _spread()
    interval_unhealthy: float | None = _often(None)
    interval_no_traffic: float | None = _often(None)
    port: int | None = _port()
    initial: bool | None = _initial()

    protocol: ClassVar[str] = "tcp"
    __call__ = no_decorator
