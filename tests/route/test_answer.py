"""What is answered where nobody is asked: no redirect leads elsewhere than it says, no answer is split."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshkit import ConfigError, Pipeline
from meshkit.asgi import MeshMiddleware
from meshkit.call import Call
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.route.answer import Redirect, Respond
from meshkit.route.branch import Branch
from meshkit.route.edit import ResponseHeaders
from meshkit.route.local import App, Function
from meshkit.route.match import Match
from meshkit.route.path import Paths
from meshkit.route.rewrite import Rewrite
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Split

from .asking import Door, Request, sent

PLAIN = re.compile(rb"[!-~]+")


async def answered(router, path, query=b"", host=b"shop.example", headers=(), *, method="GET"):
    """Status and fields of what a server answers; the raw request, as a server has read it."""
    messages = []

    async def nobody(scope, receive, send):
        raise AssertionError("it was asked")

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": method,
        "path": unquote(path.decode("latin-1")),
        "raw_path": path,
        "query_string": query,
        "headers": [*((b"host", each) for each in ([host] if isinstance(host, bytes) else host)), *headers],
    }
    await MeshMiddleware(nobody, Pipeline(router))(scope, receive, send)
    return messages[0]["status"], dict(messages[0]["headers"])


TO_TLS = Router([Route(to=Redirect(scheme="https"))])
ODD_PATHS = [
    b"//evil.example",
    b"///evil.example",
    b"/\\evil.example",
    b"\\\\evil.example",
    b"/%5Cevil.example",
    b"/%5cevil.example/%2e%2e",
    b"/%2Fevil.example",
    b"/.//evil.example",
    b"/a/..//evil.example",
    b"/%0d%0aset-cookie:x=1",
    b"/\r\nset-cookie: x=1",
    b"/%00",
    b"/@evil.example",
    b"@evil.example",
    b":80@evil.example/",
    b"http://evil.example/",
    b"/;@evil.example",
    b"/\xff",
    b"/#@evil.example",
    b"",
]


@pytest.mark.parametrize("path", ODD_PATHS)
async def test_no_path_leads_elsewhere(path):
    for router in (
        TO_TLS,
        Router([Route(to=Redirect(scheme="https"))], paths=Paths(slashes="keep", backslash="slash")),
    ):
        status, fields = await answered(router, path)
        if status == 302:
            there = urlsplit(fields[b"location"].decode("ascii"))
            assert (there.scheme, there.netloc) == ("https", "shop.example")
            assert PLAIN.fullmatch(fields[b"location"])
            assert not there.path.startswith(("//", "/\\"))
        else:
            assert status in (400, 414)
            assert b"location" not in fields


@settings(max_examples=60)
@given(st.text(st.sampled_from("/\\.%2fF5cC0dDaA@:;?#evil\r\n "), max_size=14))
def test_no_captured_text_leads_elsewhere(tail):
    router = Router([Route(Match(regex="/a(.*)"), Redirect(to="$1", host="there.example"))])
    state = router.start(None)
    call = Call(Door(), Request(f"http://x/a{tail}"), 0.0)
    decision = state.facts(call)
    if hasattr(decision, "rule"):
        call.route = decision
        status, fields, _ = state.branches[0][0].destination(call)
        location = fields[b"location"]
        assert status == 302
        assert location.startswith(b"http://there.example/")
        assert not location.startswith((b"http://there.example//", b"http://there.example/\\"))
        assert PLAIN.fullmatch(location)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"a=1&b=%20", b"?a=1&b=%20"),
        (b"a=//evil", b"?a=//evil"),
        (b"a=\xff", b"?a=%FF"),
        (b"a b\r\nx: y", b"?a%20b%0D%0Ax:%20y"),
        (b'a="<>#', b"?a=%22%3C%3E%23"),
        (b"", b""),
    ],
)
async def test_the_query_stays_and_ends_no_field(query, kept):
    assert (await answered(TO_TLS, b"/x", query))[1][b"location"] == b"https://shop.example/x" + kept


@pytest.mark.parametrize(
    ("host", "location"),
    [
        (b"Shop.Example.", b"https://shop.example/x"),
        (b"shop.example:8080", b"https://shop.example/x"),
        (b"[2001:DB8::7]:80", b"https://[2001:db8::7]/x"),
        (b"evil.example/@shop.example", None),
        (b"user@evil.example", None),
        (b"evil.example\\", None),
        (b"evil.example#", None),
        (b"a b", None),
        (b"\xff", None),
        (b"a\r\nx: y", None),
        (b"shop:evil", None),
        ((b"shop.example", b"evil.example"), None),
    ],
)
async def test_a_host_that_is_none_is_refused(host, location):
    status, fields = await answered(TO_TLS, b"/x", host=host)
    assert fields.get(b"location") == location
    assert status == (302 if location else 400)


@pytest.mark.parametrize("host", [(), b"", b":443"])
async def test_without_a_host_there_is_nowhere_to_send_anybody(host):
    for path in (b"/evil.example/x", b"//evil.example"):
        status, fields = await answered(TO_TLS, path, host=host)
        assert (status, b"location" in fields) == (400, False)
    there = Router([Route(to=Redirect(host="there.example"))])
    assert (await answered(there, b"/x", host=host))[1][b"location"].startswith(b"http://there.example")


async def test_a_request_for_no_path_is_sent_to_none():
    status, fields = await answered(TO_TLS, b"*", method="OPTIONS")
    assert (status, fields[b"location"]) == (302, b"https://shop.example")


@pytest.mark.parametrize(
    ("path", "host", "location"),
    [
        (b"/a//b/../c", b"shop.example", b"https://shop.example/a/c"),
        (b"@evil.example/x", b"shop.example", None),
        (b".evil.example/x", b"shop.example", None),
        (b"/\xff", b"shop.example", None),
        (b"/x", b"a b", None),
        (b"/x", (), None),
    ],
)
async def test_nor_where_no_router_has_seen_the_request(path, host, location):
    """A split with actions has decided about it: it is sent as it came."""
    edited = Branch(None, 0, actions=[ResponseHeaders(set={"x-by": "mesh"})], name="edited")
    status, fields = await answered(Split(Branch(Redirect(scheme="https")), edited), path, host=host)
    assert (status, fields.get(b"location")) == (400 if location is None else 302, location)


async def test_edits_of_the_answer_are_made_here_as_well():
    router = Router([Route(to=Redirect(path="/"), actions=[ResponseHeaders(set={"x-by": "mesh"})])])
    assert (await answered(router, b"/x"))[1][b"x-by"] == b"mesh"
    assert sent(router, "http://a/x")[1].headers["x-by"] == "mesh"


@pytest.mark.parametrize(
    ("spec", "status", "body", "kind"),
    [
        (Respond(), 200, b"", None),
        (Respond(404, "no such shöp"), 404, "no such shöp".encode(), "text/plain; charset=utf-8"),
        (Respond(503, b"{}", headers={"Content-Type": "a/json", "Retry-After": "7"}), 503, b"{}", "a/json"),
        (Respond(204), 204, b"", None),
    ],
)
async def test_a_direct_answer(spec, status, body, kind):
    request, response = sent([Route(to=spec)], "http://a/")
    assert request is None
    assert (response.status_code, response.content, response.headers.get("content-type")) == (status, body, kind)
    served, fields = await answered(Router([Route(to=spec)]), b"/")
    assert (served, fields.get(b"content-type", b"").decode() or None) == (status, kind)
    for name, value in spec.headers.items():
        assert response.headers[name] == value == fields[name.lower().encode()].decode()


def test_a_function_is_given_the_request_as_its_route_has_it():
    def fn(request):
        return httpx.Response(200, text=f"{request.method} {request.url}")

    router = [Route(Match(prefix="/a"), fn, actions=[Rewrite(prefix="/b")])]
    assert sent(router, "http://x/a/c?q=1")[1].text == "GET http://x/b/c?q=1"


async def test_an_app_within_the_process_behind_both_doors():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    router = Router([Route(Match(prefix="/a"), App(app), actions=[Rewrite(prefix="/b")])])
    async with httpx.AsyncClient(transport=AsyncMeshTransport(Pipeline(router), httpx.MockTransport(None))) as client:
        assert (await client.get("http://x/a/c")).text == "/b/c"
    transport = httpx.ASGITransport(MeshMiddleware(app, Pipeline(router)))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.get("http://x/a/c")).text == "/b/c"
    alone = MeshMiddleware(app, Pipeline(App(app)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(alone)) as client:
        assert (await client.get("http://x/a/c")).text == "/a/c"


@pytest.mark.parametrize("wrap", [lambda spec: spec, lambda spec: Router([Route(to=spec)])], ids=["alone", "route"])
def test_what_is_awaited_is_not_for_a_client_that_does_not(wrap):
    async def fn(request):
        raise AssertionError("it was called")

    for spec in (App(fn), Function(fn)):
        with pytest.raises(ConfigError, match="it is awaited: give a plain function, or take the async client"):
            MeshTransport(Pipeline(wrap(spec)), httpx.MockTransport(None))


def test_they_stand_without_a_router_but_for_redirects():
    def call(spec):
        transport = MeshTransport(Pipeline(spec), httpx.MockTransport(None))
        return transport.handle_request(httpx.Request("GET", "http://a/x"))

    assert call(Respond(418)).status_code == 418
    assert call(Function(lambda request: httpx.Response(200, text=request.url.path))).text == "/x"
    with pytest.raises(
        ConfigError, match="Redirect: no router has seen the request: make it the destination of a Route"
    ):
        call(Redirect(scheme="https"))


@pytest.mark.parametrize(
    "spec", [Redirect(path="/"), Respond(), Function(print), App(print)], ids=lambda s: type(s).__name__
)
def test_a_function_has_no_requests(spec):
    with pytest.raises(ConfigError, match=f"{type(spec).__name__}: .* put it behind meshkit.httpx or meshkit.asgi"):
        Pipeline(spec)(lambda: None)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Redirect(status=300), "Redirect: status=300: give one of 301, 302, 303, 307, 308"),
        (lambda: Redirect(scheme="ftp"), "Redirect: scheme='ftp': write one of 'http', 'https'"),
        (lambda: Redirect(port=70000), "Redirect: port=70000: give a whole number"),
        (lambda: Redirect(host="*.a"), "Redirect: host='*.a': give the one host to ask"),
        (lambda: Redirect(host="a/b"), "Redirect: host='a/b': give a name such as"),
        (lambda: Redirect(path="//a"), "Redirect: path='//a': no request has such a path: two slashes"),
        (lambda: Redirect(path="/a", to="/b"), "Redirect: path and to: give one of them"),
        (lambda: Redirect(regex="a"), "Redirect: regex='a': say with to= what takes its place"),
        (lambda: Respond(100), "Respond: status=100: give a whole number from 200 to 599"),
        (lambda: Respond(200, 7), "Respond: body=7: give text or bytes"),
        (lambda: Respond(204, "x"), "Respond: body=b'x': an answer with 204 has none: leave it out"),
        (lambda: Respond(headers={"x": "\r\n"}), "Respond: headers='\\r\\n': give x a text without control"),
        (lambda: Respond(headers={"content-length": "3"}), "Respond: headers='content-length': it frames the message"),
        (lambda: Function(7), "Function: fn=7: give a function of the request"),
        (lambda: App(dict), "App: app=<class 'dict'>: give an ASGI app, not its class"),
        (
            lambda: Router([Route(to=Redirect(path="/"), actions=[Rewrite(host="a")])]).start(None),
            "Redirect: its route rewrites as well: give host and path to the Redirect itself",
        ),
        (
            lambda: Router([Route(Match(path="/a"), Redirect(prefix="/b"))]).start(None),
            "Redirect: prefix='/b': it takes the place of the prefix that has matched",
        ),
    ],
)
def test_what_is_refused(make, said):
    with pytest.raises(ConfigError) as raised:
        make()
    assert str(raised.value).startswith(said)
