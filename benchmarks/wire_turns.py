"""Who measures whom? One process a client and loop, asked in turn, all on one core; whom they ask has the other one.

What counts is a ratio within one round: what else the machine does, it does to all who are asked in the same few
seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import attrs

from .measure import Effort, Figure, spread
from .nginx import Nginx
from .wire_child import Order, Took
from .wire_through import Servers

__all__ = ["LOOPS", "Child", "Round", "cores", "figures", "module", "one_round", "rounds", "seconds", "serving"]

LOOPS = ("uvloop", "asyncio")
ROOT = Path(__file__).parent.parent

Round = dict[str, Took]
"""By subject; who failed is in none."""


def cores() -> tuple[int | None, int | None]:
    """One for the servers and one for the client; none where there is only one, or the system has no word for it."""
    try:
        mine = sorted(os.sched_getaffinity(0))
    except AttributeError:
        return None, None
    return (mine[0], mine[-1]) if len(mine) > 1 else (None, None)


@contextlib.contextmanager
def module(name: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A module of ours that runs until its standard input ends."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextlib.contextmanager
def serving(origins: int = 0) -> Iterator[Servers]:
    """The nginx and the sink. Raises `NoServer`."""
    core = cores()[0]
    with Nginx(core, origins) as nginx, module("sink", "" if core is None else str(core)) as sink:
        assert sink.stdout is not None
        yield Servers(nginx.endpoints, nginx.origins, f"http://127.0.0.1:{int(sink.stdout.readline())}/")


class Child:
    """A client's process; ``failed`` says why it takes no more orders."""

    def __init__(self, name: str, subject: str, process: subprocess.Popen[str]) -> None:
        self.name = name
        self.subject = subject
        self.process = process
        self.failed: str | None = None

    @classmethod
    @contextlib.contextmanager
    def of(cls, subject: str, loop: str, servers: Servers, name: str = "") -> Iterator[Child]:
        core = cores()[1]
        where = json.dumps(attrs.asdict(servers))
        with module("wire_child", subject, loop, "" if core is None else str(core), where) as process:
            yield cls(name or subject, subject, process)

    def took(self, order: Order) -> Took | None:
        """What came of an order; ``None`` if nothing did, now or earlier."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.failed is None:
            with contextlib.suppress(BrokenPipeError):  # it has ended: its output has, too
                print(json.dumps(attrs.asdict(order)), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
            said = json.loads(line) if line else {"failed": "its process ended"}
            self.failed = said.pop("failed", None)
            if self.failed is None:
                return Took(**said)
        return None


def seconds(effort: Effort) -> float:
    """How long an order is to last."""
    return effort.lap * 75


def rounds(effort: Effort) -> int:
    return max(2, effort.rounds // 3)


def one_round(orders: Iterable[tuple[Child, Order]]) -> Round:
    found = ((child.name, child.took(order)) for child, order in orders)
    return {name: took for name, took in found if took is not None}


def figures(told: list[Round], worth: Callable[[Round, str], float]) -> dict[str, Figure]:
    """The median of what each subject was worth in each round, for those who are in all of them."""
    everybody = [name for name in told[0] if all(name in each for each in told)] if told else []
    found = {}
    for name in everybody:
        try:
            values = [worth(each, name) for each in told]
        except KeyError:  # whom it is compared with is missing
            continue
        cpu = statistics.median(each[name].cpu / each[name].count for each in told)
        found[name] = Figure(statistics.median(values), spread(values) if len(values) > 1 else 0.0, cpu * 1e9)
    return found
