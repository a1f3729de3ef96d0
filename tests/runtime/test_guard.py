"""Locks of listeners: reentrant, free in a child, and gone with their owners."""

from __future__ import annotations

import gc
import os
import select
import signal
import threading
import weakref

import pytest

from meshkit.runtime import guard as module
from meshkit.runtime.guard import guard

WAIT = 10.0
"""Seconds after which a test has failed; none of them waits for it."""
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture
def held():
    """One that another thread holds."""
    lock, entered, free = guard(), threading.Event(), threading.Event()

    def hold():
        with lock:
            entered.set()
            free.wait(WAIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(WAIT)
    yield lock
    free.set()
    thread.join(WAIT)


def told_by_a_child(work):
    """What a forked child answers; a line that says so, where it hangs."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, work().encode())
        except BaseException as error:
            os.write(write, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    try:
        return os.read(read, 200).decode() if select.select([read], [], [], WAIT)[0] else "it hangs"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)


def free(lock):
    """Whether somebody else could take it."""
    found = []
    thread = threading.Thread(target=lambda: found.append(lock.acquire(blocking=False)))
    thread.start()
    thread.join(WAIT)
    return found == [True]


def test_it_is_a_lock(held):
    assert not held.acquire(blocking=False)
    assert not free(held)


def test_who_strikes_within_does_not_wait_for_himself():
    lock = guard()

    class Strikes:
        def __str__(self):
            with lock:
                return "struck"

    with lock:
        assert str(Strikes()) == "struck"
        assert not free(lock)
    assert free(lock)


@forks
def test_in_a_child_it_is_free(held):
    def work():
        with held, held:
            mine = not free(held)
        return f"{mine}, {free(held)}"

    assert told_by_a_child(work) == "True, True"
    assert not held.acquire(blocking=False)  # in the parent it is not


@forks
def test_one_that_is_shared_stays_shared(held):
    one, other = {"lock": held}, {"lock": held}

    def work():
        with one["lock"]:
            return str(free(other["lock"]))

    assert told_by_a_child(work) == "False"


@forks
def test_who_forks_within_gives_it_back_in_both():
    lock = guard()

    def work():
        before = free(lock)
        lock.release()
        lock.release()
        return f"{before}, {free(lock)}"

    with lock, lock:
        assert told_by_a_child(work) == "False, True"
        assert not free(lock)
    assert free(lock)


@forks
def test_a_childs_child_as_well(held):
    def work():
        entered, done = threading.Event(), threading.Event()

        def hold():
            with held:
                entered.set()
                done.wait(WAIT)

        threading.Thread(target=hold, daemon=True).start()
        entered.wait(WAIT)
        return told_by_a_child(lambda: str(free(held)))

    assert told_by_a_child(work) == "True"


def test_it_is_not_kept():
    lock = guard()
    gone = weakref.ref(lock)
    assert lock in module.guards
    del lock
    gc.collect()
    assert gone() is None
