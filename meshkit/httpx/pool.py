"""How does a client's request reach the wire? Over our own connections, and to the client it looks as it always did.

=========================  ==========================================================================================
of httpx                   here
=========================  ==========================================================================================
``timeout``                the four steps, each for itself
``Limits``                 the ceilings of `meshkit.upstream.Limits`, for each loop
exceptions                 the same, each from the pool's own (`meshkit.upstream.errors`), which says more
a request's extensions     ``timeout``, ``sni_hostname``, ``target``, ``trace``; our own: ``total_timeout``
a response's extensions    ``http_version``, ``reason_phrase``, ``network_stream``
HTTP/2, a proxy, trio      the library's own transport underneath, made of the same arguments
=========================  ==========================================================================================

An answer that came whole holds no connection any more when the client gets to see it.
"""

from __future__ import annotations

import ssl
from asyncio import get_running_loop
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..errors import ConfigError, Rejected
from ..upstream.dial import Dial
from ..upstream.errors import WireError
from ..upstream.origin import Origin
from ..upstream.places import Limits
from ..upstream.pool import Pool
from ..upstream.trace import Trace
from .aim import aimed, numeric, told
from .library import Library, installed, library_of
from .stream import NetworkStream, body_of, translated

if TYPE_CHECKING:
    import httpx
    import httpx2

    from ..cluster.endpoint import Endpoint

    class _Async(httpx.AsyncBaseTransport, httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: Any) -> Any: ...

else:
    _Async = object

__all__ = ["PoolTransport"]

Key = tuple[bytes, bytes, int | str | None, str | None]
"""Scheme and host of the URL, its port or the address of the endpoint, and the name for TLS, where one is given."""

PORTS = {b"http": (80, False), b"ws": (80, False), b"https": (443, True), b"wss": (443, True)}
NONE: dict[str, Any] = {}
MANY = 10_000
"""Origins remembered: a program that asks more than that puts some together anew."""


class PoolTransport(_Async):
    """For ``httpx.AsyncClient`` and ``httpx2.AsyncClient``: in place of ``AsyncHTTPTransport``, and much faster.

    The arguments are those of ``AsyncHTTPTransport``; ``limits`` may also be `meshkit.upstream.Limits`, with ceilings
    for one origin and for the queue. It may serve any number of loops, one after the other or at once; each has
    connections of its own. Where the pool does not speak the language (``http2=True``, ``proxy=``, trio) the library's
    own transport is used underneath.

    Raises the library's exceptions, as ``AsyncHTTPTransport`` does.
    """

    def __init__(  # noqa: PLR0917  # as httpx has them
        self,
        verify: Any = True,
        cert: Any = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: Any = None,
        proxy: Any = None,
        uds: str | None = None,
        local_address: str | None = None,
        retries: int = 0,
        socket_options: Iterable[Any] | None = None,
    ) -> None:
        self.limits = _limits(limits)
        options = () if socket_options is None else tuple(socket_options)
        self._given = {
            "verify": verify,
            "cert": cert,
            "trust_env": trust_env,
            "http1": http1,
            "http2": http2,
            "proxy": proxy,
            "uds": uds,
            "local_address": local_address,
            "retries": retries,
            "socket_options": options or None,
        }
        self._theirs: dict[Library, Any] = {}
        self._library: Library | None = None
        self._first = self
        self._context: ssl.SSLContext | None = None
        if verify is not True or cert is not None:  # what cannot be used is refused here, as httpx does
            self._library = installed("PoolTransport")
            self._context = self._tls()
        self._origins: dict[Any, Origin] = {}
        self.pool: Pool | None = None
        """Our own connections, unless the library's are used for all."""
        if http2 or not http1 or proxy is not None:
            self._other(self._library or installed("PoolTransport"))  # what it cannot use, it refuses here
        else:
            self.pool = Pool(self.limits, tls=self._tls, dial=Dial(uds, local_address, options, max(0, int(retries))))

    def beside(self) -> PoolTransport:
        """Another one like it, with connections of its own and the same TLS context; of somebody's own kind, itself."""
        if type(self) is not PoolTransport:
            return self
        another = PoolTransport(**self._given, limits=self.limits)
        another._first = self._first
        return another

    async def handle_async_request(
        self, request: Any, endpoint: Endpoint | None = None, fields: Sequence[tuple[bytes, bytes]] = ()
    ) -> Any:
        """Send a request. The connection is held until the body has been read or closed.

        ``endpoint``: to whom, instead of the URL's host (see `aim`); ``fields`` are sent as well, in place of the
        request's own of that name, which is in lower case.
        """
        library = library_of(request)
        pool = self.pool
        if pool is None:
            return await self._other(library).handle_async_request(_as_told(request, endpoint, fields))
        if self._library is None:
            self._library = library
        url = request.url
        extensions = request.extensions
        listener = extensions.get("trace")
        trace = None if listener is None else Trace(listener, request)
        to = url.port if endpoint is None else endpoint.address
        key = url.raw_scheme, url.raw_host, to, extensions.get("sni_hostname")
        origin = self._origins.get(key)
        if origin is None:
            origin = self._origin(library, request, key, endpoint)
        stream = request.stream
        if isinstance(stream, library.ByteStream):
            [body] = stream
        elif isinstance(stream, library.AsyncByteStream):
            body = stream
        else:
            raise RuntimeError("an async client cannot send a body that is a plain iterator")  # noqa: TRY004  # as httpx
        target = extensions.get("target", url.raw_path)
        if isinstance(target, str):
            target = target.encode("ascii")
        headers = request.headers.raw
        if fields:
            names = [name for name, _ in fields]
            headers = [field for field in headers if field[0].lower() not in names]
            headers += fields
        times = extensions.get("timeout") or NONE
        if "total_timeout" in extensions:
            times = {**times, "total": extensions["total_timeout"]}
        try:
            answer = await pool.send(
                origin,
                request.method.encode("ascii"),
                target,
                headers,
                body,
                times=times,
                trace=trace,
            )
        except WireError as error:
            raise translated(error, library, request) from error
        except Rejected as error:  # the queue is full
            raise library.adopt(error, request)  # noqa: B904  # it stays the same object
        except RuntimeError:
            if _running():
                raise
            return await self._other(library).handle_async_request(_as_told(request, endpoint, fields))
        return library.module.Response(
            answer.status,
            headers=answer.headers,
            stream=body_of(answer, library, request, trace),
            extensions={
                "http_version": answer.version,
                "reason_phrase": answer.reason,
                "network_stream": NetworkStream(answer, library),
            },
        )

    handle_async_request.aims = True  # type: ignore[attr-defined]
    """It is told the endpoint and the fields of an attempt: the request need not be copied for them. The mark is on the
    function: a subclass, or a wrapper, with a method of its own is not told."""

    def handle_request(self, request: Any = None) -> NoReturn:
        """For a client that awaits nothing this is the wrong transport: `TypeError`."""
        raise TypeError("PoolTransport is for AsyncClient: give a Client an HTTPTransport")

    __enter__ = close = handle_request

    def _origin(self, library: Library, request: Any, key: Key, endpoint: Endpoint | None) -> Origin:
        scheme, host, _, name = key
        known = PORTS.get(scheme)
        if known is None:
            what = f"unsupported protocol {scheme.decode()!r}" if scheme else "no protocol"
            message = f"{what}; there are http and https"
            raise library.module.UnsupportedProtocol(message, request=request)
        port, tls = known
        if endpoint is None:
            if not host:
                raise library.module.ConnectError("no host to connect to", request=request)
            given = request.url.port
            origin = Origin(host.decode("ascii"), port if given is None else given, tls, name if tls else None)
        else:
            if endpoint.scheme is not None:
                tls = endpoint.scheme == "https"
            if name is None and numeric(endpoint.host):
                name = host.decode("ascii")
            origin = Origin(endpoint.host, endpoint.port, tls, name if tls else None)
        if len(self._origins) >= MANY:
            self._origins.clear()
        self._origins[key] = origin
        return origin

    def _tls(self) -> ssl.SSLContext:
        """The context, made as the library makes it, when the first connection wants one: it takes 20 ms and more."""
        first = self._first
        if first._context is None:
            given = first._given
            library = self._library or installed("PoolTransport")
            first._context = library.module.create_ssl_context(
                verify=given["verify"], cert=given["cert"], trust_env=given["trust_env"]
            )
        return first._context

    def _other(self, library: Library) -> Any:
        theirs = self._theirs.get(library)
        if theirs is None:
            limits = library.module.Limits(
                max_connections=self.limits.connections,
                max_keepalive_connections=self.limits.idle,
                keepalive_expiry=self.limits.idle_for,
            )
            theirs = self._theirs[library] = library.module.AsyncHTTPTransport(limits=limits, **self._given)
        return theirs

    def snapshot(self) -> dict[str, Any]:
        """How many connections there are now; empty where the library's own transport is used for all."""
        return {} if self.pool is None else self.pool.snapshot()

    async def aclose(self) -> None:
        """Close all connections. Used again, it opens new ones."""
        if self.pool is not None and _running():
            await self.pool.aclose()
        for theirs in self._theirs.values():
            await theirs.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return "PoolTransport(over the library's own)" if self.pool is None else f"PoolTransport({self.pool!r})"


def _as_told(request: Any, endpoint: Endpoint | None, fields: Sequence[tuple[bytes, bytes]]) -> Any:
    """The request as another transport must see it."""
    aim = request if endpoint is None else aimed(request, endpoint)
    return told(aim, [*fields], own=aim is not request) if fields else aim


def _running() -> bool:
    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True


def _limits(given: Any) -> Limits:
    if given is None:
        return Limits()
    if isinstance(given, Limits):
        return given
    try:
        idle, idle_for = given.max_keepalive_connections, given.keepalive_expiry
        return Limits(
            connections=given.max_connections,
            idle=None if idle is None else max(0, idle),  # to httpx, less than none is none
            idle_for=None if idle_for is None else max(0.0, idle_for),
        )
    except AttributeError:
        raise ConfigError.of("PoolTransport", "limits", given, "give httpx.Limits or meshkit.upstream.Limits") from None
