"""The last good answer instead of a failure: which failures, for how long, and what is said of it."""

from __future__ import annotations

import anyio
import httpx
import pytest

from meshkit import (
    CircuitBreaker,
    CircuitOpen,
    ConcurrencyLimit,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Retry,
    Timeout,
    Verdict,
)
from meshkit.httpx import AsyncMeshTransport
from meshkit.observe.events import FellBack
from meshkit.share import SingleFlight, StaleIfError
from meshkit.testing import run

from ..scripted import Gate, told_to
from .naming import shown
from .wires import at, pause, stack

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def ends_with(*ends):
    """A function that takes 0.1 s and ends in these ways, in order; a number is that many seconds more."""
    left = list(ends)

    async def price(of="tea"):
        end = left.pop(0)
        await pause(0.1)
        if isinstance(end, Exception):
            raise end
        if isinstance(end, float):
            await pause(end)
        return end

    return price


async def ended(call):
    try:
        return await call
    except Exception as error:
        return type(error)


@BACKENDS
@pytest.mark.parametrize(
    "failure", [ConnectionError("down"), ValueError("broken"), CircuitOpen("open"), 5.0], ids=shown
)
def test_when_it_fails_is_refused_or_times_out(backend, failure):
    async def main():
        shared = stack(StaleIfError(60.0), Timeout(1.0))
        get = shared(ends_with("twelve", failure, "thirteen"))
        seen = [await ended(get()) for _ in range(3)]
        return seen, shared.snapshot()["StaleIfError"], shared.idle()

    seen, shown, idle = run(main, backend=backend)
    assert seen == ["twelve", "twelve", "thirteen"]
    assert shown == {"keys": 1, "bytes": 0, "given": 1}
    assert idle


def test_when_nothing_is_kept_the_failure_is_the_callers():
    async def main():
        get = stack(StaleIfError(60.0), Timeout(1.0))(ends_with(ConnectionError(), CircuitOpen(), 5.0))
        return [await ended(get()) for _ in range(3)]

    assert run(main) == [ConnectionError, CircuitOpen, DeadlineExceeded]


def test_for_so_long_and_no_longer():
    async def main():
        get = stack(StaleIfError(60.0))(ends_with("twelve", *[ConnectionError()] * 3, "thirteen"))
        seen = [await get()]
        await pause(59.0)
        seen.append(await ended(get()))
        await pause(0.9)
        seen.append(await ended(get()))
        seen.append(await ended(get()))
        return seen

    assert run(main) == ["twelve", "twelve", ConnectionError, ConnectionError]


def test_each_call_has_its_own():
    async def main():
        get = stack(StaleIfError(60.0))(ends_with("tea's", "coffee's", *[ConnectionError()] * 3))
        await get("tea"), await get("coffee")
        return [await ended(get(of)) for of in ("tea", "coffee", "milk")]

    assert run(main) == ["tea's", "coffee's", ConnectionError]


def test_arguments_without_a_hash_keep_nothing():
    async def main():
        get = stack(StaleIfError(60.0))(ends_with("twelve", ConnectionError()))
        return [await ended(get([])) for _ in range(2)]

    assert run(main) == ["twelve", ConnectionError]


def test_it_is_the_same_object():
    async def main():
        answer = ["twelve"]
        get = stack(StaleIfError(60.0))(ends_with(answer, ConnectionError()))
        return await get() is answer, await get() is answer

    assert run(main) == (True, True)


def test_no_more_than_max_keys_the_least_lately_used_go():
    async def main():
        get = stack(StaleIfError(60.0, max_keys=2))(ends_with(1, 2, 3, *[ConnectionError()] * 3))
        for of in "abc":
            await get(of)
        return [await ended(get(of)) for of in "abc"]

    assert run(main) == [ConnectionError, 2, 3]


@BACKENDS
def test_its_own_deadline_is_no_failure(backend):
    """Time is up for the caller as well: outside the timeout it would have had an answer."""

    async def main():
        get = stack(Timeout(1.0), StaleIfError(60.0))(ends_with("twelve", 5.0))
        return [await ended(get()) for _ in range(2)]

    assert run(main, backend=backend) == ["twelve", DeadlineExceeded]


@BACKENDS
def test_an_error_made_of_its_own_time_is_no_failure_either(backend):
    async def main():
        tries = []

        @stack(Timeout(1.0), StaleIfError(60.0))
        async def get():
            tries.append(1)
            try:
                await pause(0.1 if len(tries) == 1 else 9.0)
            except anyio.get_cancelled_exc_class():
                raise ConnectionError("gave up") from None
            return "twelve"

        return [await ended(get()) for _ in range(2)]

    assert run(main, backend=backend) == ["twelve", ConnectionError]


def test_what_stands_outside_sees_the_answer_and_what_stands_inside_the_failure():
    async def main():
        outer, inner = Gate("outer"), Gate("inner")
        retry = Retry(on=ConnectionError, attempts=2, backoff=Constant(0.1), budget=None)
        shared = stack(outer, retry, StaleIfError(60.0), inner)
        get = shared(ends_with("twelve", ConnectionError()))
        assert [await get() for _ in range(2)] == ["twelve"] * 2
        return outer.log[-1], inner.log[-1], shared.idle()

    assert run(main) == ("outer exit success", "inner exit failure", True)


def test_behind_an_open_breaker_it_goes_on_answering():
    async def main():
        shared = stack(StaleIfError(60.0), CircuitBreaker(failures=1, cooldown=30.0))
        get = shared(ends_with("twelve", ConnectionError(), "never asked"))
        return [await get() for _ in range(4)]

    assert run(main) == ["twelve"] * 4


def test_a_refusal_outside_is_not_its_business():
    async def main():
        get = stack(RateLimit("1/min"), StaleIfError(60.0))(ends_with("twelve"))
        return [await ended(get()) for _ in range(2)]

    assert run(main) == ["twelve", RateLimited]


@pytest.mark.parametrize(
    ("verdict", "error", "given"),
    [
        (None, KeyError(), True),
        (Verdict.OVERLOADED, KeyError(), True),
        (Verdict.SUCCESS, KeyError(), False),
        (Verdict.IGNORED, KeyError(), False),
        (Verdict.IGNORED, Overloaded("full"), True),
        (Verdict.FAILURE, "bad", True),
        (Verdict.OVERLOADED, "bad", True),
        (Verdict.IGNORED, "bad", False),
    ],
    ids=shown,
)
def test_what_failed_is_judged_by_the_door(verdict, error, given):
    async def main():
        judge = lambda result, raised: verdict if raised or result == "bad" else None  # noqa: E731
        get = stack(StaleIfError(60.0))(judge=judge)(ends_with("twelve", error))
        await get()
        return await ended(get())

    assert run(main) == ("twelve" if given else error if error == "bad" else type(error))


def test_a_bad_answer_does_not_take_the_place_of_a_good_one():
    async def main():
        shared = stack(StaleIfError(60.0))
        judge = lambda result, error: Verdict.FAILURE if result == "bad" else None  # noqa: E731
        get = shared(judge=judge)(ends_with("twelve", "bad", ConnectionError()))
        return [await ended(get()) for _ in range(3)]

    assert run(main) == ["twelve"] * 3


def test_it_is_told():
    async def main():
        shared = stack(StaleIfError(60.0, name="prices"))
        told = []
        shared.listen(told_to(told), direct=True)
        get = shared(ends_with("twelve", ConnectionError("down")))
        await get(), await get()
        return [event for event in told if isinstance(event, FellBack)]

    (event,) = run(main)
    assert (event.policy, str(event.reason.error)) == ("prices", "down")
    assert event.at == pytest.approx(0.2)


def test_around_a_flight_each_has_the_old_answer():
    async def main():
        shared = stack(StaleIfError(60.0), SingleFlight())
        get = shared(ends_with("twelve", ConnectionError("down")))
        await get()
        return await at((0.0, get), (0.05, get)), shared.idle()

    ends, idle = run(main)
    assert [end for _, end in ends] == ["twelve"] * 2
    assert idle


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seconds": 0.0}, "StaleIfError: seconds=0.0"),
        ({"seconds": float("nan")}, "StaleIfError: seconds=nan"),
        ({"seconds": float("inf")}, "StaleIfError: seconds=inf"),
        ({"seconds": -1.0}, "StaleIfError: seconds=-1.0"),
        ({"seconds": 10**400}, "StaleIfError: seconds="),
        ({"seconds": 1.0, "key": 3}, "StaleIfError: key=3"),
        ({"seconds": 1.0, "max_keys": 0}, "StaleIfError: max_keys=0"),
        ({"seconds": 1.0, "max_bytes": -1}, "StaleIfError: max_bytes=-1"),
        ({"seconds": 1.0, "max_total": -1}, "StaleIfError: max_total=-1"),
        ({"seconds": 1.0, "name": None}, "StaleIfError: name=None"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_options(options, said):
    with pytest.raises(ConfigError) as caught:
        StaleIfError(**options)
    assert said in str(caught.value)


async def test_a_streamed_body_is_still_judged_by_its_end():
    """An answer that may be kept has not come whole: its body is under way, and may break off."""

    class Broken(httpx.AsyncByteStream):
        async def __aiter__(self):
            yield b"abc"
            raise httpx.ReadError("broke")

    guarded = Pipeline(StaleIfError(5.0), ConcurrencyLimit(1), CircuitBreaker(failures=1))
    answer = httpx.MockTransport(lambda request: httpx.Response(200, stream=Broken()))
    transport = AsyncMeshTransport(guarded, answer)
    async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", "http://shop/") as response:
        assert guarded.snapshot()["ConcurrencyLimit"]["in_flight"] == 1
        with pytest.raises(httpx.ReadError):
            await response.aread()
    assert guarded.snapshot()["CircuitBreaker"]["state"] == "open"
    assert guarded.idle()
