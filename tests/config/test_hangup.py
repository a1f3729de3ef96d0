"""Who is told of a SIGHUP, and what becomes of those who were told before."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from meshkit.config.hangup import _hung_up, listen

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def there() -> Any:
    return signal.getsignal(signal.SIGHUP)


def test_all_are_told_in_the_order_in_which_they_came() -> None:
    told: list[str] = []
    stops = [listen(lambda: told.append("one")), listen(lambda: told.append("other"))]
    signal.raise_signal(signal.SIGHUP)
    assert told == ["one", "other"]
    stops[0]()
    signal.raise_signal(signal.SIGHUP)
    assert told == ["one", "other", "other"]
    stops[1]()
    assert there() is signal.SIG_DFL
    stops[1]()


@pytest.mark.parametrize("ignored", [True, False])
def test_who_was_there_before_is_told_too_and_is_put_back(ignored: bool) -> None:
    told: list[Any] = []

    def former(number: int, frame: Any) -> None:
        told.append(number)

    signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else former)
    stop = listen(lambda: told.append("ours"))
    signal.raise_signal(signal.SIGHUP)
    assert told == ["ours"] if ignored else ["ours", signal.SIGHUP]
    stop()
    assert there() is (signal.SIG_IGN if ignored else former)


def test_who_has_come_since_is_left_there() -> None:
    told: list[str] = []
    stop = listen(lambda: told.append("ours"))

    def other(number: int, frame: Any) -> None:
        told.append("other")

    signal.signal(signal.SIGHUP, other)
    again = listen(lambda: told.append("again"))
    signal.raise_signal(signal.SIGHUP)
    assert told == ["ours", "again", "other"]
    signal.signal(signal.SIGHUP, other)
    stop()
    again()
    assert there() is other


def test_in_another_thread_nobody_can_listen() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(listen(lambda: found.append("told"))))
    thread.start()
    thread.join()
    assert there() is signal.SIG_DFL
    found[0]()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_when_the_last_has_gone_in_another_thread_the_signal_does_what_it_did() -> None:
    stop = listen(lambda: None)
    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()
    assert there() is _hung_up
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        signal.raise_signal(signal.SIGHUP)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGHUP
    told: list[int] = []
    signal.signal(signal.SIGHUP, lambda number, frame: told.append(number))
    thread = threading.Thread(target=listen(lambda: None))
    thread.start()
    thread.join()
    signal.raise_signal(signal.SIGHUP)
    assert told == [signal.SIGHUP]
    assert there() is not _hung_up
