"""Beside a real gateway: what it serves is seen, and its failures are told by their attempts."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest

from meshkit.config import Mesh, loads
from meshkit.gateway import Gateway
from meshkit.gateway.status import Status

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.fixture
def anyio_backend() -> str:
    """The gateway's pool is asyncio's."""
    return "asyncio"


async def upstream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(ANSWER)
        await writer.drain()
        if reader.at_eof():
            break
    writer.close()


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as wire:
        return int(wire.getsockname()[1])


async def told(status: Status) -> dict[str, Any]:
    transport = httpx.ASGITransport(status)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return json.loads((await client.get("/status.json")).content)  # type: ignore[no-any-return]


async def test_what_a_gateway_serves_and_why_it_fails() -> None:
    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())  # type: ignore[arg-type]  # there is one
        try:
            await upstream(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port, nobody = server.sockets[0].getsockname()[1], free()
    mesh = Mesh(
        loads(f"""
clusters: {{orders: ["127.0.0.1:{port}"], gone: ["127.0.0.1:{nobody}"]}}
routes:
- {{name: buy, match: {{prefix: /buy}}, to: orders}}
- {{name: away, match: {{prefix: /away}}, to: gone}}
listeners: {{public: {{port: 8080}}}}
""")
    )
    gateway = Gateway(mesh)
    status = Status(mesh, gateway)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://shop.example:8080") as client:
        assert [(await client.get(f"/buy/{k}")).status_code for k in range(3)] == [200] * 3
        assert (await client.get("/away/7?token=canary")).status_code == 502
        assert (await client.get("/nowhere", headers={"host": "shop.example"})).status_code == 404
    seen = await told(status)
    rows = {row["name"]: row for row in seen["routes"]["rows"]}
    assert (rows["buy"]["calls"], rows["buy"]["to"], rows["buy"]["error_share"]) == (3, ["orders"], 0)
    assert (rows["away"]["calls"], rows["away"]["error_share"]) == (1, 1)
    assert rows["buy"]["pipeline"] == "mesh public"
    ends = {end["name"]: end for cluster in seen["clusters"] for end in cluster["endpoints"]}
    assert ends[f"127.0.0.1:{port}"]["calls"] == 3
    assert ends[f"127.0.0.1:{nobody}"]["error_share"] == 1
    edges = {(edge["from"], edge["to"]) for edge in seen["graph"]["edges"]}
    assert {("mesh public", "buy"), ("buy", "orders"), ("mesh public", "away"), ("away", "gone")} <= edges
    stories = {failure["route"]: failure for failure in seen["failures"]}
    assert f"the only attempt, on 127.0.0.1:{nobody}, found the connection refused" in stories["away"]["reason"]
    assert stories["away"]["reason"].startswith("GET http://shop.example:8080/away/7 by route away failed")
    assert "canary" not in json.dumps(seen)
    assert seen["live"]["under_way"] == 0
    assert seen["live"]["connections"] == {"busy": 0, "idle": 1}
    status.close()
    await gateway.aclose()
    server.close()
    for task in served:
        task.cancel()
    await asyncio.gather(*served, return_exceptions=True)
    await server.wait_closed()
