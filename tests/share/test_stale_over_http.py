"""An old response says so: which are kept, of which requests, and what is given instead of a failure."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

import pytest

from meshkit import CircuitBreaker, CircuitOpen, RateLimit, Timeout
from meshkit.route.edit import ResponseHeaders
from meshkit.route.match import Match
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.share import SingleFlight, StaleIfError
from meshkit.testing import run, virtual_clock

from .naming import shown
from .wires import Wire, at, pause

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
URL = "http://a.example/prices"


def get(client, **options):
    return client.request(options.pop("method", "GET"), options.pop("url", URL), **options)


DOWN = {"status": 503, "chunks": [b"down"]}


@BACKENDS
@pytest.mark.parametrize("failure", ["503", "429", "connect", "refused", "late"])
def test_an_old_response_says_so(lib, backend, failure):
    headers = {"age": "7", "etag": '"a"', "content-type": "text/plain"}
    bad = {
        "503": DOWN,
        "429": {"status": 429},
        "connect": lib.ConnectError("refused"),
        "refused": CircuitOpen("open"),
        "late": {"head": 9.0},
    }[failure]
    wire = Wire(lib, {"headers": headers, "chunks": [b"twel", b"ve"]}, bad)

    async def main():
        client = wire.client(StaleIfError(60.0), Timeout(3.0))
        fresh = await client.get(URL)
        assert client.stack.snapshot()["StaleIfError"]["keys"] == 1
        await pause(20.0)
        old = await client.get(URL, headers={"x-request-id": "mine"})
        age = virtual_clock() - 1.0  # its head was there a second after the beginning
        assert client.stack.idle()
        return fresh, old, age

    fresh, old, age = run(main, backend=backend)
    assert (old.status_code, old.text) == (200, "twelve")
    assert old.extensions["stale"] == pytest.approx(age, abs=0.11)
    assert old.headers["age"] == str(int(7 + old.extensions["stale"]))
    assert dict(old.headers) == {**headers, "age": old.headers["age"]}
    assert "stale" not in fresh.extensions
    assert fresh.headers["age"] == "7"
    assert old.request.headers["x-request-id"] == "mine"
    assert not wire.open, "the failed response was closed"


def test_a_failed_response_passes_where_nothing_is_kept(lib):
    async def main():
        client = wire.client(StaleIfError(60.0))
        return await client.get(URL)

    wire = Wire(lib, DOWN)
    response = run(main)
    assert (response.status_code, response.text) == (503, "down")
    assert not wire.open


def test_inside_the_failed_response_is_a_failure(lib):
    wire = Wire(lib, {}, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0), CircuitBreaker(failures=1))
        assert [(await client.get(URL)).status_code for _ in range(4)] == [200] * 4
        return client.stack.snapshot()["CircuitBreaker"]["state"]

    assert run(main) == "open"
    assert len(wire.requests) == 2


def stale_after(lib, answer, policy=None, *, then=None, **options):
    """The status and the text of a second request, which fails, after a first one that had this answer."""
    wire = Wire(lib, answer, *([then] if then else []), DOWN)

    async def main():
        client = wire.client(policy or StaleIfError(60.0))
        for _ in range(2 if then else 1):
            await get(client, **dict(options))
        response = await get(client, **dict(options))
        return response.status_code, response.text

    return run(main)


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ({}, True),
        ({"status": 404}, True),
        ({"status": 204, "chunks": []}, True),
        ({"status": 301}, True),
        ({"status": 401}, False),
        ({"status": 403}, False),
        ({"status": 206}, False),
        ({"status": 304}, False),
        ({"headers": {"cache-control": "no-store"}}, False),
        ({"headers": {"cache-control": "max-age=60, No-Cache"}}, False),
        ({"headers": {"cache-control": 'no-cache="set-cookie"'}}, False),
        ({"headers": {"cache-control": "must-revalidate"}}, False),
        ({"headers": {"cache-control": "private, max-age=60"}}, True),
        ({"headers": {"vary": "accept, *"}}, False),
        ({"headers": {"vary": "accept"}}, True),
        ({"headers": {"content-length": "99999"}}, False),
        ({"chunks": [b"x"] * 11}, False),
        ({"chunks": [b"x"] * 10}, True),
        ({"headers": {"age": "soon"}}, True),
        ({"headers": {"age": "9" * 400}}, True),
    ],
    ids=shown,
)
def test_which_answers_are_kept(lib, answer, kept):
    status, _ = stale_after(lib, answer, StaleIfError(60.0, max_bytes=10))
    assert status == (answer.get("status", 200) if kept else 503)


@pytest.mark.parametrize(
    ("request_", "kept"),
    [
        ({}, True),
        ({"method": "HEAD"}, True),
        ({"method": "POST"}, False),
        ({"method": "PUT"}, False),
        ({"method": "DELETE"}, False),
        ({"content": b"query"}, False),
        ({"headers": {"cache-control": "no-cache"}}, False),
        ({"headers": {"cache-control": "no-store"}}, False),
    ],
    ids=shown,
)
def test_of_which_requests(lib, request_, kept):
    assert stale_after(lib, {}, **request_)[0] == (200 if kept else 503)


def test_another_one_with_other_credentials_gets_none_of_it(lib):
    wire = Wire(lib, {}, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0))
        await get(client, headers={"authorization": "Bearer a"})
        for headers in ({"authorization": "Bearer b"}, {}, {"cookie": "a=1", "authorization": "Bearer a"}):
            assert (await get(client, headers=headers)).status_code == 503
        assert (await get(client, headers={"authorization": "Bearer a"})).status_code == 200

    run(main)


def test_an_answer_that_is_not_kept_ends_the_one_before(lib):
    """Access was withdrawn: what was to be seen before that is given to nobody any more."""
    assert stale_after(lib, {}, then={"status": 403})[0] == 503


def test_the_newer_answer_is_given(lib):
    assert stale_after(lib, {}, then={"chunks": [b"newer"]}) == (200, "newer")


@BACKENDS
def test_it_is_kept_as_it_is_read_and_nothing_is_read_ahead(lib, backend):
    wire, when = Wire(lib, {"gap": 0.5}, DOWN), []

    async def main():
        client = wire.client(StaleIfError(60.0))
        async with client.stream("GET", URL) as response:
            when.extend([(virtual_clock(), chunk) async for chunk in response.aiter_bytes()])
        assert (await client.get(URL)).text == "ok"

    run(main, backend=backend)
    assert when == [(1.5, b"o"), (2.0, b"k")]


@BACKENDS
@pytest.mark.parametrize("chunks", [[b"o", b"k"], [b"o"]])
def test_what_was_not_read_to_its_end_is_not_kept(lib, backend, chunks):
    wire = Wire(lib, {"chunks": chunks}, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0))
        response = await client.transport.handle_async_request(client.build_request("GET", URL))
        async with aclosing(aiter(response.stream)) as body:
            await anext(body)
        await response.aclose()
        assert (await client.get(URL)).status_code == 503
        assert client.stack.idle()

    run(main, backend=backend)
    assert not wire.open


def test_a_body_that_breaks_off_is_not_kept(lib):
    wire = Wire(lib, {"chunks": [b"o", lib.ReadError("reset")]}, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0))
        with pytest.raises(lib.ReadError):
            await client.get(URL)
        assert (await client.get(URL)).status_code == 503

    run(main)


def test_a_response_that_the_transport_has_read_is_kept_at_once(lib):
    wire = Wire(lib, lambda request: lib.Response(200, json={"price": 12}), DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0))
        await client.get(URL)
        return await client.get(URL)

    response = run(main)
    assert response.json() == {"price": 12}
    assert response.extensions["stale"] == pytest.approx(1.0)
    assert response.headers["age"] == "1"


def test_bodies_are_bounded_together(lib):
    wire = Wire(lib, *[{"chunks": [b"x" * 40]}] * 4, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0, max_total=100))
        urls = [f"{URL}/{k}" for k in range(4)]
        for url in urls:
            await client.get(url)
            assert client.stack.snapshot()["StaleIfError"]["bytes"] <= 100
        return [(await client.get(url)).status_code for url in urls]

    assert run(main) == [503, 503, 200, 200]


def test_around_a_flight_over_http(lib):
    wire = Wire(lib, {"headers": {"age": "3"}}, DOWN)

    async def main():
        client = wire.client(StaleIfError(60.0), SingleFlight())
        call = partial(client.get, URL)
        await call()
        ends = await at((0.0, call), (0.5, call))
        assert client.stack.idle()
        return [(response.status_code, response.text, "stale" in response.extensions) for _, response in ends]

    assert run(main) == [(200, "ok", True)] * 2
    assert not wire.open


def test_within_a_flight_the_others_are_told_as_well(lib):
    wire = Wire(lib, {}, DOWN)

    async def main():
        client = wire.client(SingleFlight(), StaleIfError(60.0))
        call = partial(client.get, URL)
        await call()
        return await at((0.0, call), (0.5, call))

    ends = run(main)
    assert [response.extensions["stale"] for _, response in ends] == pytest.approx([1.2] * 2)
    assert [response.headers["age"] for _, response in ends] == ["1", "1"]


@pytest.mark.parametrize(
    "inside", [(), (RateLimit("1/min", burst=1),)], ids=["fails", "is refused in front of the router"]
)
def test_what_its_route_does_to_an_answer_it_does_to_the_one_that_is_kept(lib, inside):
    wire = Wire(lib, {"headers": {"server": "secret"}}, DOWN)
    edit = ResponseHeaders(add={"x-seen": "1"}, remove=["server"])

    async def main():
        client = wire.client(StaleIfError(60.0), *inside, Router([Route(Match(), actions=[edit])]))
        return [await client.get(URL) for _ in range(3)]

    first, *others = run(main)
    for response in (first, *others):
        assert response.headers.get_list("x-seen") == ["1"]
        assert "server" not in response.headers
    assert ["stale" in response.extensions for response in others] == [True, True]
