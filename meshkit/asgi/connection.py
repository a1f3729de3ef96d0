"""How far has the connection come? One websocket, its ``receive`` and its ``send``, and what was seen to pass.

=====================================================  ================================================================
message                                                then
=====================================================  ================================================================
``websocket.accept``                                   the answer's beginning: SUCCESS; no deadline strikes any more
``websocket.http.response.start`` (a denial)           judged by its status, as any HTTP answer
``websocket.close`` before the accept                  SUCCESS: the app has said no (the client sees a 403)
``websocket.close`` after it                           the call ends, by the code (RFC 6455, 7.4): 1011 internal error
                                                       and 1014 bad gateway are FAILURE, 1012 restart and 1013 try
                                                       again later OVERLOADED, all others SUCCESS
``websocket.disconnect`` before the accept             the client has gone: IGNORED
``websocket.disconnect`` after it                      the call ends with SUCCESS: clients go
=====================================================  ================================================================

So a deadline bounds the handshake only, and a permit is held for as long as the connection lasts. A refusal is an HTTP
answer where the server has the extension ``websocket.http.response``, and else a close, which clients see as a 403.
"""

from __future__ import annotations

from typing import Any

from ..call import Call, Failure, Verdict
from ..fields.set_cookie import NAME, lines
from ..policy import Pairs
from ..runtime.telling import answering
from .bodies import planned
from .end import begun, ended, unbound
from .exchange import Message, Receive, Send, closed, route_of
from .routed import edited

__all__ = ["Connection"]

SUCCESS, FAILURE, OVERLOADED, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.OVERLOADED, Verdict.IGNORED
CLOSED = {1011: FAILURE, 1014: FAILURE, 1012: OVERLOADED, 1013: OVERLOADED}
TRY_AGAIN_LATER = 1013
DENIAL = "websocket.http.response"


class Connection:
    """One websocket: what ``call.request`` is behind this door, and what a judge is shown.

    As an `Exchange`: ``status`` is 101 once the connection is accepted, that of a denial otherwise; ``code`` the one it
    was closed with by the app.
    """

    accepted = False
    call: Call | None = None
    code: int | None = None
    error: BaseException | None = None
    followed: Call | None = None
    """The call that somebody follows, from its beginning on."""
    gone = False
    headers: Any = ()
    inherited: Any = None
    over = False
    facts: Any = None
    refused: BaseException | None = None
    """As of an exchange; of a websocket no body is too long."""
    status: int | None = None
    verdict = FAILURE
    waited = 0.0
    waits_until: float | None = None
    writing = False

    def __init__(self, door: Any, scope: Any, receive: Receive, send: Send) -> None:
        self.door = door
        self.scope = scope
        self.source = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self.source()
        if message["type"] == "websocket.disconnect" and not self.over:
            if self.accepted:
                self._end()
            else:
                self.gone = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        last = False
        if kind == "websocket.accept":
            if self.status is None and self.call is not None:
                message = self._begun(message, 101)
        elif kind == "websocket.close":
            last = True
            if self.status is None and self.call is not None:
                self._begun(message, 403)
        elif kind == "websocket.http.response.start":
            if self.status is None and self.call is not None:
                message = self._begun(message, message["status"])
        elif kind == "websocket.http.response.body":
            last = not message.get("more_body")
        self.writing = True
        try:
            await self._send(message)
        except OSError:  # the client has gone: as good an end as any, once it was let in
            if self.accepted and not self.over:
                self._end()
            self.gone = not self.accepted
            raise
        self.writing = False
        if kind == "websocket.accept" and not self.over:
            self.accepted = True
            unbound(self.call)  # type: ignore[arg-type]  # it was set before the app was called
        elif last and not self.over:
            if kind == "websocket.close":
                self.code = message.get("code", 1000)
                if self.accepted and self.code in CLOSED:
                    self.verdict = CLOSED[self.code]
            self._end()

    def dawdles(self, now: float) -> bool:
        """Whether it is the client that has taken the time. A handshake has no body to wait for."""
        return self.writing

    def _end(self) -> None:
        self.over = True
        ended(self)

    def _begun(self, message: Message, status: int) -> Message:
        door = self.door
        call: Any = self.call
        self.status = status
        headers = message.get("headers", ())
        if headers.__class__ is not list:  # as in an exchange
            headers = [*headers]
            if "headers" in message:
                message = {**message, "headers": headers}
        if call.route is not None and call.route.plan.answer and message["type"] != "websocket.close":
            headers = edited(headers, call.route.plan.answer)
            message = {**message, "headers": headers}
        self.headers = headers
        now = call.answered_at = door.clock()
        self.verdict = door.verdict(self)
        if call.marks is not None:
            begun(call)
        if call.events is not None:
            call.status = status
        if message["type"] != "websocket.close":
            if call.cookies is not None:
                headers = [*headers, *((NAME, line) for line in lines(call.cookies))]
                message = {**message, "headers": headers}
            if door.announces is not None:
                headers = [*headers, *door.announces(call, now, door.wall())]
                message = {**message, "headers": headers}
            if call.events is not None:
                message = {**message, "headers": [*headers, *answering(door.pipeline, call, status)]}
        return message

    def outcome(self) -> Verdict:
        """What the call comes to when the app returns; where it had let the client in, the server closes for it."""
        if self.over or self.accepted:
            return self.verdict
        return IGNORED if self.gone else FAILURE

    def failure(self) -> Failure:
        return Failure(self.error, status=self.status)

    @property
    def route(self) -> str | None:
        return route_of(self.scope)

    @property
    def started(self) -> bool:
        return self.status is not None

    async def respond(self, status: int, headers: Pairs = (), body: bytes = b"") -> None:
        """Deny as an app would: it is looked at on its way."""
        await self._deny(self.send, status, [*headers, (b"content-length", b"%d" % len(body))], body)

    def close(self) -> None:
        """Whatever the app has left behind, it is not to send any more."""
        self._send = closed
        self.over = True

    async def refuse(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """Answer in place of the app, with the fields that the route has for it where one was found."""
        send = self._send
        self.close()
        plan = None if self.facts is None else planned(self.facts)
        if plan is not None and plan.answer:
            headers = edited(headers, plan.answer)
        await self._deny(send, status, headers, body)

    async def _deny(self, send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if DENIAL in (self.scope.get("extensions") or ()):
            await send({"type": f"{DENIAL}.start", "status": status, "headers": headers})
            await send({"type": f"{DENIAL}.body", "body": body})
        else:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "refused"})
