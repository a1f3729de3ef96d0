"""What the sections say together: they are of the same calls, and what fails is in them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from meshkit.config import Mesh, loads
from meshkit.gateway.status import picture as room
from meshkit.gateway.status.picture import Picture
from meshkit.gateway.status.traffic import Traffic
from meshkit.httpx import MeshTransport

MESH = """
mesh: shop
clusters: {orders: ["10.0.0.1:80"], copies: ["10.0.0.2:80"]}
routes:
- {name: buy, match: {prefix: /buy}, actions: [mirror: {to: copies, name: shadow}], to: orders}
- {name: dead, match: {prefix: /dead}, to: orders}
- {name: quiet, match: {prefix: /quiet}, to: orders}
listeners: {public: {port: 8080}, inner: {port: 8081}}
"""


def answer(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503 if request.url.path == "/dead" else 200)


class Shop:
    def __init__(self) -> None:
        self.mesh = Mesh(loads(MESH))
        self.traffic = Traffic()
        self.mesh.watch(self.traffic)
        self.picture = Picture(self.mesh, self.traffic, None, [])

    def ask(self, listener: str, *paths: str) -> None:
        transport = MeshTransport(self.mesh.serving(listener), httpx.MockTransport(answer))
        with httpx.Client(transport=transport, base_url="http://shop.example") as client:
            for path in paths:
                client.get(path)


def test_rows_edges_and_the_whole_are_of_the_same_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    shop.ask("public", *["/buy"] * 6, "/dead")
    shop.ask("inner", *["/buy"] * 3)
    sums, left = shop.traffic.sums, ["/buy"] * 3

    def meanwhile(of: Any) -> Any:
        found = sums(of)
        shop.ask("public", *left)  # while it is looked, more come
        left.clear()
        return found

    monkeypatch.setattr(shop.traffic, "sums", meanwhile)
    taken = shop.picture.taken()
    rows = {(row["pipeline"], row["name"]): row for row in taken["routes"]["rows"] if row["calls"]}
    calls = {key: row["calls"] for key, row in rows.items()}
    assert calls == {("shop public", "buy"): 6, ("shop inner", "buy"): 3, ("shop public", "dead"): 1}
    live = taken["live"]
    assert live["calls"] == 10
    assert live["error_share"] == 0.1
    assert live["rate"] == pytest.approx(sum(row["rate"] for row in rows.values()), abs=0.01)
    for kind in ("route", "cluster"):
        edges = [edge for edge in taken["graph"]["edges"] if edge["kind"] == kind]
        assert live["rate"] == pytest.approx(sum(edge["rate"] for edge in edges), abs=0.01)


def test_of_too_many_routes_those_that_fail_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ROUTES", 2)
    shop = Shop()
    shop.ask("public", *["/buy"] * 9, *["/quiet"] * 5, "/dead")
    routes = shop.picture.taken()["routes"]
    assert [row["name"] for row in routes["rows"]] == ["dead", "buy"]
    assert routes["more"] == 1


def test_copies_are_told() -> None:
    shop = Shop()
    shop.ask("public", "/buy")
    [mirror] = [each for each in shop.picture.taken()["policies"] if "sent" in each["numbers"]]
    assert (mirror["route"], mirror["name"]) == ("buy", "shadow")
    assert mirror["numbers"]["sent"] == 1
    assert {*mirror["numbers"]} == {"under_way", "sent", "dropped", "skipped", "failed"}
