"""When is an answer there? With its head; or, where that is wanted, with its body, up to so many bytes.

A client is given a response when its head has come, and from then on nothing can be tried again. A server that dies
while it answers breaks off in the midst of a body: read before the answer is judged, that is a failed attempt like any
other. What is longer is handed over with what was read of it in front.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

from .library import library_of

__all__ = ["fetch", "fetching", "reads"]

ENDLESS = "text/event-stream"
"""Nobody waits for more of these."""


def reads(response: Any, most: int) -> bool:
    """Whether there is something to wait for, and it may come to an end within ``most`` bytes."""
    if getattr(response.stream, "whole", None) is not None or response.is_closed:
        return False
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() == ENDLESS:
        return False
    told = response.headers.get("content-length", "0")
    return not told.isdecimal() or int(told) <= most


def fetching(send: Callable[..., Awaitable[Any]], most: int) -> Callable[..., Awaitable[Any]]:
    """``send``, whose answers are there with their bodies."""
    from ..runtime.waiting import close  # asyncio and anyio are loaded by those who await

    async def fetched(*args: Any) -> Any:
        response = await send(*args)
        if reads(response, most):
            stream, parts, size = response.stream, [], 0
            rest = stream.__aiter__()
            try:
                async for part in rest:
                    parts.append(part)
                    size += len(part)
                    if size > most:
                        response.stream = _of(response, _AsyncRest, "AsyncByteStream")(parts, rest, stream)
                        return response
            except GeneratorExit:  # the collector's: nobody awaits any more
                raise
            except BaseException:
                await close(_end, (rest, stream))
                raise
            await stream.aclose()
            _there(response, b"".join(parts))
        return response

    return fetched


async def _end(reading: tuple[Any, Any]) -> None:
    rest, stream = reading
    if hasattr(rest, "aclose"):
        await rest.aclose()
    await stream.aclose()


def fetch(response: Any, most: int, late: Callable[[], None]) -> Any:
    """The same, of one response, where nothing is awaited. ``late`` raises where time is over."""
    if reads(response, most):
        stream, parts, size = response.stream, [], 0
        rest = stream.__iter__()
        try:
            for part in rest:
                parts.append(part)
                size += len(part)
                late()
                if size > most:
                    response.stream = _of(response, _Rest, "SyncByteStream")(parts, rest, stream)
                    return response
        except BaseException:
            stream.close()
            raise
        stream.close()
        _there(response, b"".join(parts))
    return response


def _there(response: Any, body: bytes) -> None:
    response.stream = library_of(response).ByteStream(body)
    response.stream.whole = body  # so the call is over, and holds nothing


def _of(response: Any, kind: type, stream: str) -> Any:
    """The kind as one of the library's streams: its clients ask for one."""
    theirs = getattr(library_of(response).module, stream)
    if (kind, theirs) not in _kinds:
        _kinds[kind, theirs] = type(kind.__name__, (kind, theirs), {})
    return _kinds[kind, theirs]


_kinds: dict[tuple[type, type], type] = {}


class _Rest:
    """What was read, and then the rest."""

    def __init__(self, parts: list[bytes], rest: Iterator[bytes], stream: Any) -> None:
        self._parts = parts
        self._rest = rest
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        while self._parts:
            yield self._parts.pop(0)
        yield from self._rest

    def close(self) -> None:
        self._stream.close()


class _AsyncRest:
    """The same for those who await."""

    def __init__(self, parts: list[bytes], rest: AsyncIterator[bytes], stream: Any) -> None:
        self._parts = parts
        self._rest = rest
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._parts:
            yield self._parts.pop(0)
        async for part in self._rest:
            yield part

    async def aclose(self) -> None:
        await _end((self._rest, self._stream))
