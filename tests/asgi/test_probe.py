"""What an app says of its load: what is in flight, the median at that many, and nobody told who may not be."""

from contextlib import suppress
from statistics import median

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshkit.asgi.probe import ENOUGH, KEPT, Probe, Rif, bucket
from meshkit.balance.report.probes import PATH, read
from meshkit.errors import ConfigError

from .stand_ins import GONE, LAST, MORE, START, Client, Clock, answering, ask, http, websocket


async def probed(app, path=PATH):
    """What a probe is told."""
    return read((await ask(app, http(path))).body)


# The estimate. Time is a number.


def learned(*requests, window=10.0):
    """A `Rif` with (found, latency, when) of past requests."""
    load = Rif(window)
    for found, latency, when in requests:
        load.learn(found, latency, when)
    return load


# (past requests, in flight, now, latency)
ESTIMATES = [
    ([], 0, 0.0, 0.0),
    ([(0, 0.1, 0.0)], 0, 1.0, 0.1),
    ([(0, 0.1, 0.0), (0, 0.3, 0.0)], 0, 1.0, 0.2),
    ([(0, 0.1, 0.0), (0, 9.0, 0.0), (0, 0.2, 0.0)], 0, 1.0, 0.2),  # the median, not the mean
    ([(2, 0.1, 0.0)] * 5 + [(9, 0.9, 0.0)] * 5, 2, 1.0, 0.1),
    ([(2, 0.1, 0.0)] * 5 + [(9, 0.9, 0.0)] * 5, 9, 1.0, 0.9),
    ([(2, 0.1, 0.0)] * 5 + [(9, 0.9, 0.0)] * 5, 5, 1.0, 0.1),  # the nearer one
    ([(2, 0.1, 0.0)] * 5 + [(9, 0.9, 0.0)] * 5, 60, 1.0, 0.9),  # more than ever: the nearest
    ([(3, 0.1, 0.0)] * 2 + [(4, 0.4, 0.0)] * 2 + [(5, 0.5, 0.0)], 4, 1.0, 0.4),  # too few at 4: 3 and 5 as well
    ([(3, 0.1, 0.0)] * 4 + [(4, 0.4, 0.0)] * 5, 4, 1.0, 0.4),  # enough at 4
    ([(0, 0.1, 0.0)] * 9, 0, 9.999, 0.1),
    ([(0, 0.1, 0.0)] * 9, 0, 10.0, 0.0),  # older than the window: nobody knows
    ([(0, 0.9, 0.0)] * 9 + [(0, 0.1, 8.0)], 0, 11.0, 0.1),
    ([(100, 0.1, 0.0)], 103, 1.0, 0.1),
]


@pytest.mark.parametrize(("past", "in_flight", "now", "latency"), ESTIMATES)
def test_estimate(past, in_flight, now, latency):
    load = learned(*past)
    load.in_flight = in_flight
    assert load.latency(now) == pytest.approx(latency)


def test_buckets_are_exact_to_15_then_within_an_eighth_and_leave_none_out():
    assert [bucket(n) for n in range(16)] == list(range(16))
    places = [bucket(n) for n in range(100_000)]
    assert sorted(set(places)) == list(range(places[-1] + 1))
    assert places == sorted(places)
    for place in range(16, places[-1]):
        first = places.index(place)
        assert places.count(place) <= first / 8


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(0, 100), st.floats(0, 30)), max_size=200), st.integers(0, 50))
def test_the_estimate_is_the_median_of_the_nearest_against_a_list(requests, in_flight):
    requests.sort(key=lambda each: each[2])
    load = learned(*requests)
    load.in_flight = in_flight
    fresh = {}
    for found, latency, when in requests:
        fresh.setdefault(bucket(found), []).append((when, latency))
    near = []
    for distance in range(200):
        for place in {bucket(in_flight) - distance, bucket(in_flight) + distance}:
            near += [latency for when, latency in fresh.get(place, [])[-KEPT:] if when > 30.0 - 10.0]
        if len(near) >= ENOUGH:
            break
    assert load.latency(30.0) == (median(near) if near else 0.0)


def test_memory_is_bounded():
    load = Rif(10.0)
    for found in range(0, 1_000_000, 97):
        load.learn(found, 0.1, 0.0)
    for _ in range(1000):
        load.learn(3, 0.1, 0.0)
    assert len(load._buckets) < 150
    assert all(len(kept) <= KEPT for kept in load._buckets.values())


# What is counted.


async def test_a_probe_is_answered_without_the_app_and_not_counted():
    async def app(scope, receive, send):
        raise AssertionError

    answer = await ask(Probe(app), http(PATH))
    assert answer.status == 200
    assert answer.body == b'{"rif": 0, "latency": 0.000000}'
    assert answer.headers == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
        "cache-control": "no-store",
    }
    assert len(answer.sent) == 2


async def test_head_has_no_body():
    answer = await ask(Probe(answering()), http(PATH, method="HEAD"))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-length"] == "31"


@pytest.mark.parametrize("scope", [http(PATH, method="POST"), http(PATH + "/"), http("/-/other"), http("/")])
async def test_all_else_is_the_apps(scope):
    assert (await ask(Probe(answering(body=b"app")), scope)).body == b"app"


async def test_the_path_can_be_another():
    app = Probe(answering(body=b"app"), path="/load")
    assert await probed(app, "/load") == (0, 0)
    assert (await ask(app, http(PATH))).body == b"app"


async def test_latency_is_up_to_where_the_answer_begins_in_flight_to_its_end():
    clock = Clock()
    seen = []

    async def app(scope, receive, send):
        seen.append(await probed(probe))
        clock.now += 0.25
        await send(START)
        clock.now += 5.0
        seen.append(await probed(probe))
        await send(MORE)
        seen.append(await probed(probe))
        await send(LAST)
        clock.now += 1.0
        seen.append(await probed(probe))  # what the app does behind its answer is not in flight

    probe = Probe(app, clock=clock)
    await ask(probe)
    assert seen == [(1, 0.0), (1, 0.25), (1, 0.25), (0, 0.25)]
    assert await probed(probe) == (0, 0.25)


async def test_a_request_is_noted_with_how_many_it_found():
    """The first finds nobody and takes 1 s; the second comes while it is there, and takes 3 s."""
    clock = Clock()

    async def app(scope, receive, send):
        if scope["path"] == "/first":
            await ask(probe, http("/second"))
            clock.now -= 2.0  # side by side: 1 s for the first, 3 s for the second
        else:
            clock.now += 3.0
        await send(START)
        await send(LAST)

    probe = Probe(app, clock=clock)
    await ask(probe, http("/first"))
    assert probe.load._buckets.keys() == {0, 1}
    assert [[latency for _, latency in probe.load._buckets[n]] for n in (0, 1)] == [[1.0], [3.0]]


async def answer_with(status):
    return await probed_after(answering(status))


async def probed_after(app, *script, penalty=2.0):
    """What a probe is told after one request that took half a second."""
    clock = Clock()

    async def slow(scope, receive, send):
        clock.now += 0.5
        await app(scope, receive, send)

    probe = Probe(slow, penalty=penalty, clock=clock)
    with suppress(OSError, LookupError):
        await ask(probe, http(), *script)
    return await probed(probe)


@pytest.mark.parametrize(
    ("status", "latency"), [(200, 0.5), (302, 0.5), (404, 0.5), (429, 0.5), (500, 2.0), (503, 2.0), (599, 2.0)]
)
async def test_a_failure_is_slow(status, latency):
    assert await answer_with(status) == (0, latency)


async def test_a_failure_that_took_longer_than_the_penalty_counts_as_long_as_it_took():
    assert await probed_after(answering(500), penalty=0.1) == (0, 0.5)


async def test_an_exception_or_no_answer_is_a_failure_and_nobody_is_left_in_flight():
    async def raises(scope, receive, send):
        raise LookupError

    async def silent(scope, receive, send):
        pass

    async def breaks_off(scope, receive, send):
        await send(START)
        raise LookupError

    assert await probed_after(raises) == (0, 2.0)
    assert await probed_after(silent) == (0, 2.0)
    assert await probed_after(breaks_off) == (0, 0.5)  # the answer had begun: its latency is known


async def test_a_client_that_leaves_teaches_nothing():
    async def app(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        raise LookupError

    assert await probed_after(app, GONE) == (0, 0.0)


async def test_a_client_that_has_gone_is_not_in_flight():
    async def app(scope, receive, send):
        await send(START)
        await send(MORE)

    probe = Probe(app)
    client = Client(broken=1)
    with pytest.raises(OSError, match="gone"):
        await probe(http(), client.receive, client.send)
    assert probe.load.in_flight == 0


async def test_cancelled_is_no_failure_and_not_in_flight():
    async def app(scope, receive, send):
        await anyio.sleep_forever()

    probe = Probe(app)
    async with anyio.create_task_group() as group:
        group.start_soon(ask, probe)
        await anyio.wait_all_tasks_blocked()
        assert await probed(probe) == (1, 0)
        group.cancel_scope.cancel()
    assert await probed(probe) == (0, 0)


async def test_many_at_once():
    async def app(scope, receive, send):
        await gate.wait()
        await send(START)
        await send(LAST)

    probe, gate = Probe(app), anyio.Event()
    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(ask, probe)
        await anyio.wait_all_tasks_blocked()
        assert (await probed(probe))[0] == 20
        gate.set()
    assert (await probed(probe))[0] == 0
    assert sum(map(len, probe.load._buckets.values())) == 20


@pytest.mark.parametrize(
    ("messages", "ends"),
    [
        ([START, LAST], 1),
        ([START, MORE, LAST], 2),
        ([START, {"type": "http.response.pathsend", "path": "/x"}], 1),
        ([START, {"type": "http.response.zerocopysend", "file": 3, "more_body": True}, LAST], 2),
        ([{**START, "trailers": True}, LAST, {"type": "http.response.trailers", "headers": []}], 2),
        (
            [
                {**START, "trailers": True},
                LAST,
                {"type": "http.response.trailers", "headers": [], "more_trailers": True},
                {"type": "http.response.trailers", "headers": []},
            ],
            3,
        ),
        ([{"type": "http.response.debug", "info": {}}, START, LAST], 2),
        ([{"type": "http.response.early_hint", "links": []}, START, LAST], 2),
        ([START, {"type": "http.response.push", "path": "/x", "headers": []}, LAST], 2),
    ],
)
async def test_which_message_is_the_last(messages, ends):
    after = []

    async def app(scope, receive, send):
        for message in messages:
            await send(message)
            after.append(probe.load.in_flight)

    probe = Probe(app)
    client = await ask(probe)
    assert client.sent == messages  # as they are
    assert after == [1] * ends + [0] * (len(messages) - ends)


async def test_websockets_and_the_lifespan_pass_uncounted():
    seen = []

    async def app(scope, receive, send):
        seen.append((scope["type"], probe.load.in_flight))

    probe = Probe(app)
    await ask(probe, websocket())
    await ask(probe, websocket(PATH))
    await ask(probe, {"type": "lifespan"})
    assert seen == [("websocket", 0), ("websocket", 0), ("lifespan", 0)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("path", "load"),
        ("path", None),
        ("window", 0),
        ("window", float("nan")),
        ("window", True),
        ("penalty", -1),
        ("penalty", float("inf")),
        ("penalty", "1"),
    ],
)
def test_options_are_checked(option, value):
    with pytest.raises(ConfigError, match=f"Probe: {option}="):
        Probe(answering(), **{option: value})


def test_an_app_is_given_not_its_class():
    with pytest.raises(ConfigError, match="Probe: app="):
        Probe(Probe)
    assert repr(Probe(min)) == "Probe(<built-in function min>, path='/-/load')"
