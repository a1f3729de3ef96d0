"""Why did it fail? A call that cannot succeed, what is told of it, and how to ask for that later."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import httpx
from rich.console import Console

from meshkit import Cluster, Constant, Endpoint, Pipeline, Retry, RoundRobin, Timeout
from meshkit.httpx import AsyncMeshTransport, PoolTransport
from meshkit.observe import Journal, Recorder

from .upstreams import HOST, free_port, upstreams

__all__ = ["asked"]


def pipeline_over(dead: str, broken: str) -> Pipeline:
    return Pipeline(
        Timeout(2.0),
        Retry(on=("5xx", "connect-failure"), attempts=3, backoff=Constant(0.05)),
        Cluster("orders", [Endpoint(dead, name="dead"), Endpoint(broken, name="broken")], balancer=RoundRobin()),
        name="orders",
    )


async def asked(console: Console) -> None:
    """One call, to two servers of which one is down and the other has nothing but 503."""
    console.rule("A call that fails")
    recorder = Recorder(always=True, to=Journal().write)
    async with upstreams(["broken"]) as (broken,):
        pipeline = pipeline_over(f"http://{HOST}:{free_port()}", broken.url)
        pipeline.listen(recorder)
        transport = AsyncMeshTransport(pipeline, PoolTransport(verify=False))
        async with httpx.AsyncClient(transport=transport) as client:
            with suppress(httpx.HTTPError):
                await client.get("http://orders/stock/7")
    console.print(pipeline.explain(), soft_wrap=True, highlight=False, markup=False)
    console.print()
    console.print(recorder.last, soft_wrap=True, highlight=False, markup=False)
    console.print()
    if not recorder.failed:
        ask = f"{shown(Path(sys.executable))} -m meshkit why --last"
        console.print(f"The same, whenever you like: {ask}", soft_wrap=True, highlight=False)


def shown(program: Path) -> Path:
    """As one would write it here."""
    with suppress(ValueError):
        return program.relative_to(Path.cwd())
    return program
