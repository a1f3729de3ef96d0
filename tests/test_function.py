"""The door for functions: what it is asked about a call, and what cannot come through it."""

from __future__ import annotations

import functools

import pytest

from meshkit import Cluster, ConcurrencyLimit, ConfigError, Pipeline, RateLimit, RateLimited, Verdict

from .scripted import Branches, Gate, pipeline, retry


class User:
    def __init__(self, name):
        self.name = name


def per(key, fn, cost=1):
    return pipeline(RateLimit("2/h", key=key, cost=cost))(fn)


@pytest.mark.parametrize("key", ["user", "user.name"])
def test_a_key_is_an_argument_by_its_name(key):
    def fetch(user, size=1):
        return size

    limited, ada, bob = per(key, fetch), User("ada"), User("bob")
    limited(ada)
    limited(user=ada)
    with pytest.raises(RateLimited):
        limited(ada, size=5)
    limited(bob)


def test_a_default_is_an_argument_too():
    limited = per("user", lambda user="ada": user, cost=2)
    limited()
    with pytest.raises(RateLimited):
        limited("ada")
    limited("bob")


def test_a_cost_by_name():
    limited = per(None, lambda size: size, cost="size")
    limited(2)
    with pytest.raises(RateLimited):
        limited(1)


def test_of_a_builtin_without_a_signature_only_names_are_known():
    limited = per("default", max)
    limited([1], default=5)
    with pytest.raises(ConfigError, match="default"):
        limited([1])


def test_a_name_that_is_no_argument():
    stack = pipeline(ConcurrencyLimit(1), RateLimit("1/s", key="usr"))
    with pytest.raises(ConfigError, match=r"key='usr': name an argument of the function, one of \['user'\]"):
        stack.call(lambda user: None, "ada")
    assert stack.idle()


def test_an_attribute_that_is_not_there_is_the_callers_to_see():
    with pytest.raises(AttributeError, match="age"):
        per("user.age", lambda user: None)(User("ada"))


def test_a_parameter_named_endpoint_is_given_the_one_picked():
    stack = pipeline(Cluster("c", ["a:1"]))

    def fetch(path, *, endpoint=None):
        return path, str(endpoint)

    assert stack.call(fetch, "/path") == ("/path", "a:1")
    assert pipeline(retry()).call(fetch, "/path") == ("/path", "None")
    assert pipeline(retry()).call(fetch, "/path", endpoint="its own") == ("/path", "its own")
    assert stack.call(lambda path: path, "no such parameter") == "no such parameter"


def test_each_attempt_is_given_its_own_endpoint():
    seen = []

    def fetch(endpoint):
        seen.append(endpoint)
        if len(seen) == 1:
            raise ConnectionError

    pipeline(retry(), Branches(a=[], b=[])).call(fetch)
    assert seen == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "learned"),
    [(None, "success"), (Verdict.FAILURE, "failure"), (Verdict.IGNORED, "ignored"), (Verdict.SUCCESS, "success")],
)
def test_what_a_judge_may_answer(answer, learned):
    gate = Gate()
    assert pipeline(gate)(judge=lambda result, error: answer)(lambda: 5)() == 5
    assert gate.log[-1] == f"gate exit {learned}"


@pytest.mark.parametrize("answer", [True, "success", 0])
def test_what_a_judge_may_not_answer(answer):
    stack = pipeline(ConcurrencyLimit(1))
    with pytest.raises(TypeError, match="a judge answers a Verdict"):
        stack(judge=lambda result, error: answer)(lambda: 5)()
    assert stack.idle()


def generator():
    yield 1


async def async_generator():
    yield 1


@pytest.mark.parametrize("fn", [generator, async_generator, 42, None])
def test_what_cannot_come_through(fn):
    with pytest.raises(ConfigError):
        Pipeline().call(fn)


def test_a_partial_keeps_the_names_that_are_left():
    limited = per("user", functools.partial(lambda size, user: user, 5))
    limited("ada")
    limited(user="ada")
    with pytest.raises(RateLimited):
        limited("ada")
