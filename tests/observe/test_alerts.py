"""Does each alert of examples/prometheus fire when it should, and only then? Prometheus' own tool says so.

That tool is content with a rule that no case looks at. So the alerts are also replaced by such as never fire, by such
as always do, and by themselves with one threshold less: the cases must notice each time.

And what a service counts whose dependency is gone is given to them.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meshkit import CircuitBreaker, Cluster, Constant, Pipeline, RateLimit, Retry, Timeout
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import AsyncMeshTransport
from meshkit.observe.graph.graph import Graph
from meshkit.observe.metrics.metrics import Metrics
from meshkit.testing import ManualClock

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text("utf-8")
CASES = (FOLDER / "alerts_test.yml").read_text("utf-8")
NAMES = re.findall(r"^ +- alert: (\w+)$", ALERTS, re.MULTILINE)

NEVER = "vector(1) > 1"
ALWAYS = "vector(1)"
MOST = 4
"""Thresholds and waits in one alert."""


def promtool(*arguments: str, cwd: Path = FOLDER) -> str:
    """What it says, whether it is content or not."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("no promtool installed (apt package prometheus)")
    done = subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
    return f"{done.stdout}{done.stderr}\nexit status {done.returncode}"


def block(name: str) -> str:
    """The text of one alert."""
    found = re.search(rf"^ +- alert: {name}\n.*?(?=^ +- alert: |\Z)", ALERTS, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


def with_expression(text: str, expression: str) -> str:
    """That alert, asking something else, and without a wait."""
    everything = re.compile(r"expr: \|\n.*?(?=^        \w)", re.MULTILINE | re.DOTALL)
    asked, count = everything.subn(f"expr: {expression}\n", text)
    assert count == 1
    return re.sub(r"^ +for: .*\n", "", asked, flags=re.MULTILINE)


def looser(text: str, place: int) -> str:
    """That alert, one of its thresholds or its wait let go of."""
    numbers = [*re.finditer(r"(?:[<>] |for: )(\d[\d.]*)", text)]
    if place >= len(numbers):
        return text
    number = numbers[place]
    instead = {"<": "1.1", ">": "-1", "f": "0"}[number[0][0]]
    return text[: number.start(1)] + instead + text[number.end(1) :]


def changes(text: str) -> dict[str, str]:
    """That alert in all the ways that the cases must notice, by what is done to it."""
    places = {f"place{place}": looser(text, place) for place in range(MOST)}
    return {
        "never": with_expression(text, NEVER),
        "always": with_expression(text, ALWAYS),
        **{how: changed for how, changed in places.items() if changed != text},
    }


def said_of_changes(folder: Path) -> str:
    """What is said of the cases of each alert, when it is changed in all those ways side by side."""
    records, _, _ = ALERTS.partition("      - alert: ")
    header, _, _ = CASES.partition("tests:\n")
    for name in NAMES:
        changed = changes(block(name))
        rules = records + "".join(text.replace(f"{name}\n", f"{name}_{how}\n", 1) for how, text in changed.items())
        (folder / f"{name}.yml").write_text(rules, "utf-8")
        cases = [header.replace("alerts", name), "tests:\n"]
        for case in re.findall(rf"^  - name: {name} .*\n(?:    .*\n)+", CASES, re.MULTILINE):
            series, *expected = re.split(r"^(?=      - alertname: )", case, flags=re.MULTILINE)
            cases += [
                series,
                *(each.replace(f"{name}\n", f"{name}_{how}\n", 1) for each in expected for how in changed),
            ]
        (folder / f"{name}_test.yml").write_text("".join(cases), "utf-8")
    return promtool("test", "rules", *(f"{name}_test.yml" for name in NAMES), cwd=folder)


def outcomes(said: str, name: str) -> list[tuple[bool, bool]]:
    """For each case of that alert that failed: whether it was expected to fire, and whether it did."""
    cases = re.findall(rf"alertname: {name}, time: \S+\s+exp:\[(.*?)\],?\s+got:\[(.*?)\]\s", said, re.DOTALL)
    return [("Labels:" in expected, "Labels:" in got) for expected, got in cases]


def test_there_are_alerts() -> None:
    assert len(NAMES) == len(set(NAMES)) >= 10


def test_the_rules_are_rules() -> None:
    said = promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in said
    assert "exit status 0" in said


def test_the_configuration_is_one() -> None:
    said = promtool("check", "config", "prometheus.yml")
    assert "SUCCESS: 1 rule files found" in said
    assert "exit status 0" in said


def test_each_case_comes_out_as_it_should() -> None:
    said = promtool("test", "rules", "alerts_test.yml")
    assert "FAILED" not in said
    assert "exit status 0" in said


def test_each_change_of_an_alert_is_noticed(tmp_path: Path) -> None:
    """One that never fires; one that always does, where it is to be silent; and where a threshold or a wait is let go
    of, a case says that it is not to fire and it does.
    """
    said = said_of_changes(tmp_path)
    unnoticed = []
    for name in NAMES:
        silent = said.partition(f"name: {name} is silent,")[2].partition("Unit Testing:")[0]
        for how in changes(block(name)):
            found = outcomes(silent if how == "always" else said, f"{name}_{how}")
            if (how == "never", how != "never") not in found:
                unnoticed.append((name, how))
    assert unnoticed == []


def test_no_threshold_is_left_out() -> None:
    assert [name for name in NAMES if looser(block(name), MOST) != block(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_says_what_it_means_and_what_to_look_at(name: str) -> None:
    text = " ".join(block(name).split())
    assert re.search(r"severity: (page|ticket)\b", text)
    where = (
        r"\$labels\.job .*description" if "http_server" in text else r"\$labels\.job .*\$labels\.pipeline .*description"
    )
    assert re.search(rf"summary: .*{where}: .*\bFirst look at ", text)


def test_the_page_has_them_all() -> None:
    page = (ROOT / "docs/reference/dashboard.md").read_text("utf-8")
    severities = [(name, *re.findall(r"severity: (\w+)", block(name))) for name in NAMES]
    assert re.findall(r"^\| `(Meshkit\w+)` \| (\w+) \|", page, re.MULTILINE) == severities


# A service whose dependency is gone, with numbers as they are.

CUSTOMERS = 72
"""In a minute. None of them gets what it asks for."""


def customers_of_a_shop_without_payments(*, translate: bool) -> tuple[Metrics, Graph, list[int]]:
    """The shop has no retry; its client of the payments has one, and a breaker."""
    clock = ManualClock()
    metrics, graph = Metrics(), Graph("shop", window=60.0)
    breaker = CircuitBreaker(failures=5, cooldown=3.0)
    endpoints = Cluster("payments", ["10.0.0.1:80"], pipeline=[breaker], outliers=None)
    payments = Pipeline(Retry("5xx", backoff=Constant(0.0)), endpoints, name="payments", clock=clock, seed=1)
    front = Pipeline(RateLimit("300/min", key="client", burst=300), Timeout(3.0), name="shop", clock=clock)
    for pipeline in (payments, front):
        metrics.watch(pipeline)
        graph.watch(pipeline)

    def gone(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("Connection refused")

    async def visits() -> list[int]:
        transport = AsyncMeshTransport(payments, httpx.MockTransport(gone))
        async with httpx.AsyncClient(transport=transport, base_url="http://payments") as client:

            async def buy(request: Request) -> Response:
                await client.post(f"/charge/{request.path_params['article']}")
                return Response()

            app = Starlette(routes=[Route("/buy/{article}", buy)])
            app.add_middleware(MeshMiddleware, pipeline=front, translate=translate)
            server = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=server, base_url="http://shop") as customer:
                statuses = []
                for article in range(CUSTOMERS):
                    statuses.append((await customer.get(f"/buy/{article}")).status_code)
                    clock.advance(60 / CUSTOMERS)
                return statuses

    return metrics, graph, asyncio.run(visits())


def total(metrics: Metrics, name: str, **labels: str) -> float:
    """Of what is counted under labels that match these patterns."""
    found = metrics.snapshot()[name]["samples"]
    return sum(
        each["value"] if "value" in each else each["count"]
        for each in found
        if all(re.fullmatch(pattern, each["labels"][label]) for label, pattern in labels.items())
    )


def fired(metrics: Metrics, folder: Path) -> set[tuple[str, str]]:
    """The alerts, each with its pipeline, where that happens in every minute for half an hour."""
    series = []
    for name, family in metrics.snapshot().items():
        for sample in family["samples"]:
            value = sample.get("value", sample.get("count"))
            values = f"{value}x30" if family["type"] == "gauge" else f"0+{value}x30"
            labels = ", ".join(f'{label}="{shown}"' for label, shown in sample["labels"].items())
            suffix = "_count" if family["type"] == "histogram" else ""
            series.append({"series": f'{name}{suffix}{{job="shop", {labels}}}', "values": values})
    silent = [{"alertname": name, "eval_time": "20m", "exp_alerts": []} for name in NAMES]
    case = {"interval": "1m", "input_series": series, "alert_rule_test": silent}
    (folder / "alerts.yml").write_text(ALERTS, "utf-8")
    cases = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "cases.yml").write_text(json.dumps(cases), "utf-8")
    said = promtool("test", "rules", "cases.yml", cwd=folder)
    found: set[tuple[str, str]] = set()
    for name, got in re.findall(r"alertname: (\w+), time: \S+\s+exp:\[\],?\s+got:\[(.*?)\n\s*\]\s", said, re.DOTALL):
        found |= {(name, *re.findall(r'pipeline="(\w+)"', labels)) for labels in got.split("Labels:")[1:]}
    return found


@pytest.mark.parametrize("translate", [True, False])
def test_a_service_whose_dependency_is_gone(translate: bool, tmp_path: Path) -> None:
    metrics, graph, statuses = customers_of_a_shop_without_payments(translate=translate)
    assert len(statuses) == CUSTOMERS
    assert set(statuses) == ({500, 503} if translate else {500})

    def calls(outcome: str) -> float:
        return total(metrics, "meshkit_call_duration_seconds", pipeline="shop", outcome=outcome)

    requests = "http_server_request_duration_seconds"
    assert calls("failure") == calls("(?!cancelled|rejected).*") == CUSTOMERS
    assert calls("rejected") == total(metrics, "meshkit_rejections_total", pipeline="shop") == 0
    assert total(metrics, "meshkit_attempts_total", pipeline="shop") == CUSTOMERS
    for status in (500, 503):
        assert total(metrics, requests, http_response_status_code=str(status)) == statuses.count(status)
    assert total(metrics, requests, http_route=r"/buy/{article}", error_type=".+") == CUSTOMERS
    into = {edge["to"]: edge for edge in graph.snapshot()["edges"]}
    assert (into["route:GET /buy/{article}"]["error_share"], into["route:GET /buy/{article}"]["rejected_share"]) == (
        1,
        0,
    )
    assert into["cluster:payments"]["rejected_share"] > 0.5

    assert fired(metrics, tmp_path) == {
        ("MeshkitServerErrors",),
        ("MeshkitCallsFailing", "shop"),
        ("MeshkitCallsFailing", "payments"),
        ("MeshkitBreakerOpen", "payments"),
    }
    wanted, made = (
        total(metrics, "meshkit_retries_total"),
        total(metrics, "meshkit_attempts_total", pipeline="payments"),
    )
    assert wanted > made / 2  # the breaker refuses most of them: no amplification
