"""Does a mesh route as it should? A table of requests and what becomes of them, without a server and without a cluster.

    shop = routes("mesh.yaml", listener="public")

    def test_routes():
        shop.check(\"\"\"
            GET  http://shop.example/api/orders            -> orders  /orders
            GET  http://shop.example/api/orders x-canary=1 -> orders-v2
            GET  http://shop.example/old                   -> 301 https://shop.example/new
            GET  http://shop.example/nothing               -> 404
            GET  http://orders/stock                       -> orders=90% orders-v2=10%
        \"\"\")

or one by one, for ``pytest.mark.parametrize``: ``shop.find("GET", "http://shop.example/").to``. Only routing is asked:
no policy and no balancer. A request that is split leads to all that have a share, or, where the request itself says
where it goes (a sticky session, the header of a canary), there alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from os import PathLike
from typing import Any, NamedTuple

from ..config.assembly import incoming, outgoing
from ..config.kept import Kept
from ..config.lookup import Found, Lookup, Request, Share, told
from ..config.mesh import Mesh
from ..config.spec import MeshSpec
from ..errors import ConfigError

__all__ = ["Routes", "Row", "routes"]

LINE = re.compile(r"(?P<method>[A-Z]+)\s+(?P<url>\S+)(?P<fields>(?:\s+[\w-]+=\S*)*)\s+->\s+(?P<wanted>\S.*)")
PERCENT = re.compile(r"[0-9]+(?:\.[0-9]+)?%")


class Row(NamedTuple):
    """A line of a table. ``wanted`` are the words behind the arrow."""

    line: int
    request: Request
    wanted: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.request.method} {self.request.url}"


def routes(
    mesh: str | PathLike[str] | Mesh | MeshSpec, *, node: str | None = None, listener: str | None = None
) -> Routes:
    """The routes of a mesh, or of a file, as a node has them for its calls, or a listener for what comes to it. Raises
    `ConfigError`, with all mistakes of the file.
    """
    if isinstance(mesh, Mesh):
        spec = mesh.spec
    elif isinstance(mesh, MeshSpec):
        spec = mesh
    else:
        from ..config.file import load  # pyyaml is an extra

        spec = load(mesh, imports=True)
    if listener is not None:
        specs = incoming(spec, spec.listener(listener), Kept())
    else:
        specs = outgoing(spec, spec.node(node), Kept())
    return Routes(Lookup(specs[-1], served=listener is not None))


class Routes:
    """Routes that can be asked about. Made by `routes`."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def find(self, method: str, url: str, headers: dict[str, str] | None = None, **more: Any) -> Found:
        """What becomes of a request, and why no other route has it. ``more``: ``client``, ``facts`` of `Request`."""
        return self._lookup.find(Request(method, url, headers=headers or {}, **more), reasons=True)

    def check(self, table: str) -> None:
        """Check a table: a request in each line, and what is to become of it behind an arrow.

        The request: its method, its URL, header fields as ``name=value``. Behind the arrow, in any order: the name of a
        cluster or of a route (``cluster:stock``, ``route:stock``: that of the two, where both are called so); a path
        (with its query) that is sent on; a status; a URL, of a redirect or of where a
        request is sent on under another host; a share, ``orders=90%``. Empty lines and what stands behind ``#`` do not
        count. Raises `AssertionError`, with all lines that do not hold and why.
        """
        rows = self.rows(table)
        wrong = [text for row in rows for text in self._wrong(row)]
        if wrong:
            raise AssertionError(f"{len(wrong)} of {len(rows)} routes are others:\n" + "\n".join(wrong))

    def rows(self, table: str) -> list[Row]:
        """The lines of a table, for ``pytest.mark.parametrize(..., ids=str)``. Raises `ConfigError`."""
        found = []
        for number, line in enumerate(table.splitlines(), start=1):
            text = line.partition(" #")[0].strip()
            if not text or text.startswith("#"):
                continue
            parts = LINE.fullmatch(text)
            if parts is None:
                fix = 'write "GET http://host/path -> cluster /path", with header fields as name=value before the arrow'
                raise ConfigError.of("routes", f"line {number}", text, fix)
            fields = dict(each.split("=", 1) for each in parts["fields"].split())
            request = Request(parts["method"], parts["url"], headers=fields)
            found.append(Row(number, request, tuple(parts["wanted"].split())))
        if not found:
            raise ConfigError.of("routes", "table", table, "give at least one line")
        return found

    def check_row(self, row: Row) -> None:
        """Check a line. Raises `AssertionError`."""
        wrong = self._wrong(row)
        if wrong:
            raise AssertionError("\n".join(wrong))

    def _wrong(self, row: Row) -> list[str]:
        found = self._lookup.find(row.request, reasons=True)
        missing = [word for word in row.wanted if not _is(word, found)]
        if not missing:
            return []
        lines = [f"  line {row.line}: {row}", f"    wanted {' '.join(missing)}", f"    found  {_shown(found)}"]
        meant = [each for each in found.missed if str(each.route) in missing or _leads(each.route, missing)]
        lines += [f"    {each.route}: {each.why}" for each in (meant or found.missed[:2])[:5]]
        return ["\n".join(lines)]


def _leads(route: Any, words: list[str]) -> bool:
    return told(route.to).removeprefix("cluster ") in words


def _is(word: str, found: Found) -> bool:
    if word.isdecimal():
        return found.status == int(word)
    if "://" in word:
        return word in (found.location, f"{word.partition('://')[0]}://{found.host}{found.path}")
    if word.startswith("/"):
        return found.route is not None and found.status is None and word == found.path
    name, _, share = word.rpartition("=")
    if name and PERCENT.fullmatch(share):
        wanted = float(share[:-1]) / 100
        return any(each.name == name and abs(each.share - wanted) < 1e-9 for each in _ways(found.shares))
    if found.route is None:
        return False
    goes = {found.to.removeprefix("cluster "), *(each.name for each in _ways(found.shares, going=True))}
    kind, colon, name = word.partition(":")
    if colon and kind in {"cluster", "route"}:
        return name in goes if kind == "cluster" else name == found.name
    return word == found.name or word in goes


def _ways(shares: tuple[Share, ...], *, going: bool = False) -> Iterator[Share]:
    """All ways of a split. ``going``: only those that the request may go."""
    sure = any(each.sure for each in shares)
    for each in shares:
        if not going or (each.sure if sure else each.share):
            yield each
            yield from _ways(each.ways, going=going)


def _shown(found: Found) -> str:
    if found.route is None:
        return f"{found.status}: {found.reason}"
    if found.location is not None:
        return f"{found.status} {found.location}, by {found.name}"
    status = "" if found.status is None else f"{found.status}, "
    shares = "".join(f" {each.name}={100 * each.share:g}%" for each in _ways(found.shares, going=True))
    return f"{status}{found.to}{shares} {found.path}, by {found.name}"
