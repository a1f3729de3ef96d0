"""``meshkit fmt`` and ``meshkit schema``: what they print, and what they write."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from meshkit.cli.writing import replace
from meshkit.config.drawn import form

from .running import run

ODD = "egress:   any\nmesh: 'shop' # c\n"
EVEN = 'mesh: "shop"  # c\negress: any\n'


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("mesh.yaml")
    path.write_bytes(ODD.encode())
    return path


def test_it_is_printed(file):
    assert run("fmt", file).stdout == EVEN
    assert file.read_bytes() == ODD.encode()


def test_it_is_written(file):
    file.chmod(0o640)
    assert run("fmt", file, "-w").stdout == "mesh.yaml: laid out anew\n"
    assert file.read_bytes() == EVEN.encode()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640 or sys.platform == "win32"
    before = file.stat().st_mtime_ns
    assert run("fmt", file, "--write").stdout == ""
    assert file.stat().st_mtime_ns == before
    assert [*Path().iterdir()] == [file]


def test_whether_it_would_change(file):
    assert (
        run("fmt", file, "--check", status=1).stdout
        == """\
--- mesh.yaml
+++ mesh.yaml, laid out
@@ -1,2 +1,2 @@
-egress:   any
-mesh: 'shop' # c
+mesh: "shop"  # c
+egress: any
"""
    )
    assert file.read_bytes() == ODD.encode()
    run("fmt", file, "-w")
    assert run("fmt", file, "--check").stdout == ""
    file.write_text("routes:\n" + "".join(f"-   to:   a{number}\n" for number in range(300)))
    done = run("fmt", file, "--check", status=1)
    assert done.stdout.endswith(" lines more\n")
    assert len(done.stdout.splitlines()) == 201


def test_what_cannot_be_laid_out(file):
    file.write_text("mesh: {a")
    assert "mesh.yaml:1:" in run("fmt", file, "-w", status=1).stderr
    assert file.read_text() == "mesh: {a"
    Path("mesh.json").write_text("{}")
    assert "only YAML is laid out" in run("fmt", "mesh.json", status=2).stderr
    assert "there is no such file" in run("fmt", "none.yaml", status=1).stderr


def test_the_schema(file):
    assert json.loads(run("schema").stdout) == form()
    assert run("schema", "--output", "mesh.schema.json").stdout == ""
    assert json.loads(Path("mesh.schema.json").read_text("utf-8")) == form()
    assert "none/a.json: No such file" in run("schema", "-o", "none/a.json", status=1).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are of POSIX")
def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("before")
    link.symlink_to(real)
    replace(link, "after ö")
    assert link.is_symlink()
    assert real.read_bytes() == "after ö".encode()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="No space left") as error:
        replace(real, "later")
    assert error.value.filename == str(real)
    assert real.read_bytes() == "after ö".encode()
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]  # noqa: PTH208  # names are enough
