"""What does a pipeline at a server's door do about more requests than it can serve?"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import httpx

from ..load import Outcome, Send, Side, Wire, arrivals, offer, quantile, told
from ..plot import Figure, Series, lines, numbers, stack
from ..shop import CAPACITY, EACH, door
from ..upstreams import upstreams

SECONDS = 6.0
PATIENCE = 1.0
"""Seconds after which a client gives up."""
IMPORTANT = {f"till-{number}": 5.0 for number in range(1, 5)}
SHEDDABLE = {"crawler-1": EACH - 2, "crawler-2": EACH - 2, "crawler-3": 3 * EACH}
"""Clients, and their requests per second."""
KINDS = (("important", "critical", IMPORTANT), ("sheddable", "sheddable", SHEDDABLE))
SERVERS = (("meshkit", "meshed"), ("bare", "bare"))
SHOWN = ("retry-after", "ratelimit-policy", "ratelimit", "proxy-status", "content-type")
GOT = {"": ("closed", "served"), "429": ("half-open", "429"), "503": ("open", "503"), "late": ("down", "out of time")}
"""The style and the name of what a call got; what is neither an answer nor a refusal was too late."""


class AtTheDoor:
    title = "More than a server can serve"

    def __init__(self, seconds: float, rate: float) -> None:
        self.seconds = min(SECONDS, seconds)
        rates = [sum(clients.values()) for _, _, clients in KINDS]
        self.story = (
            f"For {self.seconds:g} s an app that can serve {CAPACITY:g} requests a second is sent {sum(rates):g}: "
            f"{rates[0]:g} by {len(IMPORTANT)} tills, which matter, and {rates[1]:g} by {len(SHEDDABLE)} crawlers, "
            f"which matter less. A client gives up after {PATIENCE:g} s, and says so in x-request-deadline-ms; nobody "
            "retries. Of two like apps one is bare: what it cannot serve yet waits. The other has a pipeline at its "
            f"door: a limit for each client ({EACH:g} a second; one crawler wants {max(SHEDDABLE.values()):g}), "
            "shedding by priority, and a limit of concurrency that finds itself. All clients are plain httpx."
        )
        self.began = 0.0
        self.sides: tuple[Side, ...] = ()
        self.stack = ""
        self.refusals: dict[int, str] = {}
        """By status: what the first one to get it was told."""

    def clock(self) -> float:
        return time.monotonic() - self.began

    async def play(self) -> None:
        pipeline = door()
        self.stack = pipeline.explain()
        async with AsyncExitStack() as stack:
            there = await stack.enter_async_context(upstreams([kind for _, kind in SERVERS], "examples.demo.shop"))
            sides = []
            for (server, _), upstream in zip(SERVERS, there, strict=True):
                for kind, priority, clients in KINDS:
                    wire = Wire(self.clock, connections=None)
                    client = httpx.AsyncClient(transport=wire, base_url=upstream.url, timeout=PATIENCE)
                    await stack.enter_async_context(client)
                    send = self._sending(client, priority, clients)
                    sides.append(Side(f"{server}: {kind}", self.clock, send, wire))
            self.sides = tuple(sides)
            self.began = time.monotonic()
            async with asyncio.TaskGroup() as tasks:
                for k, (_, _, clients) in enumerate(KINDS):
                    schedule = arrivals(sum(clients.values()), self.seconds, seed=k + 1)
                    tasks.create_task(offer(schedule, self.sides[k :: len(KINDS)], self.clock))
        self.stack = "\n\n".join([self.stack, *(self.refusals[status] for status in sorted(self.refusals))])

    def _sending(self, client: httpx.AsyncClient, priority: str, clients: dict[str, float]) -> Send:
        """Its clients call by turns, each as often as its rate is of all."""
        turns = itertools.cycle(in_turn(clients))

        async def send() -> httpx.Response:
            headers = {
                "x-client": next(turns),
                "x-priority": priority,
                "x-request-deadline-ms": f"{PATIENCE * 1000:.0f}",
            }
            response = await client.get("/", headers=headers)
            if response.status_code not in {200, *self.refusals}:
                self.refusals[response.status_code] = as_told(response)
            return response

        return send

    @property
    def progress(self) -> float:
        under_way = self.sides and all(side.calls for side in self.sides)
        return min(1.0, self.clock() / self.seconds) if under_way else 0.0

    def rows(self) -> list[tuple[str, ...]]:
        served = [[each.latency for each in side.outcomes if not each.error] for side in self.sides]
        return [
            ("", *(side.name for side in self.sides)),
            ("calls", *(str(side.calls) for side in self.sides)),
            ("served", *(str(len(each)) for each in served)),
            ("of the calls", *(told(side.success, ".1%") for side in self.sides)),
            ("refused, or given up", *(side.told_errors() for side in self.sides)),
            ("latency of the served, median", *(told(quantile(each, 0.5) * 1000, ".0f", " ms") for each in served)),
            ("latency of the served, p99", *(told(quantile(each, 0.99) * 1000, ".0f", " ms") for each in served)),
        ]

    def status(self) -> list[tuple[str, ...]]:
        return []

    def pulse(self) -> str:
        return "; ".join(f"{side.name} {told(side.success, '.1%')} served" for side in self.sides)

    def figures(self) -> list[Figure]:
        found = []
        for k, (kind, _, _) in enumerate(KINDS):
            pair = self.sides[k :: len(KINDS)]
            offered = Series("calls", "offered", self._by_second(pair[0], lambda each: each.at))
            series = [
                offered,
                *(
                    Series(side.name, style, self._by_second(side, lambda each: each.at + each.latency, good=True))
                    for side, style in zip(pair, ("mesh", "plain"), strict=True)
                ),
            ]
            axis = numbers(value for each in series for _, value in each.points)
            found.append(lines(f"Served, per second: {kind} calls", series, self.seconds, axis))
        found.append(self._got(self.sides[1], "What sheddable calls got at meshkit's door"))
        found.append(self._got(self.sides[2], "What important calls got from the bare app"))
        return found

    def _by_second(
        self, side: Side, when: Callable[[Outcome], float], *, good: bool = False
    ) -> list[tuple[float, float]]:
        counted = Counter(math.floor(when(each)) for each in side.outcomes if not (good and each.error))
        return [(k + 0.5, float(counted[k])) for k in range(math.floor(self.seconds))]

    def _got(self, side: Side, title: str) -> Figure:
        due = Counter(math.floor(each.at) for each in side.outcomes)
        got = Counter((math.floor(each.at), each.error if each.error in GOT else "late") for each in side.outcomes)
        series = [
            Series(name, style, [(float(k), got[k, error] / due[k]) for k in sorted(due)])
            for error, (style, name) in GOT.items()
        ]
        return stack(title, series, self.seconds, 1.0)


def in_turn(clients: dict[str, float]) -> Sequence[str]:
    """Names, each as often as its share, spread: whoever is furthest behind is next."""
    whole, made = sum(clients.values()), dict.fromkeys(clients, 0)
    turns = []
    for k in range(1, round(whole) + 1):
        name = max(clients, key=lambda name: clients[name] / whole * k - made[name])
        made[name] += 1
        turns.append(name)
    return turns


def as_told(response: httpx.Response) -> str:
    """Its head, as far as it tells why."""
    fields = [f"{name}: {response.headers[name]}" for name in SHOWN if name in response.headers]
    return "\n".join([f"{response.status_code} {response.reason_phrase}", *fields, response.text])
