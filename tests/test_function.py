"""The door for functions: what it is asked about a call, and what cannot come through it."""

from __future__ import annotations

import functools

import pytest

from meshkit import (
    Cluster,
    ConcurrencyLimit,
    ConfigError,
    Fallback,
    FaultInjection,
    FixedWindow,
    LoadShed,
    Pace,
    Pipeline,
    RateLimit,
    RateLimited,
    Shadow,
    Shared,
    SingleFlight,
    SlidingWindow,
    StaleIfError,
    Verdict,
)

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


NAMES = r"name an argument of the function, one of \['user', 'size'\]"


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ([RateLimit("1/s", key="usr")], f"RateLimit: key='usr': {NAMES}"),
        ([RateLimit("1/s", key="user", cost="tokens")], f"RateLimit: cost='tokens': {NAMES}"),
        ([RateLimit("1/s", key="usr.name")], f"RateLimit: key='usr.name': {NAMES}"),
        ([FixedWindow("1/s", cost="sise")], "FixedWindow: cost='sise': "),
        ([SlidingWindow("1/s", key="sise")], "SlidingWindow: key='sise': "),
        ([ConcurrencyLimit(1, key="host")], "ConcurrencyLimit: key='host': "),
        ([Pace(key="host")], "Pace: key='host': "),
        ([LoadShed(1, priority="header:x")], "LoadShed: priority='header:x': "),
        ([FaultInjection(expires=1.0, delay=1.0, when="chaos")], "FaultInjection: when='chaos': "),
        ([SingleFlight(key="usr")], "SingleFlight: key='usr': "),
        ([StaleIfError(1.0, key="usr")], "StaleIfError: key='usr': "),
        ([Shared(RateLimit("1/s", key="usr"))], "RateLimit: key='usr': "),
        ([Shadow(Shared(RateLimit("1/s", key="usr")))], "RateLimit: key='usr': "),
        ([Cluster("c", ["a:1"], pipeline=[Shadow(RateLimit("1/s", key="usr"))])], "RateLimit: key='usr': "),
        ([Fallback([RateLimit("1/s", key="usr"), print])], "RateLimit: key='usr': "),
        ([Fallback(Cluster("c", ["a:1"], pipeline=[Pace(key="usr")]))], "Pace: key='usr': "),
    ],
)
def test_a_name_that_is_no_argument_is_an_error_before_any_call(policies, said):
    async def charge(user, size=1):
        """Never called."""

    with pytest.raises(ConfigError, match=said):
        pipeline(*policies)(charge)


def test_a_function_without_arguments_has_no_names():
    with pytest.raises(ConfigError, match="RateLimit: key='user': the function has no arguments"):
        pipeline(RateLimit("1/s", key="user"))(lambda: None)


def test_a_function_that_takes_any_keyword_knows_any_name():
    limited = per("user", lambda **fields: fields)
    limited(user="ada")
    limited(user="ada")
    with pytest.raises(RateLimited):
        limited(user="ada")
    assert limited(user="bob") == {"user": "bob"}
    with pytest.raises(ConfigError, match="user"):
        limited(usr="ada")


def test_an_argument_that_is_missing_is_the_callers_mistake():
    with pytest.raises(TypeError, match="missing a required argument: 'user'"):
        per("user", lambda user: None)()


def test_a_policy_of_ones_own_names_what_it_asks():
    class Own:
        asks = ("tenant",)
        key = "no name of an argument, and none of ours"

        def __init__(self, tenant):
            self.tenant = tenant

        def start(self, rng):
            return Gate()

    assert pipeline(Own("user")).call(lambda user: user, "ada") == "ada"
    with pytest.raises(ConfigError, match="Own: tenant='usr'"):
        pipeline(Own("usr")).call(lambda user: user, "ada")


async def counts(result):
    return 1


@pytest.mark.parametrize("spent", [counts, 5, RateLimit("1/s")])
def test_what_cannot_say_what_a_call_has_cost(spent):
    with pytest.raises(ConfigError, match="give a plain function of the result"):
        Pipeline()(spent=spent)


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


@pytest.mark.parametrize("fn", [generator, async_generator, 42, None, ConcurrencyLimit(1)])
def test_what_cannot_come_through(fn):
    with pytest.raises(ConfigError):
        Pipeline().call(fn)


def test_a_partial_keeps_the_names_that_are_left():
    limited = per("user", functools.partial(lambda size, user: user, 5))
    limited("ada")
    limited(user="ada")
    with pytest.raises(RateLimited):
        limited("ada")
