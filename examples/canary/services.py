"""Who is called, and who calls? Two versions of an orders service, and a shop that knows nothing of meshkit."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, HTTPException, Request

__all__ = ["orders_service", "serve", "shop_service"]

PASSED_ON = ("x-canary", "x-customer")


def orders_service(version: str) -> FastAPI:
    app = FastAPI()
    app.state.broken = False
    app.state.asked = asked = []

    @app.get("/{path:path}")
    async def answer(path: str):
        asked.append(path)
        if app.state.broken:
            raise HTTPException(500, "out of order")
        return {"version": version, "path": f"/{path}"}

    return app


def shop_service(client: httpx.AsyncClient) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI):
        async with client:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/buy/{article}")
    async def buy(article: str, request: Request):
        told = {name: request.headers[name] for name in PASSED_ON if name in request.headers}
        answer = await client.get(f"http://orders/buy/{article}", headers=told, follow_redirects=True)
        if answer.is_error:
            raise HTTPException(502, f"orders: {answer.status_code}")
        return answer.json()

    return app


def serve(app: FastAPI, port: int = 0) -> tuple[str, Callable[[], None]]:
    """Serve an app on a thread. Answers where, and what ends it."""
    wire = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, args=([wire],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)

    def end() -> None:
        server.should_exit = True
        thread.join()

    return f"127.0.0.1:{wire.getsockname()[1]}", end
