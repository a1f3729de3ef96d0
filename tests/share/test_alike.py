"""Which calls of functions are identical: by their arguments, and by a key."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from meshkit import Pipeline
from meshkit.share import SingleFlight
from meshkit.testing import run

from .wires import Work, at, pause, stack


async def one_of(*calls, policy=None):
    """How many of these calls, made at once through one pipeline, were made."""
    shared = stack(policy or SingleFlight())
    made = []

    def guarded(fn):
        async def counting(*args, **kwargs):
            made.append(fn)
            await pause(0.1)
            return await fn(*args, **kwargs)

        return shared(counting)

    doors = {}
    for fn, _, _ in calls:
        if fn not in doors:
            doors[fn] = guarded(fn)
    ends = await at(*[(0.0, partial(doors[fn], *args, **kwargs)) for fn, args, kwargs in calls])
    assert shared.idle()
    return len(made), ends


async def echo(*args, **kwargs):
    return args, kwargs


async def other(*args, **kwargs):
    return "other"


@pytest.mark.parametrize(
    ("calls", "made"),
    [
        ([(echo, (1,), {}), (echo, (1,), {})], 1),
        ([(echo, (1,), {}), (echo, (2,), {})], 2),
        ([(echo, (1,), {}), (other, (1,), {})], 2),
        ([(echo, (1,), {}), (echo, (1.0,), {}), (echo, (True,), {})], 3),
        ([(echo, (), {"a": 1, "b": 2}), (echo, (), {"b": 2, "a": 1})], 1),
        ([(echo, (), {"a": 1}), (echo, (), {"a": True})], 2),
        ([(echo, (1,), {"a": 1}), (echo, (2,), {"a": 1})], 2),
        ([(echo, ("a", 1), {}), (echo, (), {"a": 1})], 2),
        ([(echo, ([1],), {}), (echo, ([1],), {})], 2),
        ([(echo, (), {"a": {}}), (echo, (), {"a": {}})], 2),
        ([(echo, (), {}), (echo, (), {})], 1),
    ],
    ids=lambda value: None,
)
def test_a_function_by_its_arguments(calls, made):
    count, ends = run(partial(one_of, *calls))
    assert count == made
    for (fn, args, kwargs), (_, end) in zip(calls, ends, strict=True):
        assert end == ("other" if fn is other else (args, kwargs))


def test_a_key_by_name_by_function_and_none():
    async def main():
        async def get(user, trace):
            work.append(trace)
            await pause(1.0)
            return trace

        for key in ("user", lambda call: call.request[0][0]):
            work = []
            shared = stack(SingleFlight(key=key))(get)
            assert await at((0.0, partial(shared, "ann", 1)), (0.0, partial(shared, "ann", 2))) == [(1.0, 1)] * 2
            assert work == [1]
        work = []
        alone = stack(SingleFlight(key=lambda call: None))(get)
        await at((0.0, partial(alone, "ann", 1)), (0.0, partial(alone, "ann", 2)))
        assert work == [1, 2]

    run(main)


async def test_a_function_called_once_is_the_same_function():
    """``pipeline.call`` makes a door for each call; the functions and the methods of an object are still the same."""

    class Shop:
        asked = 0

        async def price(self):
            self.asked += 1
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()

    shared = Pipeline(SingleFlight())
    one, another = Shop(), Shop()
    async with anyio.create_task_group() as tasks:
        for shop in (one, one, another):
            tasks.start_soon(shared.call, shop.price)
    assert (one.asked, another.asked) == (1, 1)


async def test_a_key_without_a_hash_is_said():
    with pytest.raises(TypeError, match="SingleFlight: the key is a list, which has no hash"):
        await Pipeline(SingleFlight(key=lambda call: [])).call(echo)


def test_above_max_keys_calls_go_alone():
    async def main():
        work, shared = Work(), stack(SingleFlight(max_keys=1))
        get = shared(work)
        ends = await at((0.0, partial(get, 1)), (0.0, partial(get, 2)), (0.0, partial(get, 2)), (0.0, partial(get, 1)))
        assert len(work.began) == 3
        assert ends[0] == ends[3]

    run(main)
