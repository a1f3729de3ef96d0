"""How many requests are answered in a second? Asked by wrk: as many as come, on 32 connections, from one core.

It goes through the hosts and paths in turns, each request made before the clock runs. An answer of status 400 or more,
one that is not understood, and one that does not come within two seconds make the whole turn worthless: a subject that
gives them is not measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs

from .gateway_child import Child, on_core
from .nginx import NoServer
from .wire_child import Took

__all__ = ["CONNECTIONS", "Turn", "Wrk"]

CONNECTIONS = 32

SCRIPT = """\
local requests, turn = {}, 0
function init(args)
  for _, each in ipairs(args) do
    local host, path = each:match("^([^/]+)(/.*)$")
    requests[#requests + 1] = wrk.format("GET", path, { Host = host, Accept = "*/*", ["User-Agent"] = "wrk" })
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"count": %d, "wall": %.6f, "bad": %d, "broken": %d, "late": %d, "p50": %.6f, "p99": %.6f}\\n',
    summary.requests, summary.duration / 1e6, e.status, e.connect + e.read + e.write, e.timeout,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6))
end
"""


@attrs.frozen
class Turn(Took):
    """What came of one, and how long the subject's processes took; of the answers half came within ``p50`` seconds,
    and 99 % within ``p99``.
    """

    p50: float = 0.0
    p99: float = 0.0


@attrs.frozen
class Wrk:
    """The program, its script, and the core it runs on."""

    program: str
    script: Path
    core: int | None

    @classmethod
    @contextmanager
    def found(cls, core: int | None) -> Iterator[Wrk]:
        """Raises `NoServer`."""
        program = shutil.which("wrk")
        if program is None:
            raise NoServer("wrk is not installed")
        with tempfile.TemporaryDirectory(prefix="wrk-") as folder:
            script = Path(folder) / "turns.lua"
            script.write_text(SCRIPT, "utf-8")
            yield cls(program, script, core)

    def turn(self, child: Child, asked: Sequence[tuple[str, str]], seconds: int) -> Turn:
        """Load a subject. Raises `NoServer` with what was wrong with the answers."""
        command = [self.program, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(self.script), child.url, "--"]
        before = child.cpu()
        with on_core(self.core):
            run = subprocess.run(
                [*command, *(host + path for host, path in asked)], capture_output=True, text=True, check=False
            )
        cpu = child.cpu() - before
        lines = run.stdout.splitlines()
        if run.returncode or not lines:
            raise NoServer(f"wrk: {(run.stderr or run.stdout).strip()}")
        said = json.loads(lines[-1])
        wrong = {word: said.pop(word) for word in ("bad", "broken", "late")}
        if any(wrong.values()) or not said["count"]:
            told = ", ".join(f"{count} {word}" for word, count in wrong.items())
            raise NoServer(f"of {said['count']} answers: {told}")
        return Turn(cpu=cpu, **said)
