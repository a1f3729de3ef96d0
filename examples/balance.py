"""Ten lines balance an httpx client over the servers a file lists. One is killed, one is added, no request is lost.

The ten are the imports of httpx and meshkit, and `client_over`. All else starts servers, kills one of them, and counts.
"""

import asyncio
import json
import os
import socket
import sys
import threading
from asyncio.subprocess import PIPE
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from meshkit import Cluster, Pipeline, Retry, Timeout
from meshkit.cluster import OutlierDetection
from meshkit.discover import File
from meshkit.httpx import AsyncMeshTransport


def client_over(path: Path) -> httpx.AsyncClient:
    servers = Cluster("orders", File(path, interval=0.1), outliers=OutlierDetection())
    pipeline = Pipeline(Timeout(10.0), Retry("connect-failure, reset"), servers)
    transport = AsyncMeshTransport(pipeline, whole=65536)  # a server may be killed while it answers
    return httpx.AsyncClient(transport=transport, base_url="http://orders")


class Server:
    """A process with uvicorn, which says its port when it listens, and ends when its standard input does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = None

    async def start(self) -> None:
        command = [sys.executable, __file__, self.name]
        self.process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, start_new_session=True)
        self.url = f"http://127.0.0.1:{int(await self.process.stdout.readline())}"

    async def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.communicate()


class Traffic:
    """GET requests, so many in flight at any time until it is over."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.asked = 0
        self.served = Counter()
        self.lost = []
        self.over = False
        self.news = asyncio.Condition()

    async def ask(self) -> None:
        while not self.over:
            self.asked += 1
            try:
                answer = await self.client.get("/apples")
                self.served[answer.raise_for_status().text] += 1
            except Exception as error:
                self.lost.append(error)
            async with self.news:
                self.news.notify_all()

    async def until(self, name: str, number: int) -> None:
        """That server has answered so many requests."""
        async with self.news:
            await self.news.wait_for(lambda: self.served[name] >= number)


async def main() -> int:
    one, two, three, four = map(Server, ("one", "two", "three", "four"))
    async with asyncio.timeout(50), AsyncExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / "servers.json"
        await begin(stack, one, two, three)
        lists(path, one, two, three)
        traffic = Traffic(await stack.enter_async_context(client_over(path)))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(8):
                tasks.create_task(traffic.ask())
            await traffic.until("one", 20)
            await one.kill()
            await begin(stack, four)
            lists(path, two, three, four)
            await traffic.until("four", 50)
            traffic.over = True
    for name, what in (("one", "killed"), ("two", ""), ("three", ""), ("four", "added")):
        print(f"{name:5} served {traffic.served[name]:4}  {what}")
    print(f"{traffic.served.total()} of {traffic.asked} answered", *map(repr, traffic.lost))
    return len(traffic.lost)


async def begin(stack: AsyncExitStack, *servers: Server) -> None:
    for server in servers:
        stack.push_async_callback(server.kill)
    await asyncio.gather(*(server.start() for server in servers))


def lists(path: Path, *servers: Server) -> None:
    """Replaced in one step: nobody ever reads half of it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps([server.url for server in servers]))
    new.replace(path)


def end_with_input() -> None:
    os.read(0, 1)
    os._exit(0)


def serve(name: str) -> None:
    import uvicorn

    async def app(scope, receive, send) -> None:
        await asyncio.sleep(0.02)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="error"))
    print(listening.getsockname()[1], flush=True)
    threading.Thread(target=end_with_input, daemon=True).start()
    server.run([listening])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        sys.exit(asyncio.run(main()))
