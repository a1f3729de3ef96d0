"""How does a test of pytest ask for virtual time, or for an upstream? By a mark, or by naming a fixture.

=========================================  ===================================================================
``@pytest.mark.virtual_time``              an ``async def test_`` in virtual time, on asyncio
``virtual_time("trio")``                   on trio; ``("asyncio", "trio")``: once on each
fixture ``virtual_clock``                  the clock of a pipeline in such a test
fixture ``manual_clock``                   a `ManualClock`, for the others
fixture ``upstream``                       an `Upstream` on the test's clock: ``upstream.play(503, 200)``
fixture ``decisions``                      `record`, whose listening ends with the test
fixture ``virtual_backend``                ``"asyncio"`` or ``"trio"``
=========================================  ===================================================================

The mark wins over other plugins that run coroutines (anyio's, pytest-asyncio): before they look, the item's function
has become a plain one. Async fixtures of such a test, those of function scope, run on its loop: before it, and after it
in reverse. They keep their order among themselves; a plain fixture cannot have what is not there before the loop runs.

Loaded in every session of pytest: what is not asked for is not imported, and touches no test.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from meshkit.pipeline import Pipeline
    from meshkit.testing.clock import ManualClock
    from meshkit.testing.decisions import Decisions
    from meshkit.testing.upstream import Upstream

MARK = "virtual_time"
BACKENDS = ("asyncio", "trio")
PLAIN = "{0} is a plain def: virtual time passes where a coroutine awaits. Make it an async def, or use manual_clock"
ALONE = "virtual_clock: {0} is an async def without the mark: write @pytest.mark.virtual_time above it"
NOBODY = "async def functions are not natively supported"
"""In pytest's own words."""
WRITE = "write virtual_time(), virtual_time('trio') or virtual_time('asyncio', 'trio')"
PENDING = pytest.StashKey[list["Pending"]]()
"""Of a test in virtual time: the async fixtures that its loop will run."""


def pytest_configure(config: pytest.Config) -> None:
    line = "virtual_time(*backends): run an async test in virtual time, on 'asyncio' (the default), 'trio', or each"
    config.addinivalue_line("markers", line)


@pytest.hookimpl
def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> None:
    """Take back what anyio's plugin has just put on a coroutine: the mark says where it runs."""
    own: Any = getattr(obj, "pytestmark", None)
    if not isinstance(own, list) or not (_marked(own) or _marked(collector.iter_markers(MARK))):
        return
    own[:] = [each for each in own if (each.name, each.args) != ("usefixtures", ("anyio_backend",))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Once on each backend, where there are several."""
    mark = metafunc.definition.get_closest_marker(MARK)
    if mark is None or _wrong(mark):
        return
    backends = _backends(mark)
    if len(backends) > 1:
        metafunc.fixturenames.append("virtual_backend")
        metafunc.parametrize("virtual_backend", backends, indirect=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Make of the coroutine a plain function, whoever has taken it for his own."""
    mark = item.get_closest_marker(MARK)
    if mark is None:
        return
    if _wrong(mark):
        item.stash[PENDING] = []
        given = ", ".join([*map(repr, mark.args), *(f"{name}={value!r}" for name, value in mark.kwargs.items())])
        text = f"virtual_time({given}) of {item.name}: {WRITE}"
        _replace(item, lambda: pytest.fail(text, pytrace=False))
        return
    fn: Any = getattr(item, "obj", None)
    is_async = inspect.iscoroutinefunction(getattr(getattr(fn, "hypothesis", None), "inner_test", fn))
    if not isinstance(item, pytest.Function) or hasattr(item, "_testcase") or not is_async:
        _replace(item, lambda: pytest.fail(f"virtual_time: {PLAIN.format(item.name)}", pytrace=False))
        return
    item.stash[PENDING] = []
    backend = _backend(item)
    if not hasattr(fn, "hypothesis"):
        item.obj = _plain(fn, item.stash[PENDING], backend)
        _replace(item, functools.partial(pytest.Function.runtest, item))
        return

    if len(_backends(mark)) > 1:  # by this hypothesis knows that one method comes with several instances
        item.add_marker(pytest.mark.parametrize("virtual_backend", _backends(mark)))

    def runtest() -> None:
        # One property may be two items, on asyncio and on trio: each puts its own in, and takes it out again.
        test = fn.hypothesis
        inner = test.inner_test
        test.inner_test = _plain(inner, item.stash[PENDING], backend)
        try:
            pytest.Function.runtest(item)
        finally:
            test.inner_test = inner

    _replace(item, runtest)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that is run again has its fixtures made again."""
    item.stash.get(PENDING, []).clear()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
    """Leave an async fixture of a test in virtual time to the test's loop."""
    pending = request.node.stash.get(PENDING, None)
    if pending is None:
        return (yield)
    fn = fixturedef.func
    if not (inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn)):
        early = [each.name for each in pending if each.name in fixturedef.argnames]
        if early:
            why = f"needs {early[0]}, which the test's loop will make: make it async as well"
            pytest.fail(f"virtual_time: the plain fixture {fixturedef.argname} {why}", pytrace=False)
        return (yield)

    def later(**kwargs: Any) -> Pending:
        bound = fn
        if request.instance and inspect.ismethod(fn) and type(fn.__self__) is type(request.instance):
            bound = fn.__func__.__get__(request.instance)
        fixture = Pending(fixturedef.argname, bound, kwargs)
        pending.append(fixture)
        return fixture

    fixturedef.func = later
    try:
        return (yield)
    finally:
        fixturedef.func = fn


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Where nobody runs a coroutine, and it asks for virtual time, say what is missing."""
    try:
        return (yield)
    except pytest.fail.Exception as failure:
        if "virtual_clock" not in pyfuncitem.fixturenames or NOBODY not in str(failure):
            raise
        raise pytest.fail.Exception(ALONE.format(pyfuncitem.name), pytrace=False) from None


class Pending:
    """An async fixture whose loop does not run yet."""

    __slots__ = ("fn", "kwargs", "name", "rest", "value")

    def __init__(self, name: str, fn: Callable[..., Any], kwargs: dict[str, Any]) -> None:
        self.name = name
        self.fn = fn
        self.kwargs = kwargs
        self.rest: Any = None
        self.value: Any = None

    async def begin(self) -> None:
        made = self.fn(**ready(self.kwargs))
        if inspect.isasyncgen(made):
            self.rest = made
            self.value = await anext(made)
        else:
            self.value = await made

    async def end(self) -> None:
        rest, self.rest, self.value = self.rest, None, None
        if rest is None:
            return
        try:
            await anext(rest)
        except StopAsyncIteration:
            return
        raise RuntimeError(f"the async fixture {self.name} yielded twice")


def ready(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments, with what async fixtures have made by now."""
    return {name: each.value if isinstance(each, Pending) else each for name, each in kwargs.items()}


def _plain(fn: Callable[..., Any], pending: list[Pending], backend: str) -> Callable[..., None]:
    """The coroutine function as a plain one that runs it in virtual time, after its fixtures."""

    async def whole(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        from contextlib import AsyncExitStack

        async with AsyncExitStack() as stack:
            for fixture in pending:
                stack.push_async_callback(fixture.end)
                await fixture.begin()
            await fn(*args, **ready(kwargs))

    @functools.wraps(fn)
    def scenario(*args: Any, **kwargs: Any) -> None:
        from meshkit.testing.virtual import run

        run(whole, args, kwargs, backend=backend)

    return scenario


def _replace(item: Any, runtest: Callable[[], Any]) -> None:
    """Run this as the item's test, whichever class another plugin has given to it."""
    item.runtest = runtest


def _marked(marks: Any) -> bool:
    return any(mark.name == MARK for mark in marks)


def _backends(mark: pytest.Mark) -> tuple[str, ...]:
    return (*mark.args, *([mark.kwargs["backend"]] if "backend" in mark.kwargs else ())) or BACKENDS[:1]


def _wrong(mark: pytest.Mark) -> bool:
    return bool(set(mark.kwargs) - {"backend"}) or any(each not in BACKENDS for each in _backends(mark))


def _backend(item: Any) -> str:
    chosen: str | None = getattr(item, "callspec", None) and item.callspec.params.get("virtual_backend")
    return chosen or _backends(item.get_closest_marker(MARK))[0]


@pytest.fixture
def virtual_backend(request: pytest.FixtureRequest) -> str:
    """On which backend this test runs in virtual time."""
    if PENDING not in request.node.stash:
        pytest.fail("virtual_backend: the test has no mark virtual_time", pytrace=False)
    return _backend(request.node)


@pytest.fixture
def virtual_clock() -> Callable[[], float]:
    """The clock of a pipeline in a test in virtual time: ``Pipeline(..., clock=virtual_clock)``."""
    from meshkit.testing.virtual import virtual_clock

    return virtual_clock


@pytest.fixture
def manual_clock() -> ManualClock:
    """A clock that moves when it is told to."""
    from meshkit.testing.clock import ManualClock

    return ManualClock()


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> Upstream:
    """An upstream on the clock of the test: the loop's in virtual time, else the fixture ``manual_clock``."""
    from meshkit.testing.upstream import Upstream

    if PENDING in request.node.stash:
        return Upstream()
    return Upstream(clock=request.getfixturevalue("manual_clock"))


@pytest.fixture
def decisions() -> Iterator[Callable[[Pipeline], Decisions]]:
    """`record`, whose listening ends with the test."""
    from meshkit.testing.decisions import record

    lists: list[Decisions] = []

    def listening(pipeline: Pipeline) -> Decisions:
        lists.append(record(pipeline))
        return lists[-1]

    yield listening
    for events in lists:
        events.stop()
