"""How often is a dial tried anew, after which pauses, and until when? In virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from meshkit.upstream import Dial, Origin
from meshkit.upstream import dial as room
from meshkit.upstream.errors import ConnectFailed, ConnectTimedOut
from meshkit.upstream.trace import Trace

WHILE = 1.0
"""Virtual seconds: into the second pause."""


class Scripted:
    """Tries that fail one after the other, each with the next of these errors, until there are none left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[Exception] = []
        self.takes = 0.0
        self.tried: list[tuple[float, float | None]] = []
        """When, and how many seconds it was given."""
        self.names: list[str] = []
        script = self

        async def connect(self: Dial, connection: Any, tls: Any, seconds: float | None, trace: Any) -> None:
            loop = asyncio.get_running_loop()
            script.tried.append((round(loop.time(), 6), None if seconds is None else round(seconds, 6)))
            if seconds is not None and script.takes > seconds:
                await asyncio.sleep(max(0.0, seconds))
                raise ConnectTimedOut("timed out")
            await asyncio.sleep(script.takes)
            if script.errors:
                raise script.errors.pop(0)

        monkeypatch.setattr(Dial, "_connect", connect)
        monkeypatch.setattr(room, "monotonic", lambda: asyncio.get_running_loop().time())

    async def told(self, name: str, info: dict[str, Any]) -> None:
        self.names.append(name)

    async def dial(
        self, *errors: Exception, retries: int, seconds: float | None = None, total: float | None = None
    ) -> None:
        self.errors = [*errors]
        connection: Any = type("Unused", (), {"origin": Origin("example", 80)})()
        until = None if total is None else asyncio.get_running_loop().time() + total
        await Dial(retries=retries)(connection, None, seconds, Trace(self.told, None), until)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    return Scripted(monkeypatch)


REFUSED = ConnectFailed("refused")


@pytest.mark.virtual_time
async def test_at_once_and_then_after_growing_pauses(scripted: Scripted) -> None:
    await scripted.dial(*[REFUSED] * 4, retries=5)
    assert [when for when, _ in scripted.tried] == [0.0, 0.0, 0.5, 1.5, 3.5]
    assert scripted.names == ["connection.retry.started", "connection.retry.complete"] * 4


@pytest.mark.virtual_time
async def test_a_time_out_is_tried_anew_with_all_its_time(scripted: Scripted) -> None:
    await scripted.dial(ConnectTimedOut("timed out"), REFUSED, retries=2, seconds=3.0)
    assert [seconds for _, seconds in scripted.tried] == [3.0, 3.0, 3.0]


@pytest.mark.virtual_time
@pytest.mark.parametrize("retries", [0, 1, 3])
async def test_the_last_error_is_told(scripted: Scripted, retries: int) -> None:
    errors = [ConnectFailed(str(number)) for number in range(5)]
    with pytest.raises(ConnectFailed, match=str(retries)):
        await scripted.dial(*errors, retries=retries)
    assert len(scripted.tried) == retries + 1


@pytest.mark.virtual_time
async def test_other_errors_are_not_tried_anew(scripted: Scripted) -> None:
    with pytest.raises(ZeroDivisionError):
        await scripted.dial(ZeroDivisionError(), retries=3)
    assert len(scripted.tried) == 1


@pytest.mark.virtual_time
async def test_none_is_begun_after_the_deadline(scripted: Scripted) -> None:
    with pytest.raises(ConnectFailed):
        await scripted.dial(*[REFUSED] * 9, retries=9, seconds=1.0, total=1.5)
    assert scripted.tried == [(0.0, 1.0), (0.0, 1.0), (0.5, 1.0)]  # the next would begin at the deadline itself
    assert asyncio.get_running_loop().time() == 0.5


@pytest.mark.virtual_time
async def test_none_takes_longer_than_the_deadline(scripted: Scripted) -> None:
    scripted.takes = 9.0
    with pytest.raises(ConnectTimedOut):
        await scripted.dial(retries=9, seconds=2.0, total=5.5)
    assert scripted.tried == [(0.0, 2.0), (2.0, 2.0), (4.5, 1.0)]
    assert asyncio.get_running_loop().time() == pytest.approx(5.5)


@pytest.mark.virtual_time
async def test_cancelled_in_a_pause(scripted: Scripted) -> None:
    dialling = asyncio.create_task(scripted.dial(*[REFUSED] * 9, retries=9))
    await asyncio.sleep(WHILE)
    dialling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dialling
    assert scripted.names[-1] == "connection.retry.failed"
