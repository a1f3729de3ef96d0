"""What is there to be seen on a status page? A shop's mesh under way, with no wire: scripted servers, and customers.

One endpoint of the carts fails and is ejected, the payments' breaker is open, a rollout of the search is in its second
step, the export is slow, and one client asks for more than its limit. The servers are functions of the request, so what
comes of a call depends on nothing but the draw.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import httpx

from meshkit.config import Mesh, loads

MESH = """
mesh: shop
policies:
  careful: [timeout: 2s, retry: {on: "5xx, connect-failure", attempts: 3}]
clusters:
  web: ["10.1.0.11:8080", "10.1.0.12:8080", "10.1.0.13:8080"]
  carts:
    endpoints: ["10.1.1.21:8080", "10.1.1.22:8080", "10.1.1.23:8080", "10.1.1.24:8080"]
    balancer: round_robin
    outliers: {outlier_detection: {base_ejection_time: 300s}}
  search: ["10.1.2.31:9200", "10.1.2.32:9200"]
  search-v2: ["10.1.2.41:9200"]
  payments:
    endpoints: ["10.1.3.51:8443", "10.1.3.52:8443"]
    pipeline: [circuit_breaker: {failures: 5, cooldown: 120s}]
  stock: ["10.1.4.61:8080", "10.1.4.62:8080", "10.1.4.63:8080"]
  reports: ["10.1.5.71:8080"]
routes:
- {name: pages, match: {prefix: /}, policies: [careful], to: web}
- {name: cart, match: {prefix: /cart}, policies: [careful], to: carts}
- name: search
  match: {prefix: /search}
  policies: [careful, rate_limit: {rate: 30/s, burst: 30}]
  to:
    rollout: {name: better-search, main: search, canary: search-v2, steps: [2%, 10%, 50%, 100%], every: 40s, calls: 3,
      max_error_rate: 20%}
- name: pay
  match: {prefix: /pay}
  policies: [timeout: 5s, concurrency_limit: 20]
  actions: [request_headers: {set: {authorization: "Bearer not-to-be-seen"}}]
  to: payments
- {name: stock, match: {prefix: /stock}, policies: [timeout: 1s], to: {split: {stock: 100}}}
- {name: export, match: {prefix: /export}, policies: [timeout: 30s], to: reports}
- {name: old, match: {prefix: /shop}, to: {redirect: {prefix: /, status: 308}}}
listeners:
  public: {port: 8080, hosts: [shop.example]}
"""

Server = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Servers(httpx.AsyncBaseTransport):
    """Answers in place of all servers."""

    def __init__(self, seed: int = 7) -> None:
        self.draw = Random(seed)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, draw = request.url.host, self.draw
        usual = {"10.1.0": 0.004, "10.1.1": 0.009, "10.1.2": 0.03, "10.1.3": 0.05, "10.1.4": 0.006, "10.1.5": 4.0}
        await asyncio.sleep(usual.get(host.rpartition(".")[0], 0.005) * draw.lognormvariate(0.0, 0.5))
        if host == "10.1.1.23" or (host.startswith("10.1.3") and draw.random() < 0.9):
            raise httpx.ConnectError("connection refused") from ConnectionRefusedError(111, "Connection refused")
        if host.startswith("10.1.4") and draw.random() < 0.03:
            return httpx.Response(503)
        return httpx.Response(200, content=b"ok")


PATHS = (
    *["/"] * 30,
    *["/cart/items"] * 18,
    *["/search"] * 14,
    *["/pay/now"] * 5,
    *["/stock/7"] * 12,
    "/export/q3",
    "/shop",
)
"""What customers ask for, by how often."""


def town() -> Mesh:
    return Mesh(loads(MESH))


@asynccontextmanager
async def busy(
    mesh: Mesh, rate: float = 60.0, inner: Any = None, paths: Iterator[str] | None = None
) -> AsyncIterator[None]:
    """While inside, customers ask, so many a second."""
    from meshkit.httpx import AsyncMeshTransport

    draw = Random(1)
    asked = paths or iter(lambda: draw.choice(PATHS), "")
    transport = AsyncMeshTransport(mesh.serving("public"), inner or Servers())
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:

        async def ask(path: str) -> None:
            with suppress(httpx.HTTPError):
                await client.get(path)

        async def arrive() -> None:
            async with asyncio.TaskGroup() as customers:
                for path in asked:
                    customers.create_task(ask(path))
                    await asyncio.sleep(draw.expovariate(rate))

        arriving = asyncio.create_task(arrive())
        try:
            yield
        finally:
            arriving.cancel()
            await asyncio.gather(arriving, return_exceptions=True)


def large(endpoints: int = 500) -> Mesh:
    """Five clusters with so many endpoints in all."""
    names = ["accounts", "catalog", "images", "mail", "prices"]
    each = endpoints // len(names)
    clusters = "\n".join(
        f"  {name}: [{', '.join(f'10.{k}.{n // 250}.{n % 250 + 1}:80' for n in range(each))}]"
        for k, name in enumerate(names)
    )
    routes = "\n".join(f"- {{name: {name}, match: {{prefix: /{name}}}, to: {name}}}" for name in names)
    return Mesh(loads(f"mesh: large\nclusters:\n{clusters}\nroutes:\n{routes}\nlisteners:\n  public: {{port: 8080}}\n"))


def around(*names: str) -> Iterator[str]:
    """Paths, one after the other, again and again."""
    return itertools.cycle(f"/{name}/1" for name in names)
