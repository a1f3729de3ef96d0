"""The app over ASGI: who may ask what, what it answers, and how the stream lives and ends."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from meshkit import ConfigError
from meshkit.config import Mesh, loads
from meshkit.gateway.status import Status
from meshkit.gateway.status import app as room
from meshkit.gateway.status.stream import Looks
from meshkit.observe import Metrics

from ...asgi.stand_ins import http

HOST = ("host", "127.0.0.1:9901")
MESH = "mesh: shop\nclusters: {orders: ['10.0.0.1:80']}\nroutes: [{name: buy, match: {prefix: /}, to: orders}]\n"


def status(**options: Any) -> Status:
    return Status(Mesh(loads(MESH)), **options)


class Asked:
    """One request, with what it was answered."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.came = anyio.Event()
        self.gone = anyio.Event()
        self.read = True

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        self.came.set()
        if not self.read:
            await anyio.sleep_forever()

    async def until(self, count: int) -> None:
        while len(self.messages) < count:
            self.came = anyio.Event()
            await self.came.wait()

    @property
    def code(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def fields(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.messages[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])


async def ask(app: Status, path: str = "/", method: str = "GET", headers: Any = (HOST,), **scope: Any) -> Asked:
    asked = Asked()
    await app(http(path, method=method, headers=headers, **scope), asked.receive, asked.send)
    return asked


async def test_the_page_is_whole_and_may_do_nothing_else() -> None:
    asked = await ask(status())
    assert (asked.code, asked.fields["content-type"]) == (200, "text/html; charset=utf-8")
    text = asked.body.decode()
    policy = dict(part.strip().partition(" ")[::2] for part in asked.fields["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["connect-src"], policy["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    for tag in ("script", "style"):
        [inside] = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.findall(
        r"""<[^>]*\s(?:style|on\w+|src)\s*=|\burl\(|@import|innerHTML|insertAdjacent|document\.write""", text
    )
    assert {*re.findall(r"https?://[^'\"\s)]+", text)} == {"http://www.w3.org/2000/svg"}
    assert len(asked.body) < 80_000


async def test_every_answer_is_for_whoever_asks_alone() -> None:
    app = status()
    for path in ("/", "/status.json", "/healthz", "/readyz", "/nothing"):
        fields = (await ask(app, path)).fields
        assert fields["cache-control"] == "no-store"
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in fields if name.startswith("access-control")]


async def test_the_json_has_all_sections() -> None:
    asked = await ask(status(siblings=["http://127.0.0.1:9902"]), "/status.json")
    assert asked.fields["content-type"] == "application/json"
    told = json.loads(asked.body)
    assert {*told} == {
        *(
            "form",
            "at",
            "mesh",
            "live",
            "routes",
            "clusters",
            "graph",
            "splits",
            "policies",
            "changes",
            "failures",
            "config",
        )
    }
    assert told["mesh"]["version"] == 1
    assert told["mesh"]["siblings"] == [{"name": "127.0.0.1:9902", "url": "http://127.0.0.1:9902"}]
    assert told["clusters"][0]["endpoints"][0]["state"] == "up"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"])
@pytest.mark.parametrize("path", ["/", "/status.json", "/events", "/nothing"])
async def test_it_is_read_only(method: str, path: str) -> None:
    asked = await ask(status(), path, method)
    assert (asked.code, asked.fields["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/status.json", "/events", "/healthz", "/readyz", "/nothing"])
async def test_head_says_the_same_without_a_body(path: str) -> None:
    asked = await ask(status(), path, "HEAD")
    assert asked.body == b""
    assert asked.code == (404 if path == "/nothing" else 200)
    assert asked.messages[-1]["more_body"] is False


@pytest.mark.parametrize(
    ("host", "believed"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:9901", True),
        ("10.1.2.3:80", True),
        ("[::1]", True),
        ("[::1]:9901", True),
        ("localhost", True),
        ("LocalHost:9901", True),
        ("localhost.", True),
        ("status.shop.example", True),
        ("STATUS.shop.example:9901", True),
        ("evil.example", False),
        ("evil.example:9901", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("sub.status.shop.example", False),
        ("status.shop.example@evil.example", False),
        ("localhost:9901@evil.example", False),
        ("localhost:port", False),
        ("[::1].evil.example", False),
        ("0x7f000001", False),
        ("", False),
    ],
)
async def test_under_which_names_it_answers(host: str, believed: bool) -> None:
    app = status(hosts=["status.shop.example"])
    for path in ("/", "/status.json", "/healthz"):
        assert (await ask(app, path, headers=[("host", host)])).code == (200 if believed else 421)


@pytest.mark.parametrize("headers", [[], [HOST, HOST], [HOST, ("host", "evil.example")]])
async def test_one_host_and_no_more(headers: Any) -> None:
    assert (await ask(status(), headers=headers)).code == 421


@pytest.mark.parametrize(
    ("site", "mode", "path", "code"),
    [
        ("none", "navigate", "/", 200),
        ("same-origin", "cors", "/status.json", 200),
        ("cross-site", "navigate", "/", 200),
        ("cross-site", "navigate", "/status.json", 403),
        ("cross-site", "no-cors", "/status.json", 403),
        ("same-site", "cors", "/events", 403),
        ("cross-site", "no-cors", "/", 403),
    ],
)
async def test_it_is_for_no_other_page(site: str, mode: str, path: str, code: int) -> None:
    headers = [HOST, ("sec-fetch-site", site), ("sec-fetch-mode", mode)]
    assert (await ask(status(), path, headers=headers)).code == code


async def test_below_a_root_path() -> None:
    app = status()
    assert (await ask(app, "/at/healthz", root_path="/at")).code == 200
    assert (await ask(app, "/other", root_path="/at")).code == 404


async def test_ready_until_the_gateway_drains() -> None:
    class Draining:
        draining = False
        under_way = 3
        pool = SimpleNamespace(snapshot=lambda: {"busy": 2, "idle": 1, "origins": {}})

    gateway = Draining()
    app = status(gateway=gateway)
    assert (await ask(app, "/readyz")).code == 200
    live = json.loads((await ask(app, "/status.json")).body)["live"]
    assert (live["under_way"], live["connections"]) == (3, {"busy": 2, "idle": 1})
    gateway.draining = True
    assert [(await ask(app, path)).code for path in ("/readyz", "/healthz")] == [503, 200]


def data_of(message: dict[str, Any]) -> dict[str, Any]:
    lines = message["body"].decode().split("\n")
    assert lines[0] == "event: status"
    assert lines[3:] == ["", ""]
    told = json.loads(lines[2].removeprefix("data: "))
    return {"number": int(lines[1].removeprefix("id: ")), **told}


async def test_the_stream_tells_all_and_then_what_changes_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("meshkit.gateway.status.stream.EVERY", 0.02)
    app, asked = status(), Asked()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as both:
            both.start_soon(app, http("/events", headers=[HOST]), asked.receive, asked.send)
            await asked.until(2)
            app.mesh.become(loads(MESH + "egress: any\n"))
            await asked.until(3)
            app.close()
    assert asked.fields["content-type"] == "text/event-stream"
    first, second = map(data_of, asked.messages[1:3])
    assert len(first["sections"]) == 10
    assert second["number"] > first["number"]
    assert second["sections"]["mesh"]["version"] == 2
    assert "failures" not in second["sections"]
    assert asked.messages[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
    assert (await ask(app, "/events")).code == 503
    app.close()  # twice does no harm


async def test_streams_are_bounded_and_give_their_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PAGES", 2)
    app = status()
    those = [Asked(), Asked()]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as both:
            for asked in those:
                both.start_soon(app, http("/events", headers=[HOST]), asked.receive, asked.send)
                await asked.until(2)
            refused = await ask(app, "/events")
            assert (refused.code, refused.fields["retry-after"]) == (503, "5")
            for asked in those:
                asked.gone.set()
    assert app._looks.following == 0
    app.close()


async def test_who_does_not_read_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    app, asked = status(), Asked()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as both:
            asked.read = True
            both.start_soon(app, http("/events", headers=[HOST]), asked.receive, asked.send)
            await asked.until(1)
            asked.read = False
    assert app._looks.following == 0
    app.close()


async def test_an_answer_comes_in_pieces_and_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PIECE", 1000)
    app = status()
    asked = await ask(app)
    assert len(asked.body) == int(asked.fields["content-length"]) > 10_000
    assert [message["more_body"] for message in asked.messages[1:]].count(False) == 1
    monkeypatch.setattr(room, "PATIENCE", 0.05)
    deaf, sent = Asked(), []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) == 3:
            await anyio.sleep_forever()

    with anyio.fail_after(10):
        await app(http("/status.json", headers=[HOST]), deaf.receive, send)
    assert [message.get("more_body") for message in sent] == [None, True, True]


async def test_looks_are_shared_and_taken_less_often_where_they_take_long() -> None:
    taken = 0
    now = 100.0

    def take() -> dict[str, Any]:
        nonlocal taken, now
        taken += 1
        now += 0.1
        return {"same": 1, "other": taken}

    looks = Looks(take, clock=lambda: now, spent=lambda: now)
    first = await looks.look()
    assert await looks.look() is first
    now += 2.0  # a tenth of a second was taken: the next comes when fifty times that is over
    assert await looks.look() is first
    now += 3.0
    second = await looks.look()
    assert (taken, second.number) == (2, 2)
    assert json.loads(second.since(1))["sections"] == {"other": 2}
    assert json.loads(second.since(0))["sections"] == {"same": 1, "other": 2}
    assert json.loads(second.whole())["same"] == 1
    assert second.whole() is second.whole()


async def test_lifespan() -> None:
    app = status()
    told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return told.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (await ask(app, "/readyz")).code == 503
    with pytest.raises(ValueError, match="answers HTTP"):
        await app({"type": "other"}, receive, send)


async def test_there_are_no_web_sockets() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await status()({"type": "websocket", "path": "/events", "headers": []}, receive, send)
    assert sent == ["websocket.close"]


async def test_metrics_are_for_whoever_asks_alone_as_well() -> None:
    mesh = Mesh(loads(MESH))
    metrics = Metrics()
    mesh.watch(metrics)
    app = Status(mesh, metrics=metrics)
    asked = await ask(app, "/metrics")
    assert asked.code == 200
    assert asked.fields["cache-control"] == "no-store"
    assert asked.fields["x-content-type-options"] == "nosniff"
    assert b"meshkit" in asked.body
    assert (await ask(app, "/metrics", headers=[("host", "evil.example")])).code == 421
    assert b"/metrics" in (await ask(app, "/nothing")).body
    without = await ask(status(), "/metrics")
    assert without.code == 404
    assert b"/metrics" not in without.body


async def test_what_is_wrong_with_the_file_is_told_without_its_lines(tmp_path: Any) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(MESH)
    mesh = Mesh.from_file(file)
    app = Status(mesh)
    file.write_text(MESH + "egress: CANARY\nnodes: {web: {identity: [CANARY, 0123456789abcdef0123456789abcdef]}}\n")
    with pytest.raises(ConfigError):
        mesh.reload()
    told = json.loads((await ask(app, "/status.json")).body)["mesh"]
    assert told["version"] == 1
    assert any("egress" in line for line in told["trouble"])
    assert "0123456789abcdef" not in json.dumps(told)
    app.close()


@pytest.mark.parametrize("name", ["light", "dark", "narrow"])
def test_its_pictures_are_there_and_small(name: str) -> None:
    picture = (Path(__file__).parents[3] / "docs" / "reference" / f"status-page-{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(picture) < 200_000
    assert int.from_bytes(picture[16:20]) == (585 if name == "narrow" else 1360)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"failures": -1}, "failures"),
        ({"failures": True}, "failures"),
        ({"failures": 1001}, "failures"),
        ({"siblings": "http://a"}, "siblings"),
        ({"siblings": ["javascript:alert(1)"]}, "siblings"),
        ({"siblings": ["http://user:pw@a/"]}, "siblings"),
        ({"hosts": "name"}, "hosts"),
        ({"hosts": ["*"]}, "hosts"),
        ({"hosts": [7]}, "hosts"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        status(**options)
    with pytest.raises(ConfigError, match="mesh"):
        Status(object())
