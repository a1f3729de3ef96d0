"""Why does each policy stand where it stands, and what looks odd?"""

from __future__ import annotations
from typing import Any


def explain(pipeline: Any) -> str:
    return "\n".join(map(repr, pipeline.specs))
