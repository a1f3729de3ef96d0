"""Does the README stand by itself? Short, and each of its blocks is a whole program."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from meshkit.config import loads

from .run_page import alike, blocks
from .test_docs import python

README = Path(__file__).parents[1] / "README.md"


def test_it_is_read_at_one_sitting() -> None:
    assert len(README.read_text("utf-8").splitlines()) < 120


@pytest.mark.parametrize("block", blocks(README.read_text("utf-8")), ids=lambda block: f"line {block.line}")
def test_a_block_is_a_program(block, tmp_path: Path) -> None:
    program = tmp_path / "copied.py"
    program.write_text(block.code, "utf-8")
    done = python(program, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert alike(block.printed, done.stdout.rstrip("\n")), done.stdout
    faster = re.search(r"over the pool .* ([0-9.]+) x", done.stdout)
    assert faster is None or float(faster[1]) > 2  # in one run, of processor time: it is 5 and more


def test_its_mesh_file_is_sound() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert [cluster.name for cluster in loads(text).clusters] == ["orders", "orders-v2"]
