"""The pages about the commands show what these say: each is run on the files that stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from meshkit.config.layout.formatted import ROUTE, SECTIONS
from meshkit.config.lint import WORDS

from ..run_page import alike
from .running import run

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "howto" / "check-a-mesh-file.md", DOCS / "reference" / "commands.md"]
FILE = re.compile(r'^```yaml title="(?P<name>[\w.]+)"\n(?P<text>.*?)^```', re.MULTILINE | re.DOTALL)
PRICE = re.compile(r" +<?[0-9.]+ µs")
"""How many digits it has is never the same twice."""
ASKED = re.compile(r"^```console\n\$ meshkit (?P<asked>[^\n]*)\n(?P<said>.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_asked_and_what_is_said(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MESHKIT_JOURNAL", raising=False)
    text = page.read_text("utf-8")
    for file in FILE.finditer(text):
        Path(file["name"]).write_text(file["text"], "utf-8")
    asked = [*ASKED.finditer(text)]
    assert len(asked) == text.count("```console")
    for each in asked:
        command, _, _ = each["asked"].partition(" > ")
        done = run(*shlex.split(command), status=None)
        assert done.exit_code in {0, 1}
        if each["said"]:
            assert done.stderr == ""
            assert alike(*(PRICE.sub(" 0.1 µs", part.rstrip()) for part in (each["said"], done.stdout))), done.stdout


def test_the_order_of_sections_is_that_of_the_program():
    text = PAGES[1].read_text("utf-8")
    assert f"| sections | in this order: {', '.join(f'`{each}`' for each in SECTIONS)} |" in text
    assert f"| a route | {', '.join(f'`{each}`' for each in ROUTE)} |" in text


def test_the_table_of_findings_is_that_of_the_program():
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| (.*) \|$", PAGES[1].read_text("utf-8"), re.MULTILINE)
    assert {word: text for word, text in rows if word in WORDS} == WORDS
