"""What does a request cost over httpx's own transport, what over meshkit's pool, and what do policies add?"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx

from meshkit import CircuitBreaker, Cluster, ConcurrencyLimit, Pipeline, RateLimit, Retry, Timeout
from meshkit.httpx import AsyncMeshTransport, PoolTransport
from meshkit.upstream.parser import best

from ..cost import Ask, Program, in_turns
from ..load import told
from ..plot import Figure, Series, bars, lines, numbers
from ..upstreams import upstreams

SECONDS, TURNS, WIDTH = 4.0, 4, 32
MADE: tuple[tuple[str, str, Callable[[Pipeline], Any]], ...] = (
    ("plain httpx", "plain", lambda pipeline: httpx.AsyncHTTPTransport()),
    ("meshkit: pool", "pool", lambda pipeline: PoolTransport()),
    ("meshkit: policies", "policies", lambda pipeline: AsyncMeshTransport(pipeline, httpx.AsyncHTTPTransport())),
    ("meshkit: both", "mesh", AsyncMeshTransport),
)
"""The name, the style and the transport of each program, plain httpx first."""
PARSERS = {"llhttp": "httptools", "pure": "h11, as httptools is not installed"}


def pipeline_over(url: str) -> Pipeline:
    return Pipeline(
        Timeout(2.0),
        Retry(on=("5xx", "connect-failure", TimeoutError, httpx.TransportError)),
        RateLimit("100000/s"),
        ConcurrencyLimit(100),
        Cluster("orders", [url], pipeline=[CircuitBreaker()]),
    )


class OneArgument:
    title = "One argument changed"

    def __init__(self, seconds: float, rate: float) -> None:
        self.round = min(SECONDS, seconds) / TURNS / len(MADE)
        self.story = (
            f"A small program has {WIDTH} GET requests in flight, to one server that answers at once. Only the "
            "transport of its httpx.AsyncClient differs. Plain httpx: its own. Pool: PoolTransport() in its place, no "
            "policy. Policies: six, in one pipeline, over httpx's own. Both: the same six over the pool, as they are "
            f"by default. They take turns, {TURNS} rounds of {self.round:.2g} s each. CPU per request is what to "
            "compare, the processor time of this process. Requests a second depend also on the server, which has a "
            "process of its own, and on whatever else the machine does."
        )
        self.began = 0.0
        self.programs: list[Program] = []
        self.stack = ""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        async with AsyncExitStack() as stack:
            [server] = await stack.enter_async_context(upstreams(["lean"], "examples.demo.lean"))
            self.stack = pipeline_over(server.url).explain()
            for name, style, make in MADE:
                transport = make(pipeline_over(server.url))
                client = await stack.enter_async_context(httpx.AsyncClient(transport=transport))
                url = "http://orders/" if isinstance(transport, AsyncMeshTransport) else server.url
                self.programs.append(Program(name, style, asking(client, url)))
            self.began = time.monotonic()
            await in_turns(self.programs, TURNS, WIDTH, self.round, self.clock)
        parser = best().__module__.rpartition(".")[2]
        said = [
            gain(*(program.cost for program in self.programs)),
            spread(*self.programs[:2]),
            f"The pool's answers were parsed by {PARSERS.get(parser, parser)}.",
        ]
        self.stack = "\n".join([*said, "", self.stack])

    @property
    def progress(self) -> float:
        return sum(len(program.rounds) for program in self.programs) / TURNS / len(MADE)

    def rows(self) -> list[tuple[str, ...]]:
        if not self.programs:
            return []
        programs, plain = self.programs, self.programs[0]
        return [
            ("", *(each.name for each in programs)),
            ("requests", *(str(each.requests) for each in programs)),
            ("requests a second", *(told(each.rate, ".0f") for each in programs)),
            ("rate, to plain", *(told(each.rate / plain.rate, ".2f", " x") for each in programs)),
            ("of a core in use", *(told(each.busy, ".0%") for each in programs)),
            ("CPU per request", *(told(each.cost * 1e6, ".0f", " µs") for each in programs)),
            ("CPU, to plain", *(told(each.cost / plain.cost, ".2f", " x") for each in programs)),
            ("saved per request", "-", *(told(saved(plain, each), "+.0f", " µs") for each in programs[1:])),
        ]

    def status(self) -> list[tuple[str, ...]]:
        return []

    def pulse(self) -> str:
        each = [f"{program.name} {told(program.cost * 1e6, '.0f', ' µs')}" for program in self.programs]
        return f"CPU per request: {'; '.join(each)}"

    def figures(self) -> list[Figure]:
        costs = [(each.name, each.style, each.cost * 1e6) for each in self.programs]
        rates = [(each.name, each.style, each.rate) for each in self.programs]
        series = [
            Series(each.name, each.style, [(one.at, one.cpu / one.requests * 1e6) for one in each.rounds])
            for each in self.programs
        ]
        seconds = max(one.at + one.seconds for each in self.programs for one in each.rounds)
        axis = numbers(value for each in series for _, value in each.points)
        return [
            bars("CPU per request", costs, " µs"),
            bars("Requests per second", rates),
            lines("CPU per request, round by round, in µs", series, seconds, axis),
        ]


def asking(client: httpx.AsyncClient, url: str) -> Ask:
    async def ask() -> None:
        response = await client.get(url)
        response.raise_for_status()

    return ask


def saved(plain: Program, other: Program) -> float:
    """Microseconds, as the difference of those that are shown."""
    return round(plain.cost * 1e6, 0) - round(other.cost * 1e6, 0)


def spread(plain: Program, pool: Program) -> str:
    """How far the rounds of each are apart, in words."""
    from_to = [
        f"{min(costs):.0f} to {max(costs):.0f} µs"
        for costs in ([each.cpu / each.requests * 1e6 for each in program.rounds] for program in (plain, pool))
    ]
    return (
        f"From round to round a request took {from_to[0]} over httpx's own transport, {from_to[1]} over the pool:\n"
        "what differs by less, over the same, may be chance."
    )


def gain(*costs: float) -> str:
    """Whose it is, in words. The costs are in seconds, in the order of `MADE`."""
    plain, pool, policies, both = (round(cost * 1e6) for cost in costs)
    return (
        f"One argument changed, transport=PoolTransport(): {pool} µs of CPU per request, where plain httpx takes "
        f"{plain}: {plain / pool:.1f} times less.\n"
        f"With six policies on top, transport=AsyncMeshTransport(pipeline): {both} µs, {plain / both:.1f} times "
        f"less; the policies add {both - pool:+d} µs.\n"
        f"The same policies over httpx's own transport: {policies} µs; there they add {policies - plain:+d} µs.\n"
        f"Of the {plain - both} µs that meshkit saves on a request, the pool's share is {plain - pool:+d} µs, that "
        f"of the policies {pool - both:+d} µs."
    )
