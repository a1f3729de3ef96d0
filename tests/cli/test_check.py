"""``meshkit check``: what it says of a file, and with which status it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest

from .running import run

BROKEN = sorted(Path(__file__).parents[1].joinpath("config", "broken").glob("*.yaml"))
SOUND = """\
clusters:
  orders: {endpoints: ["10.0.0.1:80"]}
routes:
- match: {host: shop}
  policies: [timeout: 2s]
  to: orders
"""
ODD = SOUND.replace("  policies: [timeout: 2s]\n", "")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="mesh.yaml"):
        Path(name).write_text(text, "utf-8")
        return name

    return write


def test_a_sound_file(file):
    done = run("check", file(SOUND))
    assert done.stdout == "mesh.yaml: sound: 1 route, 1 cluster\n"
    assert done.stderr == ""
    run("check", file(SOUND), "--strict")
    assert run("check", file("{}")).stdout == "mesh.yaml: sound: nothing in it\n"


def test_what_is_odd(file):
    said = """\
mesh.yaml:4:3: warning: routes[0]: no timeout: a call that hangs is never given up [no-timeout]
    - match: {host: shop}
      ^
    add timeout: 5s to the policies, or what the callers would wait for

mesh.yaml: 1 warning
"""
    assert run("check", file(ODD)).stdout == said
    assert run("check", file(ODD), "--strict", status=1).stdout == said
    assert "sound" in run("check", file(ODD), "--strict", "--ignore", "no-timeout").stdout


def test_notes(file):
    done = run("check", file(f"egress: any\n{SOUND}"), "--strict")
    assert done.stdout.startswith("mesh.yaml:1:9: note: egress: calls to hosts that are not in the mesh")
    assert done.stdout.endswith("mesh.yaml: sound: 1 route, 1 cluster; 1 note\n")


def test_mistakes(file):
    done = run("check", file(f"rout: []\n{SOUND.replace('2s', '2')}"), status=1)
    first, second, last = done.stdout.split("\n\n")
    assert re.fullmatch(
        r"mesh.yaml:1:1: mistake: rout: .* no section rout\n    rout: \[\]\n    \^\n    did you mean routes\?.*", first
    )
    assert (
        second
        == """\
mesh.yaml:6:23: mistake: routes[0].policies[0].timeout: expected a duration above 0, not the number 2
      policies: [timeout: 2]
                          ^
    give it a unit, such as 2s or 2ms"""
    )
    assert last == "mesh.yaml: 2 mistakes\n"


def test_for_programs(file):
    data = json.loads(run("check", file(f"egress: any\n{ODD}"), "--format", "json").stdout)
    note, warning = data["findings"]
    assert (data["file"], data["sound"]) == ("mesh.yaml", True)
    assert data["counts"] == {"mistakes": 0, "warnings": 1, "notes": 1}
    assert (note["level"], note["word"], note["line"], note["column"]) == ("note", "egress-any", 1, 9)
    assert (warning["level"], warning["path"], warning["file"]) == ("warning", "routes[0]", "mesh.yaml")
    assert warning["fix"].startswith("add timeout")
    data = json.loads(run("check", file("routes: 7"), "--format", "json", status=1).stdout)
    assert (data["sound"], [each["level"] for each in data["findings"]]) == (False, ["mistake"])
    run("check", file(ODD), "--format", "json", "--strict", status=1)


def test_many_are_cut_short(file):
    routes = "".join(f"- {{match: {{host: a{number}}}, to: orders}}\n" for number in range(120))
    done = run("check", file(ODD + routes))
    assert done.stdout.count("[no-timeout]") == 100
    assert "\nand 21 more\n" in done.stdout
    assert done.stdout.endswith("mesh.yaml: 121 warnings\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--ignore", "no-timeouts"), "no finding is called 'no-timeouts': did you mean no-timeout?"),
        (("--format", "xml"), "xml"),
        (("--nothing",), "--nothing"),
    ],
)
def test_what_cannot_be_understood(file, arguments, said):
    assert said in run("check", file(SOUND), *arguments, status=2).stderr


def test_what_is_no_file(file):
    assert run("check", "none.yaml", status=1).stdout == (
        "none.yaml: mistake: there is no such file\n\nnone.yaml: 1 mistake\n"
    )
    assert "a directory" in run("check", ".", status=1).stdout
    assert "neither YAML nor TOML nor JSON" in run("check", file(SOUND, "mesh.txt"), status=1).stdout


def test_toml_and_json(file):
    run("check", file('{"clusters": {"orders": {"endpoints": ["10.0.0.1:80"]}}}', "mesh.json"), "--strict")
    run("check", file('[clusters.orders]\nendpoints = ["10.0.0.1:80"]', "mesh.toml"), "--strict")


def test_python_objects_are_imported_unless_that_is_not_wanted(file, monkeypatch):
    text = SOUND.replace("timeout: 2s", "timeout: 2s, retry: json:JSONDecodeError")
    run("check", file(text), "--strict")
    assert "would be imported" in run("check", file(text), "--no-imports", status=1).stdout


@pytest.mark.parametrize("broken", BROKEN, ids=lambda path: path.stem)
def test_no_broken_file_is_met_with_a_traceback(broken):
    done = run("check", broken, "--no-imports", status=1)
    assert "mistake" in done.stdout
    assert "Traceback" not in done.output
    assert "fault of its own" not in done.output


def test_whatever_stands_there(file):
    """Sound files with lines that were lost, doubled, cut or mixed up."""
    draw = Random(7)
    parts = [line for broken in BROKEN for line in broken.read_bytes().decode("utf-8", "replace").splitlines()]
    for _ in range(40):
        lines = ODD.splitlines()
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(lines))
            lines[place : place + draw.randrange(2)] = [draw.choice(parts)[: draw.randrange(60)]]
        name = file("\n".join(lines).encode("utf-8", "replace").decode("utf-8", "replace"))
        for command in (("check", name), ("fmt", name), ("explain", name, "GET", "http://shop/")):
            done = run(*command, status=None)
            assert done.exit_code in {0, 1, 2}, "\n".join(lines)
            assert "fault of" not in done.output, "\n".join(lines)
