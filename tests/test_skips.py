"""Is a test that silently stopped running noticed? In CI, each skip fails the suite but for one reason."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).with_name("conftest.py")

HARMLESS = """
import pytest

def test_that_passes(): pass

@pytest.mark.xfail(strict=True)
def test_that_is_known_to_fail(): assert not 1

def test_on_another_interpreter(): pytest.skip("no CPython 3.13 found")
"""
SKIPS = "import pytest\ndef test_it(): pytest.skip('not today')"
SKIPS_ALL = "import pytest\npytest.importorskip('no_such_module')"


@pytest.mark.parametrize(
    ("code", "ci", "workers", "said"),
    [
        (HARMLESS, "true", 0, None),
        (SKIPS, "true", 0, "though CI=true: test_one.py::test_it: Skipped: not today"),
        (SKIPS, "true", 1, "though CI=true: test_one.py::test_it: Skipped: not today"),
        (SKIPS_ALL, "true", 0, "though CI=true: test_one.py: Skipped: could not import 'no_such_module'"),
        (SKIPS, "", 0, None),
    ],
)
def test_the_exit_status(tmp_path: Path, code: str, ci: str, workers: int, said: str | None) -> None:
    (tmp_path / "conftest.py").write_bytes(CONFTEST.read_bytes())
    (tmp_path / "test_one.py").write_text(code, "utf-8")
    (tmp_path / "test_other.py").write_text("def test_it(): pass", "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--rootdir=.",
        "-p",
        "no:cacheprovider",
        "-p",
        "xdist",
        f"-n{workers}",
    ]
    env = {**os.environ, "CI": ci, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # only what is needed: it is quicker
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == (0 if said is None else 1), done.stdout + done.stderr
    assert (said or "1 skipped") in done.stdout
