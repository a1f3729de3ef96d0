"""Where does a server listen? On addresses that are opened once, before there is any worker.

================================  ==========================================================================
written                           is
================================  ==========================================================================
``127.0.0.1:8080`` ``[::1]:8080``  TCP; ``[::]`` takes IPv4 as well; port 0: any that is free
``:8080``                         TCP, on all addresses
``localhost:8080``                the first address of that name, IPv4 before IPv6
``unix:/run/shop.sock``           a Unix socket, mode 0666 without what the umask takes away
================================  ==========================================================================

The file of a Unix socket that nobody listens on any more is removed; another file never is. When the server ends it
removes its own, unless somebody has put another one there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
from pathlib import Path
from typing import Final

import attrs

from ...config import Listener
from ...errors import ConfigError

__all__ = ["UNIX", "Bound", "opened"]

TCP: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]/]*)):([0-9]{1,5})")
UNIX: Final = "unix:"
WHY: Final = {
    errno.EACCES: "this user may not listen there",
    errno.EADDRINUSE: "another program listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


@attrs.define(eq=False)
class Bound:
    """An address that is listened on, and for whom."""

    listener: Listener
    socket: socket.socket
    tls: bool
    path: str | None = None
    """Of a Unix socket."""
    _made: tuple[int, ...] | None = None

    @property
    def url(self) -> str:
        """For people."""
        scheme = "https" if self.tls else "http"
        if self.path is not None:
            return f"{scheme} on {UNIX}{self.path}"
        host, port = self.socket.getsockname()[:2]
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    @property
    def server(self) -> tuple[str, int | None]:
        """As an ASGI scope has it."""
        if self.path is not None:
            return self.path, None
        host, port = self.socket.getsockname()[:2]
        return host, port

    def close(self, *, remove: bool = False) -> None:
        """Listen no more, in this process. ``remove``: nor in any other, so that the file can go."""
        self.socket.close()
        if remove and self.path is not None and self._made is not None:
            with contextlib.suppress(OSError):
                if _which(self.path) == self._made:
                    Path(self.path).unlink()


def opened(
    listener: Listener, text: str, backlog: int, *, tls: bool = False, ahead: int = 0, option: str = "bind"
) -> Bound:
    """Listen on an address. ``ahead``: on the port so many ports further. Raises `ConfigError` for what is no address,
    `OSError` with a sentence of why nobody can listen there.
    """
    if text.startswith(UNIX):
        return _unix(listener, text.removeprefix(UNIX) + (f".{ahead}" if ahead else ""), backlog, tls=tls)
    found = TCP.fullmatch(text)
    if found is None or int(found[3]) > 65535:
        fix = "write 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/shop.sock"
        raise ConfigError.of("Serve", option, text, fix)
    port = int(found[3])
    port += ahead if port else 0
    host = found[1] or found[2] or "0.0.0.0"  # noqa: S104  # written so by whoever means it
    try:
        sock = _tcp(host, port, backlog)
    except OSError as error:
        raise OSError(f"{listener.name}: {text.rpartition(':')[0]}:{port}: {_why(error)}") from None
    return Bound(listener, sock, tls)


def _tcp(host: str, port: int, backlog: int) -> socket.socket:
    if port > 65535:
        raise OSError(errno.EADDRNOTAVAIL, "a port beyond 65535")
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(infos, key=lambda info: info[0] != socket.AF_INET)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would take the address from another program
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and hasattr(socket, "IPPROTO_IPV6"):
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _unix(listener: Listener, path: str, backlog: int, *, tls: bool) -> Bound:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _cleared(path)
        sock.bind(path)
        mask = os.umask(0)
        os.umask(mask)
        Path(path).chmod(0o666 & ~mask)
        sock.listen(backlog)
        sock.setblocking(False)
        made = _which(path)
    except OSError as error:
        sock.close()
        raise OSError(f"{listener.name}: {UNIX}{path}: {_why(error)}") from None
    return Bound(listener, sock, tls, path, made)


def _cleared(path: str) -> None:
    """Remove what a server has left that was killed."""
    try:
        mode = Path(path).lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError("there is another file")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, "")


def _which(path: str) -> tuple[int, ...]:
    """Which file it is: the number of one that is gone may be given to the next, but not at the same time."""
    there = Path(path).lstat()
    return there.st_dev, there.st_ino, there.st_ctime_ns


def _why(error: OSError) -> str:
    return WHY.get(error.errno or 0) or error.strerror or str(error)
