"""How is a subject started, and what does it take? A process, or several, on a core of its own.

Processor time is that of the process and all of its threads, and of its children, as the system's own clocks of other
processes tell it (clock_getcpuclockid(3)): to the nanosecond, where /proc/PID/stat counts in hundredths of a second.
Memory is what is resident (proc(5)): ``VmRSS``, and ``VmHWM`` for the most there was.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from .nginx import NoServer

__all__ = ["Child", "Started", "on_core", "started"]

PATIENCE = 20.0
"""Seconds for a subject to come up, and to answer once."""
TRIALS = 3
"""Starts of one subject."""
ROOT = Path(__file__).parent.parent
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started meanwhile runs on it, with all of its threads."""
    if core is None:
        yield
        return
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, mine)


def tree(pid: int) -> list[int]:
    """It, and those it has started, and so on."""
    found = [pid]
    for each in found:
        with suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found


def status(pid: int, word: str) -> int:
    """A line of its status, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines():
        name, _, value = line.partition(":")
        if name == word:
            return int(value.split()[0]) * 1024
    raise ProcessLookupError(pid)


@attrs.define
class Child:
    """A subject that runs, and answers at ``port``."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    told: int
    """The port its metrics are read at; 0: none."""
    pids: list[int] = attrs.field(factory=list)
    failed: str | None = None
    """Why it is measured no more."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu(self) -> float:
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.pids)

    def memory(self, word: str = "VmRSS") -> int:
        return sum(status(pid, word) for pid in self.pids)

    def forget_peak(self) -> None:
        """From now on ``VmHWM`` is the most there is from now on."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5", "ascii")

    def get(self, host: str, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


@attrs.frozen
class Started:
    """What to run, in which environment, and where it will answer."""

    command: Sequence[str]
    port: int
    told: int = 0
    env: Mapping[str, str] = attrs.field(factory=dict)


@contextmanager
def started(
    name: str, make: Callable[[Path], Started], core: int | None, ready: Callable[[Child], object]
) -> Iterator[Child]:
    """Run it until the end of the block. ``ready`` raises until it answers as it should.

    Raises `NoServer`: it is not installed, or does not answer well. Where somebody else was quicker to take its port it
    ends at once, and is started anew.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as named:
        for left in reversed(range(TRIALS)):
            child = _run(name, make(Path(named)), Path(named), core)
            try:
                if _awaited(child, ready, Path(named) / "output", last=not left):
                    child.pids = tree(child.process.pid)
                    yield child
                    return
            finally:
                _end(child.process)


def _run(name: str, how: Started, folder: Path, core: int | None) -> Child:
    env = {**os.environ, "PATH": PATH, **how.env}
    with (folder / "output").open("wb") as output, on_core(core):
        try:
            process = subprocess.Popen(
                list(how.command), cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except FileNotFoundError as error:
            raise NoServer(f"{how.command[0]} is not installed") from error
    return Child(name, process, how.port, how.told)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in reversed(tree(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.wait()


def _awaited(child: Child, ready: Callable[[Child], object], log: Path, *, last: bool) -> bool:
    """Whether it answers, or has ended and may be tried again."""
    give_up = time.monotonic() + PATIENCE
    why: BaseException | None = None
    while child.process.poll() is None and time.monotonic() < give_up:
        try:
            ready(child)
            return True
        except (OSError, http.client.HTTPException) as error:
            why = error
            time.sleep(0.01)
    said = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
    if child.process.poll() is not None and not last:
        return False
    raise NoServer(f"{child.name} does not answer as it should: {why or 'it ended'}; {''.join(said) or 'said nothing'}")
