"""What becomes of bodies on their way, where a route has something for them? They are counted, paced, or replaced.

============  ==============================================================  =======================================
action        a request                                                       an answer
============  ==============================================================  =======================================
`Buffer`      whose length is not told is counted as it is sent: `TooLarge`   is counted as it is read: `Overlong`
`Bandwidth`   is sent in pieces                                               is given to its reader in pieces
`Pages`                                                                       has a page for its body; its own is
                                                                              closed unread
============  ==============================================================  =======================================

A request whose length is told was refused before (`meshkit.route.buffer`). An answer that is in memory already is
counted all the same, and not paced. A page of an `App` is for servers: nothing can be awaited where an answer is given
to its caller, so that the answer stays as it is. CORS and compression are matters between a server and its clients.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Any

from ..call import Call
from ..engine import expired, survive
from ..errors import MeshError, TimedOut
from ..runtime.lock import LOCK
from .library import library_of

__all__ = ["answered", "overdue", "sent"]

Clock = Callable[[], float]
Cap = tuple[int | None, Callable[[], MeshError]]
Late = tuple[Call, Callable[[float], TimedOut]]
"""A call, and what makes of an instant the error for its deadline."""


def sent(request: Any, plan: Any, clock: Clock, call: Call | None = None) -> Any:
    """The stream of a request as it is to be sent: its own, where there is nothing to watch."""
    library, stream = library_of(request), request.stream
    buckets = [each for state in plan.paces if (each := state.request()) is not None]
    cap = None if plan.buffer is None else (plan.buffer.max_request, plan.buffer.too_large)
    if not buckets and (cap is None or cap[0] is None or isinstance(stream, library.ByteStream)):
        return stream
    theirs = (library.AsyncByteStream, library.module.SyncByteStream)
    kind = _of(Watched, tuple(each for each in theirs if isinstance(stream, each)))
    late = None if call is None else (call, partial(expired, call, clock()))
    return kind(stream, request, clock, buckets, cap=cap, late=late)


def answered(response: Any, call: Call, clock: Clock) -> Any:
    """The answer as the route has it; another one, where a page takes its place."""
    plan: Any = call.route.plan
    request = call.request
    if plan.pages is not None:
        page = _page(plan.pages, response, call)
        if page is not None:
            return _instead(response, request, plan.pages, page)
    buckets = [each for state in plan.paces if (each := state.answer()) is not None]
    most = None if plan.buffer is None else plan.buffer.max_response
    if request.method == "HEAD" or (most is None and (not buckets or response.is_closed)):
        return response
    library = library_of(response)
    kind = _of(Watched, (library.AsyncByteStream, library.module.SyncByteStream))
    cap = most, lambda: plan.buffer.overlong(call.endpoint)
    stream = kind(response.stream, request, clock, buckets, cap=cap, late=(call, partial(overdue, call)))
    if not response.is_closed:
        response.stream = stream
        return response
    if most is None or len(response.content) <= most:
        return response
    return _like(response, response.status_code, response.headers.raw, stream)


def overdue(call: Call, now: float) -> TimedOut:
    """The error for a deadline that passes while the body of an answer is read."""
    error = expired(call, call.began_at, now)
    error.args = (f"the body was not complete {now - call.began_at:.3g} s after the call began",)
    library_of(call.request).adopt(error, call.request)
    return error


class Watched:
    """A body that is counted and paced while it is iterated, anew each time. ``cap``: the bytes that it may have
    (``None``: any number), and what makes the error that is raised where it has more. ``late``: where nothing else ends
    the waiting.
    """

    def __init__(
        self, stream: Any, request: Any, clock: Clock, buckets: list[Any], *, cap: Cap | None, late: Late | None
    ) -> None:
        self._stream = stream
        self._request = request
        self._clock = clock
        self._buckets = buckets
        self._most, self._wrong = cap or (None, MeshError)
        self._late = late

    def _check(self, size: int) -> None:
        if self._most is not None and size > self._most:
            raise library_of(self._request).adopt(self._wrong(), self._request)

    def _pieces(self, part: bytes) -> Iterator[tuple[float, bytes]]:
        """The pieces of a part, each with the seconds to wait before it."""
        buckets = self._buckets
        if not buckets:
            yield 0.0, part
            return
        length = min(bucket.piece for bucket in buckets)
        for begin in range(0, len(part), length):
            piece = part[begin : begin + length]
            now = self._clock()
            with LOCK:
                wait = max([bucket.take(len(piece), now) for bucket in buckets])
            yield wait, piece

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._stream:
            size += len(part)
            self._check(size)
            for wait, piece in self._pieces(part):
                if wait > 0:
                    self._nap(wait)
                yield piece

    def _nap(self, wait: float) -> None:
        """In a thread, which nothing wakes at its call's deadline."""
        from ..runtime.blocking import nap

        deadline = None if self._late is None else self._late[0].deadline
        if deadline is None or wait < (left := deadline - self._clock()):
            nap(wait, self._clock)
        else:
            nap(max(0.0, left), self._clock)
            raise self._late[1](self._clock())  # type: ignore[index]  # it has a deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        parts = self._stream.__aiter__()
        try:
            async for part in parts:
                size += len(part)
                self._check(size)
                for wait, piece in self._pieces(part):
                    if wait > 0:
                        from ..runtime.waiting import nap  # asyncio and anyio are loaded by those who await

                        await nap(wait, self._clock)
                    yield piece
        finally:
            if hasattr(parts, "aclose"):
                await parts.aclose()

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class Instead:
    """A page, and the body that it takes the place of, which is closed with it."""

    def __init__(self, page: bytes, stream: Any) -> None:
        self._page = page
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield self._page

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._page

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _page(pages: Any, response: Any, call: Call) -> bytes | None:
    """The page for an answer. One that fails is counted, and costs no answer."""
    page = pages.find(response.status_code)
    if page is None or hasattr(page, "app"):
        return None
    try:
        return pages.made(page, response.status_code, call)  # type: ignore[no-any-return]  # bytes, or None
    except Exception as error:
        survive(error)
        return None


def _instead(response: Any, request: Any, pages: Any, page: bytes) -> Any:
    """An answer with the page, in the place of this one."""
    library = library_of(response)
    headers = pages.fields(response.headers.raw, pages.type, len(page))
    body = b"" if request.method == "HEAD" else page
    if response.is_closed or getattr(response.stream, "whole", None) is not None:
        stream = library.ByteStream(body)
        stream.whole = body  # nothing is held any more
    else:
        kind = _of(Instead, (library.AsyncByteStream, library.module.SyncByteStream))
        stream = kind(body, response.stream)
    return _like(response, pages.status or response.status_code, headers, stream)


def _like(response: Any, status: int, headers: Any, stream: Any) -> Any:
    made = library_of(response).module.Response
    return made(status, headers=headers, stream=stream, extensions=response.extensions)


def _of(kind: type, theirs: tuple[type, ...]) -> Any:
    """The kind as streams of a library, whose clients ask for one."""
    if (kind, theirs) not in _kinds:
        _kinds[kind, theirs] = type(kind.__name__, (kind, *theirs), {})
    return _kinds[kind, theirs]


_kinds: dict[tuple[type, tuple[type, ...]], Any] = {}
