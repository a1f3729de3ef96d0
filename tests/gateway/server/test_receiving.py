"""Does a part of a body get lost with a task that is cancelled just when it comes?"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.gateway.server.receiving import Receiving, has_body


@pytest.fixture
def anyio_backend() -> str:
    """As granian's loop."""
    return "asyncio"


class Server:
    """Hands each message over by a future."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[Any]] = []

    def receive(self) -> asyncio.Future[Any]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize("came", [True, False])
async def test_what_came_to_one_who_was_cancelled_comes_to_the_next(came: bool) -> None:
    server = Server()
    receive = Receiving(server.receive)
    first = asyncio.ensure_future(receive())
    await turn()
    if came:
        server.asked[0].set_result("first")
    first.cancel()
    await asyncio.wait((first,))
    assert first.cancelled()
    second = asyncio.ensure_future(receive())
    await turn()
    if not came:
        server.asked[0].set_result("first")
    assert await second == "first"
    assert len(server.asked) == 1
    third = asyncio.ensure_future(receive())
    await turn()
    server.asked[1].set_result("second")
    assert await third == "second"


async def test_two_who_wait_get_a_message_each() -> None:
    server = Server()
    receive = Receiving(server.receive)
    both = [asyncio.ensure_future(receive()) for _ in range(2)]
    await turn()
    server.asked[0].set_result("first")
    await turn()
    server.asked[1].set_result("second")
    assert sorted(await asyncio.gather(*both)) == ["first", "second"]


async def test_an_error_is_told_and_what_is_asked_in_the_end_is_given_up() -> None:
    server = Server()
    receive = Receiving(server.receive)
    first = asyncio.ensure_future(receive())
    await turn()
    server.asked[0].set_exception(OSError("gone"))
    with pytest.raises(OSError, match="gone"):
        await first
    second = asyncio.ensure_future(receive())
    await turn()
    second.cancel()
    receive.close()
    await asyncio.wait((second,))
    assert server.asked[1].cancelled()
    receive.close()


def test_who_has_a_body() -> None:
    assert has_body({"headers": [(b"host", b"a"), (b"transfer-encoding", b"chunked")]})
    assert has_body({"headers": [(b"content-length", b"4")]})
    assert not has_body({"headers": [(b"host", b"a")]})
