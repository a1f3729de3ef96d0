"""An ASGI app behind a pipeline, served by uvicorn on loopback; each client has a limit of its own."""

import socket
import threading

import httpx
import uvicorn

from meshkit import CircuitBreaker, ConcurrencyLimit, Pipeline, RateLimit, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.deadline import remaining

pipeline = Pipeline(
    RateLimit("60/min", burst=2, key="header:x-api-key"),
    ConcurrencyLimit(100, queue=50),
    Timeout(2.0),
    CircuitBreaker(),
)


async def shop(scope, receive, send) -> None:
    body = f"{remaining():.1f} s left to answer in".encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


listener = socket.create_server(("127.0.0.1", 0))
server = uvicorn.Server(uvicorn.Config(MeshMiddleware(shop, pipeline), log_level="warning", lifespan="off", ws="none"))
thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
thread.start()

with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
    for who in ("ann", "ann", "ann", "bob"):
        answer = client.get("/cart", headers={"x-api-key": who, "x-request-deadline-ms": "800"})
        said = answer.text if answer.is_success else answer.json()["detail"]
        print(who, answer.status_code, answer.headers["ratelimit"], said)

server.should_exit = True
thread.join()
listener.close()
print("idle:", pipeline.idle())
