"""What is there? The shop, the two orders services it calls by the mesh file, and a customer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx

from meshkit.config import Mesh

from .services import orders_service, serve, shop_service

__all__ = ["Street", "until"]


class Street:
    """All of them run inside of ``with``; the orders services listen where the file says that they are."""

    def __init__(self, path: Path) -> None:
        self.mesh = Mesh.from_file(path)
        self.one, self.two = orders_service("1"), orders_service("2")

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for app, cluster in zip((self.one, self.two), self.mesh.spec.clusters, strict=True):
                _, end = serve(app, cluster.endpoints[0].port)
                stack.callback(end)
            shop, end = serve(shop_service(httpx.AsyncClient(transport=self.mesh.transport())))
            stack.callback(end)
            self.customer = stack.enter_context(httpx.Client(base_url=f"http://{shop}"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *why: object) -> None:
        self._stack.close()

    def ask(self, article: str, **headers: str) -> dict[str, str]:
        """What the orders service said in the end."""
        answer: dict[str, str] = self.customer.get(f"/buy/{article}", headers=headers).json()
        return answer

    def buy(self, article: str, times: int, **headers: str) -> Counter[str]:
        """How often each version has served it."""
        return Counter(self.ask(article, **headers)["version"] for _ in range(times))

    def sell(self, article: str, until: str) -> int:
        """Sell an article until its rollout has come to a state. Answers how many calls failed."""
        rollout = self.mesh.pipeline.control("release")
        failed = 0
        while rollout.snapshot()["state"] != until:
            failed += self.customer.get(f"/buy/{article}").is_error
        return failed


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that takes its own time."""
    while not happened():
        time.sleep(0.01)
