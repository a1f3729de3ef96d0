"""What is said at a terminal fits there; in a pipe it is plain; and nothing is said by a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from meshkit.__main__ import main
from meshkit.cli import terminal
from meshkit.cli.terminal import counted, spoken, told
from meshkit.errors import ConfigError

from .running import run

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"\x1b\[[0-9;]*m")
MESH = """\
clusters:
  orders: {endpoints: ["10.0.0.1:80"]}
routes:
- match: {host: shop}
  policies:
  - timeout: 2s
  - retry: {on: [5xx, ConnectionError], attempts: 7, backoff: {exponential: {base: 100ms}}, budget: none}
  to: orders
"""


@pytest.fixture
def mesh(tmp_path):
    path = tmp_path / "mesh.yaml"
    path.write_text(MESH, "utf-8")
    return path


def python(*arguments, **env):
    command = [sys.executable, "-W", "error", "-m", "meshkit", *map(str, arguments)]
    whole = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, env=whole, capture_output=True, timeout=60, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of POSIX")
@pytest.mark.parametrize("plain", [{}, {"NO_COLOR": "1"}], ids=["colour", "no-color"])
def test_at_a_terminal_lines_fit(mesh, plain):
    import pty

    env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    env |= {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "TERM": "xterm", **plain}
    reading, writing = pty.openpty()
    command = [sys.executable, "-W", "error", "-m", "meshkit", "check", "mesh.yaml", "--strict"]
    done = subprocess.Popen(command, cwd=mesh.parent, env=env, stdout=writing, stderr=writing)
    os.close(writing)
    said = b""
    while True:
        try:
            part = os.read(reading, 65536)
        except OSError:  # Linux says so that nobody writes any more
            break
        if not part:
            break
        said += part
    os.close(reading)
    assert done.wait(60) == 1
    text = said.decode()
    assert bool(CODE.search(text)) == (not plain)
    lines = CODE.sub("", text).replace("\r\n", "\n").splitlines()
    assert lines[0].startswith("mesh.yaml:7:5: warning: routes[0].policies[1]: a retry without a budget")
    assert lines[1].startswith("    ")
    quoted = [line for line in lines if "backoff" in line]
    assert max(len(line) for line in lines if line not in quoted) <= 80


def test_in_a_pipe_a_thing_is_one_line(mesh):
    done = python("check", mesh, FORCE_COLOR="1", COLUMNS="40")
    assert done.returncode == 0
    assert not CODE.search(done.stdout.decode())
    assert done.stdout.decode().splitlines()[0].endswith("[retry-without-budget]")


def test_a_file_is_printed_as_it_is_written(mesh):
    mesh.write_text(MESH.replace("shop", "größe→"), "utf-8")
    done = python("fmt", mesh, PYTHONIOENCODING="cp1252")
    assert "größe→" in done.stdout.decode("utf-8")


@pytest.mark.parametrize(
    ("env", "colour"), [({}, None), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, None), ({"TERM": "dumb"}, False)]
)
def test_who_wants_colours(env, colour, monkeypatch):
    said = []
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(terminal.typer, "echo", lambda text, err, color: said.append((text, color)))
    terminal.say("a")
    assert said == [("a", colour)]


def test_told_in_lines(monkeypatch):
    monkeypatch.setattr(terminal, "width", lambda: 20)
    assert told("one two three four five six") == "one two three four\n    five six"
    assert told("one two three four five six", "  ", "> ") == "  one two three four\n> five six"
    assert told("http://a-very-long-host.example/") == "http://a-very-long-host.example/"
    monkeypatch.setattr(terminal, "width", lambda: None)
    assert told("one two three four five six", "  ") == "  one two three four five six"


def test_counted():
    assert [counted(number, "route") for number in (0, 1, 2, 10_000)] == [
        "0 routes",
        "1 route",
        "2 routes",
        "10,000 routes",
    ]
    assert counted(2, "policy", "policies") == "2 policies"


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ConfigError("Mesh: node='a': there is none"), 2, "Mesh: node='a': there is none"),
        (RecursionError(), 1, "it is too much: RecursionError"),
        (FileNotFoundError(2, "No such file or directory", "a\x1b"), 1, r"meshkit: a\x1b: No such file or directory"),
        (OSError("odd"), 1, "meshkit: odd"),
        (KeyError("x"), 3, "a fault of its own, which should be reported: KeyError: 'x' (test_terminal.py:"),
    ],
)
def test_errors_are_said_in_a_sentence(error, status, said, capsys):
    @spoken
    def command():
        raise error

    with pytest.raises(Exception, match=str(status)) as ended:
        command()
    assert ended.value.exit_code == status
    assert said in capsys.readouterr().err


def test_it_is_a_program(monkeypatch, capsys):
    """The script of the package is the function that ``python -m meshkit`` calls."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert '[project.scripts]\nmeshkit = "meshkit.__main__:main"\n' in text
    monkeypatch.setattr(sys, "argv", ["/usr/bin/meshkit", "check", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Usage: meshkit check" in capsys.readouterr().out


def test_without_pyyaml_it_says_which_extra_to_install(mesh):
    code = """
import sys
sys.modules["yaml"] = None
from typer.testing import CliRunner
from meshkit.cli import app
for command in (["check"], ["fmt"], ["explain", "GET", "http://shop/"]):
    done = CliRunner().invoke(app, [command[0], sys.argv[1], *command[1:]])
    assert done.exit_code == 2, done.output
    assert "meshkit[config]" in done.stderr, done.output
"""
    command = [sys.executable, "-W", "error", "-c", code, str(mesh)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_each_command_says_what_it_does():
    done = run("--help")
    for command in ("check", "explain", "schema", "fmt", "why"):
        assert re.search(rf"^  {command} +\w.*[?.]$", done.stdout, re.MULTILINE), done.stdout
