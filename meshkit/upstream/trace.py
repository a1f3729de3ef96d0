"""What did a call do, step by step? httpcore's ``trace`` extension: a coroutine function is told of each step.

The names are httpcore's: ``connection.connect_tcp``, ``connection.connect_unix_socket``, ``connection.start_tls``,
``connection.retry``; ``http11.send_request_headers``, ``http11.send_request_body``,
``http11.receive_response_headers``, ``http11.receive_response_body``, ``http11.response_closed``. Each with
``.started``, then ``.complete`` or ``.failed``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import attrs

__all__ = ["Step", "Trace"]


@attrs.frozen
class Trace:
    """Whom to tell, and of which request."""

    told: Callable[[str, dict[str, Any]], Awaitable[None]]
    request: Any

    async def __call__(self, name: str, info: dict[str, Any]) -> None:
        told = self.told(name, info)
        if not inspect.isawaitable(told):
            raise TypeError("the callback of the extension `trace` must be an async function")
        await told


class Step:
    """An ``async with`` around a step. Without a ``trace`` it does nothing."""

    __slots__ = ("_info", "_name", "_trace", "value")

    def __init__(self, trace: Trace | None, name: str, **info: Any) -> None:
        self._trace = trace
        self._name = name
        self._info = info
        self.value: Any = None
        """What came of it."""

    @classmethod
    def of(cls, trace: Trace | None, name: str) -> Self:
        """One that tells of the request as well."""
        return cls(trace, name) if trace is None else cls(trace, name, request=trace.request)

    async def __aenter__(self) -> Self:
        if self._trace is not None:
            await self._trace(f"{self._name}.started", self._info)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._trace is not None:
            if error is None:
                await self._trace(f"{self._name}.complete", {"return_value": self.value})
            else:
                await self._trace(f"{self._name}.failed", {"exception": error})
