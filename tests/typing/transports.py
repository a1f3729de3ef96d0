"""Does a type checker take our transports for both clients' own, and tell the colours apart? Checked, never run."""

import httpx
import httpx2

from meshkit import Pipeline, Timeout
from meshkit.httpx import AsyncMeshTransport, MeshTransport, PoolTransport

pipeline = Pipeline(Timeout(1.0))

httpx.AsyncClient(transport=AsyncMeshTransport(pipeline))
httpx.AsyncClient(mounts={"all://": AsyncMeshTransport(pipeline, httpx.AsyncHTTPTransport())})
httpx2.AsyncClient(transport=AsyncMeshTransport(pipeline, httpx2.AsyncHTTPTransport()))
httpx.AsyncClient(transport=PoolTransport(limits=httpx.Limits(), retries=1))
httpx2.AsyncClient(mounts={"all://": AsyncMeshTransport(pipeline, PoolTransport())})
httpx.Client(transport=MeshTransport(pipeline, httpx.HTTPTransport()))
httpx2.Client(mounts={"all://": MeshTransport(pipeline)})

httpx.Client(transport=AsyncMeshTransport(pipeline))  # type: ignore[arg-type]
httpx2.AsyncClient(transport=MeshTransport(pipeline))  # type: ignore[arg-type]
AsyncMeshTransport(Timeout(1.0))  # type: ignore[arg-type]
