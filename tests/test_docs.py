"""Does the documentation tell the truth? All Python in it is run, all its links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from meshkit.config import loads
from meshkit.config.file import TOP

from .run_page import Block, blocks

ROOT = Path(__file__).parents[1]
RUN_PAGE = Path(__file__).with_name("run_page.py")
SECONDS = 60
"""For one page or example, its interpreter included, on a busy machine. They take one or two."""

TEXTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAGES = [text for text in TEXTS if text.name not in {"CHANGELOG.md", "CONTRIBUTING.md"}]
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
"""The demo has tests of its own."""


def python(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What a new interpreter makes of it; any warning is an error, as it is in the suite."""
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def mesh_files(page: Path) -> list[tuple[str, str]]:
    """The blocks of YAML and TOML that begin with a section of a mesh file, each named after its place."""
    text = page.read_text("utf-8")
    found = []
    for fence in re.finditer(r"^```(yaml|toml)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE):
        first = re.match(r"(?:#.*\n|\s)*\[*(\$?\w+)(?=:| =|\.|\])", fence[2])
        if first and first[1] in TOP:
            line = text.count("\n", 0, fence.start(2)) + 1
            found.append((f"{page.name}:{line}.{fence[1]}", fence[2]))
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    if blocks(page.read_text("utf-8")):
        done = python(RUN_PAGE, page, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if mesh_files(page)], ids=named)
def test_the_mesh_files_of_a_page_load(page: Path) -> None:
    for name, text in mesh_files(page):
        loads(text, name, imports=True)


@pytest.mark.parametrize("example", EXAMPLES, ids=named)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    done = python(example, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", TEXTS, ids=named)
def test_the_links_of_a_page_lead_somewhere(text: Path) -> None:
    assert dead_links(text) == []


def dead_links(text: Path) -> list[str]:
    """Links to files. Those to headings inside the site are held by `make docs`."""
    prose = re.sub(r"^( *)(```|~~~).*?^\1\2", "", text.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    targets = re.findall(r"\]\(([^)\s]+)[^)]*\)", re.sub(r"`[^`\n]*`", "", prose))
    files = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    return [file for file in files if file and not (text.parent / file).exists()]


PAGE = """
```python
x = 1
```

```console
$ python -m no_such_program
```

A list:

- with a block

    ```python title="more"
    import asyncio
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    ```

<!-- skip: needs a cluster -->
```python
raise SystemExit("not run")
```

```python
await asyncio.sleep(0)
assert asyncio.get_running_loop() is loop
assert x == 1
print("one", x / 3, "s")
```

```output
one 0.25 s
```
"""


def test_blocks_share_a_namespace_and_a_loop(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, "utf-8")
    assert blocks(PAGE)[0] == Block(3, "x = 1", None)
    assert [block.skipped for block in blocks(PAGE)] == [None, None, "needs a cluster", None]
    done = python(RUN_PAGE, page, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# A page\n\n```python\n\nassert 1 == 2\n```\n", 'page.md", line 5'),
        ("```python\nasync def f(): pass\nawait f()\n1 / 0\n```\n", 'page.md", line 4'),
        ("<!-- skip: later -->\n```python\ndef\n```\n", "SyntaxError"),
        ("<!-- skip: -->\n```python\nx = 1\n```\n", "skipped for no reason"),
        ("```python\nx = 1\n", "not closed"),
        ("```python\nprint('one 1')\n```\n```output\none 2\n```\n", "this prints\none 1"),
        ("```python\nprint('10.0.0.8')\n```\n```output\n10.0.0.7\n```\n", "this prints\n10.0.0.8"),
        ("```python\nimport warnings\nwarnings.warn('old', DeprecationWarning)\n```\n", "DeprecationWarning: old"),
    ],
)
def test_a_page_can_fail(tmp_path: Path, text: str, said: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    done = python(RUN_PAGE, page, cwd=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr


def test_the_mesh_files_of_a_page_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```yaml\n# A comment.\nclusters: {}\n```\n\n```yaml\n- match: {}\n```\n\n```toml\n[[routes]]\n```\n"
        "\n```yaml\napiVersion: v1\n```\n\n```toml\n[clusters.a]\n```\n\n```yaml\n$schema: a\n```\n",
        "utf-8",
    )
    assert [name for name, _ in mesh_files(page)] == [
        "page.md:2.yaml",
        "page.md:11.toml",
        "page.md:19.toml",
        "page.md:23.yaml",
    ]


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "[a](page.md#top) [b](gone.md) [c](https://example.com) [d](#here) `[e](f)`\n```\n[g](h)\n```\n", "utf-8"
    )
    assert dead_links(page) == ["gone.md"]
