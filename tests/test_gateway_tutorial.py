"""Is docs/tutorial/gateway.md true? It is typed into a shell, against a gateway and three servers over loopback."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from examples.demo.upstreams import free_port
from meshkit.config import load
from meshkit.config.report import check
from meshkit.testing import routes

from .run_console import Bash, run, typed

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/tutorial/gateway.md"
MESH = ROOT / "examples/gateway.yaml"
PORTS = ("8080", "8111", "8112", "8113", "9901")
"""Those that are written on the page, in the file, and in the servers; the last one nowhere else than on the page."""
SERVE = "meshkit serve examples/gateway.yaml"
GROWN = 20.0
"""MB that a gigabyte may leave behind, of buffers and of what is imported with the first upload."""

needed = [name for name in ("bash", "curl") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(needed), reason=f"no {' and no '.join(needed)}")


def elsewhere(cwd: Path) -> str:
    """The page, and below ``cwd`` what it needs, with ports that are free."""
    ports = {port: str(free_port()) for port in PORTS}

    def moved(text: str) -> str:
        return re.sub(r"\b\d{4}\b", lambda found: ports.get(found[0], found[0]), text)

    for path in (MESH, *(ROOT / "examples/gateway").glob("*.py")):
        to = cwd / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(moved(path.read_text("utf-8")), "utf-8")
    page = PAGE.read_text("utf-8")
    assert page.count(f"$ {SERVE} ") == 1
    return moved(page.replace(f"$ {SERVE} ", f"$ {SERVE} --status 127.0.0.1:9901 "))


def commands(folder: Path) -> dict[str, str]:
    """The environment in which ``python`` and ``meshkit`` are those of this interpreter."""
    folder.mkdir()
    for name, begin in (("python", sys.executable), ("meshkit", f"{sys.executable} -m meshkit")):
        (folder / name).write_text(f'#!/bin/sh\nexec {begin} "$@"\n', "utf-8")
        (folder / name).chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "LC_ALL": "C"}


def test_the_page_is_what_happens(tmp_path: Path) -> None:
    page = elsewhere(tmp_path)
    with Bash(tmp_path, commands(tmp_path / "bin")) as bash:
        done = run(page, bash)
    assert len(done) == len(typed(page)) > 30
    before, after = (float(said.removesuffix(" MB")) for each, said in done if each.command.startswith("ps "))
    assert after - before < GROWN
    [streamed] = [said for each, said in done if "/events" in each.command]
    first, last = map(float, re.findall(r"after ([\d.]+) s", streamed))
    assert first < 0.4  # before the second event was sent
    assert last > 0.9


def test_nothing_is_odd_about_the_file() -> None:
    report = check(MESH)
    assert report.sound(strict=True), report.mistakes or report.findings
    assert report.notes == 0
    assert [each.endpoints[0].port for each in load(MESH).clusters] == [8111, 8112, 8111, 8113]


def test_the_table_of_the_file() -> None:
    routes(MESH, listener="public").check(
        """
        GET http://shop.example/apples                          -> apples    /apples
        GET http://shop.example/apples x-canary=always          -> apples    orders-v2
        GET http://shop.example/figs                            -> figs      orders
        GET http://shop.example/cart/7                          -> cart      carts
        GET http://shop.example/cherries/sour                   -> cherries  /v2/cherries/sour
        GET http://shop.example/quinces/ripe?count=3            -> 308       http://shop.example/cherries/ripe?count=3
        GET http://shop.example/search?q=pears                  -> search    orders
        POST http://shop.example/pay                            -> pay       payments
        GET http://shop.example/chat                            -> chat      orders
        GET http://shop.example/events                          -> live      orders
        PUT http://shop.example/uploads/film                    -> live      orders
        GET http://shop.example/                                -> rest      orders
        """
    )
