"""The door for httpx and httpx2: transports that send a client's requests through a pipeline.

    transport = AsyncMeshTransport(Pipeline(Timeout(2.0), Retry("5xx"), CircuitBreaker()))
    client = httpx.AsyncClient(transport=transport)

Importing this imports neither library.
"""

from .door import Judge
from .pool import PoolTransport
from .transport import AsyncMeshTransport, MeshTransport

__all__ = ["AsyncMeshTransport", "Judge", "MeshTransport", "PoolTransport"]
