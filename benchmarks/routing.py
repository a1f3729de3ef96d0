"""What does a router add to an HTTP client, with ten routes and with ten thousand, and how long does one take to build?

A call is ``handle_async_request`` and the closing of the response, over a transport that answers at once (`client`), by
a pipeline that is a cluster, with a router in front of it or without one. The routes have ten prefixes on each host and
lead to a hundred clusters at most. Each sets a header field, takes another away, rewrites its prefix, and sets a field
of the answer. Ten requests, spread over all routes, come in turn: a few routes have nearly all of the traffic.
"""

from __future__ import annotations

import gc
import itertools
import statistics
from collections.abc import Callable
from time import process_time
from typing import Any

import attrs

from .measure import Effort, Figure, spread
from .rows import AWAITS, MICROSECONDS, Line, Row, Subject

__all__ = ["ROWS", "routes"]

SIZES = (10, 100, 10_000)
USUAL = 100
REQUESTS = 10
WITHOUT = "no router"
TURNS = 5


def routes(size: int) -> list[Any]:
    from meshkit import Cluster, Shared
    from meshkit.route.edit import RequestHeaders, ResponseHeaders
    from meshkit.route.match import Match
    from meshkit.route.rewrite import Rewrite
    from meshkit.route.route import Route

    clusters = [Shared(Cluster(f"cluster-{n}", ["http://10.0.0.1:8080"])) for n in range(min(size, 100))]
    return [
        Route(
            Match(host=f"service-{n // 10}.example", prefix=f"/v{n % 10}"),
            clusters[n % len(clusters)],
            actions=[
                Rewrite(prefix="/"),
                RequestHeaders(set={"x-env": "canary"}, remove=["x-debug"]),
                ResponseHeaders(set={"x-served-by": "mesh"}),
            ],
        )
        for n in range(size)
    ]


def calling(pipeline: Any, size: int) -> Callable[[], Any]:
    import httpx

    from meshkit.httpx import AsyncMeshTransport

    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            yield b""

        async def aclose(self) -> None:
            pass

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, headers=[("content-type", "text/plain")], stream=Body())

    send = AsyncMeshTransport(pipeline, Transport()).handle_async_request
    numbers = [n * size // REQUESTS for n in range(REQUESTS)]
    requests = itertools.cycle(
        httpx.Request(
            "GET", f"http://service-{n // 10}.example/v{n % 10}/orders/{n}", headers={"accept": "*/*", "x-debug": "1"}
        )
        for n in numbers
    )

    async def one() -> None:
        response = await send(next(requests))
        await response.aclose()

    return one


def with_router(size: int) -> Callable[[], Any]:
    from meshkit import Pipeline
    from meshkit.route.router import Router

    return calling(Pipeline(Router(routes(size))), size)


def without() -> Callable[[], Any]:
    from meshkit import Cluster, Pipeline

    return calling(Pipeline(Cluster("cluster", ["http://10.0.0.1:8080"])), USUAL)


@attrs.frozen
class Routers:
    """One race, told three times: in bare awaits, what comes on top of the same without a router, and of that how much
    more it is with ten thousand routes than with a hundred.
    """

    group = "routing"

    async def measure(self, effort: Effort) -> list[Line]:
        names = {size: f"{size} routes" for size in SIZES}
        row = Row(
            group=self.group,
            path="httpx transport with a router",
            unit=AWAITS,
            ours=Subject(names[USUAL], lambda: with_router(USUAL)),
            peers=(
                Subject(WITHOUT, without),
                *(Subject(name, lambda size=size: with_router(size)) for size, name in names.items() if size != USUAL),  # type: ignore[misc]
            ),
            least=100,
        )
        [line] = await row.measure(effort)
        line = attrs.evolve(line, beside=tuple(name for name in line.figures if name not in ("floor", names[USUAL])))
        # Of ratios within a round, which the noise of a round is no part of.
        floor, below = line.figures["floor"].nanoseconds, line.figures[WITHOUT].ratio
        beyond = {name: (line.figures[name].ratio - below) * floor for name in names.values()}
        figures = {
            name: attrs.evolve(line.figures[name], ratio=more / 1000, nanoseconds=more) for name, more in beyond.items()
        }
        most = names[max(SIZES)]
        flat = {most: attrs.evolve(figures[most], ratio=beyond[most] / beyond[names[USUAL]])}
        notes = ("The match, and all actions of a route.",)
        path = "a match and all actions of a route"
        return [
            line,
            attrs.evolve(line, path=path, unit=MICROSECONDS, target=6.0, figures=figures, notes=notes),
            attrs.evolve(
                line,
                path=f"{path}: {most} beside {names[USUAL]}",
                unit="times",
                target=1.2,
                ours=most,
                figures=flat,
                notes=(),
            ),
        ]


@attrs.frozen
class Build:
    """How long a pipeline with that many routes takes to build, its specs made already."""

    size: int = max(SIZES)

    group = "routing"

    async def measure(self, effort: Effort) -> list[Line]:
        from meshkit import Pipeline
        from meshkit.route.router import Router

        specs = routes(self.size)
        took = []
        for _ in range(TURNS):
            gc.collect()
            began = process_time()
            Pipeline(Router(specs))
            took.append(process_time() - began)
        seconds = statistics.median(took)
        figure = Figure(seconds, spread(took), seconds * 1e9)
        return [
            Line(
                group=self.group,
                path=f"building a pipeline of {self.size} routes to 100 clusters",
                unit="s",
                target=1.0,
                ours="meshkit",
                usual=None,
                figures={"meshkit": figure},
                missing={},
            )
        ]


ROWS = (Routers(), Build())
