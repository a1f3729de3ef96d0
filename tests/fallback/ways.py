"""What stands around fallbacks in these tests."""

from __future__ import annotations

import anyio
import pytest

from meshkit import (
    Cluster,
    Overloaded,
    RateLimit,
)

from ..scripted import Gate

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
pause = anyio.sleep
ONCE = RateLimit("1/s", burst=1)


async def through(call, call_next):
    return await call_next()


def refuses(times=99, error=Overloaded):
    return Gate("limit", does=[error(policy="limit") for _ in range(times)])


def cluster_of(name, *policies):
    return Cluster(name, [f"{name}:1"], pipeline=policies)


def endpoints(*bad):
    sent = []

    def fn(endpoint):
        sent.append(str(endpoint))
        if str(endpoint) in bad:
            raise ConnectionError(str(endpoint))
        return str(endpoint)

    async def fn_async(endpoint):
        return fn(endpoint)

    return sent, fn, fn_async
