"""What was matched is what is sent: odd paths, through the door of clients and through that of servers.

A route for ``/admin`` stands beside one for everything else. Whatever is sent on, however leniently somebody further in
reads it, is below ``/admin`` if, and only if, it came by that route.
"""

from __future__ import annotations

import posixpath
from contextlib import suppress
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshkit import NoRoute, Pipeline
from meshkit.asgi import MeshMiddleware
from meshkit.httpx import MeshTransport
from meshkit.route.edit import RequestHeaders
from meshkit.route.match import Match
from meshkit.route.path import Paths, normal
from meshkit.route.route import Route
from meshkit.route.router import Router

TOLD = "x-route"
CORPUS = [
    *("/", "/admin", "/admin/", "/admin/x", "/admins", "/Admin", "/x/admin", "/a%20b", "/%61dmin", "/%41dmin"),
    *("//admin", "///admin", "/x//admin", "/x/../admin", "/x/./admin", "/./admin", "/admin/..", "/admin/../x"),
    *(
        "/admin/../../x",
        "/x/%2e%2e/admin",
        "/x/%2E./admin",
        "/x/.%2e/admin",
        "/%2e/admin",
        "/admin%2f..",
        "/x%2f..%2fadmin",
    ),
    *(
        "/admin%2Fx",
        "/x/..%2fadmin",
        "/x\\..\\admin",
        "/x%5c..%5cadmin",
        "/\\admin",
        "/admin;x=1",
        "/admin;/x",
        "/;/admin",
    ),
    *(
        "/x/..;/admin",
        "/x/..;a=b/admin",
        "/.;/admin",
        "/admin%3B",
        "/admin%00",
        "/admin%0d%0a",
        "/admin\0",
        "/admin\r\n",
    ),
    *(
        "/%",
        "/%4",
        "/%zz",
        "/admin%",
        "/%c0%ae%c0%ae/admin",
        "/x/%c0%af/admin",
        "/%e0%80%af",
        "/%ed%a0%80",
        "/%f8%88%80%80%80",
    ),
    *(
        "/%252e%252e/admin",
        "/x/%252e%252e%252fadmin",
        "/%2561dmin",
        "/\u00e4",
        "/%C3%A4",
        "/%c3%a4",
        "/a b",
        "/a\tb",
        "*",
        "",
    ),
    *(
        "/admin?",
        "/x?/../admin",
        "/x#/admin",
        "/~a",
        "/%7Ea",
        "/a+b",
        "/a%2Bb",
        "/a:b",
        "/a%3Ab",
        "/{a}",
        "/%7Ba%7D",
        '/"<>^`|',
    ),
    *(
        "admin",
        "/..",
        "/../admin",
        "/.",
        "/...",
        "/.../admin",
        "/a/b/../../admin",
        "/a/b/../../../admin",
        "/" + "a" * 9000,
    ),
]


def routes(paths=None):
    return Router(
        [
            Route(Match(prefix="/admin"), actions=[RequestHeaders(set={TOLD: "admin"})]),
            Route(actions=[RequestHeaders(set={TOLD: "all"})]),
        ],
        paths=paths or Paths(),
    )


def by_client(path, paths=None):
    """Route and target as the transport below is given them; ``None``: it was refused. The path is as nobody would
    write it who asks httpx: it makes paths normal by itself.
    """
    seen = []

    def inner(request):
        seen.append((request.headers[TOLD], request.url.raw_path.partition(b"?")[0].decode("ascii")))
        return httpx.Response(200)

    request = httpx.Request("GET", "http://x/")
    request.url._uri_reference = request.url._uri_reference._replace(path=path)
    with suppress(NoRoute):
        MeshTransport(Pipeline(routes(paths)), httpx.MockTransport(inner)).handle_request(request)
    return seen[0] if seen else None


def by_server(path, paths=None):
    """The same, as an app is given them; its decoded path, and the status of a refusal."""
    seen, sent = [], []

    async def app(scope, receive, send):
        [told] = [value.decode() for name, value in scope["headers"] if name == TOLD.encode()]
        raw = scope["raw_path"].decode("ascii")
        assert scope["path"] == unquote(raw)
        seen.append((told, raw))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive():
        raise AssertionError("nothing is read")

    async def send(message):
        sent.append(message)

    raw = path.encode("latin-1")
    scope = {"type": "http", "method": "GET", "path": unquote(path), "raw_path": raw, "headers": [(b"host", b"x")]}
    running = MeshMiddleware(app, Pipeline(routes(paths)))(scope, receive, send)
    with pytest.raises(StopIteration):  # nothing in it waits for anything
        running.send(None)
    return (seen[0] if seen else None), sent[0]["status"]


def is_admins(path, parameters):
    """For a careless upstream: one that decodes all, takes backslashes for slashes, and resolves dots; and that, with
    ``parameters``, takes them away before that, as servlet containers do.
    """
    segments = unquote(path, "latin-1").replace("\\", "/").split("/")
    if parameters:
        segments = [segment.partition(";")[0] for segment in segments]
    read = posixpath.normpath("/" + "/".join(segments)).replace("//", "/")
    return read == "/admin" or read.startswith("/admin/")


def agree(path, paths=None):
    client = by_client(path, paths)
    if "?" in path or "#" in path or not path:
        return client  # no server would call that the path
    server, status = by_server(path, paths)
    assert server == client
    assert status in ((200,) if server else (400, 414))
    return client


NO_PARAMETERS = Paths(parameters="reject")


@pytest.mark.parametrize("path", CORPUS, ids=ascii)
def test_the_corpus(path):
    found = agree(path)
    if found is not None:
        route, sent = found
        assert sent == normal(path)
        assert normal(sent) == sent
        assert is_admins(sent, parameters=False) == (route == "admin")
    found = agree(path, NO_PARAMETERS)
    assert found is None or is_admins(found[1], parameters=True) == (found[0] == "admin")


@settings(max_examples=150)
@given(
    st.lists(st.sampled_from(["/", "admin", ".", "..", "%2e", "%2F", "%5c", "\\", ";a", "x", "%61", "%"]), max_size=8)
)
@example(["admin", "%2F", "..", "/", "x"])
def test_any_path(parts):
    for paths, parameters in ((Paths(), False), (NO_PARAMETERS, True)):
        found = agree("/" + "".join(parts), paths)
        assert found is None or is_admins(found[1], parameters) == (found[0] == "admin")


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["/", "a", ".", "..", "%2e", "%2F", "%5C", "\\", ";a", "%C3%A4", "%ff"]), max_size=8),
    st.builds(
        Paths,
        slashes=st.sampled_from(["merge", "keep", "reject"]),
        dots=st.sampled_from(["resolve", "clamp", "reject"]),
        encoded_slash=st.sampled_from(["reject", "keep", "decode"]),
        backslash=st.sampled_from(["reject", "slash"]),
        octets=st.sampled_from(["utf-8", "any"]),
    ),
)
def test_whatever_the_paths_of_a_router_are(parts, paths):
    found = agree("/" + "".join(parts), paths)
    if found is not None:
        assert normal(found[1], paths) == found[1]
        assert not found[1].startswith("//")
