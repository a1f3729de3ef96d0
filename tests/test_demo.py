"""Does the demo end by itself, tell the truth, and leave nothing behind?

Its upstreams inherit what it writes to: when that comes to its end, the last of them is gone.
"""

from __future__ import annotations

import asyncio
import html.parser
import itertools
import math
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from examples.demo.load import Side, Wire, arrivals, offer, quantile, told
from examples.demo.plot import Axis, Band, Series, bands, bars, lines, milliseconds, numbers, percent, sheet, stack
from examples.demo.scenes.at_the_door import as_told, in_turn
from examples.demo.server import BURST, LEAK, PERIOD, QUOTA, QUOTA_BURST, bursting, temper

ROOT = Path(__file__).parents[1]
SECONDS = 60
"""For one run, on a machine that has other things to do."""


def _hears_ctrl_c() -> None:
    """A shell has what it starts in the background ignore Ctrl-C, and whatever that starts in turn."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def demo(cwd: Path, *options: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-W", "error", "-m", "examples.demo", *map(str, options)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"}
    streams: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
    if sys.platform != "win32":
        streams["preexec_fn"] = _hears_ctrl_c
    with subprocess.Popen(command, cwd=cwd, env=env, text=True, **streams) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


class Page(html.parser.HTMLParser):
    """How many elements of a kind there are, and whether each is closed that must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_ends_with_a_table_and_a_report(tmp_path: Path) -> None:
    report = tmp_path / "deep" / "report.html"
    with demo(tmp_path, "--seconds", 2, "--rate", 20, "--report", report) as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    rows = {line[:18].strip(): line[18:].split() for line in said.splitlines()}
    assert {"calls", "succeeded", "latency, p99", "attempts per call", "share of dying", "breaker changes"} <= set(rows)
    assert {"served", "of the calls", "503 Service Unavai", "429 Too Many Reque"} <= set(rows)
    assert {"requests a second", "CPU per request", "saved per request"} <= set(rows)
    assert {"requests to versio", "of which it failed"} <= set(rows)
    assert {"status page", "by version 2, of 1", "by version 2, of 5"} <= set(rows)
    assert report.as_uri() in said
    page = Page(report.read_text("utf-8"))
    assert page.open == page.links == []
    assert page.found["table"] == 7
    assert page.found["svg"] == 25


@pytest.mark.skipif(sys.platform == "win32", reason="signals are of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_stopped_at_any_time_it_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with demo(tmp_path, "--seconds", 300) as process:
        assert process.stdout is not None
        assert any("%  meshkit" in line for line in process.stdout)  # it has begun
        process.send_signal(number)
        began = time.monotonic()
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == code, said
    assert time.monotonic() - began < SECONDS / 2
    assert list(tmp_path.iterdir()) == []


def test_a_number_out_of_bounds_is_refused(tmp_path: Path) -> None:
    with demo(tmp_path, "--rate", "1e9") as process:
        said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert "give a number from 1 to 200" in said


# The load.


@pytest.mark.parametrize(
    ("values", "q", "found"),
    [([3, 1, 2], 0.5, 2), ([1, 2, 3, 4], 0.5, 2), ([1, 2, 3, 4], 0.99, 4), ([7], 0.0, 7), (range(1, 101), 0.99, 99)],
)
def test_quantiles_are_by_nearest_rank(values: list[float], q: float, found: float) -> None:
    assert quantile(values, q) == found


def test_nothing_is_told_of_nothing() -> None:
    assert math.isnan(quantile([], 0.5))
    assert (told(math.nan, ".1f", " ms"), told(0.5, ".1%"), told(1.23, ".1f", " ms")) == ("-", "50.0%", "1.2 ms")


def test_arrivals_are_poisson() -> None:
    """10 000 are expected, with a deviation of 100; one seed in 1.7 million is further off than five of those."""
    instants = arrivals(100.0, 100.0)
    assert instants == sorted(instants) == arrivals(100.0, 100.0)
    assert 0 < instants[0] < instants[-1] < 100
    assert abs(len(instants) - 10_000) < 500
    gaps = [after - before for before, after in itertools.pairwise(instants)]
    deviation = math.sqrt(sum((gap - 0.01) ** 2 for gap in gaps) / len(gaps))
    assert 0.9 < deviation / 0.01 < 1.1  # an exponential gap deviates by its mean


def test_calls_do_not_wait_for_one_another_and_every_error_counts() -> None:
    begun: list[int] = []

    async def main() -> tuple[Side, Side]:
        everybody = asyncio.Event()

        async def send() -> httpx.Response:
            begun.append(len(begun))
            if len(begun) == 8:
                everybody.set()
            await everybody.wait()
            if begun.pop() % 2:
                raise httpx.ConnectError("refused")
            return httpx.Response(503 if begun else 200)

        sides = Side("one", lambda: 1.0, send, Wire(float)), Side("two", lambda: 1.0, send, Wire(float))
        assert math.isnan(sides[0].success)
        await asyncio.wait_for(offer([0.0, 0.25, 0.5, 0.75], sides, lambda: 1.0), SECONDS)
        return sides

    sides = asyncio.run(main())
    assert [side.calls for side in sides] == [4, 4]
    assert [side.open for side in sides] == [0, 0]
    assert sides[0].errors + sides[1].errors == {"ConnectError": 4, "503": 3}
    assert sorted(outcome.latency for outcome in sides[0].outcomes) == [0.25, 0.5, 0.75, 1.0]  # from when it was due
    assert (sides[0].success, sides[1].success) in {(0.25, 0.0), (0.0, 0.25)}


# The upstreams.


def test_the_failing_one_fails_in_bursts() -> None:
    behave = temper("failing")
    assert [behave(at)[1] for at in (0.0, BURST, PERIOD - 0.1, PERIOD, PERIOD + BURST)] == [503, 200, 200, 503, 200]
    assert [bursting(at) for at in (PERIOD, BURST)] == [True, False]


def test_the_quota_is_kept() -> None:
    behave = temper("quota")
    answers = [behave(1.0)[1] for _ in range(50)]
    assert answers == [200] * int(QUOTA_BURST) + [429] * (50 - int(QUOTA_BURST))
    assert [behave(1.0 + 1.5 / QUOTA)[1] for _ in range(2)] == [200, 429]


def test_the_slow_one_has_a_tail() -> None:
    behave = temper("slow")
    delays = [behave(0.0)[0] for _ in range(10_000)]
    assert min(delays) >= 0.08
    assert max(delays) <= 1.5
    assert 0.1 < quantile(delays, 0.5) < 0.11  # 0.08 * 2 ** (1 / 2.5) = 0.1056
    assert 0.4 < quantile(delays, 0.99) < 0.6  # 0.08 * 100 ** (1 / 2.5) = 0.505


def test_the_leaking_one_fails_when_it_has_given_all() -> None:
    behave = temper("leaking")
    assert [behave(0.0)[1] for _ in range(LEAK + 2)] == [200] * LEAK + [503] * 2


# The door.


def test_clients_take_turns_by_their_rates() -> None:
    turns = in_turn({"a": 1.0, "b": 2.0, "c": 5.0})
    assert Counter(turns) == {"a": 1, "b": 2, "c": 5}
    assert turns[:2] == ["c", "b"]


def test_what_a_refusal_tells_is_shown() -> None:
    response = httpx.Response(
        429, headers={"retry-after": "1", "server": "x", "ratelimit": '"a";r=0;t=1'}, content=b"no"
    )
    assert as_told(response) == '429 Too Many Requests\nretry-after: 1\nratelimit: "a";r=0;t=1\nno'


# The figures.


def test_a_line_leaves_out_what_is_not_known_and_escapes_names() -> None:
    figure = lines("a < b", [Series("<x>", "mesh", [(0.0, 0.0), (1.0, math.nan), (2.0, 1.0)])], 2.0, percent())
    assert 'points="62.0,196.0 548.0,10.0"' in figure.svg
    assert "&lt;x&gt;, 2 s: 100%" in figure.svg
    assert "<x>" not in figure.svg
    assert Page(figure.svg).open == []


def test_shares_stand_upon_each_other() -> None:
    figure = stack("", [Series("a", "one", [(0.0, 0.25)]), Series("b", "two", [(0.0, 0.75), (1.0, 0.0)])], 2.0, 1.0)
    assert 'y="149.5" height="46.5"' in figure.svg
    assert 'y="10.0" height="139.5"' in figure.svg
    assert figure.svg.count("<rect") == 2


def test_short_bands_lie_on_top() -> None:
    rows = [("a", [Band(1.0, 1.1, "open", "short"), Band(0.0, 9.0, "closed", "long"), Band(7.0, 8.0, "open", "later")])]
    drawn = bands("", rows, 5.0, ()).svg
    assert drawn.index("long") < drawn.index("short")
    assert "later" not in drawn


def test_bars_are_as_long_as_their_values() -> None:
    drawn = bars("a & b", [("<x>", "mesh", 50.0), ("y", "plain", 200.0)], " µs").svg
    assert 'mesh" x="12" y="27" height="14" width="118.5"' in drawn
    assert 'plain" x="12" y="67" height="14" width="474.0"' in drawn
    assert "&lt;x&gt;</text>" in drawn
    assert "50 µs</text>" in drawn
    assert Page(drawn).open == []


def test_what_is_marked_is_named_and_lies_behind() -> None:
    drawn = lines("", [Series("a", "mesh", [(0.0, 0.5)])], 4.0, percent(), [Band(1.0, 9.0, "offered", "<spike>")]).svg
    assert '<rect class="marked offered" x="183.5" y="10" width="364.5" height="186"/>' in drawn
    assert drawn.index("&lt;spike&gt;") < drawn.index("<polyline")


def test_a_sheet_is_a_file_of_its_own() -> None:
    figure = lines("a & b", [Series("<x>", "mesh", [(0.0, 0.5)])], 1.0, percent())
    low = bands("low", [("a", [])], 1.0, ())
    root = ET.fromstring(sheet("all", [figure, figure, low], columns=2))
    assert root.get("viewBox") == "0 0 1192 408"  # 220 + 46 + 18, and 60 + 46 + 18
    assert [each.get("transform") for each in root.findall("{*}g")] == [
        "translate(0 0)",
        "translate(596 0)",
        "translate(0 284)",
    ]
    assert [each.get("viewBox") for each in root.findall(".//{*}svg")] == ["0 0 560 220", "0 0 560 220", "0 0 560 60"]
    assert "prefers-color-scheme: dark" in "".join(root.itertext())


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (numbers([7]), [0, 2, 4, 6, 8]),
        (numbers([300, 210]), [0, 100, 200, 300]),
        (numbers([]), [0, 0.5, 1.0]),
        (milliseconds([0.004]), [0.001, 0.003, 0.01]),
        (milliseconds([0.9, math.nan]), [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]),
        (milliseconds([]), [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]),
    ],
)
def test_ticks_are_round_and_reach_beyond(axis: Axis, ticks: list[float]) -> None:
    assert list(axis.ticks) == pytest.approx(ticks)
    assert axis.high == axis.ticks[-1]
    assert axis.y(axis.low) == 196
    assert axis.y(axis.high) == 10
