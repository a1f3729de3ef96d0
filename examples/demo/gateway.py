"""Who stands in front of them? `meshkit serve`, in a process of its own that ends when its standard input does.

In the same process somebody asks it for something now and then, so that its status page has something to show.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from meshkit.__main__ import main

from .server import end_with_input
from .upstreams import HOST, READY_WITHIN, ROOT, accepts, free_port

__all__ = ["Gateway", "gateway"]

VISITS = 10.0
"""Requests per second."""


class Gateway:
    """It serves a mesh file, and shows at ``page`` what it does. Its listener has to be at ``port``."""

    def __init__(self) -> None:
        self.port, self._page = free_port(), free_port()
        self.url = f"http://{HOST}:{self.port}/"
        self.page = f"http://{HOST}:{self._page}/"
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, path: Path) -> None:
        """Returns when it accepts connections. Raises `RuntimeError` if it ends before that."""
        command = [sys.executable, "-m", __name__, self.url, str(path), "--status", f"{HOST}:{self._page}"]
        # A session of its own: Ctrl-C in the terminal reaches this program only, which then ends the gateway.
        self.process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        async with asyncio.timeout(READY_WITHIN):
            while not (await accepts(self.port) and await accepts(self._page)):
                if self.process.returncode is not None:
                    raise RuntimeError(f"the gateway did not start on port {self.port}")
                await asyncio.sleep(0.02)

    def reload(self) -> None:
        """Have it read its file again."""
        if self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    async def end(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


@asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """One that is ended at the end, if it was started, whatever happens."""
    made = Gateway()
    try:
        yield made
    finally:
        await asyncio.shield(made.end())


def visit(url: str) -> None:
    """Ask for the start page again and again."""
    while True:
        time.sleep(1 / VISITS)
        with suppress(OSError), urllib.request.urlopen(url) as answer:
            answer.read()


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    threading.Thread(target=visit, args=sys.argv[1:2], daemon=True).start()
    logging.basicConfig(level=logging.WARNING)  # a table is drawn where it would write that it has read its file again
    sys.argv = ["meshkit", "serve", *sys.argv[2:]]
    sys.exit(main())
