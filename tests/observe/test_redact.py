"""What is said of exceptions and paths, and above all what is not."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from typing import Any

import httpcore
import httpx
import pytest

from meshkit import CircuitOpen, ConfigError, DeadlineExceeded, NoEndpoint, RateLimited, Verdict
from meshkit.call import Failure
from meshkit.httpx.library import library_of
from meshkit.observe.redact import cause, numbers, path, scalar, text, who
from meshkit.upstream.errors import ConnectFailed, Malformed, PoolTimedOut, ReadFailed

CANARY = "hunter2-canary"


def raised(error: BaseException, behind: BaseException | None = None) -> BaseException:
    error.__cause__ = behind
    return error


REFUSED = ConnectionRefusedError(errno.ECONNREFUSED, CANARY)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (ValueError(CANARY), "error", None),
        (OSError(CANARY), "error", None),
        (OSError("no number", CANARY), "error", None),
        (OSError(99999, CANARY), "error", None),
        (FileNotFoundError(errno.ENOENT, CANARY, f"/{CANARY}"), "error", "no such file or directory"),
        (REFUSED, "connection", "connection refused"),
        (OSError(errno.EHOSTUNREACH, CANARY), "connection", "no route to host"),
        (TimeoutError(CANARY), "timeout", "timed out"),
        (socket.gaierror(socket.EAI_NONAME, CANARY), "connection", "the name could not be resolved"),
        (ssl.SSLCertVerificationError(1, CANARY), "connection", "the server's certificate was not accepted"),
        (ssl.SSLError(1, CANARY), "connection", "TLS failed"),
        (KeyboardInterrupt(CANARY), "cancelled", None),
        (httpx.ConnectError(CANARY), "connection", "no connection could be made"),
        (raised(httpx.ConnectError(CANARY), raised(httpcore.ConnectError(CANARY), REFUSED)), "connection",
         "connection refused"),
        (raised(httpx.ConnectError(CANARY), raised(OSError(CANARY), ExceptionGroup(CANARY, [REFUSED]))), "connection",
         "connection refused"),
        (raised(httpx.ReadError(CANARY), ConnectionResetError(errno.ECONNRESET, CANARY)), "connection",
         "connection reset by peer"),
        (raised(httpx.ReadTimeout(CANARY), REFUSED), "timeout", "nothing came in time"),
        (httpx.ConnectTimeout(CANARY), "timeout", "no connection in time"),
        (httpx.PoolTimeout(CANARY), "timeout", "no connection of the pool became free in time"),
        (httpx.RemoteProtocolError(CANARY), "connection", "the answer was not valid HTTP"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "connection",
         "the server closed the connection without an answer"),
        (httpx.RemoteProtocolError(f"peer closed connection without sending complete message body ({CANARY})"),
         "connection", "the server closed the connection without a complete answer"),
        (httpx.StreamConsumed(), "error", "a body was read twice, or after its end"),
        (Malformed(f"the answer has a blank in its head: b'set-cookie: {CANARY}'"), "error",
         "the answer was not valid HTTP"),
        (raised(ConnectFailed(CANARY), REFUSED), "connection", "connection refused"),
        (ReadFailed(CANARY), "connection", "the connection broke before the answer was complete"),
        (PoolTimedOut(CANARY), "timeout", "no connection of the pool became free in time"),
        (raised(RuntimeError(CANARY), REFUSED), "error", None),  # it is about something else
        (ConfigError(CANARY), "error", None),
        (ConfigError.of("opened", "seconds", CANARY, "give seconds"), "error", "give seconds"),
        (DeadlineExceeded("no answer within 2 s"), "timeout", "no answer within 2 s"),
    ],
)  # fmt: skip
def test_what_is_said(error: BaseException, kind: str, says: str | None) -> None:
    said = cause(error)
    assert (said["error"], said["kind"], said["says"]) == (type(error).__name__, kind, says)
    assert CANARY not in json.dumps(said)
    assert json.loads(json.dumps(cause(Failure(error)))) == said


def test_a_reason_of_openssl() -> None:
    error = ssl.SSLError(1, CANARY)
    error.reason = "WRONG_VERSION_NUMBER"
    assert cause(error)["says"] == "TLS failed: wrong version number"
    error.reason = f"{CANARY} is not one"
    assert cause(error)["says"] == "TLS failed"


def test_our_own() -> None:
    error = RateLimited("limit of %s reached", "10/s", policy="burst", endpoint="a:80", retry_after=0.5)
    error.key = CANARY
    assert cause(error) == {
        "error": "RateLimited",
        "says": "burst/a:80: limit of 10/s reached; try again in 0.5 s",
        "kind": "rejected",
        "status": None,
        "sent": False,
        "stale": False,
        "retry_after": 0.5,
        "policy": "burst",
        "endpoint": "a:80",
    }
    asked = NoEndpoint("no endpoint has %s", f"user={CANARY!r}", policy="Subset")
    assert cause(asked)["says"] == "Subset: no endpoint has ..."
    assert cause(CircuitOpen("%d is no number", "five", policy="broken"))["says"] is None


def test_our_own_through_httpx() -> None:
    request = httpx.Request("GET", f"http://a/?token={CANARY}")
    error = library_of(request).adopt(CircuitOpen("open", policy="payments"), request)
    assert isinstance(error, httpx.TransportError)
    said = cause(error)
    assert (said["error"], said["kind"], said["says"]) == ("CircuitOpen", "rejected", "payments: open")
    assert CANARY not in json.dumps(said)


def test_a_response() -> None:
    said = cause(Failure(status=503, retry_after=1.5))
    assert (said["error"], said["kind"], said["status"], said["retry_after"], said["sent"]) == (
        None, "status", 503, 1.5, True,
    )  # fmt: skip
    assert cause(Failure())["kind"] == "error"  # what a judge has called a failure
    assert cause(Failure(retry_after=float("inf")))["retry_after"] is None


def test_what_the_door_knows_counts() -> None:
    said = cause(Failure(ValueError(CANARY), kind=ConnectionError, sent=False, stale=True))
    assert (said["kind"], said["sent"], said["stale"]) == ("connection", False, True)
    assert said["says"] == "the server had closed the kept-alive connection"


class Hostile(RateLimited):
    def __str__(self) -> str:
        raise ValueError(CANARY)


def test_hostile_exceptions() -> None:
    assert cause(Hostile())["error"] == "Hostile"
    assert cause(Hostile())["says"] is None
    looping = httpx.ConnectError(CANARY)
    looping.__cause__ = OSError(CANARY)
    looping.__cause__.__cause__ = looping
    assert cause(looping)["says"] == "no connection could be made"
    assert cause(type("N" * 999, (Exception,), {})())["error"] == "N" * 197 + "..."


SECRETS = [
    "0123456789abcdef01234567",
    "550e8400-e29b-41d4-a716-446655440000",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJl",
    "kJ8sPq3LmZx0wVtRyUbN4eHd",
    "aVeryLongNameInCamelCaseIsOne",
    "bob@example.com",
    "bob%40example.com",
    "abcdefghijklmnopqrstuvwxyz",
    "d41d8cd98f00b204e9800998ecf8427e",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_secrets_in_a_path(secret: str) -> None:
    assert path(f"/reset/{secret}") == "/reset/*"
    assert path(f"/{secret}/orders") == "/*/orders"
    assert path(secret) == "*"


@pytest.mark.parametrize(
    "harmless",
    [
        "/", "", "/orders/17", "/v1/orders/internationalization-settings.v2-archive", "/orders/{order_id}/lines",
        "/articles/requests-for-reimbursement",
    ],
)  # fmt: skip
def test_what_stays(harmless: str) -> None:
    assert path(harmless) == harmless


def test_paths_are_bounded() -> None:
    assert path(f"/orders?token={CANARY}") == "/orders"
    assert path(f"/orders#{CANARY}") == "/orders"
    assert path(f"/orders;jsessionid={CANARY}/7") == "/orders;*/7"
    assert path("/a\nb\x1b[31m\ud800\u202e") == "/a\\nb\\x1b[31m\\ud800\\u202e"
    assert len(path("/ab" * 300)) == 200
    secret = "0123456789abcdef" * 4
    for length in range(3930, 4000):  # wherever it is cut, no part of it stays
        assert path(f"/{'Z' * length}/{secret}") in ("/*/*", "/*/...", "/...")
    assert path("/" + "0" * 10_000) == "/..."


def test_who() -> None:
    assert who("orders-v2.prod.svc.cluster.local") == "orders-v2.prod.svc.cluster.local"
    assert who("GET /reset/0123456789abcdef01234567") == "GET /reset/*"
    assert who("Billing.charge_the_customer_again") == "Billing.charge_the_customer_again"


def test_scalars() -> None:
    given = [None, True, 7, 1.5, "a", float("inf"), float("nan"), 10**30, object(), b"a", [1], Verdict.SUCCESS]
    assert [*map(scalar, given)] == [None, True, 7, 1.5, "a", None, None, None, None, None, None, "success"]
    assert text("x" * 300) == "x" * 197 + "..."
    assert len(text("\x00" * 199)) == 200
    assert numbers(None) == {}
    assert numbers({"a": 1, 2: float("inf"), "c": CANARY.encode()}) == {"a": 1, "2": None, "c": None}
    assert len(numbers({k: k for k in range(100)})) == 16


class Mute:
    """Of which nothing can be said."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    def __str__(self) -> str:
        raise RuntimeError(CANARY)

    __repr__ = __format__ = __bool__ = __int__ = __str__  # type: ignore[assignment]


class Odd(int):
    def __le__(self, other: object) -> bool:
        raise RuntimeError(CANARY)

    __ge__ = __lt__ = __gt__ = __le__  # type: ignore[assignment]


class Torn(dict[Any, Any]):
    def items(self) -> Any:
        yield "first", 1
        raise RuntimeError(CANARY)


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({Mute(): 1, "value": Mute(), Mute(1): Mute(2)}, {"Mute": None, "value": None}),
        ({1: 2, None: 3, ("a", 1): 4.5, b"x": b"y"}, {"1": 2, "None": 3, "('a', 1)": 4.5, "b'x'": None}),
        ({"number": Odd(3), "word": "\x1b[31m\ud800"}, {"number": None, "word": "\\x1b[31m\\ud800"}),
        (Torn(first=1), {"first": 1}),
        (Mute(), {}),
        (7, {}),
    ],
    ids=["mute", "keys", "values", "torn", "no mapping", "a number"],
)
def test_numbers_of_whatever_kind_are_told_or_left_out(known: Any, shown: dict[str, Any]) -> None:
    assert numbers(known) == shown


def test_an_endpoint_without_a_text_is_called_by_its_class() -> None:
    assert text(Mute()) == "Mute"
