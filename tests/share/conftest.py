"""Both libraries."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request: pytest.FixtureRequest) -> ModuleType:
    """Through either everything is the same."""
    return importlib.import_module(request.param)
