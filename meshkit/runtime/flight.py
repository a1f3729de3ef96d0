"""How does a call wait for the answer of another one? On a bell of its own loop, until its own deadline.

Who leads and who waits is `share.flights`. A follower's wait is bounded as any middleware's is: the alarm of its own
deadline cancels it. A leader that is cancelled, by its caller or by the alarm of its deadline, hands over to the next.
A walk that fails when the leader's own time is over is nobody else's failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import ContextVar
from typing import Any

from ..call import Call
from ..observe.events import Passed
from ..share.failure import Failed, spent
from ..share.flights import ALONE, LANDED, LEADS, WAITS, Flight, Flights, Seat
from .bell import bell
from .lock import LOCK
from .waiting import close

__all__ = ["SingleFlightState"]

LED: ContextVar[tuple[Flight, ...]] = ContextVar("meshkit.flights", default=())
"""The flights on behalf of which the code here runs: what waits for one of them would wait for itself."""


class SingleFlightState:
    """A `Middleware` that goes on for the first of identical calls, and waits for the others."""

    __slots__ = ("_alike", "_most", "flights", "name")

    def __init__(self, name: str, alike: Callable[[Call], Hashable | None], max_keys: int, max_bytes: int) -> None:
        self.name = name
        self.flights = Flights(max_keys)
        self._alike = alike
        self._most = max_bytes

    def facts(self, call: Call, /) -> Hashable | None:
        return self._alike(call)

    async def __call__(self, call: Call, call_next: Callable[[], Awaitable[Any]], /) -> Any:
        same = call.facts[self]  # type: ignore[index]  # gathered: there are facts
        if same is None:
            self._tell(call, ALONE, None)
            return await call_next()
        flights = self.flights
        key = (_home(), same)
        seat = None
        with LOCK:
            flight = flights.under_way.get(key)
            if flight is None:
                flight = flights.begin(key)
            elif flight in LED.get():
                flight = None  # it would wait for itself
            else:
                ring = bell()
                seat = flights.follow(flight, ring.ring)
        self._tell(call, ALONE if flight is None else LEADS if seat is None else WAITS, flight)
        if flight is None:
            return await call_next()
        if seat is not None:
            try:
                await ring.wait(None)
            except BaseException:
                with LOCK:
                    flights.leave(seat)
                raise
            if seat.state is LANDED:
                return landed(call, seat)
            self._tell(call, seat.state, flight)
            if seat.state is ALONE:
                return await call_next()
        return await self._lead(flight, call, call_next)

    async def _lead(self, flight: Flight, call: Call, call_next: Callable[[], Awaitable[Any]]) -> Any:
        flights = self.flights
        copies = call.door.copies
        token = LED.set((*(each for each in LED.get() if not each.over), flight))
        try:
            answer = result = await call_next()
            if copies is not None and flight.seats:
                answer = await self._read(call, result)
        except Exception as error:
            with LOCK:
                if spent(call):
                    flights.hand_over(flight)
                else:
                    flights.land(flight, Failed(error) if flight.seats else None)
            raise
        except BaseException:
            with LOCK:
                flights.hand_over(flight)
            raise
        finally:
            try:  # noqa: SIM105  # `suppress` costs more than the rest
                LED.reset(token)
            except ValueError:  # the collector closes a coroutine in another context
                pass
        with LOCK:
            if answer is None and copies is not None:
                flights.scatter(flight)
            else:
                flights.land(flight, answer)
        return result

    async def _read(self, call: Call, result: Any) -> Any:
        """What copies are made of; ``None``: there can be none."""
        try:
            return await call.door.copies.read(call, result, self._most)
        except GeneratorExit:
            raise
        except BaseException:
            await close(call.door.discard, result)
            raise

    def _tell(self, call: Call, role: str, flight: Flight | None) -> None:
        if call.events is not None and call.events.detailed:
            with LOCK:
                shown = _shown(role, flight)
                call.events.append(Passed(call.clock(), self.name, call.endpoint, shown, queued=role is WAITS))

    def numbers(self, call: Call, now: float, /) -> dict[str, float | str]:
        """The ``role`` of a call that has just come: it ``"leads"``, ``"waits"`` since others like it do, or goes
        ``"alone"``; and how many are ``waiting`` for the same answer. Asked where the call runs.
        """
        same = call.facts[self]  # type: ignore[index]
        flight = None if same is None else self.flights.under_way.get((_home(), same))
        if flight is None or flight in LED.get():
            return _shown(ALONE, None)
        return _shown(WAITS if flight.seats else LEADS, flight)

    def snapshot(self, now: float, /) -> dict[str, Any]:
        """Calls that are under way for all, calls that wait for them, and how many have been answered by another's."""
        flights = self.flights
        return {"under_way": len(flights.under_way), "waiting": flights.waiting, "shared": flights.shared}

    def idle(self) -> bool:
        return not self.flights.under_way and not self.flights.waiting


def landed(call: Call, seat: Seat) -> Any:
    """The answer, for one who has waited for it."""
    answer, seat.answer = seat.answer, None
    if isinstance(answer, Failed):
        raise answer.error()
    return answer if call.door.copies is None else answer.response(call)


def _shown(role: str, flight: Flight | None) -> dict[str, float | str]:
    return {"role": role, "waiting": 0 if flight is None or flight.seats is None else len(flight.seats)}


def _home() -> Any:
    """What the flights of this event loop are told apart by."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()
