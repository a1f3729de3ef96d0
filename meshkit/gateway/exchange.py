"""How far has a request come? It goes to an upstream, and what that answers comes back the same way.

::

    the server ── Exchange ── pipeline ── an attempt (`forward`) ── pool
        │                                                            │
        └────── relay: head, parts, trailers <────── answer ─────────┘

The answer is judged when its head is there, and until its last byte has been taken the call holds what it took. A part
is read from the upstream when the one before it has been taken by the client. A body that breaks off is never taken for
a short one: its end is not sent, and the server closes the connection.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..asgi import exchange as asgi
from ..asgi.end import ended
from ..asgi.outgoing import begins
from ..asgi.routed import edited, path_of
from ..call import Call, Failure, Verdict
from ..deadline import impatient
from ..errors import MeshError
from ..fields.set_cookie import NAME, lines
from ..observe.trail import ANSWERED, ANSWERING
from ..route.edit import NOTHING
from ..route.plan import Decision
from ..runtime.settle import settle
from ..runtime.telling import answered, answering, deliver
from ..upstream.errors import Misused, WireError
from .backward import answered as backward
from .backward import ended_with
from .body import Body
from .door import Seen
from .fields import CHUNKED
from .messages import after, anyhow, trailing

__all__ = ["Exchange"]

FAILURE, IGNORED = Verdict.FAILURE, Verdict.IGNORED
START, BODY, TRAILERS = "http.response.start", "http.response.body", "http.response.trailers"
BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "DELETE", "TRACE"))
FRAMED = frozenset(("1.0", "1.1"))
"""Versions of HTTP in which a body that is not framed is none (RFC 9112, 6.3), and connections are told to close."""
EMPTY = frozenset((204, 304))
"""Statuses of answers without a body."""
CLOSES = (b"connection", b"close")


class Exchange(asgi.Exchange):
    """One HTTP request through a gateway; where an app of this process answers, as behind `MeshMiddleware`."""

    answer: Any = None
    """What came from the upstream, while it is relayed."""
    apart = False
    """Whether somebody of this process answers, and reads the request itself."""
    asking: asyncio.Task[None] | None = None
    """What waits for the client to go, where `Vigil` has begun to."""
    body: Body | None = None
    """What the client sends, and ``None``: nothing."""
    expects = False
    """Whether the client sends its body when it is asked to."""
    hints: tuple[asyncio.Future[None], ...] = ()
    """Of those that the client is told before the answer."""
    fields: Any = None
    """What goes on to the upstream, whichever that is; see `meshkit.gateway.fields`."""
    head: Any = None
    """Its first line, as a door tells it; see `meshkit.policy.Door.head`."""
    length: int | None = None
    """How the body is framed: its length, -1 chunked."""
    moved = True
    """Whether something has moved between the client and here since `Vigil` has last looked."""
    quiet = 0
    seen: Any = ()
    """Messages that came while it was waited for the client to go."""
    talks = False
    """Whether more of it came than anybody has use for: then nobody waits for its end."""
    task: Any = None
    why: BaseException | None = None
    """Why the task was interrupted by `Vigil`."""

    def read(self) -> Any:
        """Read the head of the request, and put together what goes on. Raises `Misused`.

        Not every server refuses ``CONNECT``. Sent on, it would have all that follows go on unread, as of a tunnel.
        """
        scope, door = self.scope, self.door
        method = scope["method"]
        if method == "CONNECT":
            raise Misused("a gateway makes no tunnels")
        fields, host, port, length, self.expects = door.fields.onward(scope)
        if length is None and method not in BODILESS and scope["http_version"] not in FRAMED:
            length = -1
            fields.append(CHUNKED)
        if length:
            self.body = Body(self, door.replay)
        self.fields, self.length = fields, length
        path = path_of(scope) or "/"
        if path == "*" and method != "OPTIONS":
            raise Misused("nothing but OPTIONS is asked of no resource (RFC 9112, 3.2.4)")
        query = scope["query_string"].decode("latin-1")
        self.head = method, scope["scheme"], host, port, path, query or None
        return self.head

    async def more(self) -> Any:
        """What comes from the client, for its `Body`."""
        message = await super().receive()
        self.moved = True
        return message

    def hinted(self, headers: Any) -> None:
        """The upstream hints at what its answer will want (103, RFC 8297): so is the client told."""
        links = [value for name, value in headers if name.lower() == b"link"]
        if links and self.status is None and not self.gone:
            message = {"type": "http.response.early_hint", "links": links}
            self.hints = (*self.hints, asyncio.ensure_future(self._send(message)))

    async def receive(self) -> Any:
        """The same for whoever else reads the request, from its beginning: what has come is given again."""
        if self.asking is not None or self.seen or (self.body is not None and self.body.read and not self.apart):
            await self._recall()
        return await self.more()

    async def send(self, message: Any) -> None:
        await super().send(message)
        self.moved = True

    async def depart(self) -> None:
        """Leave the request to somebody of this process, who reads it from its beginning."""
        self.apart = True
        await self._recall()

    async def _recall(self) -> None:
        """Have all that has come before what is still to come."""
        asking, self.asking = self.asking, None
        if asking is not None:
            asking.cancel()
            await asyncio.wait((asking,))
        body, before, self.seen = self.body, [*self.seen], ()
        if self.gone or (body is not None and body.lost):  # no part is taken for the whole
            before = [{"type": "http.disconnect"}]
        elif body is not None and body.read:
            before = [{"type": "http.request", "body": part, "more_body": True} for part in body.kept]
            before[-1]["more_body"] = not body.over
        if before:
            self.source = after(before, self.source)
            self.unread = True
            if body is not None:
                self.body = Body(self, 0)
                self.body.lost = True  # no attempt could send all of it any more

    async def relay(self, answer: Any) -> None:
        """Send an answer to the client. Raises what breaks it off."""
        call: Any = self.call
        self.answer = answer
        status = self.status = answer.status
        send = self._send
        try:
            if self.hints:
                await asyncio.gather(*self.hints, return_exceptions=True)
            headers = self.headers = self._dressed(call, answer, status)
            if self.door.finishes:
                send = self._send = anyhow(self, send)
            if call.route is not None and call.route.plan.outgoing:
                self.status = None  # it has not begun yet
                headers, send = begins(self, call.route.plan, status, headers, send)
                self._send, self.status = send, status
            start = {"type": START, "status": status, "headers": headers}
            trails = trailing(answer) and TRAILERS in (self.scope.get("extensions") or ())
            if trails:
                start["trailers"] = True
            await send(start)
            whole = answer.whole
            if whole is not None and not trails:
                self.size = len(whole)
                await send({"type": BODY, "body": whole})
            else:
                await self._stream(answer, send)
                if trails:  # the server waits for them
                    await send({"type": TRAILERS, "headers": ended_with(answer.trailers), "more_trailers": False})
        except OSError as error:
            if isinstance(error, MeshError):
                self._broken(call, error)
            else:
                self.gone = True  # ASGI 2.4: the client has gone
                self._ended(call, IGNORED, error)
            raise
        except Exception as error:
            self._broken(call, error)
            raise
        except BaseException as error:
            self._ended(call, IGNORED, error)
            raise
        finally:
            self.answer = None
            if answer.connection is not None:
                answer.close()
        self.over = True
        ended(self)

    def _dressed(self, call: Call, answer: Any, status: int) -> Any:
        """The fields of the answer: the upstream's, as the route has them, and ours."""
        door = self.door
        headers = backward(answer.headers)
        if status in EMPTY:  # a length is of a body that is elsewhere: servers hold one to it
            headers = [field for field in headers if field[0] != b"content-length"]
        route = call.route
        if route is not None and route.plan.answer is not NOTHING:
            headers = edited(headers, route.plan.answer)
        if call.cookies is not None:
            headers += [(NAME, line) for line in lines(call.cookies)]
        if door.announces is not None:
            headers += door.announces(call, door.clock(), door.wall())
        events = call.events
        if events is not None:
            if events.wants & ANSWERED:
                answered(door.pipeline, call, Seen(answer))
            if events.wants & ANSWERING:
                headers += answering(door.pipeline, call, status)
            if answer.connection is not None:
                deliver(door.pipeline, call)
        if door.draining and self.scope["http_version"] in FRAMED:
            headers.append(CLOSES)
        return headers

    async def _stream(self, answer: Any, send: Any) -> None:
        """Part by part."""
        async for part in answer:
            self.size += len(part)  # type: ignore[operator]  # it is a number here
            self.writing = True
            await send({"type": BODY, "body": part, "more_body": True})
            self.writing = False
            self.moved = True
            if self.gone and not self.door.finishes:
                raise OSError("the client has gone")
        await send({"type": BODY, "body": b"", "more_body": False})

    def _broken(self, call: Call, error: Exception) -> None:
        """The answer breaks off, and it is not the client's doing."""
        late = isinstance(error, WireError) and call.deadline is not None and self.door.clock() >= call.deadline
        if late and impatient(call):
            self._ended(call, IGNORED, error)
        else:
            self._ended(call, FAILURE, error)

    def _ended(self, call: Call, verdict: Verdict, error: BaseException) -> None:
        """Give back all that the call holds."""
        self.over = True
        if call.events is not None and verdict is FAILURE:
            call.failure = Failure(error)
        settle(self.door.pipeline, call, self.door.clock(), verdict, error=error)
        call.failure = None  # no cycle of call, error and traceback

    async def refuse(self, status: int, headers: Any, body: bytes) -> None:
        if self.door.draining and self.scope["http_version"] in FRAMED:
            headers = [*headers, CLOSES]
        await super().refuse(status, headers, body)

    def close(self) -> None:
        super().close()
        self.task = self.asking = self.fields = None

    @property
    def route(self) -> str | None:
        """The name of the route that was found, also of a request that was refused on it."""
        decision = None if self.call is None else self.call.route
        if decision is None and self.facts:
            decision = next((fact for fact in self.facts.values() if fact.__class__ is Decision), None)
        return None if decision is None else decision.rule.title
