"""How long did each step of an attempt take? Told by the transport, in httpcore's ``trace`` extension.

===========================================  ================
its words                                    step
===========================================  ================
``connection.connect_tcp`` (or a socket's)   ``connect``
``connection.start_tls``                     ``tls``
``….send_request_body``                      ``send``
``….receive_response_headers``               ``first byte``
``….receive_response_body``                  ``body``
===========================================  ================

Only where the call is wanted in full. A ``trace`` of the caller's own is told as well.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..call import Call
from ..observe.events import Step

__all__ = ["traced"]

STEPS = {
    "connect_tcp": "connect",
    "connect_unix_socket": "connect",
    "start_tls": "tls",
    "send_request_body": "send",
    "receive_response_headers": "first byte",
    "receive_response_body": "body",
}


def traced(extensions: Any, call: Call, clock: Callable[[], float], *, awaits: bool) -> dict[str, Any]:
    """The extensions of an attempt's request, with one that writes its steps down."""
    events, number = call.events, call.number
    if not number:
        return extensions  # type: ignore[no-any-return]  # no attempt, but what a middleware or a race does
    given = extensions.get("trace")
    began: dict[str, float] = {}

    def note(name: str) -> None:
        _, _, what = name.partition(".")
        what, _, state = what.partition(".")
        step = STEPS.get(what)
        if step is not None:
            now = clock()
            if state == "started":
                began[step] = now
            elif state == "complete" and not events.over:
                events.append(Step(now, number, step, now - began.get(step, now)))

    def trace(name: str, info: dict[str, Any]) -> None:
        note(name)
        if given is not None:
            given(name, info)

    async def atrace(name: str, info: dict[str, Any]) -> None:
        note(name)
        if given is not None:
            told: Awaitable[None] = given(name, info)
            await told

    return {**extensions, "trace": atrace if awaits else trace}
