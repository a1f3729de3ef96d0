"""How does a request come through a pipeline? As a transport between a client and the transport that sends.

One request of the client is one call; redirects and the steps of an authentication are calls of their own. The
transport inside is asked once for each attempt.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..call import Call
from ..engine import expired
from ..errors import MeshError
from ..fact import check
from ..order import check_sync
from ..runtime.settle import LEFT, collect
from .aim import aimed, hurried
from .body import Body, holding
from .copies import COPIES
from .door import HttpxDoor, Judge, Spent
from .given import check_inner, check_whole
from .library import installed, library_of
from .mirrored import AsyncCopies, Copies
from .outgoing import ATTEMPT, DEADLINE, Fields
from .routed import routed
from .whole import fetch, fetching

if TYPE_CHECKING:
    import httpx
    import httpx2

    from ..pipeline import Pipeline

    class _Async(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
        """Both clients ask for one of theirs; when it runs, any object with these methods will do."""

        _invoke: Any

        async def handle_async_request(self, request: Any) -> Any: ...

    class _Sync(httpx.BaseTransport, httpx2.BaseTransport):
        _invoke: Any

        def handle_request(self, request: Any) -> Any: ...

else:
    _Async = _Sync = object

__all__ = ["AsyncMeshTransport", "MeshTransport"]

NONE: dict[str, Any] = {}
SLACK = 0.002
"""Seconds by which a timer of the operating system may be early."""


class AsyncMeshTransport(_Async):
    """A pipeline in front of an async transport, for ``httpx.AsyncClient`` and ``httpx2.AsyncClient``.

    ``inner`` sends; by default a `PoolTransport`. A client does not hand on its own ``verify``, ``cert``, ``http2``,
    ``proxy`` and ``limits``: give them to ``inner``.
    ``judge(response, error)`` overrules what counts as a failure; the body is not read yet. ``spent`` says what a call
    has cost after all, for limits that settle: ``"bytes"`` of the body as it is read, or a function of the response.
    For asyncio and trio.

    A call with a deadline sends on what remains of it, in the field named ``deadline``; an attempt that is not the
    first sends its number in the field named ``attempt``. ``None``: neither. ``mirrors`` sends the copies of requests
    that a `Mirror` wants (`mirrored`); by default what ``inner`` is.

    An answer is judged when its head is there, and from then on it is the caller's. With ``whole`` its body is read
    before that, if it is no longer than so many bytes and no event stream: a connection that is lost in the midst of
    one is then an attempt that failed, and may be repeated.

    Raises what ``inner`` raises, unchanged, and the pipeline's own errors, which are the library's as well: a
    `Rejected` is a ``TransportError``, a `TimedOut` a ``TimeoutException``. What cannot be built is a `ConfigError`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inner: Any = None,
        *,
        judge: Judge | None = None,
        spent: Spent | None = None,
        deadline: str | None = DEADLINE,
        attempt: str | None = ATTEMPT,
        whole: int = 0,
        mirrors: Any = None,
    ) -> None:
        from ..runtime.tasks import bind  # asyncio and anyio are loaded by those who await
        from .async_body import AsyncBody

        if inner is None:
            from .pool import PoolTransport

            inner = PoolTransport()
        check_inner("AsyncMeshTransport", pipeline, inner, mirrors, "handle_async_request")
        self.pipeline = pipeline
        self.inner = inner
        fields = Fields("AsyncMeshTransport", pipeline, deadline, attempt, awaits=True)

        def address(call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
            request, endpoint = call.request, call.endpoint
            if call.route is not None:
                request = routed(request, call.route, pipeline.clock, endpoint)
            elif endpoint is not None:
                request = aimed(request, endpoint)
            return (fields.told(request, call),), NONE

        def direct(call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
            request = call.request if call.route is None else routed(call.request, call.route, pipeline.clock)
            if call.events is not None and call.events.detailed:
                request = fields.traced(request, call)
            return (request, call.endpoint, fields.of(call)), NONE

        check_whole("AsyncMeshTransport", whole)
        make = partial(AsyncMeshTransport, deadline=deadline, attempt=attempt)
        self._copies = AsyncCopies(pipeline, inner, mirrors, make)
        reach = direct if getattr(inner.handle_async_request, "aims", False) else address
        send = fetching(inner.handle_async_request, whole) if whole else inner.handle_async_request
        door = HttpxDoor(
            judge=judge,
            spent=spent,
            hold=holding(AsyncBody, "AsyncByteStream"),
            discard=_adiscard,
            address=reach,
            enforces_deadline=False,
            pipeline=pipeline,
            copies=COPIES,
            prepare=self._copies.prepare,
        )
        check(door, pipeline.specs)
        self._copies.attach(self, door, bind, reach, send)

    async def handle_async_request(self, request: Any) -> Any:
        """One call. The response's permits are held until its body is closed."""
        if LEFT:
            collect()
        try:
            return await self._invoke(request)
        except MeshError as error:
            library_of(request).adopt(error, request)
            raise

    def handle_request(self, request: Any = None) -> NoReturn:
        """For a client that awaits nothing this is the wrong transport: `TypeError`."""
        raise TypeError("AsyncMeshTransport is for AsyncClient: give a Client a MeshTransport")

    __enter__ = close = handle_request

    async def aclose(self) -> None:
        """Close ``inner``, and what sends the copies; those under way are cancelled."""
        await self._copies.aclose()
        await self.inner.aclose()

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self._copies.aclose()
        await self.inner.__aexit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"AsyncMeshTransport({self.pipeline!r}, {self.inner!r})"


class MeshTransport(_Sync):
    """The same for ``httpx.Client`` and ``httpx2.Client``, and for any number of threads.

    Nothing can be cancelled here. Instead what remains of the deadline is passed on in each attempt's ``timeout``
    extension, and looked at between the chunks of a body: a server that sends byte by byte can overstep it.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        inner: Any = None,
        *,
        judge: Judge | None = None,
        spent: Spent | None = None,
        deadline: str | None = DEADLINE,
        attempt: str | None = ATTEMPT,
        whole: int = 0,
        mirrors: Any = None,
    ) -> None:
        from ..runtime.threads import bind

        own = None if inner is not None else installed("MeshTransport").module.HTTPTransport
        inner = own() if own is not None else inner
        check_inner("MeshTransport", pipeline, inner, mirrors, "handle_request")
        check_sync(pipeline.specs, bounds_attempts=True)
        self.pipeline, self.inner = pipeline, inner
        check_whole("MeshTransport", whole)
        self._whole, self._clock = whole, pipeline.clock
        self._fields = Fields("MeshTransport", pipeline, deadline, attempt, awaits=False)
        make = partial(MeshTransport, deadline=deadline, attempt=attempt)
        self._copies = Copies(pipeline, inner, own if mirrors is None else mirrors, make)
        door = HttpxDoor(
            judge=judge,
            spent=spent,
            hold=holding(Body, "SyncByteStream"),
            discard=_discard,
            address=self._address,
            enforces_deadline=True,
            pipeline=pipeline,
            prepare=self._copies.prepare,
            accepts=lambda heir: check_sync(heir.specs, bounds_attempts=True),
        )
        check(door, pipeline.specs)
        self._copies.attach(self, door, bind, self._address, self._send)

    def handle_request(self, request: Any) -> Any:
        """One call. The response's permits are held until its body is closed."""
        if LEFT:
            collect()
        try:
            return self._invoke(request)
        except MeshError as error:
            library_of(request).adopt(error, request)
            raise

    def handle_async_request(self, request: Any = None) -> NoReturn:
        """For a client that awaits this is the wrong transport: `TypeError`."""
        raise TypeError("MeshTransport is for Client: give an AsyncClient an AsyncMeshTransport")

    __aenter__ = aclose = handle_async_request

    def _address(self, call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
        request, endpoint = call.request, call.endpoint
        if call.route is not None:
            request = routed(request, call.route, self._clock, endpoint, call)
        elif endpoint is not None:
            request = aimed(request, endpoint)
        if call.deadline is not None:
            request = hurried(request, call.deadline - self._clock())
        return (self._fields.told(request, call), call), NONE

    def _send(self, request: Any, call: Call) -> Any:
        if call.deadline is None:
            return self._ask(request, call, 0.0)
        began = self._clock()
        if began >= call.deadline:
            raise expired(call, call.began_at, began)
        try:
            return self._ask(request, call, began)
        except library_of(request).TimeoutException as error:
            now = self._clock()
            if now < call.deadline - SLACK:
                raise  # one of the client's own timeouts was shorter
            raise expired(call, began, now) from error

    def _ask(self, request: Any, call: Call, began: float) -> Any:
        response = self.inner.handle_request(request)
        if not self._whole:
            return response

        def late() -> None:
            if call.deadline is not None and self._clock() >= call.deadline:
                raise expired(call, began, self._clock())

        return fetch(response, self._whole, late)

    def close(self) -> None:
        """Close ``inner``, and what sends the copies; those that wait are not sent any more."""
        self._copies.close()
        self.inner.close()

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self._copies.close()
        self.inner.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"MeshTransport({self.pipeline!r}, {self.inner!r})"


async def _adiscard(response: Any) -> None:
    with suppress(Exception):  # what is thrown away cannot fail
        await response.aclose()


def _discard(response: Any) -> None:
    with suppress(Exception):
        response.close()
