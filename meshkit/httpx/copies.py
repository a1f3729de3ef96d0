"""Which requests may share an answer, which answers may be kept, and how is one response given to several callers?

Alike are a GET or HEAD with the same URL and the same header fields: an answer may depend on any of them (`Vary`,
RFC 9111, 4.1), on credentials and cookies above all. Left out are only those fields that trace a call and are another
for each. A request with a body, or with ``Cache-Control: no-store`` or ``no-cache``, is like no other.

A copy keeps the body as it came over the wire, so that each response undoes its ``content-encoding`` for itself. What
belongs to the connection (the extension ``network_stream``) stays behind. A response that was read by the transport
already has its content only, and is copied with it.

A copy is of the answer as it came. What its route does to it is done to each that is given, as to the first.

Kept for a time are answers with a status that RFC 9110 (15.1) lets a cache keep by itself, unless ``Cache-Control``
says ``no-store``, ``no-cache`` or ``must-revalidate``, or ``Vary`` says ``*``. ``private`` is no obstacle: credentials
are part of what makes requests alike. How long an answer is fresh is nobody's business here: this is no cache.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable
from copy import copy
from typing import Any

from ..call import Call
from .library import library_of

__all__ = ["COPIES", "Copies", "Copy", "alike"]

SAFE = frozenset({"GET", "HEAD"})
TRACING = frozenset(
    {
        *(b"traceparent", b"tracestate", b"b3", b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled"),
        *(b"x-request-id", b"x-correlation-id", b"x-amzn-trace-id", b"x-cloud-trace-context", b"sentry-trace"),
    }
)
BODY = frozenset({b"content-length", b"transfer-encoding"})
KEPT = frozenset({200, 203, 204, 300, 301, 308, 404, 410})
"""The statuses of RFC 9110, 15.1, but for 206 (a part), and those that say the request was wrong."""
ANEW = frozenset({"no-store", "no-cache"})
FORBID = ANEW | {"must-revalidate"}
ENDLESS = ("text/event-stream", "multipart/x-mixed-replace")
CONNECTION = frozenset({"network_stream"})


def alike(door: Any, request: Any, own: Hashable | None) -> Hashable | None:
    """What a request has in common with those that may share its answer; ``own`` is the key of a policy."""
    method = request.method
    if method not in SAFE:
        return None
    if own is not None:
        return door, method, own
    fields = []
    for name, value in request.headers.raw:
        field = name.lower()
        if field in BODY:
            return None
        if field == b"cache-control" and not ANEW.isdisjoint(_words(value.decode("latin-1"))):
            return None
        if field not in TRACING:
            fields.append((field, value))
    return door, method, str(request.url), request.extensions.get("target"), tuple(fields)


class Copy:
    """What further responses are made of: the head, and the body as it came or, of one read already, its content."""

    __slots__ = ("_extensions", "_fields", "_library", "_plan", "_read", "_status", "body")

    def __init__(self, call: Call, response: Any, body: bytes | None = b"") -> None:
        self._plan = None if call.route is None else call.route.plan  # and not the route: that is of a version
        self._library = library_of(response)
        self._status = response.status_code
        self._fields = list(response.headers.raw)
        self._extensions = {name: value for name, value in response.extensions.items() if name not in CONNECTION}
        self._read = copy(response) if body is None else None
        self.body = response.content if body is None else body

    @property
    def size(self) -> int:
        """Bytes of the body and the fields."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self._fields)

    def response(self, call: Call, stale: float | None = None) -> Any:
        """One more, for that call, which has the plan of the one that was answered from now on; ``stale``: seconds
        since it was received.
        """
        request = call.request
        if self._plan is not None:
            from ..route.branch import unrouted  # routes are loaded by those who have some

            call.route = (call.route or unrouted(call)).under(self._plan)
        if self._read is None:
            stream = self._library.ByteStream(self.body)
            make = self._library.module.Response
            response = make(self._status, headers=list(self._fields), stream=stream, request=request)
        else:
            response = copy(self._read)
            response.headers = type(response.headers)(list(self._fields))
            response.request = request
        response.extensions = dict(self._extensions)
        if stale is not None:
            before = response.headers.get("age", "")
            age = int(stale) + (int(before) if before.isascii() and before.isdecimal() and len(before) < 12 else 0)
            response.headers["age"] = str(age)
            response.extensions["stale"] = stale
        return response


class Copies:
    """What the door for async clients offers to policies that give one answer to several calls."""

    __slots__ = ()

    async def read(self, call: Call, response: Any, most: int) -> Copy | None:
        """Read a body to its end, and leave the response as if nobody had.

        ``None``: it is longer than ``most`` bytes, or has no end that is worth waiting for; it goes on as it came.
        """
        if response.is_closed:
            return _closed(call, response, most)
        if not _bounded(call, response, most):
            return None
        stream = response.stream
        rest = stream.__aiter__()
        chunks, size = [], 0
        async for chunk in rest:
            chunks.append(chunk)
            size += len(chunk)
            if size > most:
                response.stream = _streams(response)[0](stream, chunks, rest)
                return None
        await stream.aclose()
        body = b"".join(chunks)
        response.stream = library_of(response).ByteStream(body)
        return Copy(call, response, body)

    def record(self, call: Call, response: Any, most: int, keep: Callable[[Copy], None]) -> None:
        """Have ``keep`` called once the caller has read a body of at most ``most`` bytes to its end."""
        if response.is_closed:
            whole = _closed(call, response, most)
            if whole is not None:
                keep(whole)
        elif _bounded(call, response, most):
            response.stream = _streams(response)[1](response.stream, Copy(call, response), most, keep)

    def keepable(self, response: Any) -> bool:
        """Whether an answer may be given again later."""
        headers = response.headers
        return (
            response.status_code in KEPT
            and FORBID.isdisjoint(_words(headers.get("cache-control", "")))
            and "*" not in _words(headers.get("vary", ""))
        )


COPIES = Copies()


def _closed(call: Call, response: Any, most: int) -> Copy | None:
    """Of a response that was read by the transport, or closed without."""
    try:
        size = len(response.content)
    except library_of(response).module.ResponseNotRead:
        return None
    return Copy(call, response, None) if size <= most else None


def _bounded(call: Call, response: Any, most: int) -> bool:
    if response.is_stream_consumed or response.headers.get("content-type", "").lower().startswith(ENDLESS):
        return False
    announced = response.headers.get("content-length", "")
    if call.request.method == "HEAD" or not announced.isdecimal():
        return True
    return len(announced) < 16 and int(announced) <= most


def _words(field: str) -> set[str]:
    """The names of a field's members."""
    return {member.partition("=")[0].strip().lower() for member in field.split(",")}


class _Begun:
    """A stream of which some chunks were read already."""

    def __init__(self, stream: Any, chunks: list[bytes], rest: Any) -> None:
        self.stream = stream
        self.chunks = chunks
        self.rest = rest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks, self.chunks = self.chunks, []
        for chunk in chunks:
            yield chunk
        async for chunk in self.rest:
            yield chunk

    async def aclose(self) -> None:
        if hasattr(self.rest, "aclose"):
            await self.rest.aclose()
        await self.stream.aclose()


class _Recorded:
    """A stream that is remembered while it is read."""

    def __init__(self, stream: Any, copy: Copy, most: int, keep: Callable[[Copy], None]) -> None:
        self.stream = stream
        self.copy = copy
        self.most = most
        self.keep = keep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks: list[bytes] = []
        left = self.most
        source = self.stream.__aiter__()
        try:
            async for chunk in source:
                left -= len(chunk)
                if left >= 0:
                    chunks.append(chunk)
                else:
                    chunks.clear()
                yield chunk
        except GeneratorExit:  # the reader went away; `aclose` follows
            if hasattr(source, "aclose"):
                await source.aclose()
            raise
        if left >= 0:
            self.copy.body = b"".join(chunks)
            self.keep(self.copy)

    async def aclose(self) -> None:
        await self.stream.aclose()


_kinds: dict[Any, tuple[type[_Begun], type[_Recorded]]] = {}


def _streams(response: Any) -> tuple[type[_Begun], type[_Recorded]]:
    """The two as streams of the response's library, whose clients insist on that."""
    library = library_of(response)
    if library not in _kinds:
        theirs = library.module.AsyncByteStream
        _kinds[library] = (
            type("Begun", (_Begun, theirs), {}),
            type("Recorded", (_Recorded, theirs), {}),
        )
    return _kinds[library]
