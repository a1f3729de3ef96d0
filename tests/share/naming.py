"""What is a parameter called? The same in every process: no address in it."""

from __future__ import annotations


def shown(value: object) -> str:
    return getattr(value, "__name__", None) or str(value)
