"""What does a cluster do when one of its endpoints does this, and another that? An upstream for each, with one story.

::

    upstreams = Upstreams({"10.0.0.1": Upstream(503), "10.0.0.2": Upstream(200)})

    pipeline.call(upstreams, ...)                                         a function; `call` is the same for threads
    AsyncMeshTransport(pipeline, upstreams.transport())                   httpx and httpx2; `MeshTransport` as well
    upstreams["10.0.0.1"]                                                 the one of them

An attempt goes by the endpoint that the cluster has picked: a function is given it as ``endpoint``, a transport finds
it in the request's URL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address
from typing import Any

from ..cluster.endpoint import Endpoint
from ..errors import ConfigError
from .attempts import Attempt
from .doors import Transport
from .upstream import Upstream

__all__ = ["Upstreams"]

PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Upstreams:
    """The `Upstream` of each endpoint, by its host, or by ``host:port``, which goes first: IPv6 in brackets.

    Each plays a script of its own. An attempt at an endpoint that is not among them raises an `AssertionError`. Called,
    they are an ``async def`` that takes any arguments, and the ``endpoint``. Raises `ConfigError`.
    """

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        given: object = upstreams
        if not isinstance(given, Mapping) or not given:
            fix = 'give an upstream for each endpoint: {"10.0.0.1": Upstream(503), "10.0.0.2": Upstream(200)}'
            raise ConfigError.of("Upstreams", "upstreams", given, fix)
        self.attempts: list[Attempt] = []
        """All that came to any of them, in order. The `number` of each is that at its own upstream."""
        self._upstreams: dict[str, Upstream] = {}
        for where, upstream in given.items():
            key = _key(where)
            if key in self._upstreams:
                raise ConfigError.of("Upstreams", "endpoint", where, "name it once")
            if not isinstance(upstream, Upstream) or upstream in self._upstreams.values():
                raise ConfigError.of("Upstreams", key, upstream, "give each endpoint an Upstream(...) of its own")
            self._upstreams[key] = upstream
        for key, upstream in self._upstreams.items():
            upstream.books.append(self.attempts)
            upstream.where = key

    async def __call__(self, *args: Any, endpoint: Endpoint | None = None, **kwargs: Any) -> Any:
        """Be asked as an ``async def``, behind a cluster: the upstream of the ``endpoint`` answers."""
        return await self._of(endpoint)(*args, endpoint=endpoint, **kwargs)

    def call(self, *args: Any, endpoint: Endpoint | None = None, **kwargs: Any) -> Any:
        """Be asked as a ``def``."""
        return self._of(endpoint).call(*args, endpoint=endpoint, **kwargs)

    def transport(self) -> Any:
        """A transport for the clients of httpx and httpx2, of both colours, that goes by the host of each request."""
        return _ByHost(self)

    def __getitem__(self, where: str) -> Upstream:
        """The upstream of an endpoint, by what it was given under. Raises `KeyError`."""
        try:
            return self._upstreams[_key(where)]
        except (ConfigError, KeyError):
            raise KeyError(f"{where}: there are {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        """What they were given under, in its normal form."""
        return iter(self._upstreams)

    def __len__(self) -> int:
        return len(self._upstreams)

    def at(self, host: str, port: int) -> Upstream:
        """Who answers there. Where nobody does, one whose attempts are written down and raise `AssertionError`."""
        authority = _authority(host)
        whole = f"{authority}:{port}"
        found = self._upstreams.get(whole) or self._upstreams.get(authority)
        if found is None:
            text = f"{whole} was asked, and has no upstream: there are {', '.join(self)}"
            found = Upstream(AssertionError(text), clock=next(iter(self._upstreams.values())).clock)
            found.books.append(self.attempts)
            found.where = whole
        return found

    def _of(self, endpoint: Any) -> Upstream:
        if endpoint is None:
            text = "the function was given no endpoint: put a Cluster at the end of the pipeline, or give endpoint="
            raise TypeError(f"Upstreams: {text}")
        return self.at(endpoint.host, endpoint.port)

    def __repr__(self) -> str:
        return f"Upstreams({self._upstreams!r})"


class _ByHost(Transport):
    """For each request, the transport of who answers there."""

    async def handle_async_request(self, request: Any) -> Any:
        """One attempt."""
        return await self._there(request).handle_async_request(request)

    def handle_request(self, request: Any) -> Any:
        """One attempt."""
        return self._there(request).handle_request(request)

    def _there(self, request: Any) -> Any:
        url = request.url
        return self.upstream.at(url.host, url.port or PORTS.get(url.scheme, 0)).transport()


def _key(where: Any) -> str:
    """A host, or host and port, as in an address."""
    fix = 'give a host such as "10.0.0.1", or host and port as in "10.0.0.1:8080"'
    if not isinstance(where, str):
        raise ConfigError.of("Upstreams", "endpoint", where, fix)
    try:
        return f"[{IPv6Address(where.removeprefix('[').removesuffix(']'))}]"
    except ValueError:
        pass
    try:
        if ":" not in where:
            return Endpoint(f"{where}:1").host
        endpoint = Endpoint(where)
    except ConfigError:
        raise ConfigError.of("Upstreams", "endpoint", where, fix) from None
    return f"{_authority(endpoint.host)}:{endpoint.port}"


def _authority(host: str) -> str:
    return f"[{host}]" if ":" in host else host
