"""What is going on in a mesh, for whoever looks? A read-only ASGI app for a listener of its own.

=====================  ==============================================================================================
``/``                  one page, whole in itself: no build step, nothing from elsewhere
``/status.json``       what it shows (`picture`), as of the last second
``/events``            the same as a stream of server-sent events (`stream`)
``/healthz``           200
``/readyz``            200; 503 while the gateway drains
=====================  ==============================================================================================

It tells what a mesh is made of, so who may ask is narrowed: only GET and HEAD; only where the ``Host`` is an IP
address, ``localhost`` or a name that was given, so that no foreign page reaches it under a name of its own (DNS
rebinding); never for a page of another site (Fetch Metadata; no CORS). The page may run its own script and style only,
by their digests (CSP 3), and no text becomes markup (Trusted Types). Secrets are not shown: see `loaded` and
`meshkit.observe.redact`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing, suppress
from functools import cache
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import anyio

from ...errors import ConfigError
from .picture import Picture
from .stream import Looks
from .traffic import Traffic

__all__ = ["Status"]

Headers = list[tuple[bytes, bytes]]

PAGES = 32
"""Streams at once."""
PATIENCE = 30.0
"""Seconds in which whoever asks has to take what was sent, piece by piece."""
PIECE = 65536
"""Bytes."""
ALWAYS: Headers = [
    (b"cache-control", b"no-store"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
TEXT, JSON = b"text/plain; charset=utf-8", b"application/json"
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,250}[a-z0-9_])?")
_LINK = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+/?")


class Status:
    """The status page of a mesh: an ASGI app that reads and changes nothing. Raises `ConfigError`.

    It listens to the mesh from now on until `close`, for a few microseconds a call, and remembers ``failures`` kinds of
    failures (0 to 1000). ``gateway`` is the `Gateway` that serves the mesh, if one does. ``siblings``: addresses of the
    status pages of the other workers, such as ``"http://127.0.0.1:9902"``, which the page links to. ``hosts``: names
    under which it may be asked, besides IP addresses and ``localhost``. With ``metrics``, a `Metrics` that watches the
    mesh, these are at ``/metrics`` for Prometheus. To be served by one event loop.
    """

    def __init__(
        self,
        mesh: Any,
        gateway: Any = None,
        *,
        failures: int = 50,
        siblings: Iterable[str] = (),
        hosts: Iterable[str] = (),
        metrics: Any = None,
    ) -> None:
        if not callable(getattr(mesh, "watch", None)) or not hasattr(mesh, "versions"):
            raise ConfigError.of("Status", "mesh", mesh, "give a Mesh")
        given: object = failures
        if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 1000:
            raise ConfigError.of("Status", "failures", failures, "give a count, 0 to 1000, such as 50")
        self.mesh = mesh
        self.gateway = gateway
        self._hosts = _hosts(hosts)
        self._metrics = None if metrics is None else _scraped(metrics)
        links = [{"name": each.partition("://")[2].rstrip("/"), "url": each} for each in _links(siblings)]
        traffic = Traffic(failures)
        self._stop = mesh.watch(traffic)
        self._looks = Looks(Picture(mesh, traffic, gateway, links).taken)

    def close(self) -> None:
        """Listen no more, and end the streams: before the server waits for its connections. In its event loop."""
        self._looks.close()
        self._stop()

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})  # before it is accepted: the handshake is refused
            return
        if scope["type"] != "http":
            raise ValueError(f"Status answers HTTP, not {scope['type']}")
        answer = Answer(send, scope["method"])
        if scope["method"] not in {"GET", "HEAD"}:
            await answer(405, TEXT, b"Only GET and HEAD.\n", [(b"allow", b"GET, HEAD")])
        elif not self._believed(scope):
            text = b"This page is asked for by its IP address, as localhost, or by a name that it was given.\n"
            await answer(421, TEXT, text)
        elif _foreign(scope):
            await answer(403, TEXT, b"This page is for nobody else's page.\n")
        else:
            await self._answer(scope, receive, answer)

    async def _answer(self, scope: Any, receive: Callable[[], Awaitable[Any]], answer: Answer) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/"))
        if path == "/":
            body, policy = page()
            await answer(200, b"text/html; charset=utf-8", body, [(b"content-security-policy", policy)])
        elif path == "/status.json":
            await answer(200, JSON, (await self._looks.look()).whole())
        elif path == "/metrics" and self._metrics is not None:
            await self._metrics(scope, receive, answer.relay)
        elif path == "/healthz":
            await answer(200, TEXT, b"ok\n")
        elif path == "/readyz":
            draining = self._looks.closed or bool(getattr(self.gateway, "draining", False))
            await answer(503 if draining else 200, TEXT, b"draining\n" if draining else b"ok\n")
        elif path != "/events":
            more = b"" if self._metrics is None else b"/metrics, "
            await answer(404, TEXT, b"There is /, /status.json, /events, %s/healthz and /readyz.\n" % more)
        elif self._looks.closed or self._looks.following >= PAGES:
            await answer(503, TEXT, b"As many pages as there may be are open.\n", [(b"retry-after", b"5")])
        elif answer.empty:
            await answer(200, b"text/event-stream", b"")
        else:
            await self._stream(receive, answer)

    async def _stream(self, receive: Callable[[], Awaitable[Any]], answer: Answer) -> None:
        async with anyio.create_task_group() as both:

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                both.cancel_scope.cancel()

            both.start_soon(until_gone)
            with suppress(OSError, TimeoutError):  # the client has gone, or does not read
                await answer.begin(200, b"text/event-stream", [(b"x-accel-buffering", b"no")])
                async with aclosing(self._looks.follow()) as events:
                    async for event in events:
                        with anyio.fail_after(PATIENCE):
                            await answer.more(event)
                await answer.more(b"", last=True)
            both.cancel_scope.cancel()

    async def _lifespan(self, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            if kind == "lifespan.shutdown":
                self.close()
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return

    def _believed(self, scope: Any) -> bool:
        """Whether the one ``Host`` there is is one that nobody else's name server could have made."""
        given = [value for name, value in scope["headers"] if name == b"host"]
        if len(given) != 1:
            return False
        name = given[0].decode("latin-1").strip().lower()
        if name.startswith("["):
            name, _, port = name[1:].partition("]")
            port = port.removeprefix(":")
        else:
            name, _, port = name.partition(":")
        if port and not (port.isascii() and port.isdigit()):
            return False
        name = name.removesuffix(".")
        return name == "localhost" or name in self._hosts or _is_address(name)

    def __repr__(self) -> str:
        return f"Status({self.mesh!r})"


class Answer:
    """To one request."""

    __slots__ = ("empty", "send")

    def __init__(self, send: Any, method: str) -> None:
        self.send = send
        self.empty = method == "HEAD"

    async def __call__(self, status: int, kind: bytes, body: bytes, headers: Headers | None = None) -> None:
        length = (b"content-length", b"%d" % len(body))
        left = 0 if self.empty else len(body)
        with suppress(TimeoutError):  # the client does not read
            with anyio.fail_after(PATIENCE):
                await self.begin(status, kind, [length, *(headers or [])] if body or not self.empty else headers)
            for start in range(0, max(1, left), PIECE):
                with anyio.fail_after(PATIENCE):
                    await self.more(body[start : min(left, start + PIECE)], last=start + PIECE >= left)

    async def begin(self, status: int, kind: bytes, headers: Headers | None = None) -> None:
        fields = [(b"content-type", kind), *ALWAYS, *(headers or [])]
        await self.send({"type": "http.response.start", "status": status, "headers": fields})

    async def relay(self, message: Any) -> None:
        """Of an answer that another app gives."""
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *ALWAYS]}
        await self.send(message)

    async def more(self, body: bytes, *, last: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": not last})


@cache
def page() -> tuple[bytes, bytes]:
    """The page, and the policy that lets it do what it does and nothing else."""
    text = files(__package__).joinpath("page.html").read_text("utf-8")
    digests = {tag: _digest(text, tag) for tag in ("script", "style")}
    policy = (
        f"default-src 'none'; script-src {digests['script']}; style-src {digests['style']}; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return text.encode(), policy.encode("ascii")


def _digest(text: str, tag: str) -> str:
    content = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _foreign(scope: Any) -> bool:
    """Whether a page of another site asks, for itself: a person who follows a link may come from anywhere."""
    found = {name: value for name, value in scope["headers"] if name.startswith(b"sec-fetch-")}
    site, mode = found.get(b"sec-fetch-site", b"none"), found.get(b"sec-fetch-mode", b"navigate")
    return site not in (b"none", b"same-origin") and not (mode == b"navigate" and scope["path"] == "/")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _hosts(hosts: Any) -> frozenset[str]:
    those = None if isinstance(hosts, str) else [*hosts]
    if those is None or not all(isinstance(each, str) and _NAME.fullmatch(each.lower()) for each in those):
        raise ConfigError.of("Status", "hosts", hosts, 'give a list of names, such as ["status.shop.example"]')
    return frozenset(each.lower().removesuffix(".") for each in those)


def _scraped(metrics: Any) -> Any:
    """The app that answers a scrape."""
    from ...observe.prometheus import MetricsApp

    return MetricsApp(metrics)


def _links(siblings: Any) -> list[str]:
    those = None if isinstance(siblings, str) else [*siblings]
    if those is None or not all(isinstance(each, str) and _LINK.fullmatch(each) for each in those):
        raise ConfigError.of(
            "Status", "siblings", siblings, 'give a list of addresses, such as "http://127.0.0.1:9902"'
        )
    return those
