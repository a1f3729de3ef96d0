"""What does a pipeline add to an ASGI app? Measured by calling the app directly: no server, no socket.

A request has eight header fields; the app sends a start and a body, as small ones do. The floor of these rows is told
apart and taken off: the target is what comes on top of the bare app, in microseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .limit import PLENTY
from .rows import AWAITS, MICROSECONDS, OnTop, Row, Subject

__all__ = ["ROWS"]

ALONE = "bare app"
BY_HAND = "limits, a middleware by hand"

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "path": "/items/1",
    "raw_path": b"/items/1",
    "query_string": b"",
    "root_path": "",
    "client": ("192.0.2.7", 41234),
    "server": ("127.0.0.1", 8000),
    "headers": [
        (b"host", b"shop.example"),
        (b"user-agent", b"benchmark"),
        (b"accept", b"*/*"),
        (b"accept-encoding", b"gzip, br"),
        (b"accept-language", b"en"),
        (b"connection", b"keep-alive"),
        (b"x-request-id", b"7d1f5a"),
        (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ],
}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
BODY = {"type": "http.response.body", "body": b"hello"}


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send(START)
    await send(BODY)


async def receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    pass


def calling(app: Any) -> Callable[[], Any]:
    async def one() -> None:
        await app({**SCOPE}, receive, send)

    return one


def five_policies() -> Any:
    from meshkit import CircuitBreaker, ConcurrencyLimit, Pipeline, RateLimit, Timeout

    return Pipeline(
        RateLimit(f"{PLENTY}/s", key="client"),
        ConcurrencyLimit(1000),
        Timeout(2.0),
        CircuitBreaker(),
        ConcurrencyLimit(100, name="workers"),
    )


@Subject.of("meshkit")
def meshkit() -> Callable[[], Any]:
    from meshkit.asgi import MeshMiddleware

    return calling(MeshMiddleware(app, five_policies(), rate_limit=None))


@Subject.of("meshkit")
def with_fields() -> Callable[[], Any]:
    from meshkit.asgi import MeshMiddleware

    return calling(MeshMiddleware(app, five_policies()))


@Subject.of(ALONE)
def alone() -> Callable[[], Any]:
    return calling(app)


@Subject.of(BY_HAND)
def by_hand() -> Callable[[], Any]:
    from limits import RateLimitItemPerSecond
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import FixedWindowRateLimiter

    limiter, rate = FixedWindowRateLimiter(MemoryStorage()), RateLimitItemPerSecond(PLENTY)

    async def limited(scope: Any, receive: Any, send: Any) -> None:
        if not await limiter.hit(rate, scope["client"][0]):
            raise RuntimeError("more than anybody sends")
        await app(scope, receive, send)

    return calling(limited)


@Subject.of("slowapi")
def slowapi() -> Callable[[], Any]:
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIASGIMiddleware
    from slowapi.util import get_remote_address
    from starlette.applications import Starlette
    from starlette.routing import Route

    async def endpoint(request: Any) -> None:
        """It looks for the route, and for the limits of its function."""

    starlette = Starlette(routes=[Route(SCOPE["path"], endpoint)])
    starlette.state.limiter = Limiter(key_func=get_remote_address, default_limits=[f"{PLENTY}/second"])
    limited = SlowAPIASGIMiddleware(app)

    async def one() -> None:
        await limited({**SCOPE, "app": starlette}, receive, send)

    return one


def on_top(path: str, ours: Subject, target: float) -> OnTop:
    row = Row(
        group="asgi",
        path=path,
        unit=AWAITS,
        ours=ours,
        peers=(alone, by_hand, slowapi),
        usual=BY_HAND,
        notes=("The bare app is no peer but what lies below: it is part of the others.",),
    )
    notes = ("By hand, and slowapi: one policy, the rate limit.",)
    return OnTop(row=row, below=ALONE, word="over the bare app", unit=MICROSECONDS, target=target, notes=notes)


ROWS = (
    on_top("ASGI app with five policies", meshkit, 6.0),
    on_top("the same, with RateLimit fields", with_fields, 8.0),
)
