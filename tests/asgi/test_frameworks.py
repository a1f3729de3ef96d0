"""Under Starlette, FastAPI, Django and Litestar: let in, refused, streamed, failed, timed out, and their own ways."""

from __future__ import annotations

import asyncio
import contextvars
import io
import queue
import threading
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from meshkit import ConcurrencyLimit, ConfigError, Pipeline, RateLimit, Rejected, Retry, TimedOut, Timeout
from meshkit.asgi import MeshMiddleware, refusal
from meshkit.deadline import remaining

from .stand_ins import Probe, ask, http

TENANT: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


SEEN: queue.SimpleQueue[float | None] = queue.SimpleQueue()


def busy() -> None:
    """Work that looks at the deadline, and goes on beyond it."""
    while remaining():
        pass
    SEEN.put(remaining())


async def numbers() -> AsyncIterator[bytes]:
    for k in range(3):
        yield b"%d" % k


def starlette(pipeline: Pipeline) -> Any:
    from starlette.applications import Starlette
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    async def hello(request: Any) -> Any:
        return PlainTextResponse(f"hello {TENANT.get()} {left()}")

    def sync(request: Any) -> Any:
        return PlainTextResponse(f"hello {TENANT.get()} {left()}")

    def works(request: Any) -> Any:
        busy()
        return PlainTextResponse("done")

    async def stream(request: Any) -> Any:
        return StreamingResponse(numbers())

    async def fails(request: Any) -> Any:
        raise LookupError

    async def hangs(request: Any) -> Any:
        await anyio.sleep_forever()

    async def named(request: Any, call_next: Any) -> Any:
        TENANT.set("ann")
        return await call_next(request)

    routes = [Route(f"/{fn.__name__}", fn) for fn in (hello, sync, works, stream, fails, hangs)]
    app = Starlette(routes=routes)
    app.add_middleware(BaseHTTPMiddleware, dispatch=named)  # inside
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    app.add_middleware(BaseHTTPMiddleware, dispatch=named)  # and outside
    return app


def fastapi(pipeline: Pipeline) -> Any:
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse, StreamingResponse

    app = FastAPI()
    app.add_middleware(MeshMiddleware, pipeline=pipeline)

    async def hello() -> Any:
        return PlainTextResponse(f"hello {TENANT.get()} {left()}")

    def sync() -> Any:
        return PlainTextResponse(f"hello {TENANT.get()} {left()}")

    def works() -> Any:
        busy()
        return PlainTextResponse("done")

    async def stream() -> Any:
        return StreamingResponse(numbers())

    async def fails() -> Any:
        raise LookupError

    async def hangs() -> Any:
        await anyio.sleep_forever()

    for fn in (hello, sync, works, stream, fails, hangs):
        app.get(f"/{fn.__name__}")(fn)
    return setting("ann", app)


def django(pipeline: Pipeline) -> Any:
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", ROOT_URLCONF=__name__, DEBUG=False, LOGGING_CONFIG=None)
        import django as framework

        framework.setup()
    from django.core.handlers.asgi import ASGIHandler
    from django.http import HttpResponse, StreamingHttpResponse
    from django.urls import path

    async def hello(request: Any) -> Any:
        return HttpResponse(f"hello {TENANT.get()} {left()}")

    def sync(request: Any) -> Any:
        return HttpResponse(f"hello {TENANT.get()} {left()}")

    async def stream(request: Any) -> Any:
        return StreamingHttpResponse(numbers())

    async def fails(request: Any) -> Any:
        raise LookupError

    async def hangs(request: Any) -> Any:
        await anyio.sleep_forever()

    urlpatterns[:] = [path(fn.__name__, fn) for fn in (hello, sync, stream, fails, hangs)]
    return setting("ann", MeshMiddleware(ASGIHandler(), pipeline))


urlpatterns: list[Any] = []
"""Django looks for it in this module."""


def litestar(pipeline: Pipeline) -> Any:
    from litestar import Litestar, MediaType, get
    from litestar.middleware import DefineMiddleware
    from litestar.response import Stream

    async def hello() -> str:
        return f"hello {TENANT.get()} {left()}"

    def sync() -> str:
        return f"hello {TENANT.get()} {left()}"

    async def stream() -> Any:
        return Stream(numbers())

    stream.__annotations__["return"] = Stream  # read from this module's names otherwise

    async def fails() -> str:
        raise LookupError

    async def hangs() -> str:
        await anyio.sleep_forever()
        return ""

    text = {"media_type": MediaType.TEXT}
    routes = [get(f"/{fn.__name__}", **text)(fn) for fn in (hello, fails, hangs)]
    routes += [get("/sync", sync_to_thread=True, **text)(sync), get("/stream")(stream)]
    app = Litestar(routes, middleware=[DefineMiddleware(MeshMiddleware, pipeline=pipeline)], logging_config=None)
    return setting("ann", app)


def setting(tenant: str, app: Any) -> Any:
    """A middleware outside that sets a context variable."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        TENANT.set(tenant)
        await app(scope, receive, send)

    return outer


def left() -> str:
    seconds = remaining()
    return "none" if seconds is None else f"{seconds:.0f}"


Framework = Callable[[Pipeline], Any]


@pytest.fixture(params=[starlette, fastapi, django, litestar], ids=lambda each: each.__name__)
def framework(request: pytest.FixtureRequest) -> Framework:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Django and Litestar know asyncio only; the other two are shown trio as well."""
    return "asyncio"


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://shop")


async def test_let_in_and_refused(framework: Framework) -> None:
    pipeline = Pipeline(RateLimit("2/h", key="client"), probe := Probe())
    async with client(framework(pipeline)) as shop:
        answers = [await shop.get("/hello") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.text for answer in answers[:2]] == ["hello ann none"] * 2
    assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=1", "r=0", "r=0"]
    assert answers[2].json()["violated-policies"] == ["RateLimit"]
    assert probe.verdicts == ["success"] * 2
    assert pipeline.idle()


async def test_the_deadline_is_seen(framework: Framework) -> None:
    """In the endpoint, and in a synchronous one that runs in a thread; through ``BaseHTTPMiddleware`` as well."""
    app = framework(Pipeline(Timeout(500.0)))
    async with client(app) as shop:
        for path in ("/hello", "/sync"):
            assert (await shop.get(path)).text == "hello ann 500"
            assert (await shop.get(path, headers={"x-request-deadline-ms": "100000"})).text == "hello ann 100"


async def test_a_stream(framework: Framework) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), Timeout(60.0), probe := Probe())
    async with client(framework(pipeline)) as shop:
        for _ in range(2):
            assert (await shop.get("/stream")).content == b"012"
    assert probe.verdicts == ["success"] * 2
    assert pipeline.idle()


async def test_a_failure(framework: Framework) -> None:
    pipeline = Pipeline(probe := Probe())
    async with client(framework(pipeline)) as shop:
        assert (await shop.get("/fails")).status_code == 500
    assert probe.verdicts == ["failure"]


@pytest.mark.parametrize("framework", [starlette, fastapi, litestar], ids=lambda each: each.__name__)
async def test_too_slow(framework: Framework) -> None:
    pipeline = Pipeline(Timeout(0.05), probe := Probe())
    async with client(framework(pipeline)) as shop:
        assert (await shop.get("/hangs")).status_code == 504
    assert probe.verdicts == ["failure"]
    assert pipeline.idle()


@pytest.mark.parametrize("framework", [starlette, fastapi], ids=lambda each: each.__name__)
async def test_a_function_in_a_thread_sees_the_deadline(framework: Framework) -> None:
    """Whether its answer or the deadline comes first is a race that both may win; the next test takes a side."""
    async with client(framework(Pipeline(Timeout(0.05)))) as shop:
        await shop.get("/works")
    assert SEEN.get(timeout=20.0) == 0.0


@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
@pytest.mark.parametrize(
    ("anyio_backend", "status", "told"),
    [
        ("asyncio", 504, ["answered", "given back", "ended"]),  # the await is cancelled, and the thread works on
        ("trio", 200, ["ended", "answered", "given back"]),  # it is waited for, and here nothing interrupts its answer
    ],
)
async def test_a_function_in_a_thread_cannot_be_interrupted(
    anyio_backend: str, status: int, told: list[str], kind: str
) -> None:
    """When the answer comes, and when the permit is given back: as the loop treats whoever awaits a thread."""
    order: list[str] = []
    late, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    async def let_go() -> None:
        """Where the answer comes first, after it; else when there was time for one."""
        while not late.is_set():
            await anyio.lowlevel.checkpoint()
        until = anyio.current_time() + (0.02 if anyio_backend == "trio" else 20.0)
        while not order and anyio.current_time() < until:
            await anyio.lowlevel.checkpoint()
        go_on.set()

    def works(request: Any = None) -> Any:
        while remaining():
            pass
        late.set()
        go_on.wait()
        order.append("ended")
        ended.set()
        return PlainTextResponse("done")

    from fastapi import FastAPI
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    pipeline = Pipeline(ConcurrencyLimit(1), Timeout(0.05), probe := Probe())
    app: Any = Starlette(routes=[Route("/works", works)]) if kind == "starlette" else FastAPI()
    if kind == "fastapi":
        app.get("/works")(works)
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    async with client(app) as shop, anyio.create_task_group() as group:
        group.start_soon(let_go)
        answer = await shop.get("/works")
        order.append("answered")
        if pipeline.idle():
            order.append("given back")
        while not ended.is_set():
            await anyio.lowlevel.checkpoint()
    assert answer.status_code == status
    assert order == told
    assert probe.verdicts == ["failure" if status == 504 else "success"]


@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_a_limit_of_one_endpoint(kind: str, anyio_backend: str) -> None:
    """What slowapi is used for: a pipeline on a route, and one handler for all that are refused."""
    from fastapi import FastAPI
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response

    each = Pipeline(RateLimit("1/h", key="request.client.host", name="each"))
    slow = Pipeline(Timeout(0.01))

    async def search(request):  # type: ignore[no-untyped-def]  # the class is a local one here
        return PlainTextResponse("found")

    async def hangs(request):  # type: ignore[no-untyped-def]
        await anyio.sleep_forever()

    async def refused(request: Any, error: Exception) -> Any:
        status, headers, body = refusal(error)
        return Response(body, status, headers)

    search.__annotations__["request"] = hangs.__annotations__["request"] = Request
    app: Any = FastAPI() if kind == "fastapi" else Starlette()
    app.add_exception_handler(Rejected, refused)
    app.add_exception_handler(TimedOut, refused)
    for path, endpoint in (("/search", each(search)), ("/hangs", slow(hangs))):
        if kind == "fastapi":
            app.get(path)(endpoint)
        else:
            app.add_route(path, endpoint)
    async with client(app) as shop:
        answers = [await shop.get("/search") for _ in range(2)] + [await shop.get("/hangs")]
    assert [answer.status_code for answer in answers] == [200, 429, 504]
    assert int(answers[1].headers["retry-after"]) > 1000
    assert answers[1].headers["content-type"] == "application/problem+json"
    assert int(answers[1].headers["content-length"]) == len(answers[1].content)
    assert answers[1].json()["violated-policies"] == ["each"]


@pytest.mark.parametrize("wrong", [Pipeline(Retry("5xx")), Pipeline(RateLimit("1/s", key="ip"))])
@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_mistake_is_told_when_the_middleware_is_made(wrong: Pipeline, by_hand: bool) -> None:
    """Starlette makes it with the lifespan, so there the server is told; made by hand, whoever imports the module."""
    from starlette.applications import Starlette

    app = Starlette()
    if by_hand:
        with pytest.raises(ConfigError):
            MeshMiddleware(app, wrong)
        return
    app.add_middleware(MeshMiddleware, pipeline=wrong)
    with pytest.raises(ConfigError):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, None, None)


async def test_too_slow_for_django(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its view runs in a task of its own, which a cancellation does not reach: the client is answered all the same."""
    from django.core.handlers.asgi import ASGIHandler

    async def read_body(self: Any, receive: Any) -> Any:
        await receive()
        return io.BytesIO()  # its own stays open

    monkeypatch.setattr(ASGIHandler, "read_body", read_body)
    pipeline = Pipeline(Timeout(0.05), probe := Probe())
    answer = await ask(django(pipeline), http("/hangs"))
    assert answer.status == 504
    assert probe.verdicts == ["failure"]
    assert pipeline.idle()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if task.get_coro().__qualname__.startswith("ASGIHandler"):
            task.cancel()


@pytest.mark.parametrize("framework", [starlette, fastapi], ids=lambda each: each.__name__)
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_on_trio(framework: Framework, anyio_backend: str) -> None:
    pipeline = Pipeline(ConcurrencyLimit(1), Timeout(0.05), probe := Probe())
    async with client(framework(pipeline)) as shop:
        assert (await shop.get("/hangs")).status_code == 504
        assert (await shop.get("/hello")).text.startswith("hello ann")
        assert (await shop.get("/stream")).content == b"012"
    assert probe.verdicts == ["failure", "success", "success"]
    assert pipeline.idle()


async def test_a_starlette_user_is_a_key() -> None:
    from starlette.applications import Starlette
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
    from starlette.middleware.authentication import AuthenticationMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    class ByName(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> Any:
            return AuthCredentials(), SimpleUser(conn.headers["x-name"])

    async def hello(request: Any) -> Any:
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", hello)])
    app.add_middleware(MeshMiddleware, pipeline=Pipeline(RateLimit("1/h", key="user")))
    app.add_middleware(AuthenticationMiddleware, backend=ByName())
    async with client(app) as shop:
        codes = [(await shop.get("/", headers={"x-name": name})).status_code for name in ("ann", "bob", "ann")]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_starlettes_background_tasks_hold_no_permit(anyio_backend: str) -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    seen = SimpleNamespace(inside=None, left=None)
    pipeline = Pipeline(ConcurrencyLimit(1), Timeout(60.0), probe := Probe())

    async def background() -> None:
        seen.inside, seen.left = probe.inside, remaining()

    async def hello(request: Any) -> Any:
        return PlainTextResponse("hello", background=BackgroundTask(background))

    async def passing(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    app = Starlette(routes=[Route("/", hello)])
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    async with client(app) as shop:
        assert (await shop.get("/")).status_code == 200
    assert (seen.inside, seen.left) == (0, None)

    app = Starlette(routes=[Route("/", hello)])
    app.add_middleware(BaseHTTPMiddleware, dispatch=passing)
    app.add_middleware(MeshMiddleware, pipeline=pipeline)
    async with client(app) as shop:
        assert (await shop.get("/")).status_code == 200
    assert pipeline.idle()
