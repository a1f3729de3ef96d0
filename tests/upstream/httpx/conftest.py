"""Each test several times over: through both libraries, with the library's own transport and with the pool."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest

from .authority import Authority
from .sides import NAMES, Side


@pytest.fixture(params=["httpx", "httpx2"])
def lib(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(request.param)


@pytest.fixture(params=NAMES)
def side_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def side(side_name: str, lib: ModuleType) -> Side:
    return Side(side_name, lib)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def anyio_backend(side_name: str) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": side_name == "uvloop"}
