"""How do tests ask a real server? Each in each way that is left when two must do, and nothing stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from .servers import SERVERS
from .spoken import LARGE
from .ways import OWN, PAIR, Way, each, nothing_left

__all__ = ["SHA256", "SOON", "WAYS", "asking", "on_apps", "on_each", "on_nginx", "sha256"]

WAYS = each([OWN[0], *PAIR])
SOON = 20.0
"""Seconds for a whole test, on a busy machine."""
APPS = ["uvicorn", "granian", "haproxy-uvicorn"]
"""Those that serve an app of ours."""

on_each = pytest.mark.parametrize("server", SERVERS, indirect=True)
on_apps = pytest.mark.parametrize("server", APPS, indirect=True)
on_nginx = pytest.mark.parametrize("server", ["nginx"], indirect=True)


@contextlib.asynccontextmanager
async def asking(way: Way, base: str, **options: Any) -> AsyncIterator[Any]:
    """A client of that address."""
    async with nothing_left():
        transport = way.open(**options)
        async with (
            way.lib.AsyncClient(transport=transport, base_url=base, timeout=SOON) as client,
            asyncio.timeout(SOON),
        ):
            yield client


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


SHA256 = sha256(LARGE)
