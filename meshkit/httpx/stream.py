"""What does a client read of the pool's answers? Their bodies as streams of its library, and the stream underneath."""

from __future__ import annotations

import importlib
import ssl
from typing import Any, NoReturn, Self

from ..upstream.answer import Answer
from ..upstream.connection import Connection
from ..upstream.errors import (
    ConnectFailed,
    ConnectTimedOut,
    Malformed,
    Misused,
    PoolTimedOut,
    ReadFailed,
    ReadTimedOut,
    WireError,
    WriteFailed,
    WriteTimedOut,
)
from ..upstream.trace import Step, Trace
from ..upstream.tunnel import INFO, Tunnel
from .library import Library

__all__ = ["NetworkStream", "body_of", "translated"]

THEIRS: dict[type[WireError], str] = {
    ConnectFailed: "ConnectError",
    ConnectTimedOut: "ConnectTimeout",
    Malformed: "RemoteProtocolError",
    Misused: "LocalProtocolError",
    PoolTimedOut: "PoolTimeout",
    ReadFailed: "ReadError",
    ReadTimedOut: "ReadTimeout",
    WriteFailed: "WriteError",
    WriteTimedOut: "WriteTimeout",
}


def translated(error: WireError, library: Library, request: Any) -> Exception:
    """The library's exception for one of the pool's. Raise it ``from`` that one."""
    return getattr(library.module, THEIRS[type(error)])(str(error), request=request)  # type: ignore[no-any-return]


class Whole:
    """A body that is here already."""

    def __init__(self, body: bytes) -> None:
        self._left = self.whole = body

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        left = self._left
        if not left:
            raise StopAsyncIteration
        self._left = b""
        return left

    async def aclose(self) -> None:
        self._left = b""


class Arriving:
    """A body that is still on its way."""

    def __init__(self, answer: Answer, library: Library, request: Any, trace: Trace | None) -> None:
        self._answer = answer
        self._library = library
        self._request = request
        self._trace = trace
        self._step: Step | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._trace is not None and self._step is None:
            self._step = await Step.of(self._trace, "http11.receive_response_body").__aenter__()
        try:
            return await self._answer.__anext__()
        except WireError as error:
            broken = translated(error, self._library, self._request)
            await self._read(broken)
            raise broken from error
        except StopAsyncIteration:
            await self._read(None)
            raise

    async def _read(self, error: BaseException | None) -> None:
        step, self._step = self._step, None
        if step is not None:
            await step.__aexit__(None if error is None else type(error), error, None)

    async def aclose(self) -> None:
        trace, self._trace = self._trace, None
        if trace is None:
            self._answer.close()
            return
        async with Step(trace, "http11.response_closed"):
            self._answer.close()


class Kinds:
    """The two as streams of a library, whose client insists on them."""

    __slots__ = ("arriving", "whole")

    def __init__(self, library: Library) -> None:
        theirs = library.module.AsyncByteStream
        self.whole: Any = type("Whole", (Whole, theirs), {})
        self.arriving: Any = type("Arriving", (Arriving, theirs), {})


_kinds: dict[Library, Kinds] = {}


def body_of(answer: Answer, library: Library, request: Any, trace: Trace | None) -> Any:
    kinds = _kinds.get(library)
    if kinds is None:
        kinds = _kinds[library] = Kinds(library)
    if answer.connection is None and trace is None:
        body = answer.whole
        if body is not None:
            return kinds.whole(body)
    return kinds.arriving(answer, library, request, trace)


class NetworkStream:
    """``response.extensions["network_stream"]``: what is known of the connection and, after 101, the connection itself.

    Its methods and the exceptions they raise are httpcore's.
    """

    __slots__ = ("_answer", "_connection", "_library")

    def __init__(self, answer: Answer, library: Library) -> None:
        connection: Connection = answer.stream
        self._connection = connection
        self._answer = None if connection.tunnel is None else answer  # whoever has the stream alone has it still
        self._library = library

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What there is, at most ``max_bytes``; ``b""`` at the end. Raises ``ReadTimeout`` and ``ReadError``."""
        try:
            return await self._tunnel().read(max_bytes, timeout)
        except WireError as error:
            self._raise(error)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. Raises ``WriteTimeout`` and ``WriteError``."""
        try:
            await self._tunnel().write(buffer, timeout)
        except WireError as error:
            self._raise(error)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> Self:
        """Speak TLS from now on, over what a CONNECT has opened. Raises ``ConnectTimeout`` and ``ConnectError``."""
        try:
            await self._tunnel().start_tls(ssl_context, server_hostname, timeout)
        except WireError as error:
            self._raise(error)
        return self

    async def aclose(self) -> None:
        if self._answer is not None:
            await self._tunnel().aclose()

    def get_extra_info(self, info: str) -> Any:
        """``"client_addr"``, ``"server_addr"``, ``"socket"``, ``"ssl_object"``, ``"is_readable"``; ``None`` for what is
        not known.
        """
        if info == "is_readable":
            return self._connection.readable()
        if self._connection.tunnel is not None:
            return self._connection.tunnel.get_extra_info(info)
        return self._connection.transport.get_extra_info(INFO.get(info, info))

    def _tunnel(self) -> Tunnel:
        tunnel = self._connection.tunnel
        if tunnel is None or self._answer is None:
            raise RuntimeError("this connection speaks HTTP: it is one's own after 101 Switching Protocols only")
        return tunnel

    def _raise(self, error: WireError) -> NoReturn:
        """Httpcore is the library's own business, and loaded when it has something to say."""
        core = importlib.import_module(self._library.module.__name__.replace("httpx", "httpcore"))
        raise getattr(core, THEIRS[type(error)])(str(error)) from error
