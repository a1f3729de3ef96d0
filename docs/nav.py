"""Which pages has the site, in which order? Those that lie in the folders of Diátaxis, by their file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SECTIONS = {
    "Tutorial": "tutorial",
    "How to": "howto",
    "Reference": "reference",
    "Explanation": "explanation",
}


def on_config(config: Any) -> Any:
    """Called by mkdocs. A page's title is its first heading, a section without pages is left out."""
    docs = Path(config.docs_dir)
    nav: list[Any] = ["index.md"]
    for title, folder in SECTIONS.items():
        pages = [page.relative_to(docs).as_posix() for page in sorted((docs / folder).rglob("*.md"))]
        if pages:
            nav.append({title: pages})
    config.nav = nav
    return config
