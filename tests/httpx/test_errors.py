"""Are our errors also the library's, and still the same objects?"""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import meshkit
from meshkit import (
    AttemptTimedOut,
    CircuitBreaker,
    CircuitOpen,
    Cluster,
    ConfigError,
    Constant,
    DeadlineExceeded,
    Endpoint,
    MeshError,
    NoEndpoint,
    Overloaded,
    Pipeline,
    RateLimit,
    RateLimited,
    Rejected,
    Retry,
    TimedOut,
    Timeout,
)
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.library import installed, library_of

from .stand_ins import Clock, Inner

REJECTED = [Rejected, RateLimited, CircuitOpen, Overloaded, NoEndpoint]
TIMED_OUT = [TimedOut, AttemptTimedOut, DeadlineExceeded]


@pytest.mark.parametrize("kind", REJECTED)
def test_a_rejection_is_a_transport_error(lib: ModuleType, kind: type[Rejected]) -> None:
    request = lib.Request("GET", "http://a")
    cause = ValueError("why")
    error = kind("at most %d", 3, policy="p", endpoint="e", retry_after=2.0)
    try:
        raise error from cause
    except Rejected:
        pass
    error.add_note("a note")
    before, trace = str(error), error.__traceback__
    adopted = library_of(request).adopt(error, request)
    assert adopted is error
    assert isinstance(adopted, lib.TransportError)
    assert isinstance(adopted, kind)
    assert not isinstance(adopted, lib.TimeoutException)
    assert (str(error), error.__traceback__, error.__cause__, error.__notes__) == (before, trace, cause, ["a note"])
    assert (error.policy, error.endpoint, error.retry_after) == ("p", "e", 2.0)
    assert adopted.request is request
    assert type(library_of(request).adopt(kind(), request)) is type(adopted)
    assert type(library_of(request).adopt(adopted, request)) is type(error)


@pytest.mark.parametrize("kind", TIMED_OUT)
def test_running_out_of_time_is_a_timeout(lib: ModuleType, kind: type[TimedOut]) -> None:
    request = lib.Request("GET", "http://a")
    error = library_of(request).adopt(kind("late", policy="p", endpoint="e"), request)
    assert isinstance(error, lib.TimeoutException)
    assert isinstance(error, kind)
    assert isinstance(error, TimeoutError)
    assert (str(error), error.policy, error.endpoint) == ("late", "p", "e")


def test_a_users_own_rejection_too(lib: ModuleType) -> None:
    class Mine(Rejected):
        __slots__ = ("why",)

    request = lib.Request("GET", "http://a")
    error = Mine("no")
    error.why = "so"
    assert isinstance(library_of(request).adopt(error, request), lib.TransportError)
    assert (type(error).__name__, error.why) == ("Mine", "so")


def test_other_errors_stay_ours_alone(lib: ModuleType) -> None:
    request = lib.Request("GET", "http://a")
    assert type(library_of(request).adopt(ConfigError("x"), request)) is ConfigError


@pytest.mark.parametrize("kind", [*REJECTED, *TIMED_OUT])
def test_pickled_it_is_ours(lib: ModuleType, kind: type[MeshError]) -> None:
    request = lib.Request("GET", "http://a")
    error = library_of(request).adopt(kind("slow", policy="p"), request)  # type: ignore[call-arg]
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.policy) == (str(error), "p")


def test_the_library_is_that_of_the_class(lib: ModuleType) -> None:
    class Mine(lib.Request):  # type: ignore[name-defined, misc]
        pass

    assert library_of(Mine("GET", "http://a")).module is lib
    assert library_of(lib.Response(200)).module is lib
    with pytest.raises(TypeError, match="neither httpx nor httpx2"):
        library_of(object())


async def test_through_a_client(lib: ModuleType) -> None:
    pipeline = Pipeline(RateLimit("1/h"))
    async with lib.AsyncClient(
        transport=AsyncMeshTransport(pipeline, Inner(lambda request: lib.Response(200)))
    ) as client:
        await client.get("http://a")
        with pytest.raises(lib.HTTPError) as caught:
            await client.get("http://a/x")
    error: Any = caught.value
    assert isinstance(error, meshkit.RateLimited)
    assert error.policy == "RateLimit"
    assert error.retry_after == pytest.approx(3600, abs=10)
    assert str(error.request.url) == "http://a/x"


def test_through_a_sync_client(lib: ModuleType) -> None:
    pipeline = Pipeline(CircuitBreaker(failures=1))
    with lib.Client(transport=MeshTransport(pipeline, Inner(lambda request: lib.Response(500)))) as client:
        assert client.get("http://a").status_code == 500
        with pytest.raises(meshkit.CircuitOpen) as caught:
            client.get("http://a")
    assert isinstance(caught.value, lib.TransportError)


def test_a_retry_can_name_the_librarys_timeout(lib: ModuleType) -> None:
    """The error is the library's before the policies see it."""
    clock = Clock()

    def answer(request: Any) -> Any:
        clock.now += request.extensions["timeout"]["read"]
        raise lib.ReadTimeout("slow")

    pipeline = Pipeline(Retry(lib.TimeoutException, backoff=Constant(0.001)), Timeout(2.0), clock=clock)
    client = lib.Client(transport=MeshTransport(pipeline, inner := Inner(answer)), timeout=None)
    with client, pytest.raises(AttemptTimedOut, match="attempt 3") as caught:
        client.get("http://a")
    assert len(inner.requests) == 3
    assert isinstance(caught.value, lib.TimeoutException)
    assert caught.value.__notes__[0].endswith("stopped: attempts")
    assert isinstance(caught.value.__cause__, lib.ReadTimeout)


async def test_the_upstreams_own_error_passes_unchanged(lib: ModuleType) -> None:
    def answer(request: Any) -> Any:
        raise error

    error = lib.ReadError("gone")
    pipeline = Pipeline(Retry("reset", attempts=2, backoff=Constant(0.001)))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, Inner(answer))) as client:
        with pytest.raises(lib.ReadError) as caught:
            await client.get("http://a")
    assert caught.value is error
    assert type(error) is lib.ReadError
    assert error.__notes__[0].startswith("2 attempts in ")


def test_a_pipeline_within_a_pipeline(lib: ModuleType) -> None:
    """A rejection further in teaches those outside nothing, and stays what it is."""
    inner = MeshTransport(Pipeline(RateLimit("1/h")), Inner(lambda request: lib.Response(200)))
    pipeline = Pipeline(Retry("5xx"), CircuitBreaker(failures=1))
    with lib.Client(transport=MeshTransport(pipeline, inner)) as client:
        client.get("http://a")
        for _ in range(3):
            with pytest.raises(RateLimited):
                client.get("http://a")


@pytest.mark.parametrize("transport", [AsyncMeshTransport, MeshTransport])
def test_what_cannot_be_built(lib: ModuleType, transport: Any) -> None:
    with pytest.raises(ConfigError, match="give a Pipeline"):
        transport([Timeout(1.0)])
    with pytest.raises(ConfigError, match="give a transport"):
        transport(Pipeline(), object())
    with pytest.raises(ConfigError, match="give a transport"):
        transport(Pipeline(), lib.MockTransport)
    with pytest.raises(ConfigError, match="give a transport"):
        transport(Pipeline(), lib.HTTPTransport() if transport is AsyncMeshTransport else lib.AsyncHTTPTransport())


def test_the_default_is_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed("x").module.__name__ == "httpx"
    missing: set[str] = {"httpx"}
    load = importlib.import_module

    def import_module(name: str) -> ModuleType:
        if name in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return load(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    monkeypatch.setattr("meshkit.httpx.library._libraries", {})
    assert installed("x").module.__name__ == "httpx2"
    assert type(MeshTransport(Pipeline()).inner).__module__ == "httpx2"
    missing.add("httpx2")
    monkeypatch.setattr("meshkit.httpx.library._libraries", {})
    with pytest.raises(ConfigError, match=r"MeshTransport: inner=None: .*httpx or httpx2"):
        MeshTransport(Pipeline())


def test_a_library_that_is_broken_is_not_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'h11'", name="h11")

    monkeypatch.setattr("meshkit.httpx.library._libraries", {})
    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="h11"):
        installed("x")


def test_importing_it_imports_neither() -> None:
    code = "import meshkit.httpx, sys; print(*{'httpx', 'httpx2', 'anyio', 'trio', 'asyncio'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == ""


def test_names_of_the_classes_a_reader_sees(lib: ModuleType) -> None:
    request = lib.Request("GET", "http://a")
    error = library_of(request).adopt(NoEndpoint("nobody", policy="payments"), request)
    assert repr(error) == "NoEndpoint('payments: nobody')"
    assert type(error).__module__ == "meshkit.errors"


def test_an_empty_cluster(lib: ModuleType) -> None:
    pipeline = Pipeline(Cluster("c", [Endpoint("10.0.0.1:80", weight=0)]))
    client = lib.Client(transport=MeshTransport(pipeline, Inner(lambda request: lib.Response(200))))
    with client, pytest.raises(NoEndpoint):
        client.get("http://a")
