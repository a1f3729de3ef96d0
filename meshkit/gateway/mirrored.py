"""How does a copy of a request go elsewhere? Through its mirror's own pipeline, when the first attempt goes.

================================  =====================================================================================
the request's body                the copy goes
================================  =====================================================================================
none                              with the first attempt
of a declared length that the     when all of it has come, by the request's own upload: it is kept, and read once. Where
mirror takes (``max_bytes``)      the client leaves before that, or the upstream does not want it, there is no copy
another one                       not at all
================================  =====================================================================================

It is what goes on to the upstream, as its route has it, with a field that tells it is a copy. It walks the mirror's
pipeline as a request walks a listener's, and what is answered is relayed to nobody. Copies have connections of their
own, and none stands in the way of a call; see `meshkit.route.mirror` for how many there may be.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from ..asgi.routed import edited, head_of, host_of, routed
from ..call import Call
from ..pipeline import Pipeline
from ..route.edit import NOTHING, Edit
from ..route.hosts import bracketed
from ..runtime.copying import Copy, Tasks, cancel
from ..runtime.lock import LOCK
from ..runtime.mirroring import mirrors_of, target_of
from ..upstream.pool import Pool
from .body import Body
from .exchange import Exchange

__all__ = ["GatewayCopies"]

Way = tuple[Any, Callable[[Any], Awaitable[Any]], "GatewayCopies"]
"""A door, what has an exchange come through a pipeline, so that its answer is still to be relayed, and copies of it."""
EXPECT = Edit(frozenset((b"expect",)))
"""Nobody waits for a ``100 Continue``: the body is here."""


class GatewayCopies:
    """Sends the copies of the requests that come through a pipeline, once it is told (`prepare`) of mirrors in that.

    ``make`` puts another pipeline in front of a pool like ``pool``, which is another one.
    """

    def __init__(self, pipeline: Pipeline, pool: Pool, make: Callable[[Pipeline, Pool], Way]) -> None:
        self._clock = pipeline.clock
        self._calls = pool
        self._make = make
        self._pool: Pool | None = None
        """``None``: there were no mirrors yet."""
        self._ways: weakref.WeakKeyDictionary[Any, tuple[Way, Tasks]] = weakref.WeakKeyDictionary()
        """By mirror."""

    def prepare(self, states: Iterable[Any]) -> None:
        """Make ready for the mirrors among these states, which are the pipeline's, or soon will be. Raises
        `ConfigError`.
        """
        for mirror in mirrors_of(states):
            if mirror not in self._ways:
                target = target_of(mirror, self._clock, hosts=False)
                if self._pool is None:
                    self._pool = self._calls.beside()
                self._ways[mirror] = self._make(target, self._pool), Tasks()

    def begin(self, call: Call, exchange: Any) -> None:
        """The first attempt goes, of a call whose route has mirrors: send each a copy that wants one, now or when the
        body has come. Never raises for what goes wrong with one.
        """
        route: Any = call.route
        if not route.copies():
            return
        method = exchange.scope["method"]
        with LOCK:
            wanted = [mirror for mirror in route.plan.mirrors if mirror.wants(method)]
        if not wanted:
            return
        length, body = exchange.length, exchange.body
        if not length:
            self._copy(wanted, Request(route, exchange), b"")
        elif length < 0 or body.lost or length > max(mirror.max_bytes for mirror in wanted):
            self._copy(wanted, None, None)
        else:
            request = Request(route, exchange)
            if body.over:
                self._copy(wanted, request, body.whole)
            else:
                body.keep(length)
                body.then = lambda whole: self._copy(wanted, request, whole)

    def _copy(self, mirrors: list[Any], request: Request | None, body: bytes | None) -> None:
        length = None if body is None else len(body)
        for mirror in mirrors:
            copy = Copy(mirror, self, self._clock)
            try:
                with LOCK:
                    taken = mirror.take(length, copy)
                if taken and request is not None and body is not None:
                    (door, invoke, _), tasks = self._ways[mirror]
                    copied = Copied(door, *request.under(mirror), body)
                    tasks.begin(copy, partial(copied.sent, invoke))
            except BaseException as error:
                copy.end(failed=True)
                if not isinstance(error, Exception):
                    raise

    async def aclose(self) -> None:
        """Cancel what is under way on this loop, wait for that, and close the connections."""
        with LOCK:
            ours = [copy for mirror in [*self._ways] for copy in mirror.under_way if copy.by is self]
        if ours:
            await cancel(ours)
        for (_, _, copies), _ in [*self._ways.values()]:
            await copies.aclose()
        if self._pool is not None:
            await self._pool.aclose()

    def idle(self) -> bool:
        """Whether no copy is under way."""
        if self._pool is not None and not self._pool.idle():
            return False
        return all(mirror.idle() and way[2].idle() for mirror, (way, _) in [*self._ways.items()])


class Request:
    """What is copied: it shares nothing with the request that anybody changes."""

    __slots__ = ("_fields", "_scope")

    def __init__(self, route: Any, exchange: Any) -> None:
        self._scope = routed(exchange.scope, route)
        fields = edited(exchange.fields, EXPECT)
        if route.plan.request is not NOTHING:
            fields = edited(fields, route.plan.request)
        if route.host is not None:
            fields = under(fields, bracketed(route.host))
        self._fields = fields

    def under(self, mirror: Any) -> tuple[dict[str, Any], list[tuple[bytes, bytes]]]:
        """The scope, and the fields that go on, as a mirror wants them."""
        told = mirror.field
        edit = Edit(frozenset(name for name, _ in told), told)
        heads = [edited(each, edit) for each in (self._scope["headers"], self._fields)]
        own, port = host_of(next(value for name, value in self._fields if name == b"host").decode("latin-1"))
        host = mirror.host(own.strip("[]"))
        if host is not None:
            authority = bracketed(host) if port is None else f"{bracketed(host)}:{port}"
            heads = [under(each, authority) for each in heads]
        return {**self._scope, "headers": heads[0]}, heads[1]


class Copied(Exchange):
    """A request that nobody waits for."""

    def __init__(self, door: Any, scope: Any, fields: Any, whole: bytes) -> None:
        super().__init__(door, scope, self._give, nowhere)
        self.fields = fields
        self._whole: bytes | None = whole
        if whole:
            self.length = len(whole)
            self.body = Body(self, 0, whole)
        self.head = head_of(scope)

    async def sent(self, invoke: Callable[[Any], Awaitable[Any]]) -> None:
        """Have it answered, and read that to its end."""
        try:
            answer = await invoke(self)
            if answer is not None:
                await self.relay(answer)
        finally:
            self.call = self.error = None  # no cycle, as of any other
            if not self.over:
                self.close()

    async def _give(self) -> Any:
        """To an app of this process."""
        whole, self._whole = self._whole, None
        if whole is None:
            return await asyncio.get_running_loop().create_future()  # of this client nobody hears that it leaves
        return {"type": "http.request", "body": whole, "more_body": False}


async def nowhere(message: Any) -> None:
    """Where answers go."""


def under(fields: Any, authority: str) -> list[tuple[bytes, bytes]]:
    """Fields with another ``Host``, in front as it should be (RFC 9110, 7.2)."""
    return [(b"host", authority.encode("ascii")), *(each for each in fields if each[0] != b"host")]
