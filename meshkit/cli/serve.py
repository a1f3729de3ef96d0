"""How is a mesh file served? ``meshkit serve FILE``, until a signal ends it.

======  ==============================================================================================
status  for
======  ==============================================================================================
0       an end at which everything was finished that had been under way
1       one at which something was cut off; a file with mistakes; an address that cannot be listened on
2       what cannot be understood, or is not installed
======  ==============================================================================================
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ..config.mistakes import FileErrors
from ..errors import ConfigError
from .terminal import counted, say, spoken, stop

__all__ = ["serve"]


WORDS: Final[dict[Any, str]] = {
    "Gateway": "",
    "Limits": "",
    "Options": "",
    "Serve": "",
    ("Limits", "idle"): "keep-alive",
    ("Mesh", "node"): "node",
    ("Serve", "hosts"): "status-name",
    ("Serve", "listeners"): "listener",
}
"""What options are called here that Python calls otherwise; and whose options are called the same."""


class Server(StrEnum):
    """Who takes the connections."""

    granian = "granian"
    uvicorn = "uvicorn"


@spoken
def serve(
    file: Annotated[Path, typer.Argument(help="The mesh file.", show_default=False)],
    *,
    server: Annotated[Server, typer.Option(help="Who takes the connections.")] = Server.uvicorn,
    workers: Annotated[int, typer.Option(metavar="N", help="Processes.")] = 1,
    listener: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Serve this one only; several may be given.")
    ] = None,
    node: Annotated[str | None, typer.Option(metavar="NAME", help="As this node: its listeners.")] = None,
    bind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="Listen there instead: 127.0.0.1:8080, unix:/run/shop.sock, public=...; several."
        ),
    ] = None,
    status: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where the status page is; of each worker a port further.")
    ] = "127.0.0.1:9901",
    status_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name under which it may be asked, besides addresses; several."),
    ] = None,
    no_status: Annotated[bool, typer.Option("--no-status", help="Have no status page.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say nothing of calls that fail and circuits that open.")
    ] = False,
    access_log: Annotated[
        str | None, typer.Option(metavar="FILE", help="A line for each request there; -: on standard output.")
    ] = None,
    access_format: Annotated[str, typer.Option(metavar="FORMAT", help="combined, common or json.")] = "combined",
    metrics: Annotated[bool, typer.Option("--metrics", help="Have /metrics beside it, for Prometheus.")] = False,
    health: Annotated[
        str, typer.Option(metavar="PATH", help="Where listeners say that they live; none: nowhere.")
    ] = "/healthz",
    ready: Annotated[
        str, typer.Option(metavar="PATH", help="Where they say whether they are ready; none: nowhere.")
    ] = "/readyz",
    certfile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate of https listeners, and its chain, in PEM.")
    ] = None,
    keyfile: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, unless it is in there.")] = None,
    keyfile_password: Annotated[
        str | None, typer.Option(envvar="MESHKIT_KEYFILE_PASSWORD", metavar="TEXT", help="The key's.")
    ] = None,
    connect: Annotated[str, typer.Option(metavar="DURATION", help="For a connection to an endpoint.")] = "5s",
    idle: Annotated[
        str, typer.Option(metavar="DURATION", help="Without a byte to or from a client or an endpoint.")
    ] = "300s",
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="From the signal to end until no connections are taken.")
    ] = "0s",
    drain: Annotated[
        str, typer.Option(metavar="DURATION", help="From then until what is not finished is cut off.")
    ] = "30s",
    no_follow: Annotated[
        bool, typer.Option("--no-follow", help="Read the file again at SIGHUP only, not when it changes.")
    ] = False,
    head: Annotated[str, typer.Option(metavar="DURATION", help="For the head of a request.")] = "10s",
    body: Annotated[str, typer.Option(metavar="DURATION", help="Without a byte of its body.")] = "60s",
    keep_alive: Annotated[str, typer.Option(metavar="DURATION", help="Between two requests.")] = "75s",
    backlog: Annotated[int, typer.Option(metavar="N", help="Connections that wait to be taken.")] = 2048,
    ws_max_size: Annotated[str, typer.Option(metavar="SIZE", help="Of a WebSocket message.")] = "16MiB",
    ws_ping: Annotated[str, typer.Option(metavar="DURATION", help="Between two pings; 0s: none.")] = "20s",
) -> None:
    """Serve a mesh file.

    Its listeners are opened, and requests sent on as its routes say, until SIGTERM or SIGINT.
    """
    _streams()
    from ..gateway.server import serve as served
    from ..gateway.server.sweep import Limits

    options: dict[str, Any] = {
        "server": server.value,
        "workers": workers,
        "listeners": listener or (),
        "bind": bind or (),
        "status": None if no_status else status,
        "hosts": status_name or (),
        "log": not quiet,
        "access_log": access_log,
        "access_format": access_format,
        "metrics": metrics,
        "certfile": None if certfile is None else str(certfile),
        "keyfile": None if keyfile is None else str(keyfile),
        "keyfile_password": keyfile_password,
        "grace": _seconds("--grace", grace, zero=True),
        "drain": _seconds("--drain", drain, zero=True),
        "follow": not no_follow,
        "backlog": backlog,
        "ws_max_size": _bytes("--ws-max-size", ws_max_size),
        "ws_ping": _seconds("--ws-ping", ws_ping, zero=True),
    }
    limits = {"head": _seconds("--head", head), "body": _seconds("--body", body)}
    limits["idle"] = _seconds("--keep-alive", keep_alive)
    gateway = {
        "connect": _seconds("--connect", connect),
        "idle": _seconds("--idle", idle),
        "health": _path("--health", health),
        "ready": _path("--ready", ready),
    }
    if gateway["health"] is not None and health == ready:
        raise ConfigError(f"--ready {ready}: --health has that path as well")
    try:
        with _signals() as told:
            cut = served(file, node=node, gateway=gateway, say=told, limits=Limits(**limits), **options)
    except FileErrors:
        _mistakes(file)
    except ConfigError as error:
        raise _in_options(error) from None
    except RuntimeError as error:
        stop(f"meshkit: {error}")
    if cut:
        stop(f"{counted(cut, 'request was', 'requests were')} cut off")


def _streams() -> None:
    """Where one of the first three files is closed, something else must not get its number, and what is said there."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


@contextmanager
def _signals() -> Iterator[Callable[[str], None]]:
    """What is to be called with what is said when it serves. Before, signals to end do as ever, and those that come
    when it has ended do nothing any more: its status tells how it has ended. A SIGHUP ends nothing at any time.
    """
    serves = False

    def ready(line: str) -> None:
        nonlocal serves
        serves = True
        say(line)

    def struck(number: int, frame: Any) -> None:
        if not serves:
            signal.signal(number, former[number])
            signal.raise_signal(number)

    hangup: Any = getattr(signal, "SIGHUP", None)
    deaf = {} if hangup is None else {hangup: signal.SIG_IGN}
    wanted: dict[int, Any] = {signal.SIGTERM: struck, signal.SIGINT: struck, **deaf}
    former = {number: signal.getsignal(number) for number in wanted}
    for number, what in wanted.items():
        signal.signal(number, what)
    try:
        yield ready
        serves = True
    finally:
        for number, what in former.items():
            signal.signal(number, signal.SIG_IGN if serves else what)


def _mistakes(file: Path) -> None:
    """All of them, as ``meshkit check`` says them."""
    from ..config.report import check as checked
    from .check import as_text

    for line in as_text(checked(file)):
        say(line, err=True)
    raise typer.Exit(1)


def _in_options(error: ConfigError) -> ConfigError:
    """The same, in the words of this command."""
    if error.policy not in WORDS and (error.policy, error.option) not in WORDS:
        return error
    name = WORDS.get((error.policy, error.option)) or error.option.replace("_", "-")
    text = str(error).removeprefix(f"{error.policy}: {error.option}=")
    value = text.removesuffix(f": {error.fix}")
    shown = "" if value in ("None", "True") else f" {value.strip(chr(39)) or value}"
    return ConfigError(f"--{name}{shown}: {error.fix}")


def _path(option: str, text: str) -> str | None:
    if text in ("", "none"):
        return None
    if not text.startswith("/") or not text.isascii() or not text.isprintable() or set(text) & set(" ?#"):
        raise ConfigError(f"{option} {text}: write a path, such as /healthz, or none")
    return text


def _seconds(option: str, text: str, *, zero: bool = False) -> float:
    from ..config.units import duration

    found = duration(text)
    if found is None or (found == 0 and not zero):
        above = "" if zero else " above 0"
        raise ConfigError(f"{option} {text}: write a duration{above}, such as 30s or 500ms")
    return found


def _bytes(option: str, text: str) -> int:
    from ..config.units import size

    found = size(text)
    if not found:
        raise ConfigError(f"{option} {text}: write a size above 0, such as 16MiB")
    return found
