"""What else may stand between a server's messages and who asks for them, or sends them?"""

from __future__ import annotations

from typing import Any

from ..asgi.exchange import Receive, Send

__all__ = ["after", "anyhow", "trailing"]


def after(messages: list[Any], receive: Receive) -> Receive:
    """Gives what was there before, and then what comes."""

    async def given() -> Any:
        return messages.pop(0) if messages else await receive()

    return given


def anyhow(exchange: Any, send: Send) -> Send:
    """Sends to a client for as long as it is there, and after that to nobody."""

    async def sent(message: Any) -> None:
        if exchange.gone:
            return
        try:
            await send(message)
        except OSError:  # ASGI 2.4: the client has gone
            exchange.gone = True

    return sent


def trailing(answer: Any) -> bool:
    """Whether an answer has fields after its body, or says so (RFC 9110, 6.6.2)."""
    if answer.complete:
        return bool(answer.trailers)
    return any(len(name) == 7 and name.lower() == b"trailer" for name, _ in answer.headers)
