"""How is a mesh served? ``serve("mesh.yaml")``: what ``meshkit serve mesh.yaml`` does.

First all that can be wrong is found out, and said at once: the file, the options, what is not installed, addresses that
are taken. Then there are processes, and one line for each listener when all of them are ready.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from difflib import get_close_matches
from inspect import signature
from typing import Any, Final

from ...config import Listener, Mesh
from ...errors import ConfigError
from ...route.router import Router
from ...shared import bare
from ..app import Gateway
from .addresses import UNIX, Bound, opened
from .log import written
from .options import Serve
from .process import Site, run
from .tls import context
from .workers import Workers

__all__ = ["serve"]

ALL: Final = Listener("all")
NAME: Final = re.compile(r"[\w.-]+")
"""What stands before ``=`` in an address, where it is a listener."""
PAGE: Final = Listener("status")
LOG: Final = logging.getLogger("meshkit.gateway")


def serve(
    mesh: Mesh | str | os.PathLike[str],
    *,
    node: str | None = None,
    gateway: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = print,
    **options: Any,
) -> int:
    """Serve the listeners of a mesh, or of a mesh file, until a signal ends it. In the main thread.

    Answers how many requests and websockets were cut off, because they were not finished within ``drain`` seconds after
    SIGTERM or SIGINT; at a second one at once. Raises `ConfigError` (of a file: with all mistakes in it), `OSError` for
    an address that cannot be listened on, `RuntimeError` for a worker that does not start or is killed.

    ``server``: ``"uvicorn"`` or ``"granian"``. ``workers``: processes. ``listeners``: names, by default those of the
    node, or all. ``bind``: addresses instead of the listener's own, ``"127.0.0.1:8080"``, ``"unix:/run/shop.sock"``, of
    several listeners ``"public=..."``. ``status``: where the status page is, worker k's k ports further; ``None``:
    nowhere; ``hosts``: names under which it may be asked; ``metrics``: whether those for Prometheus are beside it.
    ``log``: whether standard error is told of calls that fail and circuits that open; ``access_log``: the file that has
    a line for each request, ``"-"`` for standard output, in the ``access_format`` of an `AccessLog`. ``certfile``,
    ``keyfile``, ``keyfile_password``: for listeners with ``scheme: https``. ``grace``: seconds from the signal to the
    last new connection. ``follow``: whether the file is read again when it has changed, and not at SIGHUP only.
    ``limits``: how long a client may take (`Limits`). ``backlog``, ``ws_max_size`` (bytes of a message) and ``ws_ping``
    (seconds; 0: none) as uvicorn has them. ``gateway``: options of the `Gateway`. ``say`` is told one line for each
    listener.
    """
    given = Serve(**options)
    given.heard()
    written(None if given.workers == 1 else 0)
    of_file = not isinstance(mesh, Mesh)
    if isinstance(mesh, Mesh):
        if node is not None:
            raise ConfigError.of("Serve", "node", node, "the mesh has been made as one: Mesh(..., node=...)")
    else:
        mesh = Mesh.from_file(mesh, node=node)
    chosen = _chosen(mesh, given)
    only = chosen[0].name if len(chosen) == 1 and chosen[0] is not ALL else None
    app = Gateway(mesh, only, **_of_gateway(gateway or {}))
    _many_files()
    with ExitStack() as stack:
        bound = _opened(chosen, given, stack)
        if any(each.tls for each in bound):
            context(given)  # whether it is one
        for each in bound:
            known = app.listening[each.listener.name]
            app.ports[each.server[0] if each.server[1] is None else each.server[1]] = known
        status = [_page(given, number, stack) for number in range(given.workers)] if given.status else []
        site = Site(mesh, of_file, app, given, bound, status)

        def ready() -> None:
            for line in _lines(site):
                say(line)

        if given.workers == 1:
            return run(site, ready)
        return Workers(site, ready).run()


def _of_gateway(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a `Gateway` that can be given to it here."""
    known = signature(Gateway).parameters.keys() - {"mesh", "listener"}
    for name in options:
        if name not in known:
            raise ConfigError.of("Serve", "gateway", name, f"give options of a Gateway, of {', '.join(sorted(known))}")
    return {**options}


def _chosen(mesh: Mesh, options: Serve) -> list[Listener]:
    spec = mesh.spec
    names: Any = options.listeners or (mesh.node.listeners if mesh.node is not None else ())
    for name in options.listeners:
        if all(each.name != name for each in spec.listeners):
            fix = f"there is no such listener: {_instead(name, [each.name for each in spec.listeners])}"
            raise ConfigError.of("Serve", "listeners", name, fix)
    found = [spec.listener(name) for name in names] or [*spec.listeners] or [ALL]
    ports: dict[object, str] = {}
    for each in found:
        where = each.address if each.address.startswith(UNIX) else each.port
        if where in ports and where and not options.bind:
            raise ConfigError.of("Serve", "listeners", each.name, f"{ports[where]} has port {where} as well")
        ports[where] = each.name
    return found


def _instead(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1)
    return (
        f"did you mean {near[0]}?" if near else f"give one of {', '.join(known)}" if known else "there is none at all"
    )


def _opened(chosen: list[Listener], options: Serve, stack: ExitStack) -> list[Bound]:
    """All addresses of the listeners."""
    texts: dict[str, list[str]] = {each.name: [] for each in chosen}
    for text in options.bind:
        name, equals, address = text.partition("=")
        if not equals or name not in texts:
            if equals and NAME.fullmatch(name):
                fix = f"there is no listener {name} that is served: {_instead(name, [*texts])}"
                raise ConfigError.of("Serve", "bind", text, fix)
            if len(chosen) > 1:
                names = ", ".join(texts)
                raise ConfigError.of("Serve", "bind", text, f"say which listener it is for, of {names}: public=...")
            name, address = chosen[0].name, text
        texts[name].append(address)
    secure = [each.name for each in chosen if each.scheme == "https"]
    if secure and not options.certfile:
        fix = f"{secure[0]} has scheme https: give a certificate, and its key"
        raise ConfigError.of("Serve", "certfile", None, fix)
    if options.certfile and not secure:
        fix = "no listener that is served has scheme https"
        raise ConfigError.of("Serve", "certfile", options.certfile, fix)
    found = []
    for each in chosen:
        for number, address in enumerate(texts[each.name]):
            if address in texts[each.name][:number]:
                raise ConfigError.of("Serve", "bind", address, "it is there twice")
        for address in texts[each.name] or [_own(each)]:
            bound = opened(each, address, options.backlog, tls=each.scheme == "https")
            stack.callback(bound.close, remove=True)
            found.append(bound)
    return found


def _own(listener: Listener) -> str:
    address = listener.address
    if address.startswith(UNIX):
        return address
    return f"[{address}]:{listener.port}" if ":" in address else f"{address}:{listener.port}"


def _page(options: Serve, number: int, stack: ExitStack) -> Bound:
    bound = opened(PAGE, options.status or "", options.backlog, ahead=number, option="status")
    stack.callback(bound.close, remove=True)
    return bound


def _lines(site: Site) -> list[str]:
    lines = []
    clusters = len(site.mesh.spec.clusters)
    for each in site.bound:
        specs = [bare(spec) for spec in site.gateway.listening[each.listener.name].pipeline.specs]
        routes = sum(len(spec.routes) for spec in specs if isinstance(spec, Router))
        what = f"{_counted(routes, 'route')}, {_counted(clusters, 'cluster')}"
        lines.append(f"serving {each.listener.name} on {each.url} ({what})")
    if site.status:
        lines[-1] += f", status on {site.status[0].url}"
    if site.options.workers > 1:
        lines[-1] += f", {site.options.workers} workers"
    return lines


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _many_files() -> None:
    """As many as the system lets a process have: each connection is one, and the default of 1024 is for others."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard == resource.RLIM_INFINITY or soft < hard:
            most = 2**20 if hard == resource.RLIM_INFINITY else min(hard, 2**20)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
