"""Does every panel of examples/prometheus show something, and does every alert hear of it? A real Prometheus is asked.

It scrapes this process, in which pipelines of all kinds succeed, fail, retry, refuse and wait, until each expression of
the dashboard has been answered by a number above 0, and each alert fires.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Endpoint,
    Fallback,
    FaultInjection,
    Hedge,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RetryBudget,
    RoundRobin,
    Shadow,
)
from meshkit.asgi import MeshMiddleware
from meshkit.cluster import OutlierDetection
from meshkit.httpx import AsyncMeshTransport, PoolTransport
from meshkit.observe.metrics.metrics import Metrics
from meshkit.observe.prometheus import exposition
from meshkit.retry import Constant
from meshkit.route.match import Match
from meshkit.route.route import Route as MeshRoute
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples/prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text("utf-8")
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"] if each["type"] == "query"}

SECONDS = 30.0
"""Until everything has been answered, on a busy machine; it takes about six."""
WINDOW = "10s"
"""Of rates, in place of minutes."""

METRIC = re.compile(r"(?<![\w:])(?:meshkit|http_client|http_server)_[a-z_]+(?![\w:])")
"""Recorded series have a colon in their names."""
LABELS = {"meshkit_pool"}


def asked(text: str) -> set[str]:
    """The metrics in an expression; a histogram by its own name."""
    names = {re.sub(r"(_duration_seconds)_(bucket|count|sum)$", r"\1", name) for name in METRIC.findall(text)}
    return names - LABELS


def expressions() -> list[tuple[str, str, list[str]]]:
    """Of each panel's queries and of the annotations: where it is, the expression, and the labels of the legend."""
    found = [
        (f"{panel['id']} {panel['title']}", target["expr"], re.findall(r"{{(\w+)}}", target["legendFormat"]))
        for panel in PANELS
        for target in panel["targets"]
    ]
    notes = DASHBOARD["annotations"]["list"]
    return found + [(note["name"], note["expr"], re.findall(r"{{(\w+)}}", note["titleFormat"])) for note in notes]


# As it is written.


def test_each_panel_asks_says_what_it_shows_and_in_which_unit() -> None:
    for panel in PANELS:
        assert panel["title"].endswith("?")
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert {each["datasource"]["uid"] for each in [panel, *panel["targets"]]} == {"${datasource}"}
    titles = [(panel["title"], panel["targets"][0]["expr"]) for panel in PANELS]
    assert len(set(titles)) == len(titles)


def test_no_panel_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        x, y, w, h = (panel["gridPos"][side] for side in "xywh")
        assert x + w <= 24
        cells = {(column, line) for column in range(x, x + w) for line in range(y, y + h)}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_expression_is_of_what_was_chosen() -> None:
    """Each selector goes by the variables: no panel shows another job than the one beside it."""
    for where, expression, _ in expressions():
        bare = {name for name, after in re.findall(rf"({METRIC.pattern})(.|$)", expression) if after != "{"}
        assert bare - LABELS == set(), where
        for name, selector in re.findall(r"((?:meshkit|http)_\w+|ALERTS){(.*?)}", expression):
            wanted = ["job"] + ["pipeline"] * name.startswith("meshkit")
            assert [each for each in wanted if f'{each}=~"${each}"' not in selector] == [], where


def test_no_panel_merges_pipelines_but_the_one_that_is_drawn_by_durations() -> None:
    merges = [
        where
        for where, expression, legend in expressions()
        if "meshkit_" in expression.replace("meshkit_pool", "")
        and not ("pipeline" in legend and all("pipeline" in by for by in re.findall(r"by \((.*?)\)", expression)))
    ]
    assert merges == ["6 How are the durations spread?"]


def test_every_metric_is_on_it_and_no_other() -> None:
    shown = set().union(*(asked(expression) for _, expression, _ in expressions()))
    assert shown == set(Metrics().snapshot())


def test_the_alerts_ask_for_what_there_is() -> None:
    text = "".join(line for line in ALERTS.splitlines(keepends=True) if "#" not in line)
    wanted = asked(text)
    assert len(wanted) >= 8
    assert wanted - set(Metrics().snapshot()) == set()


def test_the_panels_name_alerts_that_there_are() -> None:
    named = re.findall(r"\bMeshkit[A-Z]\w+", json.dumps(PANELS))
    assert named
    assert set(named) <= set(re.findall(r"- alert: (\w+)", ALERTS))


# What happens, again and again.


class Shop:
    """Pipelines of all kinds, and something that happens to each of them in each round."""

    def __init__(self, metrics: Metrics, own: str) -> None:
        self.metrics = metrics
        self.own = own
        """The URL of a server that answers."""
        self.closed = threading.Event()
        endpoints = [Endpoint(f"10.0.0.{n}:80", name=name) for n, name in enumerate(("east", "west", "gone"), start=1)]
        shelves = Cluster(
            "shelves",
            endpoints,
            balancer=RoundRobin(),
            outliers=OutlierDetection(consecutive_5xx=2, interval=0.1, base_ejection_time=0.1, max_ejection_time=0.1),
        )
        self.orders = self.watched("orders", Retry(on="5xx", backoff=Constant(0.001), budget=None), shelves)
        self.payments = self.watched("payments", Fallback(value="later"), CircuitBreaker(failures=1, cooldown=0.1))
        self.quotes = self.watched("quotes", Retry(on=ConnectionError), Hedge(0.002, budget=None))
        budget = RetryBudget(ratio=0.1, floor=0.1)
        self.stock = self.watched("stock", Retry(on=ConnectionError, backoff=Constant(0.001), budget=budget))
        self.database = self.watched("database", ConcurrencyLimit(1, queue=1))
        trial = Shadow(RateLimit("1/min", name="stricter"))
        self.trial = self.watched("trial", trial, FaultInjection(abort=ConnectionError, share=0.5, expires=600.0))
        self.backup = self.watched(
            "backup", Cluster("backup", ["10.0.0.4:80"], outliers=OutlierDetection(consecutive_5xx=1))
        )
        faults = Pipeline(FaultInjection(abort=ConnectionError, expires=600.0))
        split = Split(Branch(None, name="main"), Branch(faults, name="canary"))
        self.web = self.watched("web", Router([MeshRoute(Match(host="web"), split, name="web")]))
        self.report = self.watched("report")
        self.site = self.watched("site")
        self.noisy = self.watched("noisy")
        self.stops = [
            self.noisy.listen(self.fails, direct=True),
            self.noisy.listen(lambda event: self.closed.wait(SECONDS)),
        ]

    def watched(self, name: str, *policies: Any) -> Pipeline:
        pipeline = Pipeline(*policies, name=name, seed=1)
        self.metrics.watch(pipeline)
        return pipeline

    @staticmethod
    def fails(event: object) -> None:
        raise RuntimeError("no disk")

    @staticmethod
    async def refused() -> str:
        raise ConnectionError("nobody there")

    @staticmethod
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "answered"

    @staticmethod
    async def shelf(request: httpx.Request) -> httpx.Response:
        return httpx.Response(503 if request.url.host == "10.0.0.3" else 200)

    @staticmethod
    async def order(request: Request) -> Response:
        if request.path_params["number"] == "late":
            await asyncio.sleep(SECONDS)
        return Response(status_code=500 if request.path_params["number"] == "13" else 200)

    async def round(
        self, orders: httpx.AsyncClient, web: httpx.AsyncClient, site: httpx.AsyncClient, own: httpx.AsyncClient
    ) -> None:
        for number in range(6):
            await orders.get("/apples")
            with suppress(ConnectionError):
                await web.get("/")
            await site.get(f"/orders/{number + 8}")
        with suppress(TimeoutError):
            await asyncio.wait_for(site.get("/orders/late"), 0.01)
        await own.get(self.own)
        await self.payments.call(self.refused)
        await self.quotes.call(self.slow, 0.005)
        for pipeline in (self.stock, self.trial, self.database, self.backup):
            with suppress(ConnectionError, Rejected):
                await pipeline.call(self.refused)
        self.noisy.call(str)

    async def reports(self, done: asyncio.Event) -> None:
        while not done.is_set():
            await self.report.call(self.slow, 1.1)

    async def open(self) -> None:
        """Until it is closed."""
        app = Starlette(routes=[Route("/orders/{number}", self.order)])
        transport = PoolTransport()
        self.metrics.watch_pool(transport, "warehouse")
        done = asyncio.Event()
        for _ in range(4000):  # until the queue of the listener that stands still is full
            self.noisy.call(str)
        async with (
            httpx.AsyncClient(
                transport=AsyncMeshTransport(self.orders, httpx.MockTransport(self.shelf)), base_url="http://shelves"
            ) as orders,
            httpx.AsyncClient(
                transport=AsyncMeshTransport(self.web, httpx.MockTransport(self.shelf)), base_url="http://web"
            ) as web,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(MeshMiddleware(app, self.site)), base_url="http://shop"
            ) as site,
            httpx.AsyncClient(transport=transport) as own,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(2):  # one is in flight all the time, and one waits
                group.create_task(self.database.call(done.wait))
            for _ in range(10):
                group.create_task(self.reports(done))
            while not self.closed.is_set():
                await self.round(orders, web, site, own)
                await self.slow(0.05)
            done.set()

    def run(self) -> None:
        asyncio.run(self.open())
        for stop in self.stops:
            stop()


@contextmanager
def serving(answer: Callable[[bool], tuple[str, bytes]]) -> Iterator[str]:
    """A server on loopback, told whether OpenMetrics is asked for; its address."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            content_type, body = answer("openmetrics" in self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked was ended meanwhile
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Prometheus:
    """One that runs, asked over HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; an error of Prometheus says which."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{parameters}: {error.read().decode()}")
        assert answer["status"] == "success"
        return answer["data"]

    def ready(self) -> bool:
        with suppress(OSError), urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=10):
            return True
        return False


def until(true: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Whether it came true in that time."""
    ends_at = time.monotonic() + seconds
    never = threading.Event()
    while not true():
        if time.monotonic() > ends_at:
            return False
        never.wait(0.1)
    return True


@contextmanager
def prometheus(target: str, folder: Path) -> Iterator[Prometheus]:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("no prometheus installed (apt package prometheus)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    at_once = re.sub(r"^ +for: .*\n", "", re.sub(r"\[\d+m\]", f"[{WINDOW}]", ALERTS), flags=re.MULTILINE)
    (folder / "alerts.yml").write_text(at_once, "utf-8")
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 250ms, evaluation_interval: 250ms}\n"
        "rule_files: [alerts.yml]\n"
        f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n",
        "utf-8",
    )
    options = [f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"]
    with (folder / "log").open("w") as log, subprocess.Popen([program, *options], stdout=log, stderr=log) as process:
        try:
            server = Prometheus(address)
            assert until(server.ready), (folder / "log").read_text()
            yield server
        finally:
            process.terminate()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that watches a shop that is open."""
    metrics = Metrics()
    with (
        serving(lambda openmetrics: exposition(metrics, openmetrics)) as address,
        prometheus(address, tmp_path) as server,
    ):
        shop = Shop(metrics, f"http://{address}/metrics")
        thread = threading.Thread(target=shop.run)
        thread.start()
        try:
            yield server
        finally:
            shop.closed.set()
            thread.join()


def chosen(text: str) -> str:
    """As Grafana asks where "All" is chosen everywhere."""
    text = text.replace("$__rate_interval", WINDOW).replace("$__interval", WINDOW)
    for name, variable in VARIABLES.items():
        text = text.replace(f'"${name}"', f'"{variable["allValue"]}"')
    assert "$" not in text
    return text


def test_every_panel_has_something_to_show_and_every_alert_fires(running: Prometheus) -> None:
    """One test: it takes one Prometheus."""
    assert until(lambda: running.ask("query", query="up")["result"] != [])  # it begins after five seconds
    missing = [(where, chosen(expression), labels) for where, expression, labels in expressions()]
    alerts = sorted(re.findall(r"- alert: (\w+)", ALERTS))

    def answered(expression: str, labels: list[str]) -> bool:
        data = running.ask("query", query=expression)
        assert data["resultType"] == "vector"
        shown = [each["metric"] for each in data["result"] if float(each["value"][1]) > 0]
        return bool(shown) and all(any(label in metric for metric in shown) for label in labels)

    def all_answered() -> bool:
        missing[:] = [each for each in missing if not answered(*each[1:])]
        return not missing

    def firing() -> list[str]:
        found = running.ask("query", query='ALERTS{alertstate="firing"}')["result"]
        return sorted({each["metric"]["alertname"] for each in found})

    until(all_answered)
    assert missing == []
    until(lambda: firing() == alerts)
    assert firing() == alerts

    for variable in VARIABLES.values():
        query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
        assert query is not None
        assert running.ask(f"label/{query[2]}/values", **{"match[]": chosen(query[1])}) != []

    groups = running.ask("rules")["groups"]
    assert [rule for group in groups for rule in group["rules"] if rule["health"] != "ok"] == []
    targets = running.ask("targets")["activeTargets"]
    assert [target["lastError"] for target in targets] == [""]
