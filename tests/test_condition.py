"""What `on` names: Envoy's decisions, and whatever else a user may write."""

import pytest

from meshkit import Fallback, Pipeline, Retry, Timeout
from meshkit.call import Failure
from meshkit.condition import Condition
from meshkit.errors import AttemptTimedOut, CircuitOpen, ConfigError, Overloaded

NO_STATUS = "give statuses from 100 to 599, such as 503 or range(500, 600); the number of tries is attempts=3"


def status(code):
    return Failure(status=code)


RESET = Failure(ConnectionResetError())
UNSENT = Failure(ConnectionRefusedError(), sent=False)
TIMEOUT = Failure(AttemptTimedOut())
OWN = Failure(Overloaded(), sent=False)


# envoyproxy/envoy test/common/router/retry_state_impl_test.cc @00961253, the rows on statuses and resets.
@pytest.mark.parametrize(
    ("on", "failure", "retry"),
    [
        ("5xx", status(500), True),
        ("5xx", status(503), True),
        ("5xx", status(200), False),
        ("5xx", status(429), False),
        ("5xx", RESET, True),
        ("5xx", OWN, False),
        ("5xx", UNSENT, True),
        ("gateway-error", status(502), True),
        ("gateway-error", status(503), True),
        ("gateway-error", status(504), True),
        ("gateway-error", status(500), False),
        ("gateway-error", status(501), False),
        ("gateway-error", status(505), False),
        ("gateway-error", RESET, True),
        ("gateway-error", OWN, False),
        ("reset", RESET, True),
        ("reset", TIMEOUT, True),
        ("reset", status(503), False),
        ("reset", Failure(ValueError(), status=503), False),
        ("connect-failure", UNSENT, True),
        ("connect-failure", RESET, False),
        ("connect-failure", status(503), False),
        ("connect-failure", OWN, False),
        ("retriable-4xx", status(409), True),
        ("retriable-4xx", status(400), False),
        ("retriable-4xx", status(429), False),
        ("retriable-4xx", RESET, False),
        ("retriable-4xx", status(500), False),
        (409, status(409), True),
        (409, RESET, False),
        ("418,200", status(200), True),
        (range(500, 505), status(499), False),
        (range(500, 505), status(500), True),
        (range(500, 505), status(504), True),
        (range(500, 505), status(505), False),
    ],
)
def test_envoy_decisions(on, failure, retry):
    assert Condition("Retry", on)(failure) is retry


@pytest.mark.parametrize(
    ("on", "matching", "others"),
    [
        ("429", [status(429)], [status(428), RESET]),
        (" 5xx, 429 ", [status(500), status(429), RESET], [status(428)]),
        ("4xx", [status(400), status(499)], [status(500), RESET, UNSENT]),
        (ConnectionError, [RESET, UNSENT], [TIMEOUT, status(503)]),
        (TimeoutError, [TIMEOUT], [RESET]),
        (CircuitOpen, [Failure(CircuitOpen(), sent=False)], [OWN]),
        ((TimeoutError, 503, "connect-failure"), [TIMEOUT, status(503), UNSENT], [RESET, status(500)]),
        ([range(502, 505), 429], [status(502), status(504), status(429)], [status(505)]),
        (lambda failure: failure.status == 418, [status(418)], [status(503), RESET]),
        ((KeyError, lambda failure: failure.retry_after == 1), [Failure(status=503, retry_after=1)], [RESET]),
        ((100, 599), [status(100), status(599)], [status(101), status(598)]),
        (Exception, [RESET, TIMEOUT, OWN, Failure(ValueError())], [status(500)]),
    ],
)
def test_other_ways_to_name_failures(on, matching, others):
    condition = Condition("Retry", on)
    assert all(condition(failure) is True for failure in matching)
    assert not any(condition(failure) for failure in others)


# The same source, on lists of words: what is not wholly valid is refused here, where Envoy takes the valid part.
@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("5xx,gateway-error,connect-failure", True),
        ("xxx,gateway-error,connect-failure", False),
        (" 5xx,gateway-error ,  connect-failure   ", True),
        (" 5 xx,gateway-error ,  connect-failure   ", False),
    ],
)
def test_envoy_retry_on_parse(text, valid):
    if valid:
        Condition("Retry", text)
    else:
        with pytest.raises(ConfigError):
            Condition("Retry", text)


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ((), "Retry: on=(): name at least one kind of failure"),
        ([], "Retry: on=[]: name at least one kind of failure"),
        ("", "Retry: on='': '' is not known: write a status such as '503', or one of '1xx', '2xx'"),
        ("5xx,", "Retry: on='5xx,': '' is not known"),
        ("5XX", "Retry: on='5XX': did you mean '5xx'?"),
        ("50x", "Retry: on='50x': did you mean '5xx'?"),
        ("gateway-eror", "Retry: on='gateway-eror': did you mean 'gateway-error'?"),
        ("gateway_error", "Retry: on='gateway_error': did you mean 'gateway-error'?"),
        ("connection-failure", "Retry: on='connection-failure': did you mean 'connect-failure'?"),
        ("everything", "Retry: on='everything': 'everything' is not known"),
        ("٥٠٣", "Retry: on='٥٠٣': '٥٠٣' is not known"),
        (None, "Retry: on=None: give exception classes, statuses, words such as '5xx', or a function"),
        (True, "Retry: on=True: give exception classes"),
        (5.03, "Retry: on=5.03: give exception classes"),
        ((503, ("5xx",)), "Retry: on=('5xx',): give exception classes"),
        *((on, f"Retry: on={on!r}: {NO_STATUS}") for on in (-1, 0, 3, 99, 600, 1000, range(3), "600", "099", "3")),
        (range(500, 601), f"Retry: on=range(500, 601): {NO_STATUS}"),
        ("ConnectionError", "Retry: on='ConnectionError': give the class ConnectionError, not its name"),
        ("httpx.ConnectError", "Retry: on='httpx.ConnectError': give the class httpx.ConnectError, not its name"),
        ("5xx,TimeoutError", "Retry: on='5xx,TimeoutError': give the class TimeoutError, not its name"),
        ("Reset", "Retry: on='Reset': did you mean 'reset'?"),
        (Timeout(1.0), "Retry: on=Timeout(seconds=1.0, name='Timeout'): give exception classes"),
        (range(0), "Retry: on=range(0, 0): give statuses"),
        (range(500, 10**12), "Retry: on=range(500, 1000000000000): give statuses"),
        (range(599, -2, -1), "Retry: on=range(599, -2, -1): give statuses"),
        (int, "Retry: on=<class 'int'>: name subclasses of Exception: cancellation and exit are never repeated"),
        (BaseException, "Retry: on=<class 'BaseException'>: name subclasses of Exception"),
        (KeyboardInterrupt, "Retry: on=<class 'KeyboardInterrupt'>: name subclasses of Exception"),
        ((OSError, GeneratorExit), "Retry: on=<class 'GeneratorExit'>: name subclasses of Exception"),
        (ConnectionError(), "Retry: on=ConnectionError(): give exception classes"),
    ],
)
def test_what_names_no_failure(on, says):
    with pytest.raises(ConfigError) as caught:
        Condition("Retry", on)
    assert str(caught.value).startswith(says)


def test_a_fallback_has_no_tries():
    with pytest.raises(ConfigError, match=r"Fallback: on=3: give statuses .* range\(500, 600\)$"):
        Fallback(value=None, on=3)


async def guarded():
    """To be decorated."""


@pytest.mark.parametrize(
    ("fn", "says"),
    [
        (
            guarded,
            "Retry: on='guarded': a predicate is a plain function; to guard this one, write @Pipeline(Retry(...))",
        ),
        (lambda: 1, "a predicate takes the failure; to guard this function, write @Pipeline(Retry(...)) above it"),
        (lambda url, body: 1, "a predicate takes the failure; to guard this function"),
    ],
    ids=["async", "none", "two"],
)
def test_a_decorated_function_is_no_predicate(fn, says):
    with pytest.raises(ConfigError) as caught:
        Retry(fn)
    assert says in str(caught.value)


def test_one_that_might_be_a_predicate_says_so_when_called():
    @Retry
    def fetch(url):
        """Nothing."""

    with pytest.raises(ConfigError, match="Retry is a policy, no decorator"):
        fetch("https://example.org")


def test_what_a_predicate_may_be():
    for predicate in (callable, lambda *failures: False, lambda failure, at=0: False):
        assert Condition("Retry", predicate)(status(503)) is False
        Pipeline(Retry(predicate))
