"""Is the page about testing one test file, as it says, and does it pass with the plugin?"""

from __future__ import annotations

from pathlib import Path

from ..run_page import blocks
from .test_plugin import passes, session

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "test-without-sleeping.md"


def test_the_tests_on_the_page_pass(tmp_path: Path) -> None:
    code = "\n".join(block.code for block in blocks(PAGE.read_text("utf-8")))
    count = code.count("def test_") + code.count('virtual_time("asyncio", "trio")')
    assert count == 13
    passes(session(tmp_path, code, "-p", "_hypothesis_pytestplugin"), count)
