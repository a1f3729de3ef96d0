"""A browser, and a status page that is served to it: on a thread of its own, with traffic that there is to be seen."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import uvicorn

from meshkit.gateway.status import Status

__all__ = ["CHROMIUM", "Served", "browser", "serving"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""The distribution's."""


class Served:
    """A page under an address; another one may take its place."""

    def __init__(self, page: Status, url: str) -> None:
        self.page = page
        self.url = url
        self.mesh = page.mesh
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await self.page(scope, receive, send)

    def end(self) -> None:
        """End the streams, and take no more."""
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.page.close)

    def renew(self) -> None:
        """Serve another page in its place."""
        self.page = Status(self.mesh)


@contextmanager
def serving(mesh: Any, busy: Callable[[], AbstractAsyncContextManager[None]], **options: Any) -> Iterator[Served]:
    """While inside, its status page is served on loopback, and ``busy`` is."""
    wire = socket.create_server(("127.0.0.1", 0))
    served = Served(Status(mesh, **options), f"http://127.0.0.1:{wire.getsockname()[1]}/")
    server = uvicorn.Server(uvicorn.Config(served, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    ready = threading.Event()

    async def serve() -> None:
        served.loop = asyncio.get_running_loop()
        async with busy():
            ready.set()  # whoever connects before it is served waits in the socket's queue
            await server.serve([wire])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    if not ready.wait(30):
        raise TimeoutError("the page is not served")
    try:
        yield served
    finally:
        served.end()
        server.should_exit = True
        thread.join(30)
        wire.close()


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield opened
        finally:
            opened.close()
