"""Two FastAPI services, each behind a pipeline, and a caller who has 800 ms. See docs/tutorial/two-services.md."""

import asyncio
import socket
import threading
import time
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException

from meshkit import ConcurrencyLimit, Pipeline, RateLimit, Timeout, presets
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import ledger, remaining
from meshkit.httpx import AsyncMeshTransport


def stock_service(clock=time.monotonic) -> FastAPI:
    app = FastAPI()
    app.add_middleware(MeshMiddleware, pipeline=Pipeline(Timeout(5.0), ConcurrencyLimit(100), clock=clock))
    app.state.asked = asked = []
    app.state.given_up = given_up = []

    @app.get("/{article}")
    async def count(article: str):
        asked.append(article)
        had = remaining()
        try:
            await asyncio.sleep(60.0 if article == "pears" else 0.1)  # pears are hard to find
        except asyncio.CancelledError:
            given_up.append(article)
            raise
        return {"count": 12, "had": had}

    return app


def shop_service(stock: str, inner=None, clock=time.monotonic) -> FastAPI:
    pipeline = Pipeline(presets.standard([stock], name="stock"), clock=clock)
    client = httpx.AsyncClient(transport=AsyncMeshTransport(pipeline, inner), base_url="http://stock")

    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with client:
            yield

    front = Pipeline(
        RateLimit("3/min", key="header:x-customer", name="customer"),
        Timeout(5.0),
        clock=clock,
    )
    app = FastAPI(lifespan=lifespan)
    app.add_middleware(MeshMiddleware, pipeline=front, reserve=0.3, translate=True)

    @app.get("/{article}")
    async def offer(article: str, thinking: float = 0.1):
        had = remaining()
        await asyncio.sleep(thinking)
        answer = await client.get(f"/{article}")
        if answer.is_error:
            raise HTTPException(answer.status_code)
        return {
            "count": answer.json()["count"],
            "had": {"shop": had, "stock": answer.json()["had"]},
            "spent": [f"{line.who}: {line.seconds:.3f} s, {line.verdict}" for line in ledger()],
        }

    return app


def serve(app: FastAPI) -> tuple[str, uvicorn.Server]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, args=([listening],), daemon=True).start()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    httpx.get(f"{url}/openapi.json", timeout=30.0)  # it is up
    return url, server


async def main() -> None:
    stock = stock_service()
    stock_url, stock_server = serve(stock)
    shop_url, shop_server = serve(shop_service(stock_url))

    transport = AsyncMeshTransport(Pipeline(Timeout(0.8)))
    async with httpx.AsyncClient(transport=transport, base_url=shop_url) as caller:
        for path in ("/apples", "/pears", "/apples?thinking=0.6"):
            answer = await caller.get(path, headers={"x-customer": "ann"})
            print(path, answer.status_code, answer.text)
    print("the stock was asked for", stock.state.asked, "and gave up", stock.state.given_up)

    shop_server.should_exit = stock_server.should_exit = True


if __name__ == "__main__":
    asyncio.run(main())
