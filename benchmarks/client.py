"""What do six policies add to an HTTP client? Measured at the transport, over one that answers at once and does no I/O.

A call is ``handle_async_request`` and the closing of the response, which is when the policies let go of it. httpx
itself, on top, costs far more than either; its own network transport more again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from .measure import Effort
from .rows import AWAITS, Line, Row, Subject
from .stack import six_policies

__all__ = ["ROWS"]

ALONE = "no-op transport"


def _no_operation() -> tuple[Any, Callable[[Any], Callable[[], Any]]]:
    """The transport, and how to call one."""
    import httpx

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b""

        async def aclose(self) -> None:
            pass

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Body())

    request = httpx.Request("GET", "http://127.0.0.1:1/")

    def calling(transport: httpx.AsyncBaseTransport) -> Callable[[], Any]:
        send = transport.handle_async_request

        async def one() -> None:
            response = await send(request)
            await response.aclose()

        return one

    return Transport(), calling


@Subject.of("meshkit")
def meshkit() -> Callable[[], Any]:
    from meshkit.httpx import AsyncMeshTransport

    inner, calling = _no_operation()
    return calling(AsyncMeshTransport(six_policies(), inner))


@Subject.of(ALONE)
def alone() -> Callable[[], Any]:
    inner, calling = _no_operation()
    return calling(inner)


@attrs.frozen
class Transport:
    """One race, told twice: in bare awaits, and in microseconds, which is what the target is in."""

    group = "client"

    async def measure(self, effort: Effort) -> list[Line]:
        row = Row(
            group=self.group,
            path="httpx transport with six policies",
            unit=AWAITS,
            ours=meshkit,
            peers=(alone,),
            usual=ALONE,
            notes=("The no-op transport is no peer but what lies below: it is part of ours.",),
        )
        [line] = await row.measure(effort)
        figures = {name: attrs.evolve(figure, ratio=figure.nanoseconds / 1000) for name, figure in line.figures.items()}
        notes = ("The next target is 10. The spread is that of the ratio.",)
        return [line, attrs.evolve(line, unit="µs", target=15.0, figures=figures, notes=notes)]


ROWS = (Transport(),)
