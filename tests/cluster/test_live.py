"""Real servers on loopback: what the keeper finds out about them is what calls go by, whatever these are made from."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from meshkit import Cluster, NoEndpoint, Pipeline, Retry, RoundRobin
from meshkit.balance.around.sticky import Sticky
from meshkit.balance.report.prequal import Prequal
from meshkit.cluster.checks import HttpCheck, TcpCheck
from meshkit.cluster.outliers import OutlierDetection
from meshkit.discover.file import File
from meshkit.httpx import AsyncMeshTransport, MeshTransport

OFTEN = {"interval": 0.02, "jitter": 0.0, "healthy": 1, "unhealthy": 1}


class Served(ThreadingHTTPServer):
    daemon_threads = True
    well = True
    rif = 0
    asked = 0


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = 200, str(self.server.server_port).encode()
        if self.path == "/health":
            status = 200 if self.server.well else 503
        elif self.path == "/-/load":
            self.server.asked += 1
            body = json.dumps({"rif": self.server.rif, "latency": 0.001}).encode()
        self.wfile.write(b"HTTP/1.1 %d told\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))

    def log_message(self, *args):
        pass


@contextmanager
def server() -> Iterator[Served]:
    with Served(("127.0.0.1", 0), Answer) as served:
        thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            served.shutdown()
            thread.join()


@pytest.fixture
def servers():
    with ExitStack() as stack:
        yield [stack.enter_context(server()) for _ in range(3)]


def url(served):
    return f"http://127.0.0.1:{served.server_port}"


def client(*policies):
    return httpx.Client(transport=MeshTransport(Pipeline(*policies)), base_url="http://orders", timeout=10)


def until(true):
    """As often as it takes: the keeper needs real time, however little."""
    for _ in range(2000):
        if true():
            return
    raise AssertionError("it never came to that")


def answers(made, times=30):
    return Counter(int(made.get("/").text) for _ in range(times))


@pytest.mark.parametrize("check", [HttpCheck("/health", **OFTEN), TcpCheck(**OFTEN)])
def test_only_who_answers_its_checks_is_asked_from_the_first_call_on(servers, check):
    a, b, gone = servers
    gone.server_close()
    a.well = not isinstance(check, HttpCheck)
    well = {each.server_port for each in (a, b) if each.well}
    with client(Cluster("orders", [*map(url, servers)], checks=check, panic=0.0, balancer=RoundRobin())) as made:
        assert int(made.get("/").text) in well, "it waits for the first good answer"
        until(lambda: answers(made).keys() == well)
        if not a.well:
            a.well = True
            until(lambda: answers(made).keys() == {a.server_port, b.server_port})


def test_nobody_well_is_told_at_once(servers):
    for each in servers:
        each.well = False
    check = HttpCheck("/health", **OFTEN)
    refused = pytest.raises(NoEndpoint, match="of 3, 3 found ill")
    with client(Cluster("orders", [*map(url, servers)], checks=check, panic=0.0)) as made, refused:
        made.get("/")


async def test_a_file_is_followed(servers, tmp_path, anyio_backend):
    a, b, _ = servers
    path = tmp_path / "orders.json"
    path.write_text(json.dumps([url(a)]))
    pipeline = Pipeline(Retry(on="connect-failure"), Cluster("orders", File(path, interval=0.02)))
    async with httpx.AsyncClient(transport=AsyncMeshTransport(pipeline), base_url="http://orders") as made:
        assert int((await made.get("/")).text) == a.server_port
        new = tmp_path / "new"
        new.write_text(json.dumps([url(b)]))
        new.replace(path)
        for _ in range(2000):
            if int((await made.get("/")).text) == b.server_port:
                break
        assert {int((await made.get("/")).text) for _ in range(10)} == {b.server_port}
    assert pipeline.idle()


def test_who_says_it_is_busy_is_asked_less(servers):
    servers[0].rif = 50
    with client(Cluster("orders", [*map(url, servers)], balancer=Prequal(expiry=5.0))) as made:
        until(lambda: answers(made) and min(each.asked for each in servers) > 2)
        assert answers(made, 60)[servers[0].server_port] < 15
        assert servers[0].asked > 0


def test_an_outlier_is_out_after_its_failures(servers):
    servers[0].server_close()
    outliers = OutlierDetection(consecutive_5xx=2)
    cluster = Cluster("orders", [*map(url, servers)], balancer=RoundRobin(), outliers=outliers)
    with client(Retry(on="connect-failure"), cluster) as made:
        assert sum(answers(made, 60).values()) == 60
        pipeline = made._transport.pipeline
        picks = {name: each["picks"] for name, each in pipeline.snapshot()["orders"].items()}
        assert picks[f"127.0.0.1:{servers[0].server_port}"] == 2


def test_a_session_stays_with_its_cookie(servers):
    for mode in ("balanced", "persistent"):
        cluster = Cluster("orders", [*map(url, servers)], balancer=Sticky(RoundRobin(), mode=mode))
        with client(Retry(on="connect-failure"), cluster) as made:
            first = int(made.get("/").text)
            assert "meshkit" in made.cookies
            assert answers(made, 12) == {first: 12}
            made.cookies.clear()
            assert len({int(made.get("/").text) for _ in range(3) if not made.cookies.clear()}) == 3
