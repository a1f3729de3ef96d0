"""Under load, with endpoints that die and clients that go, does each request through the gateway come to its end?

    python -m tests.gateway.soak --seconds 600 --seed 1

``meshkit serve`` in front of four upstreams and a mirror, each a process of its own, killed and frozen in turns. Two of
the four at most are dead, frozen or just back, so there is always one to ask. Every second the mesh file is written
anew; each fifth is a bad one. In the end, what was asked and what was seen are held against each other (`ledger`).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import signal
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic

import attrs

from .behind import Sample, complaints, grown, held
from .errand import PLANTS, Client
from .ledger import Disturbance, Ledger
from .meshes import bad, good
from .processes import ROW, Process, Upstreams, ports

__all__ = ["BOUNDS", "Report", "soak"]

CLIENTS = 24
PAUSE = 0.05
"""Seconds on average from the end of one request of a client to the next."""
NAMES = ["a", "b", "c", "d", "mirror"]
DOWN = 2
"""Endpoints that may be dead or frozen at a time, or not known to be well again."""
KNOWN = 3.0
"""Seconds in which the gateway has found out that an endpoint is back: a check that began before that is given up after
one, the next one comes half a second later, and an ejection lasts one (`meshes`). Until then it may know of those only
that have died since.
"""
CALM = 0.6
"""Seconds on average between two disturbances."""
VERSION = 1.0
"""Seconds from one version of the file to the next."""
BOUNDS = {"memory": 8e6, "descriptors": 24.0}
"""By how much each worker may have grown. A tenth of the last quarter's calls that left 1 KB each behind would be more,
in ten minutes; and that many descriptors is the number of clients.
"""
SETTLED = 30.0
"""Seconds of a run before which nothing can be said of what grows."""
REST = 20.0
"""Seconds in which all must have been given back: longer than any attempt, and any copy, may take."""


@attrs.define
class Report:
    ledger: Ledger
    seconds: float = 0.0
    wrong: list[str] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)

    def __str__(self) -> str:
        lines = [
            f"{len(self.ledger.records):,} requests in {self.seconds:.0f} s",
            self.ledger.table(),
            *self.told,
            *(f"WRONG: {each}" for each in self.wrong[:30]),
        ]
        if len(self.wrong) > 30:
            lines.append(f"WRONG: and {len(self.wrong) - 30} more")
        elif not self.wrong:
            lines.append("nothing was lost, duplicated or left behind")
        return "\n".join(lines)


class Soak:
    """One run."""

    def __init__(
        self, folder: Path, seconds: float, seed: int, *, plants: Iterable[str], server: str, workers: int
    ) -> None:
        self.random = Random(seed)
        self.seed = seed
        self.seconds = seconds
        self.plants = [*plants]
        self.folder = folder
        self.upstreams = Upstreams(NAMES, folder)
        [port] = ports("127.0.0.1", 1)
        self.mesh = folder / "mesh.yaml"
        self.statuses = [f"127.0.0.1:{port + each + 1}" for each in range(workers)]
        command = [sys.executable, "-m", "meshkit", "serve", str(self.mesh), "--status", self.statuses[0]]
        command += ["--server", server, "--workers", str(workers)]
        self.gateway = Process("gateway", command, ("127.0.0.1", port), folder / "gateway.log")
        self.ledger = Ledger()
        self.report = Report(self.ledger)
        self.samples: list[Sample] = []
        self.numbers = itertools.count(1)
        self.versions = {True: 1, False: 0}
        """How many files were written, good ones and bad ones."""
        self.over = asyncio.Event()
        self.down: set[str] = set()

    # What goes on at the same time.

    async def asking(self, name: str) -> None:
        client, random = self.client(name), Random(f"{self.seed} {name} pauses")
        while not self.over.is_set():
            await client.one(self.ledger.records.append)
            await self.pause(random.expovariate(1 / PAUSE))
        await client.close()

    async def planting(self, plant: str) -> None:
        client = self.client(plant)
        await client.plant(self.ledger.records.append, plant)
        await client.close()

    def client(self, name: str) -> Client:
        return Client(*self.gateway.at, lambda: next(self.numbers), f"{self.seed} {name}")

    async def disturbing(self, group: asyncio.TaskGroup) -> None:
        while not await self.pause(self.random.expovariate(1 / CALM)):
            up = [name for name in NAMES if name not in self.down]
            if len(self.down - {"mirror"}) >= DOWN:
                up = [name for name in up if name == "mirror"]
            if up:
                name = self.random.choice(up)
                self.down.add(name)
                group.create_task(self.disturbed(name, self.random.choice(["killed", "frozen"])))

    async def disturbed(self, name: str, what: str) -> None:
        process = self.upstreams.all[name]
        disturbance = Disturbance(name, what, monotonic())
        self.ledger.disturbances.append(disturbance)
        if what == "killed":
            await asyncio.to_thread(process.kill)
            await self.pause(self.random.uniform(0.1, 1.5))
            await asyncio.to_thread(process.start)
        else:
            process.tell(signal.SIGSTOP)
            await self.pause(self.random.uniform(0.2, 4.0))
            process.tell(signal.SIGCONT)
        disturbance.ended = monotonic()
        await self.pause(KNOWN)
        self.down.discard(name)

    async def reloading(self) -> None:
        """Renamed into place, and told of by a signal; now and then written in place, and found by itself."""
        for turn in itertools.count(2):
            if await self.pause(VERSION):
                return
            wrong = turn % 5 == 0
            self.write((bad if wrong else good)(self.upstreams, self.gateway.at[1], turn, self.random))
            self.versions[not wrong] += 1
            if turn % 3:
                self.gateway.tell(signal.SIGHUP)

    def write(self, text: str) -> None:
        new = self.folder / "new.yaml"
        new.write_text(text, "utf-8")
        new.replace(self.mesh)

    async def sampling(self) -> None:
        gateway = self.gateway
        while not await self.pause(min(1.0, self.seconds / 40)):
            if gateway.ended() is not None:
                self.over.set()
                self.report.wrong.append(f"the gateway ended with status {gateway.ended()}")
                return
            self.samples.append(Sample(monotonic(), gateway.memory(), gateway.descriptors()))

    async def timing(self) -> None:
        await self.pause(self.seconds)
        self.over.set()

    async def pause(self, seconds: float) -> bool:
        """Wait so long, at most until it is over. Whether it is."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), seconds)
        return self.over.is_set()

    # From the beginning to the end.

    def start(self) -> None:
        self.write(good(self.upstreams, self.gateway.at[1], 1, self.random))
        processes = [*self.upstreams.all.values(), self.gateway]
        for each in processes:
            each.begin()
        for each in processes:
            each.wait()

    async def run(self) -> Report:
        began = monotonic()
        async with asyncio.TaskGroup() as group:
            for task in (self.timing(), self.sampling(), self.reloading(), self.disturbing(group)):
                group.create_task(task)
            for number in range(CLIENTS):
                group.create_task(self.asking(str(number)))
            for plant in self.plants:
                group.create_task(self.planting(plant))
        self.report.seconds = monotonic() - began
        return self.report

    async def rest(self) -> None:
        """Nobody asks any more: what does the gateway still hold, and how does it end?"""
        report, gateway = self.report, self.gateway
        if gateway.ended() is not None:
            return
        left = await asyncio.to_thread(self.left)
        report.wrong += [f"left at rest: {each}" for each in left]
        report.told.append(f"at rest: {gateway.descriptors()} descriptors, and {len(left) or 'nothing'} held")
        status = await asyncio.to_thread(gateway.stop)
        if status != 0:
            report.wrong.append(f"asked to end, the gateway did so with status {status}")

    def left(self) -> list[str]:
        """What is still held, when there was time enough to give it back."""
        last = monotonic() + REST
        found: list[str] = []
        for each in self.statuses:
            while True:
                with urllib.request.urlopen(f"http://{each}/status.json", timeout=REST) as answer:
                    here = [*held(json.load(answer))]
                if not here or monotonic() > last:
                    break
                os.sched_yield()
            found += here
        return found

    def add_up(self) -> None:
        """When all is over, and the upstreams have ended as well."""
        ledger, report = self.ledger, self.report
        for name in NAMES:
            for number in self.upstreams.seen(name):
                if name == "mirror":
                    ledger.copied[number] += 1
                else:
                    ledger.seen.setdefault(number, []).append(name)
        told, wrong = grown(self.samples, {name: bound * len(self.statuses) for name, bound in BOUNDS.items()})
        report.told += [*self.disturbances(), *told]
        report.wrong += ledger.violations() + self.in_force() + (wrong if self.seconds >= SETTLED else [])
        report.wrong += [f"the gateway said: {each}" for each in complaints(self.gateway.said())]

    def in_force(self) -> list[str]:
        """Which versions have answered. One that the next has followed too soon may be passed over, but not most."""
        there = {record.version for record in self.ledger.records} - {"", "bad"}
        written, wrong = self.versions[True], self.versions[False]
        self.report.told.append(f"versions: {len(there)} of {written} have answered; {wrong} bad ones were written")
        bad = [each for each in self.ledger.records if each.version == "bad"]
        found = [f"a bad version has answered, {len(bad)} times"] if bad else []
        return found + ([f"of {written} versions only {len(there)} have answered"] if len(there) < written / 2 else [])

    def disturbances(self) -> list[str]:
        counts = Counter((each.server, each.what) for each in self.ledger.disturbances)
        return [
            f"{what}: " + ", ".join(f"{name} {counts[name, what]} times" for name in NAMES)
            for what in ("killed", "frozen")
        ]


async def soak(
    seconds: float, seed: int = 1, *, plants: Iterable[str] = (), server: str = "uvicorn", workers: int = 1
) -> Report:
    """Run it. ``plants``: what is done that must be found (`errand.PLANTS`); ``server`` and ``workers`` are options of
    ``meshkit serve``.
    """
    with tempfile.TemporaryDirectory(prefix="meshkit-soak-") as name:
        run = Soak(Path(name), seconds, seed, plants=plants, server=server, workers=workers)
        processes = [*run.upstreams.all.values(), run.gateway]
        try:
            await asyncio.to_thread(run.start)
            await run.run()
            await run.rest()
        finally:
            for process in processes:
                process.stop()
        run.add_up()
        return run.report


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    options.add_argument("--seconds", type=float, default=600.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--plant", action="append", default=[], choices=PLANTS, help="do what must be found")
    options.add_argument("--server", default="uvicorn", choices=["uvicorn", "granian"])
    options.add_argument("--workers", type=int, default=1, choices=range(1, ROW))
    given = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # as Ctrl-C does: the processes are stopped on the way out
    report = asyncio.run(
        soak(given.seconds, given.seed, plants=given.plant, server=given.server, workers=given.workers)
    )
    print(report)  # noqa: T201
    sys.exit(bool(report.wrong))


if __name__ == "__main__":
    main()
