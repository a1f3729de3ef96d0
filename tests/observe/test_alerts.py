"""Does each alert of examples/prometheus fire when it should, and only then? Prometheus' own tool says so.

That tool is content with a rule that no case looks at. So the alerts are also replaced by such as never fire, by such
as always do, and by themselves with one threshold less: the cases must notice each time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text("utf-8")
CASES = (FOLDER / "alerts_test.yml").read_text("utf-8")
NAMES = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)

NEVER = "vector(1) > 1"
ALWAYS = "vector(1)"
MOST = 3
"""Thresholds and waits in one alert."""


def promtool(*arguments: str, cwd: Path = FOLDER) -> str:
    """What it says, whether it is content or not."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool installed (apt package prometheus)")
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    return f"{done.stdout}{done.stderr}\nexit status {done.returncode}"


def block(name: str) -> str:
    """The text of one alert."""
    found = re.search(rf"^ +- alert: {name}\n.*?(?=^ +- alert: |\Z)", ALERTS, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def with_expression(text: str, expression: str) -> str:
    """That alert, asking something else, and without a wait."""
    everything = re.compile(r"expr: \|\n.*?(?=^        \w)", re.MULTILINE | re.DOTALL)
    asked, count = everything.subn(f"expr: {expression}\n", text)
    assert count == 1
    return re.sub(r"^ +for: .*\n", "", asked, flags=re.MULTILINE)


def looser(text: str, place: int) -> str:
    """That alert, one of its thresholds or its wait let go of."""
    numbers = [*re.finditer(r"(?:[<>] |for: )(\d[\d.]*)", text)]
    if place >= len(numbers):
        return text
    number = numbers[place]
    instead = {"<": "1.1", ">": "-1", "f": "0"}[number[0][0]]
    return text[: number.start(1)] + instead + text[number.end(1) :]


def said_of(change: Callable[[str], str], folder: Path) -> str:
    """What is said of the cases when each alert is changed. One run for all: it takes half a second."""
    rules = ALERTS
    for name in NAMES:
        rules = rules.replace(block(name), change(block(name)))
    (folder / "alerts.yml").write_text(rules, "utf-8")
    (folder / "alerts_test.yml").write_text(CASES, "utf-8")
    return promtool("test", "rules", "alerts_test.yml", cwd=folder)


def outcomes(said: str, name: str) -> list[tuple[bool, bool]]:
    """For each case of that alert that failed: whether it was expected to fire, and whether it did."""
    cases = re.findall(rf"alertname: {name}, time: \S+\s+exp:\[(.*?)\],?\s+got:\[(.*?)\]\s", said, re.DOTALL)
    return [("Labels:" in expected, "Labels:" in got) for expected, got in cases]


def test_there_are_alerts() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 10


def test_the_rules_are_rules() -> None:
    said = promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in said
    assert "exit status 0" in said


def test_the_configuration_is_one() -> None:
    said = promtool("check", "config", "prometheus.yml")
    assert "SUCCESS: 1 rule files found" in said
    assert "exit status 0" in said


def test_each_case_comes_out_as_it_should() -> None:
    said = promtool("test", "rules", "alerts_test.yml")
    assert "FAILED" not in said
    assert "exit status 0" in said


def test_an_alert_that_never_fires_is_noticed(tmp_path: Path) -> None:
    said = said_of(lambda text: with_expression(text, NEVER), tmp_path)
    assert [name for name in NAMES if (True, False) not in outcomes(said, name)] == []


def test_an_alert_that_always_fires_is_noticed(tmp_path: Path) -> None:
    said = said_of(lambda text: with_expression(text, ALWAYS), tmp_path)
    silent = {name: said.partition(f"name: {name} is silent,")[2] for name in NAMES}
    assert [name for name in NAMES if (False, True) not in outcomes(silent[name], name)] == []


@pytest.mark.parametrize("place", range(MOST))
def test_each_threshold_and_each_wait_matters(place: int, tmp_path: Path) -> None:
    """Without it, the alert fires where a case says that it is not to."""
    said = said_of(lambda text: looser(text, place), tmp_path)
    changed = [name for name in NAMES if looser(block(name), place) != block(name)]
    assert changed
    assert [name for name in changed if (False, True) not in outcomes(said, name)] == []


def test_no_threshold_is_left_out() -> None:
    assert [name for name in NAMES if looser(block(name), MOST) != block(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_says_what_it_means_and_what_to_look_at(name: str) -> None:
    text = " ".join(block(name).split())
    assert re.search(r"severity: (page|ticket)\b", text)
    assert re.search(r"summary: .*\$labels\.job .*\$labels\.pipeline .*description: .*\bFirst look at ", text)


def test_the_page_has_them_all() -> None:
    page = (ROOT / "docs/reference/dashboard.md").read_text("utf-8")
    severities = [(name, *re.findall(r"severity: (\w+)", block(name))) for name in NAMES]
    assert re.findall(r"^\| `(Meshkit\w+)` \| (\w+) \|", page, re.MULTILINE) == severities
