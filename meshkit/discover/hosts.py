"""Is the name known to the machine itself? What its ``hosts`` file says, which everybody reads before the DNS.

``localhost`` and the names below it are this machine, whatever a server would answer (RFC 6761, section 6.3).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path, PureWindowsPath

__all__ = ["SYSTEM_HOSTS", "Address", "named"]

Address = IPv4Address | IPv6Address

SYSTEM_HOSTS = (
    str(PureWindowsPath("C:/Windows/System32/drivers/etc/hosts")) if sys.platform == "win32" else "/etc/hosts"
)
LOOPBACK = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


def named(host: str, path: str) -> set[Address]:
    """All addresses that the file gives for the name, none if there is no such file. Raises `OSError`.

    What is no line of it is ignored, as it is by everybody who reads it, and so is an address that needs a zone.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        data = b""
    found = set(_addresses(host, data))
    if not found and (host == "localhost" or host.endswith(".localhost")):
        found.update(LOOPBACK)
    return found


def _addresses(host: str, data: bytes) -> Iterator[Address]:
    if host.encode() not in data.lower():  # some block a million names in it
        return
    for line in data.decode("utf-8", "replace").splitlines():
        address, *names = line.partition("#")[0].split() or ("",)
        if "%" not in address and host in (name.lower().removesuffix(".") for name in names):
            try:
                yield ip_address(address)
            except ValueError:
                continue
