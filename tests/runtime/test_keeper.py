"""What no call waits for is done from when a pipeline can be called until its state is gone, whatever fails."""

import asyncio
import builtins
import gc
import os
import sys
import threading
import weakref
from functools import partial
from random import Random

import attrs
import pytest

from meshkit import Cluster, Endpoint, Pipeline
from meshkit.errors import DiscoveryError
from meshkit.runtime import keeper
from meshkit.runtime.chores import chores_of
from meshkit.testing.virtual import run, virtual_clock

HERE = (Endpoint("a:80"),)
THERE = (Endpoint("b:80"),)


class Keep(keeper.Keep):
    """Waits in the time of the loop that runs."""

    def __init__(self):
        super().__init__(virtual_clock)


@attrs.frozen(eq=False)
class Script:
    """A source that says one thing after the other: a set, an error, or seconds to wait."""

    steps: tuple
    asked: list = attrs.field(factory=list)

    async def watch(self):
        import anyio

        self.asked.append(virtual_clock())
        for step in iter(partial(next, self.steps, None), None):
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, float):
                await anyio.sleep(step)
            else:
                yield step


def followed(*steps):
    """The hosts there are at each second, and when the source was asked."""
    source = Script(iter(steps))
    state = Cluster("orders", source).start(Random(1))
    state.fold(list)
    seen = []

    async def main():
        import anyio

        (chore,) = chores_of(state)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(chore, weakref.ref(state), Keep())
            second = 1.0
            for _ in range(12):
                await anyio.sleep(second)
                seen.append("".join(member.endpoint.host for member in state.members))
            tasks.cancel_scope.cancel()

    run(main)
    return "".join(each or "-" for each in seen), source.asked, state


def test_a_source_is_followed():
    assert followed(HERE, 3.5, HERE + THERE, 2.0, THERE)[0] == "aaa" + "abab" + "b" * 7


def test_an_error_keeps_the_last_set_and_asks_anew_later_and_later():
    error = DiscoveryError("down")
    seen, asked, state = followed(HERE, 1.5, error, error, error, THERE, 100.0)
    assert seen.startswith("a")
    assert seen.endswith("b")
    pauses = [after - before for before, after in zip([1.5, *asked[1:]], asked[1:], strict=False)]
    assert len(pauses) == 3
    for pause, longest in zip(pauses, (1.0, 2.0, 4.0), strict=True):
        assert longest / 2 <= pause <= longest
    assert state.troubles == [None]


def test_the_last_error_is_known_until_the_source_answers():
    error = DiscoveryError("down")
    assert followed(HERE, error, error, error, error)[2].troubles == [error]


def test_a_source_that_ends_is_not_asked_again():
    seen, asked, _ = followed(HERE)
    assert (seen, len(asked)) == ("a" * 12, 1)


class Pushing:
    """A source on the keeper's own loop: `told` is set once it was asked, `over` when it was closed."""

    def __init__(self):
        self.told, self.over = threading.Event(), threading.Event()
        self.asked = 0

    async def watch(self):
        import anyio

        self.asked += 1
        try:
            yield HERE
            self.told.set()
            await anyio.sleep_forever()
        finally:
            self.over.set()


def called(pipeline):
    return pipeline.call(lambda endpoint=None: endpoint.host)


def test_it_begins_with_what_can_be_called_and_ends_with_the_state():
    source = Pushing()
    pipeline = Pipeline(Cluster("orders", source))
    assert called(pipeline) == "a", "the first call waits for the first set"
    assert source.told.wait(10)
    called(pipeline)
    assert source.asked == 1
    state = weakref.ref(pipeline.states[0])
    del pipeline
    gc.collect()
    assert state() is None
    assert source.over.wait(10)


def test_no_thread_for_those_who_have_no_chores(monkeypatch):
    monkeypatch.setattr(keeper, "_keeper", None)
    assert Pipeline(Cluster("orders", list(HERE))).call(lambda: 3) == 3
    assert keeper._keeper is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_process_has_a_keeper_of_its_own():
    source = Pushing()
    pipeline = Pipeline(Cluster("orders", source))
    called(pipeline)
    child = os.fork()
    if child == 0:
        ok = source.asked == 1
        for _ in range(1000):
            ok = source.asked == 2
            if ok:
                break
            threading.Event().wait(0.01)
        os._exit(0 if ok and called(pipeline) == "a" else 1)
    assert os.waitpid(child, 0)[1] == 0


SLOW = """
import builtins, os
builtins.reached.set()
builtins.forking.wait(10)
for _ in range(1000):
    os.sched_yield()
whole = True
"""


@attrs.frozen(eq=False)
class Importing:
    """A source that needs a module, and is asked in the keeper's thread."""

    async def watch(self):
        import slowly_imported

        yield HERE if slowly_imported.whole else ()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_child_process_has_no_half_of_a_module_that_the_keeper_was_at(tmp_path, monkeypatch):
    reached, forking = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "reached", reached, raising=False)
    monkeypatch.setattr(builtins, "forking", forking, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "slowly_imported.py").write_text(SLOW, "utf-8")
    pipeline = Pipeline(Cluster("orders", Importing()))
    pipeline(lambda: None)  # bound, so that its chores begin
    assert reached.wait(10)
    os.register_at_fork(before=forking.set)  # the first that is asked, since it is the last to come
    child = os.fork()
    if child == 0:
        os._exit(0 if getattr(sys.modules["slowly_imported"], "whole", False) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert called(pipeline) == "a", "and the parent's goes on"


def test_what_names_no_endpoints_is_an_error_and_the_other_sources_are_heard():
    good, bad = Pushing(), Script(iter([(HERE[0], 7), 100.0]))
    pipeline = Pipeline(Cluster("orders", [bad, good]))
    assert called(pipeline) == "a"
    assert good.told.wait(10)
    state = pipeline.states[0]
    assert [member.endpoint for member in state.members] == [HERE[0]]
    assert "Endpoint: address=7" in str(state.troubles[0])


def test_a_source_that_was_cancelled_by_its_own_library_is_asked_again():
    cancelled = asyncio.CancelledError()
    seen, asked, state = followed(HERE, cancelled, 0.5, THERE, 100.0)
    assert len(asked) == 2
    assert seen.endswith("b")
    assert state.troubles == [None]


class Ending(Pushing):
    async def watch(self):
        self.asked += 1
        yield HERE
        self.told.set()
        raise SystemExit(1)


def test_a_source_that_ends_the_process_ends_nothing():
    ending = Ending()
    pipeline = Pipeline(Cluster("orders", ending))
    assert called(pipeline) == "a"
    assert ending.told.wait(10)
    another = Pipeline(Cluster("orders", Pushing()))
    assert called(another) == "a"
    assert keeper._keeper.thread.is_alive()
