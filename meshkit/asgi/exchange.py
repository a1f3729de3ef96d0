"""How far has the answer come? One HTTP request, its ``receive`` and its ``send``, and what was seen to pass.

========================================================  =======================================================
message                                                   then
========================================================  =======================================================
``http.response.start``                                   the verdict is judged by the status; the latency is taken
the last ``body``, ``trailers``, or a ``pathsend``        sent, and the call ends: all it holds is given back, and
                                                          no deadline strikes any more
``http.disconnect`` before that, or a send that fails     the client has gone: from here on only a success counts
========================================================  =======================================================

While the app waits for more of the request, or until a part of the answer is taken, it is the client that takes the
time. What is waited for the request is no latency of the app's; and a deadline that passes where the client took a
tenth of the time, or is waited for just then, says nothing of the app.

Nothing is kept back, and no task is made: a message is looked at on its way. What runs after the answer (a background
task of Starlette's) holds no permit and has no deadline.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from ..call import Call, Failure, Verdict
from ..fields.set_cookie import NAME, lines
from ..policy import Pairs
from ..runtime.telling import answering
from .bodies import FILES, planned
from .end import begun, ended
from .outgoing import begins
from .routed import edited

__all__ = ["Exchange", "Message", "Receive", "Send", "closed", "route_of"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
NONE: list[tuple[bytes, bytes]] = []
PARAMETER = re.compile("{([^:}]+)")
"""The name of one, in a route's template."""
BODILESS = {204, 304}
"""RFC 9110, 6.4.1: they have no body, and 204 no ``Content-Length``."""
SHARE = 0.1
"""Of the time, which the client may take before it is to blame for what runs out: a prompt one takes far less, and an
app that needs the rest of it is close to its deadline anyhow."""


async def closed(message: Message) -> None:
    """What an app finds that answers too late, as if the client had gone (ASGI 2.4)."""
    raise OSError("the exchange is over")


class Exchange:
    """One request: what ``call.request`` is behind this door, and what a judge is shown.

    ``scope`` is ASGI's; ``status`` and ``headers`` those of the answer once it has begun (``None`` and empty before),
    ``size`` the bytes of its body so far; ``gone`` is true when the client left before the answer was complete.
    """

    call: Call | None = None
    error: BaseException | None = None
    """What the app raised, as opposed to the pipeline."""
    facts: Any = None
    """What is known of the request, where a route was looked for: what was decided is among it."""
    followed: Call | None = None
    """The call that somebody follows, from its beginning on."""
    gone = False
    headers: Any = ()
    inherited: Any = None
    """The deadline that came with the request, as a `meshkit.deadline.Scope`."""
    over = False
    refused: BaseException | None = None
    """What was raised into the app, because a body is longer than its route lets through."""
    reading: float | None = None
    """Since when the app waits for more of the request; ``None``: it does not."""
    size: int | None = 0
    """Bytes of the answer's body so far; ``None``: a server sends a file, whose length only it knows."""
    status: int | None = None
    trailers = False
    unread = True
    """Whether there is more of the request, as far as is known."""
    verdict = FAILURE
    waited = 0.0
    """Seconds for which the app waited for the client."""
    watched: Any = None
    """What sees to the body of the request, where a route has something for it."""
    waits_until: float | None = None
    """The instant until which the client waits, by its own word, on the pipeline's clock; ``None``: it said nothing."""
    writing = False
    """Whether the app waits for a part of the answer to be taken."""

    def __init__(self, door: Any, scope: Any, receive: Receive, send: Send) -> None:
        self.door = door
        self.scope = scope
        self.source = receive
        """What the server gives, as the route has it."""
        self._send = send

    async def receive(self) -> Message:
        if not self.unread:
            message = await self.source()
        else:
            clock = self.door.clock
            since = self.reading = clock()
            try:
                message = await self.source()
            finally:  # also where the app gives up on it
                self.reading = None
                self.waited += clock() - since
            if not message.get("more_body"):
                self.unread = False
        if message["type"] == "http.disconnect" and not self.over:
            self.gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        since = None
        if kind == "http.response.body":
            if self.size is not None:
                self.size += len(message.get("body", b""))
            last = not (self.trailers or message.get("more_body"))
            if not last:
                since = self.door.clock()
        elif kind == "http.response.start":
            last = False
            if self.status is None and self.call is not None:
                message = self._begun(message)
        else:
            last = self._last(kind, message)
        self.writing = True  # and so it remains where the app is interrupted here
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: the client has gone
            self.gone = True
            raise
        self.writing = False
        if since is not None:
            self.waited += self.door.clock() - since
        if last and not self.over:
            self.over = True
            ended(self)

    def dawdles(self, now: float) -> bool:
        """Whether it is the client that has taken the time, rather than the app."""
        if self.writing:
            return True
        waited = self.waited if self.reading is None else self.waited + now - self.reading
        return waited > 0 and waited >= SHARE * (now - self.call.began_at)  # type: ignore[union-attr]  # it was sent

    def _begun(self, message: Message) -> Message:
        """The answer begins: judge it, and say what is left of the limits."""
        door = self.door
        call: Any = self.call
        headers = message.get("headers", NONE)
        if headers.__class__ is not list:  # any iterable will do, and this one may be read once only
            headers = [*headers]
            message = {**message, "headers": headers}
        if call.route is not None:
            plan = call.route.plan
            if plan.answer:
                headers = edited(headers, plan.answer)
                message = {**message, "headers": headers}
            if plan.outgoing:
                headers, self._send = begins(self, plan, message["status"], headers, self._send)
                message = {**message, "headers": headers}
        status = self.status = message["status"]
        now = door.clock()
        call.answered_at = now - self.waited
        self.headers = headers
        self.verdict = SUCCESS if status < 429 and door.by_status else door.verdict(self)
        if "trailers" in message:
            self.trailers = message["trailers"]
        if call.marks is not None:
            begun(call)
        if call.events is not None:
            call.status = status
        if call.cookies is not None:
            headers = [*headers, *((NAME, line) for line in lines(call.cookies))]
            message = {**message, "headers": headers}
        if door.announces is not None:
            headers = headers + door.announces(call, now, door.wall())
            message = {**message, "headers": headers}
        if call.events is not None:
            message = {**message, "headers": headers + answering(door.pipeline, call, status)}
        return message

    def _last(self, kind: str, message: Message) -> bool:
        """Whether a rarer message is the last of the answer."""
        if kind in FILES:
            self.size = None
        if kind == "http.response.trailers":
            return not message.get("more_trailers")
        if kind == "http.response.zerocopysend":
            return not (self.trailers or message.get("more_body"))
        return kind == "http.response.pathsend" and not self.trailers

    def outcome(self) -> Verdict:
        """What the call comes to when the app returns."""
        if self.over:
            return self.verdict
        return IGNORED if self.gone else FAILURE  # no answer, or half of one

    def failure(self) -> Failure:
        return Failure(self.error, status=self.status)

    @property
    def route(self) -> str | None:
        """The template of the route that has matched, as far as the framework says so."""
        return route_of(self.scope)

    @property
    def started(self) -> bool:
        return self.status is not None

    async def respond(self, status: int, headers: Pairs = (), body: bytes = b"") -> None:
        """Answer as an app would: it is looked at on its way."""
        fields = [*headers]
        if status not in BODILESS:
            fields.append((b"content-length", b"%d" % len(body)))
        if self.scope.get("method") == "HEAD" or status in BODILESS:
            body = b""
        await self.send({"type": "http.response.start", "status": status, "headers": fields})
        await self.send({"type": "http.response.body", "body": body})

    def close(self) -> None:
        """Whatever the app has left behind (a task of its own, say), it is not to answer any more."""
        self._send = closed
        self.over = True
        self.refused = None  # no cycle with its traceback

    async def refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer in place of the app, as the route has it where one was found."""
        send = self._send
        self.close()
        plan = None if self.facts is None else planned(self.facts)
        if plan is not None:
            if plan.answer:
                headers = edited(headers, plan.answer)
            if plan.outgoing:
                headers, send = begins(self, plan, status, headers, send, refusal=True)
        if self.scope.get("method") == "HEAD":
            body = b""
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def route_of(scope: Any) -> str | None:
    """Starlette's and FastAPI's route, with what it is mounted below: of that there is only the path as it came, in
    which the values of parameters give way to their names.
    """
    route = getattr(scope.get("route"), "path", None)
    if not isinstance(route, str):
        return None
    prefix = str(scope.get("root_path", ""))[len(scope.get("app_root_path", "")) :]
    if prefix:
        given = scope.get("path_params") or {}
        own = PARAMETER.findall(route)
        mounts = {str(value): f"{{{name}}}" for name, value in given.items() if name not in own}
        segments = [mounts.get(segment, segment) for segment in prefix.split("/")]
        # A value that was converted does not stand there as it came: what cannot be told apart is left out.
        prefix = "/".join(segments) if all(name in segments for name in mounts.values()) else "/*"
    return prefix + route
