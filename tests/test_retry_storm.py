"""Does the storm stay with those who call naively, and pass for the others? Does its command end, and leave nothing?

What comes of it is asserted in computed time, where it is the same each time; the run over loopback is only to end.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from examples.demo.load import Attempt, Outcome
from examples.retry_storm.clients import PATIENCE
from examples.retry_storm.memory import Memory
from examples.retry_storm.played import computed
from examples.retry_storm.server import SERVICE, WORKERS, serving
from examples.retry_storm.shown import BEGIN, END, cells, place
from examples.retry_storm.storm import BOTH, PLAIN, WAYS, Came, Storm, came
from meshkit.testing import run, virtual_clock

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/explanation/retry-storms.md"
SHORT = Storm(before=3.0, spike=4.0, after=10.0)


def command(cwd: Path, *options: object) -> subprocess.Popen[str]:
    """The example, in an interpreter where any warning is an error. A shell may have told us to ignore Ctrl-C."""
    arguments = [sys.executable, "-W", "error", "-m", "examples.retry_storm", *map(str, options)]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    if sys.platform != "win32":
        streams["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(arguments, cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, **streams)


# What comes of it.


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_storm_stays_with_the_naive_and_passes_for_the_others(seed: int) -> None:
    plain, both = (each.came for each in computed(SHORT._replace(seed=seed), (PLAIN, BOTH)))
    assert plain.before == both.before == 1.0
    assert plain.spike < 0.3
    assert plain.after < 0.02
    assert plain.recovered == math.inf
    assert plain.attempts > 4
    assert plain.in_vain > 0.98
    assert both.spike > 0.5
    assert both.after > 0.98
    assert both.recovered <= 1.0
    assert both.attempts < 1.1
    assert both.in_vain < 0.02


def test_without_a_spike_there_is_no_storm() -> None:
    """So it is not the load that keeps the naive down."""
    (plain,) = (each.came for each in computed(SHORT._replace(peak=SHORT.rate), (PLAIN,)))
    assert (plain.before, plain.spike, plain.after) == (1.0, 1.0, 1.0)
    assert plain.attempts == 1.0


def test_what_each_policy_does_by_itself() -> None:
    played = computed(Storm())
    found = {each.way.name: each.came for each in played}
    deadline, budget = found["deadline, sent and kept"], found["retry budget"]
    assert deadline.after < 0.1  # first come, first served: those in front have just too little time
    assert deadline.recovered == math.inf
    assert 5.0 < budget.recovered < math.inf  # the queue is worked off first
    assert budget.in_vain > 0.5
    assert 1.0 < found["retry budget, breaker"].recovered < budget.recovered
    assert found["retry budget, deadline"].recovered <= 1.0
    assert found["server: limit, shedding"].recovered <= 1.0
    assert found["server: limit, shedding"].attempts_in_spike > 2 * found[BOTH.name].attempts_in_spike

    # And the page says so: its second table is this one.
    rows = [f"| {' | '.join(cells(each))} |" for each in played]
    stale = (
        "python -m examples.retry_storm --plot docs/explanation/retry-storm.svg --page docs/explanation/retry-storms.md"
    )
    assert "\n".join(rows) in PAGE.read_text("utf-8"), stale


def test_computed_time_is_the_same_each_time() -> None:
    short = Storm(before=1.0, spike=2.0, after=3.0)
    first, second = ([each.came for each in computed(short)] for _ in range(2))
    assert first == second
    assert len(set(first)) > 4  # the ways differ: this compares something


@pytest.mark.parametrize(
    ("good", "begun", "found"),
    [
        ([0, 1, 2, 3, 4, 5], 4, Came(1.0, 1.0, 1.0, 0.0, 2.0, 1.0, 0.0)),
        ([0], 4, Came(1.0, 0.0, 0.0, math.inf, 2.0, 1.0, 1.0)),
        ([0, 4, 5], 4, Came(1.0, 0.0, 0.5, 2.0, 2.0, 1.0, 0.5)),
        ([0, 1, 2, 4, 5], 6, Came(1.0, 1.0, 0.75, 2.0, 2.0, 1.0, 0.5)),
    ],
)
def test_what_came_of_it_is_told_by_when_calls_were_due(good: list[int], begun: int, found: Came) -> None:
    """A call in the middle of each of six seconds, the second of which is the spike, with an attempt more."""
    outcomes = [Outcome(k + 0.5, 0.1, "" if k in good else "503") for k in range(6)]
    attempts = [Attempt(at, None) for at in (0.5, 1.5, 1.9, 2.5, 3.5, 4.5, 5.5)]
    side: Any = SimpleNamespace(outcomes=outcomes, wire=SimpleNamespace(attempts=attempts))
    assert came(Storm(before=1.0, spike=1.0, after=4.0 + PATIENCE), side, begun) == found


# The server, and the way to it without a socket.


def test_the_bare_server_works_on_for_clients_that_have_gone() -> None:
    async def main() -> tuple[float, int, int]:
        app = serving("bare", virtual_clock)
        async with httpx.AsyncClient(transport=Memory(app, virtual_clock), base_url="http://server") as client:
            for _ in range(3 * WORKERS):
                with pytest.raises(httpx.ReadTimeout):
                    await client.get("/", timeout=0.001)
            gone_at = virtual_clock()
            assert (await client.get("/")).status_code == 200  # behind all of theirs
            begun = int((await client.get("/begun")).text)
            return gone_at, round((virtual_clock() - gone_at) / SERVICE, 1), begun

    gone_at, rounds, begun = run(main)
    assert gone_at < SERVICE
    assert rounds > 3
    assert begun == 3 * WORKERS + 1


def test_the_server_that_keeps_deadlines_drops_what_is_out_of_time() -> None:
    async def main() -> int:
        app = serving("deadline", virtual_clock)
        fields = {"x-request-deadline-ms": "100"}  # less than a request takes
        async with httpx.AsyncClient(transport=Memory(app, virtual_clock), base_url="http://server") as client:
            answers = await asyncio.gather(*(client.get("/", headers=fields) for _ in range(3 * WORKERS)))
            assert {answer.status_code for answer in answers} == {504}
            return int((await client.get("/begun")).text)

    assert run(main) == WORKERS


def test_retries_are_shed_first() -> None:
    async def main() -> dict[str, list[int]]:
        app = serving("guarded", virtual_clock)
        async with httpx.AsyncClient(transport=Memory(app, virtual_clock), base_url="http://server") as client:
            tasks = [asyncio.create_task(client.get("/")) for _ in range(2 * WORKERS)]
            again = await asyncio.create_task(client.get("/", headers={"x-envoy-attempt-count": "2"}))
            assert again.headers["retry-after"] == "1"
            junk = asyncio.create_task(client.get("/", headers={"x-envoy-attempt-count": "many"}))
            first = await client.get("/")
            return {
                "first": [first.status_code, *{(await task).status_code for task in tasks}],
                "again": [again.status_code],
                "junk": [(await junk).status_code],
            }

    assert run(main) == {"first": [200, 200], "again": [503], "junk": [200]}


# The command, and the page it writes.


def test_the_command_ends_with_figures_and_tables(tmp_path: Path) -> None:
    page, plot = tmp_path / "page.md", tmp_path / "storm.svg"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    options = ("--before", 1, "--spike", 1, "--after", 3, "--plot", plot, "--page", page)
    with command(tmp_path, *options) as process:
        try:
            said, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert len(re.findall(r"^ +\d s .*plain httpx: +\d+ sent, +\d+ answered", said, re.MULTILINE)) == 5
    text = page.read_text("utf-8")
    assert text.startswith(f"before\n{BEGIN}\n\n25 calls a second")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert re.findall(r"^\| (plain[^|]+) \|", text, re.MULTILINE) == [PLAIN.name] * 2
    figures = [len(ET.parse(path).findall("{*}g")) for path in (plot, tmp_path / "storm-ways.svg")]
    assert figures == [2, len(WAYS) - 1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
def test_stopped_it_leaves_nothing_behind(tmp_path: Path) -> None:
    """Its servers inherit what it writes to: when that comes to its end, the last of them is gone."""
    with command(tmp_path, "--after", 60) as process:
        try:
            assert process.stdout is not None
            assert any("answered" in line for line in process.stdout)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130


def test_the_page_shows_every_way_and_figures_that_are_there() -> None:
    text = PAGE.read_text("utf-8")
    tables = text[text.index(BEGIN) : text.index(END)]
    rows = re.findall(r"^\| ([^|]+?) \|(?=[^\n]*%)", tables, re.MULTILINE)
    assert rows == [PLAIN.name, BOTH.name, *(way.name for way in WAYS)]
    for name in re.findall(r"\]\((\S+\.svg)\)", text):
        assert ET.parse(PAGE.with_name(name)).getroot().tag.endswith("svg")


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing here\n", "utf-8")
    with pytest.raises(ValueError, match="has no"):
        place("text", page)
    assert page.read_text("utf-8") == "nothing here\n"
