"""What a source tells, while the test decides what happens in each of its sleeps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anyio.lowlevel
import pytest


class Over(Exception):
    """Nothing happens any more."""


class Naps:
    """Stands for ``anyio.sleep``: no time passes, the next thing happens."""

    def __init__(self) -> None:
        self.lengths: list[float] = []
        self.then: list[Callable[[], object]] = []

    async def __call__(self, seconds: float) -> None:
        await anyio.lowlevel.checkpoint()
        self.lengths.append(seconds)
        if not self.then:
            raise Over
        self.then.pop(0)()


def nothing() -> None:
    """Happens in a nap."""


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Naps:
    made = Naps()
    monkeypatch.setattr("anyio.sleep", made)
    return made


async def told(source: Any, found: list[list[str]] | None = None) -> list[list[str]]:
    """All sets, until nothing happens any more or the source ends."""
    found = [] if found is None else found
    try:
        async with aclosing(source.watch()) as sets:
            async for endpoints in sets:
                found.append([str(each) for each in endpoints])  # kept when it raises
    except Over:
        pass
    return found
