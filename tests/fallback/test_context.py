"""What stands instead has failed as well: is the failure it took the place of lost?"""

from __future__ import annotations

import pytest

from meshkit import Constant, Fallback, Overloaded, Retry

from ..scripted import Gate, pipeline
from .ways import refuses, through


class First(ConnectionError):
    """The guarded function's."""


class Second(LookupError):
    """Of what stands instead of it."""


class Third(KeyError):
    """Of what stands instead of that."""


def raises(error):
    def fn():
        raise error()

    return fn


def again(on, attempts=3):
    return Retry(on, attempts=attempts, backoff=Constant(0.0), budget=None)


def chain(error):
    """An error and its contexts."""
    found = []
    while error is not None:
        assert len(found) < 9
        found.append(type(error))
        error = error.__context__
    return found


WAYS = {
    "one": lambda: ([Fallback(raises(Second))], [Second, First]),
    "after a retry": lambda: ([Fallback(raises(Second)), again(First)], [Second, First]),
    "two": lambda: ([Fallback(raises(Third)), Fallback(raises(Second))], [Third, Second, First]),
    "no fallback": lambda: ([again(First)], [First]),
    "an answer": lambda: ([Fallback(raises(Second), on=TimeoutError)], [First]),
    "refused": lambda: ([Fallback(raises(Second)), refuses()], [Second, Overloaded]),
    "refused, then two": lambda: (
        [Fallback(raises(Third)), Fallback(raises(Second)), refuses()],
        [Third, Second, Overloaded],
    ),
    "within a retry": lambda: ([again(Second), Fallback(raises(Second))], [Second, First]),
    "begun anew": lambda: ([again(Second, 2), Gate(does=[None, None]), Fallback(raises(Second))], [Second, First]),
    "a retry that is refused": lambda: (
        [Fallback(raises(Second)), again(First), Gate(does=[None, Overloaded(policy="limit")])],
        [Second, First],
    ),
    "a middleware of its own": lambda: ([Fallback([through, raises(Second)])], [Second, First]),
    "a middleware around": lambda: ([through, Fallback(raises(Second))], [Second, First]),
    "a middleware within": lambda: ([Fallback(raises(Second)), through], [Second, First]),
}


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_the_context_of_the_new_one(way):
    """Of a retry's attempts only the last one counts, and none of them is another's context."""
    policies, found = WAYS[way]()

    async def guarded():
        raise First

    with pytest.raises(found[0]) as caught:
        await pipeline(*policies).call(guarded)
    assert chain(caught.value) == found


@pytest.mark.parametrize("way", [way for way in WAYS if "middleware" not in way])
def test_on_threads_too(way):
    policies, found = WAYS[way]()
    with pytest.raises(found[0]) as caught:
        pipeline(*policies).call(raises(First))
    assert chain(caught.value) == found


def test_one_that_has_a_context_keeps_it():
    def instead():
        try:
            {}["cached"]
        except KeyError as error:
            raise Second from error

    with pytest.raises(Second) as caught:
        pipeline(Fallback(instead)).call(raises(First))
    assert chain(caught.value) == [Second, KeyError]


def test_the_same_exception_again_and_again_makes_no_circle():
    first, second = First(), Second()

    def throws(error):
        def fn():
            raise error

        return fn

    with pytest.raises(Second):
        pipeline(Fallback(throws(second))).call(throws(first))
    with pytest.raises(First) as caught:  # the other way round
        pipeline(Fallback(throws(first))).call(throws(second))
    assert chain(caught.value) == [First]
    with pytest.raises(First) as caught:
        pipeline(Fallback(throws(first))).call(throws(first))
    assert chain(caught.value) == [First]


def test_a_long_chain_is_not_made_longer():
    last = First()
    error = last
    for _ in range(200):
        error.__context__ = ValueError()
        error = error.__context__

    def fn():
        raise last

    with pytest.raises(Second) as caught:
        pipeline(Fallback(raises(Second))).call(fn)
    assert caught.value.__context__ is None
