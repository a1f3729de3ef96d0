"""How is an endpoint asked for its load? By a small GET, soon after a pick has asked for it; see `Prequal`.

Only asyncio: it runs beside the callers, whatever they are. Connections are kept, and no more than one probe of an
endpoint is under way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ..balance.report.probes import read
from ..upstream import Limits, Origin, Pool

__all__ = ["probe"]

LONGEST = 4096
"""Bytes of an answer that are read; one that is longer is none."""


async def probe(balancer: Any, keep: Any) -> None:
    """Carry out a balancer's errands until this is cancelled; then nothing is left under way."""
    loop = asyncio.get_running_loop()
    wanted = asyncio.Event()
    wanted.set()
    pool = Pool(Limits(connections=None))
    tasks: set[asyncio.Task[None]] = set()
    with keep.lock:
        balancer.wake = lambda: loop.call_soon_threadsafe(wanted.set)
    try:
        while True:
            await wanted.wait()
            wanted.clear()
            with keep.lock:
                members = list(balancer.errands)
                balancer.errands.clear()
            for member in members:
                task = asyncio.create_task(_ask(balancer, member, pool, keep))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
    finally:
        balancer.wake = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pool.aclose()


async def _ask(balancer: Any, member: Any, pool: Any, keep: Any) -> None:
    try:
        async with asyncio.timeout(balancer.spec.expiry):
            rif, latency = read(await _get(pool, member.endpoint, balancer.spec.path.encode("ascii")))
    except Exception:  # whatever it was: there is no answer
        with keep.lock:
            balancer.unanswered(member, keep.now())
    else:
        with keep.lock:
            balancer.answered(member, rif, latency, keep.now())


async def _get(pool: Any, endpoint: Any, path: bytes) -> bytes:
    """The body of a 200. Raises `ValueError` for another status, or for too long a body."""
    origin = Origin(endpoint.host, endpoint.port, endpoint.scheme == "https")
    host = endpoint.url.partition("://")[2].encode("ascii")
    answer = await pool.send(origin, b"GET", path, [(b"Host", host), (b"User-Agent", b"meshkit")])
    body = b""
    try:
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        while part := await anext(answer, b""):
            body += part
            if len(body) > LONGEST:
                raise ValueError("too long")
    finally:
        answer.close()
    return body
