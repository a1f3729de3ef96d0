"""A cluster without sockets: an upstream for each endpoint, over functions and clients, and one story of them all."""

from __future__ import annotations

from contextlib import nullcontext

import httpx
import httpx2
import pytest

from meshkit import Cluster, ConfigError, Constant, Endpoint, Pipeline, Retry, RoundRobin, Timeout
from meshkit.cluster import OutlierDetection
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.testing import (
    ManualClock,
    Upstream,
    Upstreams,
    after,
    answer,
    assert_attempts,
    hang,
    run,
    stream,
    virtual_clock,
)

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
LIBRARIES = pytest.mark.parametrize("lib", [httpx, httpx2], ids=["httpx", "httpx2"])
ONE, TWO = "10.0.0.1", "10.0.0.2"


def cluster(clock, *policies, **options):
    endpoints = [f"http://{ONE}:8080", f"http://{TWO}:8080"]
    return Pipeline(*policies, Cluster("orders", endpoints, balancer=RoundRobin(), **options), clock=clock, seed=1)


def in_turn(first, pause):
    """When which one is asked by two calls, of which the first begins at either, if `ONE` always fails."""
    if first == ONE:
        return [(0.0, ONE), (pause, TWO), (pause, ONE), (2 * pause, TWO)]
    return [(0.0, TWO), (0.0, ONE), (pause, TWO)]


def retry(*errors):
    return Retry(errors, backoff=Constant(1.0))


@BACKENDS
def test_behind_a_function(backend):
    async def main():
        upstreams = Upstreams({ONE: Upstream(after(2.0, ConnectionError)), TWO: Upstream("paid")})
        pipeline = cluster(virtual_clock, retry(ConnectionError))
        for order in ("A17", "A18"):
            assert await pipeline.call(upstreams, order, urgent=True) == "paid"
        assert_attempts(upstreams[TWO], 2)
        went = [(each.at, each.request[1]["endpoint"].host) for each in upstreams.attempts]
        assert went == in_turn(went[0][1], 3.0)
        assert_attempts(upstreams, len(went), within=6.0)
        assert upstreams[TWO].attempts[0].request == (
            ("A17",),
            {"urgent": True, "endpoint": Endpoint(f"http://{TWO}:8080")},
        )
        assert pipeline.idle()

    run(main, backend=backend)


def test_behind_a_def():
    clock = ManualClock()
    upstreams = Upstreams({ONE: Upstream(after(2.0, ConnectionError), clock=clock), TWO: Upstream("paid", clock=clock)})
    pipeline = cluster(clock, retry(ConnectionError), outliers=OutlierDetection(consecutive_5xx=1))
    for _ in range(4):
        assert pipeline.call(upstreams.call, "A17") == "paid"
    assert_attempts(upstreams[ONE], 1)
    assert_attempts(upstreams[TWO], 4)
    failed = upstreams[ONE].attempts[0]
    assert failed.ended_at == failed.at + 2.0
    at = upstreams.attempts.index(failed)
    assert upstreams.attempts[at + 1].at == failed.at + 3.0  # to the other one
    assert sorted(upstreams.attempts, key=lambda each: each.at) == upstreams.attempts
    assert_attempts(upstreams, 5, within=3.0)


def test_a_function_of_ones_own_asks_the_one_it_wants():
    async def main():
        upstreams = Upstreams({ONE: Upstream("one"), TWO: Upstream("two")})

        @cluster(virtual_clock)
        async def charge(order, endpoint=None):
            return endpoint.host, await upstreams[endpoint.host](order)

        assert {await charge("A17") for _ in range(2)} == {(ONE, "one"), (TWO, "two")}
        assert [each.request for each in upstreams.attempts] == [(("A17",), {})] * 2

    run(main)


@LIBRARIES
@BACKENDS
def test_behind_an_async_client(lib, backend):
    async def main():
        upstreams = Upstreams({ONE: Upstream(hang()), TWO: Upstream(stream([b"pa", b"id"], delay=2.0))})
        pipeline = cluster(virtual_clock, Timeout(60.0), retry(TimeoutError))
        transport = AsyncMeshTransport(pipeline, upstreams.transport())
        async with lib.AsyncClient(transport=transport, timeout=5.0) as client:
            for _ in range(2):
                assert (await client.get("http://orders/A17")).text == "paid"
        assert_attempts(upstreams[TWO], 2)
        went = [(each.at, each.request.url.host) for each in upstreams.attempts]
        assert [each for _, each in went] == [each for _, each in in_turn(went[0][1], 6.0)]
        first = 0 if went[0][1] == ONE else 1
        assert went[first + 1][0] - went[first][0] == pytest.approx(6.0, abs=0.1)
        assert {each.request.url.host for each in upstreams[ONE].attempts} == {ONE}
        assert all(each.ended_at - each.at == pytest.approx(5.0) for each in upstreams[ONE].attempts)
        assert all(each.closed for each in upstreams[TWO].attempts)
        assert pipeline.idle()

    run(main, backend=backend)


@LIBRARIES
def test_behind_a_client(lib):
    clock = ManualClock()
    upstreams = Upstreams(
        {
            f"{ONE}:8080": Upstream(answer(503, retry_after=7), 200, clock=clock),
            f"{TWO}:8080": Upstream(after(1.0, lib.ConnectError), 200, clock=clock),
        }
    )
    pipeline = cluster(clock, Retry(("5xx", ConnectionError), attempts=3, backoff=Constant(1.0)))
    with lib.Client(transport=MeshTransport(pipeline, upstreams.transport())) as client:
        assert client.get("http://orders/A17").status_code == 200
    assert_attempts(upstreams, 3)
    assert sorted(len(upstreams[each].attempts) for each in upstreams) == [1, 2]


@LIBRARIES
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_port_that_goes_without_saying(lib, scheme):
    port = {"http": 80, "https": 443}[scheme]
    upstreams = Upstreams({f"{ONE}:{port}": Upstream(answer(200, "here")), ONE: Upstream(answer(200, "elsewhere"))})
    with lib.Client(transport=upstreams.transport()) as client:
        assert client.get(f"{scheme}://{ONE}/").text == "here"
        assert client.get(f"{scheme}://{ONE}:8080/").text == "elsewhere"


@LIBRARIES
def test_an_address_of_version_6(lib):
    upstreams = Upstreams({"::1": Upstream(), "[2001:DB8::2]:80": Upstream()})
    assert list(upstreams) == ["[::1]", "[2001:db8::2]:80"]
    with lib.Client(transport=upstreams.transport()) as client:
        for url in ("http://[::1]:9/", "http://[2001:db8::2]/"):
            assert client.get(url).status_code == 200
    assert_attempts(upstreams, 2)
    assert upstreams.call(endpoint=Endpoint("[::1]:7")).status_code == 200
    assert upstreams[Endpoint("[::1]:7").host] is upstreams["[0:0::1]"]
    assert_attempts(upstreams["::1"], 2)


@LIBRARIES
def test_one_that_nobody_plays(lib):
    said = r"10\.0\.0\.3:80 was asked, and has no upstream: there are 10\.0\.0\.1, 10\.0\.0\.2"
    clock = ManualClock(60.0)
    upstreams = Upstreams({ONE: Upstream(clock=clock), TWO: Upstream(clock=clock)})
    with lib.Client(transport=upstreams.transport()) as client, pytest.raises(AssertionError, match=said):
        client.get("http://10.0.0.3/")
    with pytest.raises(AssertionError, match=said):
        upstreams.call(endpoint=Endpoint("10.0.0.3:80"))
    with pytest.raises(AssertionError, match=said):
        run(lambda: upstreams(endpoint=Endpoint("10.0.0.3:80")))
    assert [each.at for each in upstreams.attempts] == [60.0] * 3
    with pytest.raises(AssertionError, match="0 attempts expected, 3 made"):
        assert_attempts(upstreams, 0)


def test_without_a_cluster_it_is_told():
    upstreams = Upstreams({ONE: Upstream()})
    with pytest.raises(TypeError, match="no endpoint: put a Cluster at the end of the pipeline"):
        Pipeline().call(upstreams.call, "A17")


def test_by_what_they_are_named():
    first, second = Upstream(200), Upstream("paid")
    upstreams = Upstreams({"A.Example": first, "http://b.example": second})
    assert list(upstreams) == ["a.example", "b.example:80"]
    assert upstreams["a.EXAMPLE"] is first
    assert upstreams["b.example:80"] is second
    assert len(upstreams) == 2
    assert repr(Upstreams({ONE: Upstream()})) == "Upstreams({'10.0.0.1': Upstream(200; asked 0 times)})"
    for stranger in ("c.example", "b.example", "", "a b", 7, None):
        with pytest.raises(KeyError, match=r"there are a\.example, b\.example:80"):
            upstreams[stranger]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Upstreams: upstreams={}: give an upstream for each endpoint"),
        ([Upstream()], "Upstreams: upstreams="),
        ({ONE: 503}, "Upstreams: 10.0.0.1=503: give each endpoint an Upstream(...) of its own"),
        (dict.fromkeys((ONE, TWO), Upstream()), "Upstreams: 10.0.0.2=Upstream(200; asked 0 times): give each endpoint"),
        ({"a:1": Upstream(), "A:1": Upstream()}, "Upstreams: endpoint='A:1': name it once"),
        ({"10.1": Upstream()}, "Upstreams: endpoint='10.1': give a host such as"),
        ({"a:b:c": Upstream()}, "Upstreams: endpoint='a:b:c': give a host such as"),
        ({7: Upstream()}, "Upstreams: endpoint=7: give a host such as"),
    ],
)
def test_what_cannot_be(given, said):
    with pytest.raises(ConfigError) as caught:
        Upstreams(given)
    assert str(caught.value).startswith(said)


@LIBRARIES
def test_the_transport_is_closed_as_any(lib):
    upstreams = Upstreams({ONE: Upstream()})
    with upstreams.transport() as transport, nullcontext(lib.Client(transport=transport)) as client:
        assert client.get(f"http://{ONE}/").status_code == 200

    async def main():
        async with upstreams.transport() as transport:
            assert (await lib.AsyncClient(transport=transport).get(f"http://{ONE}/")).status_code == 200

    run(main)
    assert_attempts(upstreams[ONE], 2)
