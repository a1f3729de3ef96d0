"""Do the pages say what the simulations say? A scene is played whole, and rows of others, and held against them.

Where this fails after a change of a balancer, the pages are out of date: ``python -m examples.simulate``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from examples.simulate import black_hole, slow_server
from examples.simulate.contenders import LOCAL
from examples.simulate.pages import DOCS, SCENES, drawn, place, placed

ROOT = Path(__file__).parents[2]
STALE = "out of date: python -m examples.simulate"


def page(mark: str) -> str:
    names = {mark: name for scene in SCENES.values() for mark, (name, _) in scene.tables.items()}
    return (DOCS / names[mark]).read_text("utf-8")


def between(text: str, mark: str) -> str:
    return text.partition(f"<!-- {mark}: begin -->")[2].partition(f"<!-- {mark}: end -->")[0].strip()


def test_a_scene_comes_out_as_it_stands_there_to_the_byte():
    found = black_hole.play()
    scene = SCENES[black_hole.NAME]
    assert between(page(scene.name), scene.name) == "\n".join(black_hole.table(found)), STALE
    for name, text in drawn(scene, found):
        assert (DOCS / name).read_text("utf-8") == text, STALE


def test_what_one_slow_server_is_worth():
    """99.9 per cent with peak EWMA, says the experiment."""
    found = slow_server.slowed("peak EWMA", LOCAL["peak EWMA"])
    assert 0.999 < found.in_time < 0.9999
    assert slow_server.line(found) in page(slow_server.NAME), STALE


@pytest.mark.parametrize("name", SCENES)
def test_each_scene_stands_on_its_page(name):
    scene = SCENES[name]
    for mark in scene.tables:
        lines = between(page(mark), mark).splitlines()
        assert len(lines) > 4, STALE
        assert {line.count("|") for line in lines if line} == {lines[0].count("|")} or "" in lines
    if scene.sheet:
        assert f"({scene.sheet})" in page(name)
        assert ET.parse(DOCS / scene.sheet).getroot().tag.endswith("svg")


def test_there_are_no_other_figures():
    named = {scene.sheet for scene in SCENES.values() if scene.sheet}
    assert {path.name for path in DOCS.glob("simulated-*.svg")} == named


def test_a_table_is_put_between_its_marks(tmp_path):
    scene = SCENES["slow-server"]
    found = [slow_server.Slowed("random", 0.5, [1.0, 2.0], 3)]
    path = tmp_path / "which-balancer.md"
    path.write_text("before\n<!-- slow-server: begin -->\nold\n<!-- slow-server: end -->\nafter\n", "utf-8")
    place(scene, found, tmp_path)
    text = path.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert between(text, scene.name).splitlines()[2:] == ["| random | 50.00% |  | 2.00 s | 2.00 s | 2.00 s | 3 |"]
    with pytest.raises(ValueError, match="has no"):
        placed("nothing", "slow-server", [])


def test_the_command_names_its_scenes():
    command = [sys.executable, "-W", "error", "-m", "examples.simulate", "no-such"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert re.search("no such scene: no-such; there are slow-server, ", done.stderr)
