"""What runs during a soak? The gateway and its upstreams, each a process of its own, which can be killed and frozen.

The upstreams have an address of loopback to themselves, and ports that nobody is given by chance: while one is dead,
nobody else can be taken for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

__all__ = ["ROW", "Process", "Upstreams", "ports"]

HERE = Path(__file__).parent
SECONDS = 30.0
"""For a process to come up, or to end."""
TAKES = 0.02
"""Seconds between two looks."""
CHANCE = SystemRandom()
"""Not the seed's: another soak may run at the same time."""
ROW = 8
LEAST, MOST = 20_000, 30_000
"""Ports below those that the system gives out."""


def ports(host: str, number: int) -> Iterator[int]:
    """Such that each of them and the `ROW` behind it are free."""
    while number:
        port = CHANCE.randrange(LEAST, MOST, ROW)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for each in range(port, port + ROW):
                stack.enter_context(socket.create_server((host, each)))
            number -= 1
            yield port


class Process:
    """One that listens. ``log``: where what it says goes."""

    def __init__(self, name: str, command: list[str], at: tuple[str, int], log: Path) -> None:
        self.name = name
        self.at = at
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """And wait until it listens."""
        self.begin()
        self.wait()

    def begin(self) -> None:
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def wait(self) -> None:
        """Until it listens."""
        assert self._process is not None
        last = time.monotonic() + SECONDS
        while not listens(self.at):
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(TAKES)
                raise AssertionError(f"{self.name} ended with status {status}: {self.said()}")
            assert time.monotonic() < last, f"{self.name} does not come up: {self.said()}"

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def tell(self, what: signal.Signals) -> None:
        os.kill(self.pid, what)

    def kill(self) -> None:
        self.tell(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def ended(self) -> int | None:
        """Its status; ``None``: it runs."""
        return None if self._process is None else self._process.poll()

    def stop(self, seconds: float = SECONDS) -> int | None:
        """Ask it to end: its status, or ``None`` where it had to be killed."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self.tell(signal.SIGCONT)
            self.tell(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    # What the system knows of it, and of the workers that it has.

    def memory(self) -> int:
        """Bytes."""
        pages = (Path(f"/proc/{pid}/statm").read_text("ascii").split()[1] for pid in family(self.pid))
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        return sum(1 for pid in family(self.pid) for _ in Path(f"/proc/{pid}/fd").iterdir())


class Upstreams:
    """Endpoints by name, each with a log of what it has seen: ``a``, ``b`` and so on, and a ``mirror``."""

    def __init__(self, names: list[str], folder: Path) -> None:
        self.host = ".".join(["127", *(str(CHANCE.randrange(2, 255)) for _ in range(3))])
        self._folder = folder
        self.all: dict[str, Process] = {}
        for name, port in zip(names, ports(self.host, len(names)), strict=True):
            command = [
                sys.executable,
                str(HERE / "soaked.py"),
                self.host,
                str(port),
                name,
                str(folder / f"{name}.seen"),
            ]
            self.all[name] = Process(name, command, (self.host, port), folder / f"{name}.log")

    def address(self, name: str, more: int = 0) -> str:
        """Where it listens; ``more``: on which of its ports."""
        host, port = self.all[name].at
        return f"{host}:{port + more}"

    def seen(self, name: str) -> Iterator[int]:
        """The numbers that this one has seen, in their order."""
        with contextlib.suppress(FileNotFoundError), (self._folder / f"{name}.seen").open("rb") as log:
            for line in log:
                yield int(line.split()[0])


def family(pid: int) -> Iterator[int]:
    """A process, and those that came of it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for each in children.read_text("ascii").split():
            yield from family(int(each))


def listens(at: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        probe.settimeout(SECONDS)
        return probe.connect_ex(at) == 0
