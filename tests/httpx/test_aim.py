"""Does an attempt go where its endpoint is, and is the caller's request left alone?"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import httpx
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit import Cluster, Constant, Endpoint, Pipeline, Retry
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.httpx.aim import aimed, hurried

from .stand_ins import Inner

URLS = st.builds(
    "{}://{}{}{}{}".format,
    st.sampled_from(["http", "https"]),
    st.sampled_from(["a.example", "127.0.0.1", "[::1]", "u:p@b.example", "münchen.example"]),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.sampled_from(["", "/", "/a%20b/c", "//x", "/ü;v=1"]),
    st.sampled_from(["", "?", "?q=1&r=%2F", "#f"]),
)
ADDRESSES = st.sampled_from(
    [
        "10.0.0.7:80",
        "10.0.0.7:443",
        "10.0.0.7:8080",
        "http://up.example",
        "https://up.example",
        "http://up.example:443",
        "https://up.example:80",
        "[::1]:9000",
        "https://[2001:db8::7]",
    ]
)


@given(lib=st.sampled_from([httpx, httpx2]), url=URLS, address=ADDRESSES)
def test_as_copy_with_would(lib: ModuleType, url: str, address: str) -> None:
    request = lib.Request("GET", url)
    endpoint = Endpoint(address)
    there = aimed(request, endpoint).url
    scheme = endpoint.scheme or request.url.scheme
    expected = request.url.copy_with(scheme=scheme, host=endpoint.host, port=endpoint.port)
    assert there == expected
    assert str(there) == str(expected)
    for part in ("scheme", "host", "raw_host", "port", "netloc", "raw_path", "fragment", "userinfo"):
        assert getattr(there, part) == getattr(expected, part)


def test_another_way_of_parsing(lib: ModuleType) -> None:
    class Url:
        """A URL of which only what is public is known."""

        scheme, host = "https", "a.example"

        def copy_with(self, **parts: Any) -> Any:
            return parts

    request = lib.Request("GET", "https://a.example/x")
    request.url = Url()
    attempt = aimed(request, Endpoint("10.0.0.7:443"))
    assert attempt.url == {"scheme": "https", "host": "10.0.0.7", "port": None}
    assert attempt.extensions["sni_hostname"] == "a.example"


def test_the_callers_request_is_left_alone(lib: ModuleType) -> None:
    request = lib.Request("POST", "http://a.example/x?y", content=b"z", headers={"K": "v"}, extensions={"e": 1})
    before = (str(request.url), dict(request.headers), dict(request.extensions), request.stream)
    attempt = hurried(aimed(request, Endpoint("https://10.0.0.7")), 1.0)
    assert (str(request.url), dict(request.headers), dict(request.extensions), request.stream) == before
    assert type(attempt) is lib.Request
    assert (attempt.method, attempt.headers, attempt.stream) == ("POST", request.headers, request.stream)
    assert attempt.headers["host"] == "a.example"
    assert attempt.read() == b"z"
    assert attempt.extensions["e"] == 1


@pytest.mark.parametrize(
    ("url", "address", "name"),
    [
        ("https://a.example", "https://10.0.0.7", "a.example"),
        ("https://a.example", "10.0.0.7:8443", "a.example"),
        ("https://a.example", "https://[::1]", "a.example"),
        ("http://a.example", "https://10.0.0.7", "a.example"),
        ("https://a.example", "https://b.example", None),
        ("https://a.example", "http://10.0.0.7", None),
        ("http://a.example", "10.0.0.7:80", None),
    ],
)
def test_whose_certificate(lib: ModuleType, url: str, address: str, name: str | None) -> None:
    assert aimed(lib.Request("GET", url), Endpoint(address)).extensions.get("sni_hostname") == name


def test_the_callers_own_name_for_the_certificate_stands(lib: ModuleType) -> None:
    request = lib.Request("GET", "https://a.example", extensions={"sni_hostname": "c.example"})
    assert aimed(request, Endpoint("https://10.0.0.7")).extensions["sni_hostname"] == "c.example"


@pytest.mark.parametrize(
    ("scheme", "address", "there"),
    [
        ("ws", "https://up.example", "wss://up.example/"),
        ("wss", "http://up.example:80", "ws://up.example/"),
        ("wss", "up.example:443", "wss://up.example/"),
    ],
)
def test_websockets_stay_websockets(lib: ModuleType, scheme: str, address: str, there: str) -> None:
    assert str(aimed(lib.Request("GET", f"{scheme}://a.example/"), Endpoint(address)).url) == there


@pytest.mark.parametrize(
    ("given_", "remaining", "passed_on"),
    [
        ({}, 2.0, {"connect": 2.0, "read": 2.0, "write": 2.0, "pool": 2.0}),
        (
            {"timeout": {"connect": 5.0, "read": None, "write": 1.0}},
            2.0,
            {"connect": 2.0, "read": 2.0, "write": 1.0, "pool": 2.0},
        ),
        ({"timeout": {"read": 5.0}}, -1.0, {"connect": 0.001, "read": 0.001, "write": 0.001, "pool": 0.001}),
    ],
)
def test_what_remains_is_passed_on(lib: ModuleType, given_: Any, remaining: float, passed_on: Any) -> None:
    request = lib.Request("GET", "http://a", extensions=given_)
    assert hurried(request, remaining).extensions == {"timeout": passed_on}
    assert request.extensions == given_


async def test_each_attempt_goes_to_another_endpoint(lib: ModuleType) -> None:
    pipeline = Pipeline(Retry("5xx", backoff=Constant(0.001)), Cluster("c", ["10.0.0.1:81", "10.0.0.2:82"]), seed=1)
    statuses = [503, 200]
    inner = Inner(lambda request: lib.Response(statuses.pop(0)))
    async with lib.AsyncClient(transport=AsyncMeshTransport(pipeline, inner)) as client:
        response = await client.get("http://shop.example/x?y=1")
    assert {str(request.url) for request in inner.requests} == {
        "http://10.0.0.1:81/x?y=1",
        "http://10.0.0.2:82/x?y=1",
    }
    assert {request.headers["host"] for request in inner.requests} == {"shop.example"}
    assert str(response.url) == "http://shop.example/x?y=1"
    assert pipeline.idle()


def test_without_a_cluster_it_is_the_very_same_request(lib: ModuleType) -> None:
    inner = Inner(lambda request: lib.Response(200))
    request = lib.Request("GET", "http://a")
    MeshTransport(Pipeline(), inner).handle_request(request)
    assert inner.requests[0] is request
