"""What does each broken file say? The message of ``weights.yaml`` is in ``weights.txt``.

``python -m tests.config.broken`` writes all of them anew. Read them, then, as somebody would who has never seen a mesh
file: is it clear what is wrong, where, and what to write instead?

A file whose name says so may import. Expressions are read as where RE2 is not installed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meshkit.config import FileErrors, loads

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
FILES = sorted(each for each in HERE.iterdir() if each.suffix in {".conf", ".json", ".toml", ".yaml"})


@contextmanager
def without(module: str) -> Iterator[None]:
    """As where a module is not installed."""
    before = {name: each for name, each in sys.modules.items() if name == module or name.startswith(f"{module}.")}
    sys.modules.update(dict.fromkeys([module, *before]))  # type: ignore[arg-type]  # None: it is not there
    try:
        yield
    finally:
        del sys.modules[module]
        sys.modules.update(before)


def told(file: Path) -> FileErrors | None:
    """All that is wrong with a file; ``None``: nothing."""
    try:
        with without("re2"):
            loads(file.read_bytes(), file.name, imports="allowed" in file.stem)
    except FileErrors as error:
        return error
    return None


def golden(file: Path) -> Path:
    """Where its message is."""
    return file.with_suffix(".txt")


if __name__ == "__main__":
    for each in FILES:
        golden(each).write_text(f"{told(each)}\n", "utf-8")
