"""Is a body read before its answer is judged, if it is short, and handed on with nothing missing, if it is not?"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import anyio
import pytest

from meshkit import ConcurrencyLimit, Constant, DeadlineExceeded, Pipeline, Timeout
from meshkit import Retry as Again
from meshkit.errors import ConfigError
from meshkit.httpx import AsyncMeshTransport, MeshTransport

from .stand_ins import Clock, Inner, streaming

URL = "http://a"
PARTS = [b"ab", b"cd", b"ef"]


def retry(lib: ModuleType) -> Again:
    return Again(lib.TransportError, backoff=Constant(0.0), attempts=3)


def answering(lib: ModuleType, *streams: Any, headers: Any = None) -> Inner:
    left = list(streams)
    return Inner(lambda request: lib.Response(200, stream=left.pop(0), headers=headers))


async def test_a_body_that_breaks_off_is_a_failed_attempt(lib: ModuleType) -> None:
    broken, good = streaming(lib, [b"a", lib.ReadError("gone")]), streaming(lib, PARTS)
    pipeline = Pipeline(ConcurrencyLimit(1), retry(lib))
    transport = AsyncMeshTransport(pipeline, answering(lib, broken, good), whole=100)
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        assert pipeline.idle(), "it is there: nothing is held"
        assert await response.aread() == b"abcdef"
    assert (broken.closed, good.closed, broken.iterating, good.iterating) == (1, 1, 0, 0)


def test_a_body_that_breaks_off_is_a_failed_attempt_sync(lib: ModuleType) -> None:
    broken, good = streaming(lib, [b"a", lib.ReadError("gone")]), streaming(lib, PARTS)
    transport = MeshTransport(Pipeline(retry(lib)), answering(lib, broken, good), whole=100)
    with lib.Client(transport=transport) as client:
        assert client.get(URL).content == b"abcdef"
    assert (broken.closed, good.closed) == (1, 1)


@pytest.mark.parametrize("most", [1, 3, 5])
async def test_a_longer_one_is_handed_on_whole(lib: ModuleType, most: int) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1))
    stream = streaming(lib, PARTS)
    transport = AsyncMeshTransport(pipeline, answering(lib, stream), whole=most)
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        assert not pipeline.idle()
        assert [part async for part in response.aiter_raw()] == PARTS
    assert pipeline.idle()
    assert (stream.closed, stream.iterating) == (1, 0)
    left = streaming(lib, PARTS)
    with lib.Client(transport=MeshTransport(Pipeline(), answering(lib, left), whole=most)) as client:
        assert client.get(URL).content == b"abcdef"
    assert left.closed == 1


async def test_who_leaves_in_the_midst_of_a_longer_one_leaves_nothing(lib: ModuleType) -> None:
    stream = streaming(lib, PARTS)
    transport = AsyncMeshTransport(Pipeline(), answering(lib, stream), whole=1)
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL):
        pass
    assert (stream.closed, stream.iterating) == (1, 0)


@pytest.mark.parametrize(
    "headers",
    [{"content-length": "101"}, {"content-type": "text/event-stream; charset=utf-8"}, {"content-length": "9" * 30}],
)
async def test_what_is_longer_or_endless_is_not_waited_for(lib: ModuleType, headers: dict[str, str]) -> None:
    stream = streaming(lib, [lib.ReadError("gone")])
    transport = AsyncMeshTransport(Pipeline(), answering(lib, stream, headers=headers), whole=100)
    async with lib.AsyncClient(transport=transport) as client, client.stream("GET", URL) as response:
        with pytest.raises(lib.ReadError):
            await response.aread()


async def test_cancelled_while_it_is_read_it_is_closed(lib: ModuleType) -> None:
    class Stuck(lib.AsyncByteStream):  # type: ignore[name-defined, misc]
        closed = 0

        async def __aiter__(self) -> Any:
            yield b"a"
            await anyio.sleep_forever()

        async def aclose(self) -> None:
            await anyio.lowlevel.checkpoint()
            self.closed += 1

    stream = Stuck()
    pipeline = Pipeline(ConcurrencyLimit(1))
    transport = AsyncMeshTransport(pipeline, answering(lib, stream), whole=9)
    async with lib.AsyncClient(transport=transport) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, URL)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert stream.closed == 1
    assert pipeline.idle()


@pytest.mark.parametrize("whole", [-1, 1.5, True, "64k", 2**31])
@pytest.mark.parametrize("kind", [AsyncMeshTransport, MeshTransport])
def test_what_is_no_number_of_bytes(lib: ModuleType, kind: Any, whole: Any) -> None:
    with pytest.raises(ConfigError, match="whole"):
        kind(Pipeline(), answering(lib), whole=whole)


def test_a_body_that_comes_slowly_is_given_up_at_the_deadline(lib: ModuleType) -> None:
    clock = Clock()

    class Slow(lib.SyncByteStream):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Any:
            for _ in range(60):
                clock.now += 0.1
                yield b"a"

        def close(self) -> None:
            pass

    transport = MeshTransport(Pipeline(Timeout(0.5), clock=clock), answering(lib, Slow()), whole=100)
    with lib.Client(transport=transport) as client, pytest.raises(DeadlineExceeded):
        client.get(URL)
    assert clock() <= 1000.7
