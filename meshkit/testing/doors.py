"""How does a scripted upstream stand behind an HTTP client, or serve as an application?

An attempt ends when the answer's head is there. A read that would take longer than the client's ``timeout`` for reading
ends in the library's ``ReadTimeout``, after just that time, as on a wire.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any, Self

from ..httpx.library import library_of
from .attempts import Attempt
from .outcomes import Answer, Raised

__all__ = ["Transport", "serve"]


class Transport:
    """An upstream as the transport of a client of httpx or httpx2, async or not."""

    def __init__(self, upstream: Any) -> None:
        self.upstream = upstream

    async def handle_async_request(self, request: Any) -> Any:
        """One attempt."""
        await request.aread()
        attempt, seconds, step = self.upstream.meet(request)
        allowed, late = _reading(request, seconds)
        await self.upstream.spend(attempt, allowed)
        return self._answer(request, attempt, late or step)

    def handle_request(self, request: Any) -> Any:
        """One attempt."""
        request.read()
        attempt, seconds, step = self.upstream.meet(request)
        allowed, late = _reading(request, seconds)
        self.upstream.spend_sync(attempt, allowed)
        return self._answer(request, attempt, late or step)

    def _answer(self, request: Any, attempt: Attempt, step: Any) -> Any:
        answer = _answered(self.upstream.end(attempt, step))
        library = library_of(request).module
        if answer.whole and not answer.chunks:
            attempt.closed = True  # nothing to close
            return library.Response(answer.status_code, headers=list(answer.headers), request=request)
        headers = list(answer.headers)
        if answer.whole:
            headers.append(("content-length", str(len(answer.body))))
        body = _bodies(library)(self.upstream, answer, attempt, request)
        return library.Response(answer.status_code, headers=headers, stream=body, request=request)

    def close(self) -> None:
        """Nothing is open."""

    async def aclose(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"{self.upstream!r}.transport()"


class _Body:
    """The chunks of an answer, in both colours."""

    def __init__(self, upstream: Any, answer: Answer, attempt: Attempt, request: Any) -> None:
        self.upstream = upstream
        self.answer = answer
        self.attempt = attempt
        self.request = request

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.answer.chunks:
            allowed, late = _reading(self.request, self.answer.delay)
            self.upstream.spend_sync(None, allowed)
            yield _chunk(late or chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.answer.chunks:
            allowed, late = _reading(self.request, self.answer.delay)
            await self.upstream.spend(None, allowed)
            yield _chunk(late or chunk)

    def close(self) -> None:
        self.attempt.closed = True

    async def aclose(self) -> None:
        self.attempt.closed = True


_kinds: dict[Any, type[_Body]] = {}


def _bodies(library: Any) -> type[_Body]:
    """Each library's client insists on streams of its own classes."""
    if library not in _kinds:
        _kinds[library] = type("Body", (_Body, library.AsyncByteStream, library.SyncByteStream), {})
    return _kinds[library]


def _reading(request: Any, seconds: float) -> tuple[float, Raised | None]:
    """The seconds the client reads for, and the error if the answer takes longer."""
    limit = request.extensions.get("timeout", {}).get("read")
    if limit is None or seconds <= limit:
        return seconds, None
    return limit, Raised(library_of(request).module.ReadTimeout("the scripted answer takes longer", request=request))


def _answered(result: Any) -> Answer:
    if not isinstance(result, Answer):
        raise TypeError(f"over HTTP an upstream answers a status or answer(...), not the value {result!r}")
    return result


def _chunk(chunk: Any) -> bytes:
    if isinstance(chunk, Raised):
        raise chunk.make()
    if not isinstance(chunk, bytes):
        raise Raised(chunk).make()
    return chunk


async def serve(upstream: Any, scope: Any, receive: Any, send: Any) -> None:
    """One request of an ASGI server (or a test client), read whole; its lifespan is short and uneventful."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] != "http":
        raise TypeError(f"a scripted upstream speaks http, not {scope['type']}")
    while (await receive()).get("more_body"):
        pass
    attempt, seconds, step = upstream.meet(scope)
    await upstream.spend(attempt, seconds)
    answer = _answered(upstream.end(attempt, step))
    headers = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in answer.headers]
    if answer.whole:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status_code, "headers": headers})
    for chunk in answer.chunks:
        await upstream.spend(None, answer.delay)
        await send({"type": "http.response.body", "body": _chunk(chunk), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    attempt.closed = True
