"""How does a copy of a request go elsewhere? Through a transport of its mirror's own, when the first attempt goes.

It is the request as its route has it, with a field that tells it is a copy, and with the same body, where that is bytes
in memory: a stream can be read once, and is the call's. What the caller wants to be told of the wire (the ``trace``
extension) it is not told of a copy.

Copies never stand in the way of calls: they have connections of their own, where the transport that sends can be had a
second time (a `PoolTransport`, or the one that is taken by default). Otherwise it is the same one, and its ceilings for
connections are for both, unless another one is given.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from ..call import Call
from ..pipeline import Pipeline
from ..runtime.copying import Copy, Crew, Tasks, cancel
from ..runtime.lock import LOCK
from ..runtime.mirroring import mirrors_of, target_of
from .aim import another, told
from .library import library_of
from .routed import routed, under

__all__ = ["AsyncCopies", "Copies"]

NONE: dict[str, Any] = {}

Address = Callable[[Call], tuple[tuple[Any, ...], dict[str, Any]]]


class Copies:
    """Sends the copies of what a `MeshTransport` sends, where routes in its pipeline have mirrors.

    In the end ``given`` sends them, or what that makes; without it what ``inner`` has `beside` itself, or ``inner``.
    ``make`` puts a pipeline in front of that.
    """

    def __init__(self, pipeline: Pipeline, inner: Any, given: Any, make: Callable[[Pipeline, Any], Any]) -> None:
        self._pipeline = pipeline
        self._clock = pipeline.clock
        self._inner = inner
        self._given = given
        self._make = make
        self._attached: tuple[Any, ...] = ()
        self._sends: Any = None
        """What sends them; ``None``: there were no mirrors yet."""
        self._ways: weakref.WeakKeyDictionary[Any, tuple[Any, Any]] = weakref.WeakKeyDictionary()
        """By mirror: the transport that its copies go through, and what has them sent."""
        self.prepare(pipeline.states)

    def prepare(self, states: Iterable[Any]) -> None:
        """Make ready for the mirrors among these states, which are the pipeline's, or soon will be. Raises
        `ConfigError`, and then nothing has changed for those that there are.
        """
        first = self._sends is None
        for mirror in mirrors_of(states):
            if mirror not in self._ways:
                if self._sends is None:
                    self._sends = self._sending()
                way = self._make(target_of(mirror, self._clock), self._sends)
                self._ways[mirror] = way, self._beginning(mirror)
        if first and self._sends is not None and self._attached:
            self._begin_to_copy()

    def _sending(self) -> Any:
        inner, given = self._inner, self._given
        if given is not None:
            return given() if isinstance(given, type) else given
        return inner.beside() if hasattr(inner, "beside") else inner

    def _beginning(self, mirror: Any) -> Any:
        return Crew(mirror.limit)

    def attach(self, transport: Any, door: Any, bind: Callable[..., Any], address: Address, send: Any) -> None:
        """Bind a transport's calls to what it sends them by, once more when the first mirrors come: until then it is as
        if there could be none.
        """
        self._attached = weakref.ref(transport), weakref.ref(door), bind, address, send
        self._begin_to_copy()

    def _begin_to_copy(self) -> None:
        to, by, bind, address, send = self._attached
        transport, door = to(), by()
        if transport is not None and door is not None:
            if self._sends is not None:
                address, send = self._around(address, send)
            door.address = address
            transport._invoke = bind(self._pipeline, door, send)

    def _around(self, address: Address, send: Callable[..., Any]) -> tuple[Address, Callable[..., Any]]:
        """A door's ``address``, and what is sent, with which copies go.

        What stands between the two (a middleware, a hedge) may send nothing at all: so it is not in ``address`` that
        they begin.
        """

        def addressed(call: Call) -> tuple[tuple[Any, ...], dict[str, Any]]:
            args, _ = address(call)
            return (call, *args), NONE

        def sent(call: Call, *args: Any) -> Any:
            route = call.route
            if route is not None and route.plan.mirrors and route.copies():
                self._copy(call.request, route)
            return send(*args)

        return addressed, sent

    def _copy(self, request: Any, route: Any) -> None:
        """Send a copy to each of the route's mirrors that wants one. Never raises for what goes wrong with one."""
        changed = None
        for mirror in route.plan.mirrors:
            with LOCK:
                if not mirror.wants(request.method):
                    continue
            copy = Copy(mirror, self, self._clock)
            try:
                length = length_of(request)
                with LOCK:
                    taken = mirror.take(length, copy)
                if taken:
                    if changed is None:
                        changed = routed(request, route)
                    self._begin(copy, copied(changed, request.stream, mirror))
            except BaseException as error:
                copy.end(failed=True)
                if not isinstance(error, Exception):
                    raise

    def _begin(self, copy: Copy, request: Any) -> None:
        transport, crew = self._ways[copy.mirror]

        def ask() -> None:
            response = transport.handle_request(request)
            try:
                if not response.is_closed:
                    for _ in response.stream:
                        pass
            finally:
                response.close()

        crew.begin(copy, ask)

    def close(self) -> None:
        """Nothing more is begun of what waits."""
        for _, crew in [*self._ways.values()]:
            crew.close()
        if self._sends is not None and self._sends is not self._inner:
            self._sends.close()


class AsyncCopies(Copies):
    """The same for an `AsyncMeshTransport`."""

    def _beginning(self, mirror: Any) -> Any:
        return Tasks()

    def _begin(self, copy: Copy, request: Any) -> None:
        transport, tasks = self._ways[copy.mirror]

        async def ask() -> None:
            response = await transport.handle_async_request(request)
            try:
                if not response.is_closed:
                    async for _ in response.stream:
                        pass
            finally:
                await response.aclose()

        tasks.begin(copy, ask)

    async def aclose(self) -> None:
        """Cancel what is under way on this loop, and wait for that."""
        with LOCK:
            ours = [copy for mirror in [*self._ways] for copy in mirror.under_way if copy.by is self]
        if ours:
            await cancel(ours)
        if self._sends is not None and self._sends is not self._inner:
            await self._sends.aclose()


def length_of(request: Any) -> int | None:
    """Bytes of a body that is there as a whole; ``None`` of another one, and of what is no plain request."""
    if not isinstance(request.stream, library_of(request).ByteStream) or "upgrade" in request.headers:
        return None
    return sum(map(len, request.stream))


def copied(request: Any, stream: Any, mirror: Any) -> Any:
    """The copy of a request that a route has changed already, with its body as it came: a copy is neither paced nor
    counted. It shares nothing with it that anybody changes.
    """
    url = request.url
    extensions = {name: value for name, value in request.extensions.items() if name != "trace"}
    host = mirror.host(url.host)
    copy = another(request, url if host is None else url.copy_with(host=host), extensions)
    copy.stream = stream
    if host is not None:
        copy.headers = under(copy.headers, copy.url.netloc)
    if mirror.field:
        return told(copy, mirror.field, own=True)
    copy.headers = copy.headers.copy()
    return copy
