"""The load report of an ASGI app: what it counts, what it says, and that no call fails for it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.asgi.load_report import LoadReport
from meshkit.fields.orca import FORMS, NAME, read


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def app(clock: Clock, *, status: int = 200, takes: float = 0.2, streams: float = 0.0, headers: Any = ()) -> Any:
    async def serve(scope: Any, receive: Any, send: Any) -> None:
        clock.now += takes
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        clock.now += streams
        await send({"type": "http.response.body", "body": b"ok"})

    return serve


async def ask(report: LoadReport, scope: Any = None) -> list[Any]:
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        raise AssertionError

    await report(scope or {"type": "http"}, receive, send)
    return messages


def said(messages: list[Any]) -> dict[str, float] | None:
    return read({name.decode(): value.decode() for name, value in messages[0]["headers"]}.get)


@pytest.mark.parametrize("form", FORMS)
async def test_an_answer_says_how_busy_the_server_is(form: str) -> None:
    clock = Clock()
    report = LoadReport(app(clock), utilization=lambda: 0.25, form=form, clock=clock)
    clock.now += 5.0
    for _ in range(9):
        await ask(report)
    messages = await ask(report)
    assert [message["type"] for message in messages] == ["http.response.start", "http.response.body"]
    told = said(messages)
    assert told is not None
    assert told == {
        "rps_fractional": pytest.approx(9 / 7.0, rel=0.05),
        "eps": 0.0,
        "application_utilization": 0.25,
        "named_metrics.in_flight": 1.0,
        "named_metrics.latency": pytest.approx(0.2, rel=0.06),
    }


async def test_errors_are_answers_from_500_on_and_what_the_app_raises() -> None:
    clock = Clock()
    bad, good = app(clock, status=503), app(clock, status=404)
    turn = 0

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        nonlocal turn
        turn += 1
        if turn == 1:
            raise ValueError("of the app")
        await (bad if turn == 2 else good)(scope, receive, send)

    report = LoadReport(serve, utilization=lambda: 0.0, clock=clock)
    with pytest.raises(ValueError, match="of the app"):
        await ask(report)
    for _ in range(3):
        await ask(report)
    clock.now = 104.0
    assert report.report()["eps"] == pytest.approx(2 / 4)
    assert report.report()["rps_fractional"] == pytest.approx(4 / 4)


async def test_rates_are_of_the_last_one_to_two_windows() -> None:
    clock = Clock()
    report = LoadReport(app(clock, takes=0.0), utilization=lambda: 0.0, window=10.0, clock=clock)
    seen = []
    for second in range(40):
        clock.now = 100.0 + second
        if second < 25:
            for _ in range(4):
                await ask(report)
        seen.append(report.report()["rps_fractional"])
    assert seen[0] == 0.0  # what was worked out as the first answer began
    assert all(rate == pytest.approx(4.0, rel=0.25) for rate in seen[3:25])
    assert seen[35] <= 4.0 * 5 / 15 + 0.01
    clock.now = 200.0
    assert report.report()["rps_fractional"] == 0.0


async def test_streams_are_in_flight_to_their_end_and_quick_all_the_same() -> None:
    clock = Clock()
    levels = []
    report: LoadReport

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if len(levels) < 3:
            levels.append(None)
            await ask(report)
        await app(clock, takes=0.1, streams=30.0)(scope, receive, send)

    report = LoadReport(serve, utilization=lambda: 0.0, clock=clock)
    told = said(await ask(report))
    assert told is not None
    assert told["named_metrics.in_flight"] == 1.0
    assert told["named_metrics.latency"] > 30.0  # this one waited for the three within it
    assert report.report()["named_metrics.in_flight"] == 0.0


async def test_a_dict_says_what_is_the_applications_own() -> None:
    clock = Clock()
    own = {"cpu_utilization": 0.5, "named_metrics.queue": 7, "nonsense": 1.0}
    told = said(await ask(LoadReport(app(clock), utilization=lambda: own, clock=clock)))
    assert told is not None
    assert told["cpu_utilization"] == 0.5
    assert told["named_metrics.queue"] == 7.0
    assert "nonsense" not in told


async def test_the_processors_share_is_measured_where_nothing_else_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = Clock(), [10.0]
    monkeypatch.setattr(time, "process_time", lambda: used[0])
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    report = LoadReport(app(clock), clock=clock)
    clock.now += 10.0
    used[0] += 6.0
    assert report.report()["cpu_utilization"] == pytest.approx(6.0 / 10.0 / 4)
    clock.now += 0.5  # too soon for another look: a tick of the processor's clock would be all there is
    used[0] += 5.0
    assert report.report()["cpu_utilization"] == pytest.approx(6.0 / 10.0 / 4)


@pytest.mark.parametrize(
    "broken", [lambda: 1 / 0, lambda: "much", lambda: {"cpu_utilization": None}], ids=["raises", "text", "none"]
)
async def test_no_call_fails_for_a_report(broken: Any) -> None:
    clock = Clock()
    report = LoadReport(app(clock), utilization=broken, clock=clock)
    told = said(await ask(report))
    assert told is not None
    assert "rps_fractional" in told
    assert report.failures == 1


async def test_only_those_hear_it_who_may() -> None:
    clock = Clock()
    report = LoadReport(app(clock), utilization=lambda: 0.5, when=lambda scope: scope["inside"], clock=clock)
    assert said(await ask(report, {"type": "http", "inside": True})) is not None
    assert said(await ask(report, {"type": "http", "inside": False})) is None
    assert said(await ask(report, {"type": "http"})) is None  # the function raised
    assert report.failures == 1


async def test_an_answer_that_has_a_report_keeps_it() -> None:
    clock = Clock()
    headers = [(b"Endpoint-Load-Metrics-Json", b'{"eps": 1}')]
    messages = await ask(LoadReport(app(clock, headers=headers), utilization=lambda: 0.5, clock=clock))
    assert messages[0]["headers"] == headers


async def test_what_is_no_request_passes_untouched() -> None:
    scopes = []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        scopes.append((scope, send))

    report = LoadReport(serve)
    assert await ask(report, {"type": "lifespan"}) == []
    assert scopes[0][0] == {"type": "lifespan"}
    assert report.report()["named_metrics.in_flight"] == 0.0


async def test_the_apps_own_message_is_not_written_into() -> None:
    clock = Clock()
    message = {"type": "http.response.start", "status": 200, "headers": ()}

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await send(message)

    sent = await ask(LoadReport(serve, utilization=lambda: 0.5, clock=clock))
    assert message["headers"] == ()
    assert sent[0]["headers"][0][0] == NAME.encode()


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"utilization": 0.5}, "utilization=0.5: give a function"),
        ({"when": True}, "when=True: give a function"),
        ({"form": "xml"}, "form='xml': write one of 'text', 'json', 'bin'"),
        ({"window": 0}, "window=0: give seconds"),
        ({"window": float("nan")}, "window=nan"),
        ({"quantile": 1.5}, "quantile=1.5: give a share"),
    ],
)
def test_options_are_checked(options: Any, fix: str) -> None:
    with pytest.raises(ConfigError, match=f"LoadReport: {fix}"):
        LoadReport(app(Clock()), **options)
