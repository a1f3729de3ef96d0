"""How many bytes pass with a second of the processor, and what is kept of them? 100 MB down from nginx, up to a sink.

Who downloads stops for half a second on the way, and the sink is no faster than it is: a gateway that reads on has all
of the rest in its memory then. "Kept" is the most memory there was meanwhile, beyond what there was before.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import attrs

from .gateway import BESIDE, FILES, Started, turns, unserved
from .gateway_child import Child, on_core
from .gateway_plan import SINK_HOST, Plan
from .gateway_subjects import AIOHTTP, ENVOY, GRANIAN, HAPROXY, HTTPX, NGINX, OURS, POOL
from .measure import Effort
from .nginx import Nginx, NoServer
from .rows import Line
from .wire_child import Took
from .wire_turns import cores, figures, module

__all__ = ["ROWS"]

BODY = 100_000_000
PAUSE = 0.5
"""Seconds in which a client takes nothing, when it has a fifth of the body."""
WHO = (OURS, GRANIAN, POOL, ENVOY, NGINX, HAPROXY, AIOHTTP, HTTPX)
FLAT = 8
"""MiB that may come on top: what sockets and their buffers take."""
PIECE = b"x" * 262_144


def answer(connection: socket.socket, buffer: memoryview, pause: float) -> int:
    """Reads one, to the end of its body; returns how long that was."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(65_536)
        if not data:
            raise NoServer(f"answered with {head[:60]!r}")
        head += data
    fields, _, body = head.partition(b"\r\n\r\n")
    if fields[9:12] != b"200":
        raise NoServer(f"answered with {fields[:60]!r}")
    framing = dict(line.lower().split(b": ", 1) for line in fields.split(b"\r\n")[1:])
    if b"content-length" not in framing:
        raise NoServer("the answer does not say its length")
    length, count = int(framing[b"content-length"]), len(body)
    while count < length:
        came = connection.recv_into(buffer)
        if not came:
            raise NoServer(f"the body ended after {count} bytes")
        count += came
        if pause and count > BODY // 5:
            time.sleep(pause)
            pause = 0.0
    return count


def down(child: Child, plan: Plan) -> int:
    with socket.create_connection(("127.0.0.1", child.port), timeout=30) as connection:
        [(host, _), *_] = plan.asked()
        connection.sendall(f"GET /v0/huge HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return answer(connection, memoryview(bytearray(1 << 20)), PAUSE)


def up(child: Child, plan: Plan) -> int:
    with socket.create_connection(("127.0.0.1", child.port), timeout=30) as connection:
        head = f"POST /up HTTP/1.1\r\nHost: {SINK_HOST}\r\nContent-Length: {BODY}\r\n\r\n"
        connection.sendall(head.encode())
        left = BODY
        while left:
            left -= connection.send(PIECE[:left])
        answer(connection, memoryview(bytearray(1024)), 0.0)
        return BODY


WAYS: dict[str, Callable[[Child, Plan], int]] = {"down": down, "up": up}
PATHS = {"down": "100 MB down, the client pauses", "up": "100 MB up"}


def moved(child: Child, way: str, plan: Plan, core: int | None) -> Took:
    """One body. Raises `NoServer`."""
    child.forget_peak()
    before, memory, began = child.cpu(), child.memory(), time.perf_counter()
    with on_core(core):
        try:
            count = WAYS[way](child, plan)
        except OSError as error:
            raise NoServer(f"100 MB {way}: {type(error).__name__}: {error}") from error
    if count != BODY:
        raise NoServer(f"{count} bytes came {way}")
    kept = child.memory("VmHWM") - memory
    return Took(count, time.perf_counter() - began, child.cpu() - before, kept)


def summary(told: dict[str, list[dict[str, Took]]], missing: dict[str, str]) -> list[Line]:
    lines = []
    for way, found in told.items():
        speed = figures(found, lambda one, name: one[name].count / 1e6 / one[name].cpu)
        kept = figures(found, lambda one, name: max(one[name].kept / 2**20, 0.01))
        why = missing if way == "down" else {}
        path = PATHS[way]
        lines.append(
            Line("gateway", path, "MB per CPU s", None, OURS, HTTPX, speed, why, more=True, beside=BESIDE, full=True)
        )
        lines.append(Line("gateway", f"{path}, kept", "MiB", FLAT, OURS, HTTPX, kept, {}, beside=BESIDE, full=True))
    return lines


@attrs.frozen
class Bodies:
    group = "gateway"

    async def measure(self, effort: Effort) -> list[Line]:
        return self.measured(effort)

    def measured(self, effort: Effort) -> list[Line]:
        theirs, ours = cores()
        try:
            with contextlib.ExitStack() as stack:
                nginx = stack.enter_context(Nginx(theirs, files={**FILES, "v0/huge": BODY}))
                sink = stack.enter_context(module("sink", "" if theirs is None else str(theirs)))
                assert sink.stdout is not None
                endpoints = [url.removeprefix("http://") for url in nginx.endpoints]
                plan = Plan(endpoints, sink=f"127.0.0.1:{int(sink.stdout.readline())}")
                taking = stack.enter_context(Started.of([(name, name, plan) for name in WHO], ours))
                told: dict[str, list[dict[str, Took]]] = {way: [] for way in WAYS}
                for _ in range(turns(effort) // 2 + 1):
                    for way, found in told.items():
                        found.append(taking.one_round(lambda child, way=way: moved(child, way, plan, theirs)))
                return summary({way: found[1:] for way, found in told.items()}, taking.missing)
        except NoServer as why:
            return [unserved("100 MB bodies", why)]


ROWS = (Bodies(),)
