"""Where does the gateway's own time go? What a request costs less without each of the things that are done for it.

In one process, without any server or socket: requests are handed to the app, and a pool that has the upstream's answer
ready answers at once. So this is what the gateway itself adds to both, warm and undisturbed; between the system's own
code it takes longer.

    python -m benchmarks.gateway_parts [--count 5000]

shows besides by library and by function where it goes (see `wire_profile` for how to read that).
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import itertools
import json
import pstats
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import attrs

from .gateway_plan import Plan, mesh
from .gateway_subjects import OURS
from .measure import FULL, Effort, Figure
from .nginx import SMALL
from .rows import Line
from .wire_profile import functions, libraries

__all__ = ["ROWS", "made", "parts"]

PORT = 8080
ANSWER = [
    (b"Server", b"nginx/1.22.1"),
    (b"Date", b"Fri, 27 Nov 2026 11:14:21 GMT"),
    (b"Content-Type", b"application/octet-stream"),
    (b"Content-Length", b"%d" % SMALL),
    (b"Last-Modified", b"Fri, 27 Nov 2026 11:14:21 GMT"),
    (b"Connection", b"keep-alive"),
    (b"ETag", b'"6568-c8"'),
    (b"Accept-Ranges", b"bytes"),
]
"""The very fields that nginx answers with."""
WHOLE, BARE = "all of it", "the pool alone"
SHOWN = 30
LAP = 100
"""Requests in a row."""
Document = dict[str, Any]


class Ready:
    """A pool that has the answer."""

    def __init__(self) -> None:
        from meshkit.upstream import Answer

        self.answer: Any = Answer

    async def send(self, *given: Any, **more: Any) -> Any:
        nobody: Any = None
        answer = self.answer(nobody, None, None)
        answer.status, answer.reason, answer.version = 200, b"OK", b"HTTP/1.1"
        answer.headers, answer.trailers = [*ANSWER], []
        answer.chunks = deque([b"x" * SMALL])
        answer.complete = True
        return answer

    def idle(self) -> bool:
        return True


def made(
    change: Callable[[Document], object] | None = None, *, status: bool = True, metrics: bool = True, **options: Any
) -> Any:
    """A gateway of the plan that all subjects have, with a changed mesh file, or with nobody who counts."""
    from meshkit.config import Mesh
    from meshkit.gateway import Gateway
    from meshkit.gateway.status.traffic import Traffic
    from meshkit.observe import Metrics

    document = mesh(Plan([f"127.0.0.1:{port}" for port in (9001, 9002, 9003)]), PORT)
    if change is not None:
        change(document)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mesh.json"
        file.write_text(json.dumps(document), "utf-8")
        found = Mesh.from_file(file)
    if status:
        found.watch(Traffic())
    if metrics:
        found.watch(Metrics())
    ready: Any = Ready()
    return Gateway(found, pool=ready, **options)


def bare() -> Any:
    """The app that lies below: see `gateway_apps.pool`."""
    ready = Ready()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        answer = await ready.send(scope["method"].encode(), scope["raw_path"], scope["headers"], b"", times={})
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.whole or b""})

    return app


def without(policy: str) -> Callable[[Document], object]:
    """A mesh whose routes go without one of their policies."""

    def change(document: Document) -> None:
        usual = document["policies"]["usual"]
        document["policies"]["usual"] = [each for each in usual if policy not in each]

    return change


PARTS: dict[str, Callable[[], Any]] = {
    "what the status page counts": lambda: made(status=False),
    "what Prometheus is told": lambda: made(metrics=False),
    "both": lambda: made(status=False, metrics=False),
    "rate limit, and its fields": lambda: made(lambda document: document["listeners"]["public"].pop("policies")),
    "the fields of the rate limit": lambda: made(rate_limit=None),
    "timeout": lambda: made(without("timeout")),
    "retry": lambda: made(without("retry")),
    "outlier detection": lambda: made(lambda document: document["clusters"]["static"].pop("outliers")),
    "peak EWMA, over round robin": lambda: made(
        lambda document: document["clusters"]["static"].update(balancer="round_robin")
    ),
    "request ids": lambda: made(request_id=None),
    "Via": lambda: made(via=None),
    "deadlines and questions of clients": lambda: made(deadline=(), explain=None),
}
"""What it does, and a gateway that does not."""


def asking(app: Any) -> Callable[[], Any]:
    """Requests to ten routes in turns."""
    common = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "server": ("127.0.0.1", PORT),
        "client": ("127.0.0.1", 50_000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "query_string": b"",
    }
    turns = itertools.cycle(
        {
            **common,
            "path": path,
            "raw_path": path.encode(),
            "headers": [(b"host", host.encode()), (b"accept", b"*/*"), (b"user-agent", b"wrk")],
        }
        for host, path in Plan([]).asked()
    )

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        if message.get("status", 200) != 200:
            raise RuntimeError(f"answered with {message['status']}")

    async def one() -> None:
        await app(dict(next(turns)), receive, send)

    return one


async def quick(asked: dict[str, Callable[[], Any]], laps: int) -> dict[str, float]:
    """Seconds of the processor for one request to each, in turns; of its laps one of the least disturbed counts."""
    took: dict[str, list[float]] = {name: [] for name in asked}
    gc.collect()
    gc.disable()
    try:
        for _ in range(laps):
            for name, one in asked.items():
                began = process_time()
                for _ in range(LAP):
                    await one()
                took[name].append((process_time() - began) / LAP)
                await asyncio.sleep(0)
            gc.collect()
    finally:
        gc.enable()
    return {name: sorted(each)[len(each) // 10] for name, each in took.items()}


def parts(found: dict[str, float]) -> dict[str, Figure]:
    """Microseconds of all of it, and of each part: how much less it is without."""
    less = {WHOLE: found[WHOLE] - found[BARE]}
    less |= {name: found[WHOLE] - found[name] for name in PARTS if name in found}
    return {name: Figure(each * 1e6, 0.0, each * 1e9) for name, each in less.items()}


@attrs.frozen
class Parts:
    group = "gateway"

    async def measure(self, effort: Effort) -> list[Line]:
        asked = {WHOLE: asking(made()), BARE: asking(bare())}
        asked |= {name: asking(make()) for name, make in PARTS.items()}
        figures = parts(await quick(asked, effort.rounds * 3))
        line = Line(
            group=self.group,
            path="the gateway's own code, in one process",
            unit="µs",
            target=None,
            ours=WHOLE,
            usual=None,
            figures=figures,
            missing={},
            notes=(f"How much less it is without each; {OURS} in the other rows.",),
            beside=tuple(PARTS),
            full=True,
        )
        return [line]


ROWS = (Parts(),)


async def profiled(count: int) -> pstats.Stats:
    one = asking(made())
    for _ in range(count // 4):
        await one()
    profile = cProfile.Profile()
    with profile:
        for _ in range(count):
            await one()
    return pstats.Stats(profile)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_parts", description="Where the time goes.")
    parser.add_argument("--count", type=int, default=5000, help="requests under the profiler")
    given = parser.parse_args()
    [line] = asyncio.run(Parts().measure(FULL))
    print("µs a request, and how much less it is without each\n")
    for name, figure in sorted(line.figures.items(), key=lambda item: -item[1].ratio):
        print(f"{figure.ratio:8.1f}  {name}")
    profile = asyncio.run(profiled(given.count))
    everything = sum(libraries(profile).values())
    print("\nµs a request, under the profiler\n")
    for name, seconds in libraries(profile).most_common():
        if seconds > everything / 200:
            print(f"{seconds / given.count * 1e6:8.1f}  {seconds / everything:4.0%}  {name}")
    print("\n      µs  calls  function")
    for seconds, calls, name in functions(profile)[:SHOWN]:
        print(f"{seconds / given.count * 1e6:8.1f}  {calls / given.count:5.1f}  {name}")


if __name__ == "__main__":
    main()
