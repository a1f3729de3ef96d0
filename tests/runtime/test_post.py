"""Listeners of a thread of their own: they block nobody, lose what there is no room for, and end."""

from __future__ import annotations

import gc
import logging
import os
import threading
import weakref

import pytest

from meshkit import CallEnded, Pipeline
from meshkit.runtime import post as module
from meshkit.runtime.post import Post

WAIT = 10.0
"""Seconds after which a test has failed; none of them waits for it."""


@pytest.fixture
def gate():
    """A listener that blocks until it is let go."""
    free, entered, heard = threading.Event(), threading.Event(), []

    def listener(event):
        entered.set()
        free.wait(WAIT)
        heard.append(event)

    listener.free, listener.entered, listener.heard = free, entered, heard
    yield listener
    free.set()


def test_a_listener_that_blocks_harms_no_call(gate):
    stack = Pipeline()
    stop = stack.listen(gate)
    assert [stack.call(lambda: 7) for _ in range(100)] == [7] * 100
    assert gate.entered.wait(WAIT)
    assert gate.heard == []
    gate.free.set()
    stop()
    assert sum(type(event) is CallEnded for event in gate.heard) == 100
    assert stack.dropped_events == 0


def test_what_finds_the_queue_full_is_dropped_counted_and_reported(gate, monkeypatch, caplog):
    monkeypatch.setattr(module, "MOST", 10)
    stack = Pipeline(name="stock")
    stop = stack.listen(gate)
    stack.call(lambda: None)
    assert gate.entered.wait(WAIT)
    with caplog.at_level(logging.WARNING, logger="meshkit"):
        for _ in range(10):
            stack.call(lambda: None)
    gate.free.set()
    stop()
    assert len(gate.heard) + stack.dropped_events == 3 * 11
    assert 10 <= len(gate.heard) <= 12
    counts = [record.args[2] for record in caplog.records]
    assert counts == [1, 2, 4, 8, 16]
    assert "stock: gate.<locals>.listener is too slow, and an event was dropped (1 so far)" in caplog.text


def test_one_that_blocks_keeps_nothing_from_another(gate):
    stack, heard = Pipeline(), []
    stack.listen(gate)
    stop = stack.listen(heard.append)
    stack.call(lambda: None)
    stop()
    assert len(heard) == 3
    assert gate.heard == []


def test_one_that_fails_is_counted_and_hears_the_next():
    heard = []

    def fails(event):
        heard.append(event)
        raise ZeroDivisionError

    stack = Pipeline()
    stop = stack.listen(fails)
    stack.call(lambda: None)
    stop()
    assert (len(heard), stack.failed_listeners) == (3, 3)


def test_in_order_from_many_threads():
    """Of each thread its own in order, and none is lost."""
    stack, heard = Pipeline(), []
    stop = stack.listen(heard.append)

    def work():
        for _ in range(200):
            stack.call(lambda: None)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stop()
    assert sum(type(event) is CallEnded for event in heard) == 800
    assert stack.dropped_events == 0


def test_its_thread_ends_with_the_listening():
    stack = Pipeline()
    post = Post(lambda event: None, stack.lost)
    post("event")
    thread = post._thread
    assert thread.is_alive()
    post.close()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_listener_may_stop_itself():
    stack, heard = Pipeline(), []

    def once(event):
        heard.append(event)
        stop()

    stop = stack.listen(once)
    stack.call(lambda: None)
    stack.call(lambda: None)
    post = next(each for each in module.posts if each._listener is once)
    post._thread.join(WAIT)
    assert not post._thread.is_alive()


def test_what_it_was_told_is_not_kept():
    class Error(Exception):
        pass

    stack, heard = Pipeline(), []
    post = Post(heard.append, stack.lost)
    error = Error()
    seen = weakref.ref(error)
    post(error)
    assert post.flush(WAIT)
    heard.clear()
    del error
    gc.collect()
    assert seen() is None
    post.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork_the_child_has_a_thread_of_its_own():
    heard, stack = [], Pipeline()
    stop = stack.listen(heard.append)
    stack.call(lambda: None)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            heard.clear()
            stack.call(lambda: None)
            stop()
            os.write(write, b"%d" % len(heard))
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 10) == b"3"
    os.close(read)
    os.waitpid(child, 0)
    stop()
