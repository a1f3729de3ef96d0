"""What does an ingress controller do? It takes requests in, and sends them on to whom the mesh says.

    gateway = Gateway(Mesh.from_file("mesh.yaml"))   # any ASGI server runs it; `meshkit serve mesh.yaml` does all of it

Everything that decides is the mesh's: listeners, routes, policies, clusters. What is left is the way of the bytes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import attrs

from ..config import Listener, Mesh
from ..errors import ConfigError
from ..fields.deadline import NAMES
from ..options import count, flag, optional, seconds
from ..upstream.places import Limits
from ..upstream.pool import Pool
from .listening import Listening
from .vigil import Vigil

__all__ = ["Gateway"]

LIMITS = Limits(connections=None)
"""How many requests there are is a matter of policies."""
ALL = Listener("all")
"""Of a mesh without any: all of its routes."""
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TEXT = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


def _token(spec: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not TOKEN.fullmatch(value):
        raise ConfigError.of("Gateway", attribute.name, value, "give the name of a header field, or None")


@attrs.frozen(kw_only=True)
class Options:
    """Those of a `Gateway`, checked."""

    connect: float = attrs.field(validator=seconds())
    idle: float = attrs.field(validator=seconds())
    replay: int = attrs.field(validator=count(0))
    whole: int = attrs.field(validator=count(0, 131_072))
    finish: bool = attrs.field(validator=flag())
    most: float = attrs.field(validator=seconds())
    deadline: Iterable[str]
    rate_limit: str | None
    via: str | None
    explain: str | None
    request_id: str | None = attrs.field(validator=optional(_token))


class Gateway:
    """A mesh's listeners as an ASGI app. Raises `ConfigError`. For asyncio.

    ``listener``: the name of the one to serve; ``None``: the one there is, of several the one whose port a request has
    come to, and where the mesh has none, all of its routes.

    ``connect``: seconds in which an endpoint is to accept a connection; ``idle``: seconds in which no byte has moved,
    after which a request is broken off. ``replay``: so many bytes of a request's body are kept, to be sent again by a
    retry; ``whole``: an answer of no more than so many bytes (of declared length) is relayed when all of it is there.
    ``finish``: what was sent to an upstream goes on when the client has gone; by default it is broken off. ``health``
    and ``ready`` are paths that the gateway answers itself, ``None``: none. ``request_id`` names the field that each
    request is sent on with. ``deadline``, ``most``, ``rate_limit``, ``via`` and ``explain`` as in `MeshMiddleware`.
    """

    def __init__(
        self,
        mesh: Mesh,
        listener: str | None = None,
        *,
        pool: Pool | None = None,
        deadline: Iterable[str] = NAMES,
        most: float = 3600.0,
        rate_limit: str | None = "draft-11",
        via: str | None = "meshkit",
        connect: float = 5.0,
        idle: float = 300.0,
        replay: int = 65_536,
        whole: int = 65_536,
        finish: bool = False,
        health: str | None = "/healthz",
        ready: str | None = "/readyz",
        explain: str | None = "x-meshkit-explain",
        request_id: str | None = "x-request-id",
    ) -> None:
        if not isinstance(mesh, Mesh):
            raise ConfigError.of("Gateway", "mesh", mesh, 'give a Mesh, such as Mesh.from_file("mesh.yaml")')
        self.mesh = mesh
        if pool is not None and not callable(getattr(pool, "send", None)):
            raise ConfigError.of("Gateway", "pool", pool, "give a meshkit.upstream.Pool, or None")
        paths: list[tuple[str, object]] = [("health", health), ("ready", ready)]
        for option, path in paths:
            if path is not None and not (isinstance(path, str) and path.startswith("/")):
                raise ConfigError.of("Gateway", option, path, 'give a path, such as "/healthz", or None')
        self.pool = Pool(LIMITS) if pool is None else pool
        self._options = Options(
            connect=connect,
            idle=idle,
            replay=replay,
            whole=whole,
            finish=finish,
            most=most,
            deadline=deadline,
            rate_limit=rate_limit,
            via=via,
            explain=explain,
            request_id=request_id,
        )
        self._probes = {path: path == ready for path in (health, ready) if path is not None}
        self.draining = False
        """Whether it is about to end: it is not ready, and connections are closed as they become idle."""
        self._vigils: dict[asyncio.AbstractEventLoop, Vigil] = {}
        named = _listeners(mesh, listener)
        if len({each.port for each in named}) < len(named):
            fix = "they are told apart by their ports: give each one of its own, or serve one with listener=..."
            raise ConfigError.of("Gateway", "mesh", ", ".join(each.name for each in named), fix)
        self.listening = {each.name: self._listen(each) for each in named}
        """What serves each listener, by its name."""
        self.ports: dict[int | str, Listening] = {each.port: self.listening[each.name] for each in named}
        """The same by port, or by the path of a Unix socket: for whoever opens others than the mesh says."""
        self._only = next(iter(self.listening.values())) if len(named) == 1 else None

    def _listen(self, listener: Listener) -> Listening:
        pipeline = self.mesh.serving(listener if listener is ALL else listener.name)
        name, mesh = listener.name, self.mesh
        return Listening(
            pipeline, lambda: listener if listener is ALL else mesh.spec.listener(name), self.pool, self._options
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._live(receive, send)
            return
        if kind not in ("http", "websocket"):
            raise ValueError(f"a gateway serves http and websocket, not {kind}")
        path = scope["path"]
        if scope.get("root_path"):
            path = path.removeprefix(scope["root_path"])
        if path in self._probes and kind == "http":
            await self._probe(path, scope, send)
            return
        listening = self._only or self._by_port(scope)
        vigil = self._vigils.get(asyncio.get_running_loop()) or self._vigil()
        await listening.serve(vigil, scope, receive, send)

    def _by_port(self, scope: Any) -> Listening:
        server = scope.get("server") or ("", None)
        found = self.ports.get(server[0] if server[1] is None else server[1])
        if found is None:
            names = ", ".join(self.listening)
            raise ConfigError.of("Gateway", "listener", server, f"say which one is served, of {names}: listener=...")
        return found

    def _vigil(self) -> Vigil:
        loop = asyncio.get_running_loop()
        for each in [*self._vigils]:
            if each.is_closed():
                self._vigils.pop(each, None)
        return self._vigils.setdefault(loop, Vigil(loop, self._options.idle))

    # Its life.

    @property
    def under_way(self) -> int:
        """How many requests and websockets are being served."""
        return sum(each.under_way for each in self.listening.values())

    def drain(self) -> None:
        """Be ready no more: ``/readyz`` says so, and answers close their connections. What comes is served yet."""
        self.draining = True
        for each in self.listening.values():
            each.door.draining = True

    async def drained(self, seconds: float) -> int:
        """Wait until nothing is under way, no longer than so many seconds; answers how much is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.under_way:  # noqa: ASYNC110  # of all loops that it serves on
                    await asyncio.sleep(0.02)
        return self.under_way

    def idle(self) -> bool:
        """Whether nothing is under way, held or connected for a call."""
        listening = self.listening.values()
        free = all(each.pipeline.idle() and each.copies.idle() for each in listening)
        return free and self.under_way == 0 and self.pool.idle()

    def snapshot(self) -> dict[str, Any]:
        """What is under way, the pool's connections, and the state of each policy by listener."""
        return {
            "under_way": self.under_way,
            "draining": self.draining,
            "pool": self.pool.snapshot(),
            "listeners": {name: each.pipeline.snapshot() for name, each in self.listening.items()},
        }

    async def aclose(self) -> None:
        """Close the connections to upstreams. What is under way fails."""
        for each in self.listening.values():
            await each.copies.aclose()
        await self.pool.aclose()

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _probe(self, path: str, scope: Any, send: Any) -> None:
        """Answer a question about this process itself."""
        ready = not (self.draining and self._probes[path])
        body = b"ok\n" if ready else b"draining\n"
        headers = [*TEXT, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200 if ready else 503, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def __repr__(self) -> str:
        return f"Gateway({self.mesh!r}, {', '.join(self.listening)})"


def _listeners(mesh: Mesh, name: str | None) -> list[Listener]:
    """Those that are served."""
    spec = mesh.spec
    if name is not None:
        return [spec.listener(name)]
    node = mesh.node
    if node is not None and node.listeners:
        return [spec.listener(each) for each in node.listeners]
    return [*spec.listeners] or [ALL]
