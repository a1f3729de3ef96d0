"""What is a process of a server told, and by whom?

=========  ==============================================  ============================================================
           the only process, or the parent of several      a worker
=========  ==============================================  ============================================================
SIGTERM    drain; the second time: end now                 drain
SIGINT     the same                                        nothing: a terminal sends it to all of them
SIGHUP     read the file again                             the same; the parent passes it on
its link   --                                              ``drain``, ``now``; the end of it: the parent has gone, drain
=========  ==============================================  ============================================================

So it does not matter whether a signal goes to the parent or, as from systemd, to all processes at once.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from ...config import Mesh
from ...config.hangup import listen
from ...errors import ConfigError
from ...observe import Log
from .addresses import Bound
from .log import access_log
from .options import Serve
from .worker import Orders, work

__all__ = ["END", "Site", "in_main_thread", "reloaded", "run", "signals"]

END: Final = (signal.SIGTERM, signal.SIGINT)
LOG: Final = logging.getLogger("meshkit.gateway")


@attrs.define
class Site:
    """All that is the same for all workers."""

    mesh: Mesh
    of_file: bool
    gateway: Any
    options: Serve
    bound: Sequence[Bound]
    status: Sequence[Bound]
    """Of each worker, or none."""


def run(site: Site, ready: Callable[[], None], *, worker: int = 0, link: socket.socket | None = None) -> int:
    """Serve in this process until told to end. Answers how many requests were cut off."""
    if site.options.log:
        site.mesh.listen(Log(), direct=True)
    if site.options.access_log is not None:
        site.mesh.listen(access_log(site.options.access_log, site.options.access_format), direct=True)
    stop = site.mesh.follow() if site.of_file and site.options.follow else _on_hangup(site)
    try:
        with asyncio.Runner(loop_factory=_loop()) as runner:
            return runner.run(_serve(site, ready, worker, link))
    finally:
        stop()


async def _serve(site: Site, ready: Callable[[], None], worker: int, link: socket.socket | None) -> int:
    loop = asyncio.get_running_loop()
    orders = Orders()

    def struck(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(orders.again if link is None else orders.drain.set)

    def heard() -> None:
        assert link is not None  # noqa: S101  # only then it is heard
        said = link.recv(64)
        orders.drain.set()
        if not said:
            loop.remove_reader(link)
        elif b"now" in said:
            orders.now.set()

    with signals({signal.SIGTERM: struck, signal.SIGINT: struck if link is None else signal.SIG_IGN}):
        if link is not None:
            loop.add_reader(link, heard)
        try:
            page = _page(site, worker) if site.status else None
            status = site.status[worker] if site.status else None
            return await work(site.gateway, site.bound, site.options, orders, ready=ready, page=page, status=status)
        finally:
            if link is not None:
                loop.remove_reader(link)


def _page(site: Site, worker: int) -> Any:
    from ..status import Status

    siblings = [each.url for each in site.status if each.path is None and each is not site.status[worker]]
    metrics = None
    if site.options.metrics:
        from ...observe import Metrics

        metrics = Metrics()
        site.mesh.watch(metrics)
    return Status(site.mesh, site.gateway, siblings=siblings, hosts=site.options.hosts, metrics=metrics)


def _on_hangup(site: Site) -> Callable[[], None]:
    """Have a signal read the file again that nobody follows."""

    def reload() -> None:
        reloaded(site.mesh)

    return listen(lambda: threading.Thread(target=reload, name="meshkit reloads", daemon=True).start())


def reloaded(mesh: Mesh) -> None:
    """Read the file again. What is wrong with it is told, and nothing is raised."""
    try:
        mesh.reload()
    except Exception as error:
        LOG.error("mesh %s stays at version %d: %s", mesh.spec.name, mesh.version, error)  # noqa: TRY400


def _loop() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def in_main_thread() -> None:
    """Raises `ConfigError` elsewhere."""
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("serve: signals are heard in the main thread only: call it there")


@contextmanager
def signals(what: dict[signal.Signals, Any]) -> Iterator[None]:
    """Have functions called at signals. Raises `ConfigError` elsewhere than in the main thread."""
    in_main_thread()
    former = {number: signal.signal(number, function) for number, function in what.items()}
    try:
        yield
    finally:
        for number, function in former.items():
            signal.signal(number, signal.SIG_DFL if function is None else function)
