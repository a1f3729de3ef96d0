"""Both libraries, and nothing of one test left over for the next."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest

from meshkit.runtime.lock import owned
from meshkit.runtime.settle import LEFT


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request: pytest.FixtureRequest) -> ModuleType:
    """Through either everything is the same."""
    return importlib.import_module(request.param)


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    yield
    assert not owned()
    assert not LEFT
