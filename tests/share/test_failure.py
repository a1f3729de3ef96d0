"""A copy of an exception says all that the exception says, and nothing that is done to one is seen in another."""

from __future__ import annotations

import attrs
import httpx
import pytest

from meshkit import Call, CircuitOpen, DeadlineExceeded, Overloaded
from meshkit.httpx.library import library_of
from meshkit.share.failure import Failed, spent


class WantsMore(Exception):
    def __init__(self, code, *, hint):
        super().__init__(f"code {code}")
        self.code = code
        self.hint = hint


class Slots(Exception):
    __slots__ = ("code", "unset")

    def __init__(self, code):
        super().__init__()
        self.code = code


@attrs.frozen(slots=True)
class Frozen(Exception):
    code: int
    hint: str = "none"


def doubled():
    request = httpx.Request("GET", "http://a.example/")
    return library_of(request).adopt(CircuitOpen("open", policy="c", retry_after=3.0), request)


ERRORS = [
    lambda: ValueError("no", 1),
    lambda: KeyError("key"),
    lambda: OSError(2, "No such file", "name"),
    lambda: ConnectionResetError(104, "reset"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    lambda: ImportError("no module", name="module", path="/there"),
    lambda: AttributeError("no", name="attribute", obj=3),
    lambda: ExceptionGroup("two", [ValueError(1), KeyError(2)]),
    lambda: WantsMore(5, hint="later"),
    lambda: Slots(7),
    lambda: Frozen(9),
    lambda: Overloaded("%d in flight", 3, policy="limit", endpoint="a:1", retry_after=2.0),
    lambda: DeadlineExceeded("no answer", endpoint="a:1"),
    lambda: httpx.HTTPStatusError("503", request=httpx.Request("GET", "http://a"), response=httpx.Response(503)),
    lambda: httpx.ConnectError("refused"),
    doubled,
]
ATTRIBUTES = (
    *("code", "hint", "errno", "strerror", "filename", "name", "path", "obj", "encoding", "object", "start", "end"),
    *("reason", "exceptions", "message", "policy", "endpoint", "retry_after", "request", "response", "unset"),
)


def seen(error):
    """All that a caller can ask an exception."""
    return type(error), str(error), repr(error), error.args, [asked(error, name) for name in ATTRIBUTES]


def asked(error, name):
    try:
        return getattr(error, name)
    except (AttributeError, RuntimeError):
        return "nothing"


def raised(error, cause=None):
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize("make", ERRORS, ids=lambda make: type(make()).__name__)
def test_a_copy_says_the_same(make):
    error = raised(make(), cause=KeyError("cause"))
    first, second = Failed(error).error(), Failed(error).error()
    assert len({id(each) for each in (error, first, second)}) == 3
    assert seen(first) == seen(error)
    assert first.__cause__ is error.__cause__
    assert first.__suppress_context__ is True
    assert first.__traceback__ is error.__traceback__


def test_what_is_done_to_one_is_not_seen_in_another():
    failed = Failed(raised(WantsMore(5, hint="later")))
    first, second = failed.error(), failed.error()
    first.add_note("mine")
    first.hint = "never"
    raised(first, cause=ValueError())
    assert second.hint == "later"
    assert not hasattr(second, "__notes__")
    assert second.__cause__ is None


def test_it_is_as_it_was_when_the_call_ended():
    error = ConnectionError("reset")
    error.add_note("3 attempts")
    failed = Failed(raised(error))
    error.add_note("of the leader's own retry")
    error.extra = 1
    assert failed.error().__notes__ == ["3 attempts"]
    assert not hasattr(failed.error(), "extra")


def length(trace):
    return 0 if trace is None else 1 + length(trace.tb_next)


class Unmade(Exception):
    """Cannot be made as exceptions are."""

    def __new__(cls, *args):
        if args != ("the word",):
            raise TypeError("say the word")
        return super().__new__(cls)


@pytest.mark.parametrize("error", [ConnectionError("reset"), Unmade("the word")], ids=["copied", "itself"])
def test_no_traceback_grows(error):
    failed = Failed(raised(error))
    lengths = {length(raised(failed.error()).__traceback__) for _ in range(5)}
    assert lengths == {2}


class Twisted(Exception):
    """Holds on to what copying would set."""

    def __getattribute__(self, name):
        if name == "__dict__":
            raise RuntimeError("no")
        return super().__getattribute__(name)


def test_no_class_can_keep_a_flight_from_landing():
    error = Twisted()
    assert Failed(raised(error)).error() is error


def test_where_a_class_cannot_be_copied_it_is_the_object_itself():
    error = Unmade("the word")
    error.args = ()
    assert Failed(raised(error)).error() is error


@pytest.mark.parametrize(
    ("deadline", "now", "over"),
    [(None, 1e9, False), (10.0, 9.0, False), (10.0, 9.999, True), (10.0, 10.0, True), (10.0, 11.0, True)],
)
def test_whose_time_is_over(deadline, now, over):
    call = Call(None, None, 0.0)
    call.deadline = deadline
    call.clock = lambda: now
    assert spent(call) is over
