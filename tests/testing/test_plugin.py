"""The plugin for pytest: each case is a small suite in a session of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"anyio", "asyncio", "attrs", "httpx", "httpx2", "hypothesis", "trio"}
RIVAL = '''
"""A plugin like others: it runs every coroutine for itself, in real time, as early as it can."""
import asyncio, inspect, pytest

class Mine(pytest.Function):
    def runtest(self):
        fn = self.obj
        self.obj = lambda **kwargs: asyncio.run(fn(**kwargs))
        super().runtest()

@pytest.hookimpl(hookwrapper=True)
def pytest_pycollect_makeitem(collector, name, obj):
    outcome = yield
    items = outcome.get_result()
    if isinstance(items, list):
        outcome.force_result([
            Mine.from_parent(item.parent, name=item.name, callspec=getattr(item, "callspec", None), callobj=item.obj,
                             fixtureinfo=item._fixtureinfo, keywords=item.keywords, originalname=item.originalname)
            if inspect.iscoroutinefunction(item.obj) else item for item in items
        ])

@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if inspect.iscoroutinefunction(pyfuncitem.obj):
        asyncio.run(pyfuncitem.obj(**pyfuncitem.funcargs))
        return True

@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef, request):
    fn = fixturedef.func
    if inspect.iscoroutinefunction(fn):
        fixturedef.func = lambda **kwargs: asyncio.run(fn(**kwargs))
    yield
    fixturedef.func = fn
'''
"""What pytest-asyncio does in its automatic mode, in few lines."""
NEIGHBOURS = {
    "alone": [],
    "anyio": ["-p", "anyio"],
    "anyio, automatic": ["-p", "anyio", "-o", "anyio_mode=auto"],
    "a rival": ["-p", "rival"],
    "a rival and anyio": ["-p", "rival", "-p", "anyio", "-o", "anyio_mode=auto"],
}


def session(folder: Path, code: str, *options: str, plugin: bool = True) -> subprocess.CompletedProcess[str]:
    """The suite ``code`` in a pytest of its own, with no plugins but the named ones."""
    (folder / "rival.py").write_text(RIVAL, "utf-8")
    (folder / "test_it.py").write_text(code, "utf-8")
    ours = ["-p", "meshkit.testing.plugin"] if plugin else []
    command = [sys.executable, "-m", "pytest", "-v", "--rootdir=.", "-p", "no:cacheprovider", "-W", "error"]
    paths = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": paths}
    env.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [*command, *ours, *options], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def passes(done: subprocess.CompletedProcess[str], count: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert f" {count} passed in" in done.stdout


SUITE = """
import asyncio
import pytest
from meshkit import AttemptTimedOut, Constant, Pipeline, Retry, Timeout

@pytest.fixture
def number():
    return 7

@pytest.fixture
async def sleepy(number):
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(60)
    return asyncio.get_running_loop().time() - began

@pytest.mark.virtual_time
async def test_minutes(number, virtual_clock, virtual_backend):
    pipeline = Pipeline(Retry(TimeoutError, backoff=Constant(40.0)), Timeout(20.0), clock=virtual_clock)
    with pytest.raises(AttemptTimedOut):
        await pipeline.call(asyncio.sleep, 3600)
    assert virtual_clock() == 140.0
    assert (number, virtual_backend) == (7, "asyncio")

@pytest.mark.virtual_time
@pytest.mark.parametrize("seconds", [600, 6000])
async def test_parameters(seconds, virtual_clock):
    await asyncio.sleep(seconds)
    assert virtual_clock() == seconds

@pytest.mark.virtual_time
class TestInAClass:
    @pytest.fixture
    async def own(self):
        self.seen = 1
        yield self
        self.seen = 2

    async def test_method(self, sleepy, own, virtual_clock):
        assert sleepy == virtual_clock() == 60
        assert own is self
        assert self.seen == 1
"""


@pytest.mark.parametrize("neighbours", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_the_mark_wins(tmp_path: Path, neighbours: list[str]) -> None:
    passes(session(tmp_path, SUITE, *neighbours), 4)


def test_the_marks_of_others_on_the_whole_module(tmp_path: Path) -> None:
    passes(session(tmp_path, SUITE + "\npytestmark = pytest.mark.anyio\n", "-p", "anyio"), 4)


BACKENDS = """
import anyio
import pytest
import sniffio
from hypothesis import given, settings, strategies as st
from meshkit.testing import virtual_clock

@pytest.fixture
async def slept():
    await anyio.sleep(100)
    yield virtual_clock()
    await anyio.sleep(100)
    SEEN.append(virtual_clock())

SEEN = []

@pytest.mark.virtual_time("asyncio", "trio")
async def test_both(slept, virtual_backend):
    assert sniffio.current_async_library() == virtual_backend
    assert slept == pytest.approx(100)
    await anyio.sleep(1000)

@pytest.mark.virtual_time("trio")
async def test_trio():
    assert sniffio.current_async_library() == "trio"
    assert SEEN == pytest.approx([1200, 1200])

@pytest.mark.virtual_time(backend="trio")
async def test_trio_by_its_name():
    assert sniffio.current_async_library() == "trio"

@pytest.mark.virtual_time("asyncio", "trio")
@settings(max_examples=5, deadline=None, database=None)
@given(seconds=st.floats(0, 1e5))
async def test_property(seconds):
    began = virtual_clock()
    await anyio.sleep(seconds)
    assert virtual_clock() - began == pytest.approx(seconds)

class TestMethods:
    @pytest.mark.virtual_time("asyncio", "trio")
    @settings(max_examples=5, deadline=None, database=None)
    @given(seconds=st.floats(0, 1e5))
    async def test_property(self, seconds):
        await anyio.sleep(seconds)
"""


@pytest.mark.parametrize("neighbours", ["alone", "a rival and anyio"])
def test_on_either_backend(tmp_path: Path, neighbours: str) -> None:
    done = session(tmp_path, BACKENDS, *NEIGHBOURS[neighbours], "-p", "_hypothesis_pytestplugin")
    passes(done, 8)
    assert "::test_both[asyncio]" in done.stdout
    assert "::test_both[trio]" in done.stdout


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def test_it(): pass", "virtual_time: test_it is a plain def: virtual time passes where a coroutine awaits"),
        ("async def test_it(): assert 1 == 2", "assert 1 == 2"),
        ("async def test_it():\n    import asyncio\n    await asyncio.Event().wait()", "would wait for ever"),
        ("import unittest\nclass TestIt(unittest.TestCase):\n    def test_it(self): pass", "test_it is a plain def"),
        (
            "@pytest.fixture\nasync def late(): 0\n@pytest.fixture\ndef early(late): 0\nasync def test_it(early): 0",
            "the plain fixture early needs late, which the test's loop will make: make it async as well",
        ),
        ("@pytest.fixture\nasync def twice():\n    yield 1\n    yield 2\nasync def test_it(twice): pass", "twice"),
        ("@pytest.fixture\nasync def fails(): raise OSError('no')\nasync def test_it(fails): pass", "OSError: no"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, code: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = "import meshkit.testing.virtual as virtual\nvirtual.PATIENCE = 0.0\n"
    done = session(tmp_path, f"import pytest\n{quick}pytestmark = pytest.mark.virtual_time\n{code}\n")
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("arguments", ["'twisted'", "backends='trio'", "'asyncio', 3"])
def test_a_mark_that_cannot_be(tmp_path: Path, arguments: str) -> None:
    code = f"import pytest\n@pytest.mark.virtual_time({arguments})\nasync def test_it(): pass\ndef test_other(): pass\n"
    done = session(tmp_path, code)
    assert done.returncode == 1
    said = "of test_it: write virtual_time(), virtual_time('trio') or virtual_time('asyncio', 'trio')"
    assert f"virtual_time({arguments}) {said}" in done.stdout
    assert " 1 failed, 1 passed in" in done.stdout  # the rest of the file is run


def test_nobody_runs_it_without_the_mark(tmp_path: Path) -> None:
    done = session(tmp_path, "async def test_it(virtual_clock): pass\nasync def test_other(): pass\n")
    assert done.returncode == 1
    assert "test_it is an async def without the mark: write @pytest.mark.virtual_time above it" in done.stdout
    assert done.stdout.count("virtual_clock: ") == 2  # where it failed, and in the summary
    assert "async def functions are not natively supported" in done.stdout  # where it was not asked for


@pytest.mark.parametrize("neighbour", ["anyio, automatic", "a rival"])
def test_without_the_mark_another_plugin_may_run_it(tmp_path: Path, neighbour: str) -> None:
    code = "async def test_it(virtual_clock):\n    assert virtual_clock() > 0\n"
    if neighbour != "a rival":
        code += "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    passes(session(tmp_path, code, *NEIGHBOURS[neighbour]), 1)


def test_a_mark_on_trio_where_it_is_not_installed(tmp_path: Path) -> None:
    gone = "import sys\nsys.modules['trio'] = None\n"
    done = session(tmp_path, f"{gone}import pytest\n@pytest.mark.virtual_time('trio')\nasync def test_it(): pass\n")
    assert done.returncode == 1
    assert "trio is not installed: install meshkit with its extra [trio]" in done.stdout


FIXTURES = """
import pytest
from meshkit import CircuitBreaker, CircuitOpen, Constant, Pipeline, Retry
from meshkit.testing import after, assert_attempts

def test_threads(upstream, manual_clock, decisions):
    upstream.play(503, ConnectionError, after(2.0, ConnectionError), then="fail")
    pipeline = Pipeline(CircuitBreaker(failures=2, cooldown=60.0), clock=manual_clock)
    events = decisions(pipeline)
    assert pipeline.call(upstream.call).status_code == 503
    for _ in range(2):
        with pytest.raises(ConnectionError):
            pipeline.call(upstream.call)
    with pytest.raises(CircuitOpen):
        pipeline.call(upstream.call)
    assert manual_clock() == 2.0
    assert events.changes == [(2.0, "closed", "open")]
    assert [type(event.reason) for event in events.rejections] == [CircuitOpen]
    assert len(events.attempts) == 3
    STOPPED.append(pipeline)

STOPPED = []

def test_the_listening_has_ended():
    assert [pipeline.listeners for pipeline in STOPPED] == [()]

@pytest.mark.virtual_time("asyncio", "trio")
async def test_tasks(upstream, virtual_clock):
    upstream.play(ConnectionError, after(2.0, 200))
    pipeline = Pipeline(Retry(ConnectionError, backoff=Constant(60.0)), clock=virtual_clock)
    assert (await pipeline.call(upstream)).status_code == 200
    assert_attempts(upstream, 2, gaps=[60.0], within=62.0)

def test_no_backend_where_time_is_real(request):
    with pytest.raises(pytest.fail.Exception, match="the test has no mark virtual_time"):
        request.getfixturevalue("virtual_backend")
"""


def test_the_fixtures(tmp_path: Path) -> None:
    passes(session(tmp_path, FIXTURES), 5)


AGAIN = """
import asyncio
import pytest
from _pytest.runner import runtestprotocol

class Twice:
    def pytest_runtest_protocol(self, item):
        runtestprotocol(item, log=False)

@pytest.fixture(scope="session", autouse=True)
def twice(request):
    request.config.pluginmanager.register(Twice())

MADE = []

@pytest.fixture
async def made():
    MADE.append("made")
    yield
    MADE.append("gone")

def test_first(): pass

@pytest.mark.virtual_time
async def test_it(made):
    MADE.append("used")

def test_it_was_made_for_each_run():
    assert MADE == ["made", "used", "gone"] * 2

@pytest.mark.virtual_time("asyncio", "trio")
async def test_skipped():
    pytest.skip("not today")
"""


def test_a_test_that_is_run_again_or_skips(tmp_path: Path) -> None:
    done = session(tmp_path, AGAIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 3 passed, 2 skipped in" in done.stdout


OTHERS = """
import pytest

@pytest.fixture
async def slow():
    return 1

@pytest.fixture
def upstream():
    return "mine"

@pytest.mark.anyio
async def test_async(slow, anyio_backend_name): assert slow == 1
def test_plain(upstream): assert upstream == "mine"
@pytest.mark.skip(reason="later")
def test_skipped(): pass
@pytest.mark.xfail(strict=True)
def test_xfail(): assert False
class TestIt:
    def test_method(self): assert True
"""


def test_tests_that_do_not_ask_are_as_before(tmp_path: Path) -> None:
    def lines(plugin: bool) -> list[str]:
        done = session(tmp_path, OTHERS, "-p", "anyio", plugin=plugin)
        assert done.returncode == 0, done.stdout + done.stderr
        return [line.partition("%")[0] for line in done.stdout.splitlines() if "test_it.py::" in line]

    assert lines(plugin=True) == lines(plugin=False) != []


def test_loading_it_loads_nothing_else() -> None:
    code = "import sys, pytest; before = set(sys.modules); import meshkit.testing.plugin; "
    code += "print(*sorted(sys.modules.keys() - before)); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    new, loaded = done.stdout.splitlines()
    assert new.split() == ["meshkit", "meshkit.lazy", "meshkit.testing", "meshkit.testing.plugin"]
    assert HEAVY & set(loaded.split()) == set()


def test_a_session_that_does_not_ask_imports_nothing(tmp_path: Path) -> None:
    code = f"import sys\ndef test_it():\n    assert {HEAVY!r} & set(sys.modules) == set()\n"
    passes(session(tmp_path, code), 1)
