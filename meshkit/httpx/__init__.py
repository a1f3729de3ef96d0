"""The door for httpx and httpx2: transports that send a client's requests, through a pipeline or just quickly.

    transport = AsyncMeshTransport(Pipeline(Timeout(2.0), Retry("5xx"), CircuitBreaker()))
    client = httpx.AsyncClient(transport=transport)

    client = httpx.AsyncClient(transport=PoolTransport())

Importing this imports neither library, nor asyncio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .door import Judge
from .transport import AsyncMeshTransport, MeshTransport

if TYPE_CHECKING:
    from .pool import PoolTransport

__all__ = ["AsyncMeshTransport", "Judge", "MeshTransport", "PoolTransport"]


def __getattr__(name: str) -> object:
    if name != "PoolTransport":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .pool import PoolTransport  # asyncio is for those who await

    return PoolTransport
