"""AccessLog: the formats to the letter, what is hidden, and that nobody forges a line."""

from __future__ import annotations

import gc
import json
import logging
import re
import time
from contextlib import suppress
from types import SimpleNamespace
from weakref import ref

import anyio
import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit import Cluster, ConfigError, Constant, Pipeline, RateLimit, Retry, RoundRobin, Timeout, Verdict
from meshkit.asgi import MeshMiddleware
from meshkit.asgi.door import AsgiDoor
from meshkit.call import Failure
from meshkit.deadline import CURRENT, opened, spend
from meshkit.errors import DeadlineExceeded, Overloaded, TimedOut
from meshkit.httpx import AsyncMeshTransport, MeshTransport
from meshkit.observe.events import AttemptBegan, CallEnded
from meshkit.observe.log.access_log import AccessLog
from meshkit.observe.log.line import escaped, shown
from meshkit.observe.passing import PASSING
from meshkit.observe.trail import Follows
from meshkit.testing import ManualClock

LONGEST = 10_000
"""Characters of a line, whatever is asked."""
THEN = 971211336.0
"""10 October 2000, 13:55:36 in California."""


@pytest.fixture(autouse=True)
def california(monkeypatch):
    monkeypatch.setenv("TZ", "<-07>+7")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


class Door:
    """As much of the ASGI door as is asked."""

    translates = False

    def client(self, scope):
        return scope["client"][0] if scope["client"] else None

    def about(self, call):
        return {"kind": "server", **({"route": call.request.route} if call.request.route else {})}


def exchange(scope=(), *, status=200, size=2326, **attributes):
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/apache_pb.gif",
        "raw_path": b"/apache_pb.gif",
        "query_string": b"",
        "http_version": "1.0",
        "client": ("127.0.0.1", 40000),
        "headers": [
            (b"referer", b"http://www.example.com/start.html"),
            (b"user-agent", b"Mozilla/4.08 [en] (Win98; I ;Nav)"),
        ],
        **dict(scope),
    }
    known = {"status": status, "size": size, "gone": False, "error": None, "route": None, "door": Door()}
    known |= {"over": True, "headers": [], **attributes}
    return SimpleNamespace(scope=scope, **known)


def ended(verdict=Verdict.SUCCESS, error=None, attempts=1, duration=0.25):
    return CallEnded(1.0 + duration, 1.0, verdict, attempts, Failure(error) if error is not None else None)


def served(request, event=None, **options):
    lines = []
    log = AccessLog(lines.append, clock=lambda: THEN, **options)
    call = SimpleNamespace(request=request, door=request.door, began_at=1.0, lines=None)
    following = log.follow(SimpleNamespace(name="api"), call)
    following(event or ended())
    assert following.request is None
    (line,) = lines
    return line


FRANK = {"user": lambda scope: "frank"}


# The formats.


def test_common_is_the_line_of_apaches_manual():
    assert served(exchange(), format="common", **FRANK) == (
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326'
    )


def test_combined_as_well():
    assert served(exchange(), **FRANK) == (
        '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 '
        '"http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'
    )


def test_what_is_unknown_is_a_dash():
    bare = exchange({"client": None, "headers": []}, size=0)
    assert served(bare) == '- - - [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 - "-" "-"'


@pytest.mark.parametrize(
    ("zone", "at", "stamp"),
    [
        ("UTC0", 0.0, "[01/Jan/1970:00:00:00 +0000]"),
        ("<+0530>-5:30", 1700000000.9, "[15/Nov/2023:03:43:20 +0530]"),
        ("<-0330>+3:30", 1700000000.0, "[14/Nov/2023:18:43:20 -0330]"),
    ],
)
def test_the_time_is_local_and_says_how_far_from_utc(monkeypatch, zone, at, stamp):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    lines = []
    request = exchange()
    log = AccessLog(lines.append, format="common", clock=lambda: at)
    log.follow(SimpleNamespace(name=""), SimpleNamespace(request=request, door=request.door))(ended())
    assert stamp in lines[0]


@pytest.mark.parametrize(("version", "said"), [("1.1", "HTTP/1.1"), ("2", "HTTP/2.0"), ("3", "HTTP/3.0")])
def test_the_protocol(version, said):
    assert f' {said}" ' in served(exchange({"http_version": version}))


def test_json_has_its_keys_in_their_order():
    request = exchange({"query_string": b"a=1"}, route="/{file}")
    line = served(request, format="json", **FRANK)
    assert json.loads(line) == {
        "time": "2000-10-10T20:55:36.000Z",
        "kind": "server",
        "pipeline": "api",
        "client": "127.0.0.1",
        "user": "frank",
        "type": "http",
        "method": "GET",
        "path": "/apache_pb.gif?*",
        "route": "/{file}",
        "protocol": "HTTP/1.0",
        "status": 200,
        "bytes": 2326,
        "referer": "http://www.example.com/start.html",
        "user_agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
        "error": None,
        "outcome": "success",
        "attempts": 1,
        "duration": 0.25,
        "calls": None,
        "calls_attempts": None,
        "calls_seconds": None,
        "trace_id": None,
        "span_id": None,
    }
    assert line.startswith('{"time":"2000-10-10T20:55:36.000Z","kind":"server","pipeline":"api","client":"127.0.0.1",')
    bare = json.loads(served(exchange({"client": None, "headers": []}), format="json"))
    assert [bare[key] for key in ("client", "user", "route", "referer", "user_agent")] == [None] * 5


def test_what_was_asked_of_others_is_in_the_ledger():
    """Also where it is entered late; but not what others had entered, nor the request's own line."""
    clock = ManualClock()
    lines = []
    request = exchange()
    pipeline = SimpleNamespace(name="api", clock=clock)
    with opened(2.0, clock):
        around = CURRENT.get()
        spend(around, "before", 4.0, 1, "success")
        call = SimpleNamespace(request=request, door=request.door, began_at=clock(), lines=None, clock=clock)
        following = AccessLog(lines.append, format="json").follow(pipeline, call)
        call.scope = around
        spend(call, "stock", 0.5, 3, "failure")
        spend(call, "stock", 0.25, 1, "success")
        within = SimpleNamespace(scope=call)  # a call within a call is part of its time
        spend(within, "disk", 0.125, 1, "success")
        spend(around, "GET /", 1.0, 1, "failure")
    following(ended())
    line = json.loads(lines[0])
    assert (line["calls"], line["calls_attempts"], line["calls_seconds"]) == (2, 4, 0.75)


PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trace_is_that_of_the_fields_it_came_with():
    token = PASSING.set(((b"traceparent", PARENT),))
    try:
        line = served(exchange(), format="json")
    finally:
        PASSING.reset(token)
    said = json.loads(line)
    assert (said["trace_id"], said["span_id"]) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert list(said)[-2:] == ["trace_id", "span_id"]


def test_a_trace_is_what_is_answered_where_somebody_is_asked():
    line = served(exchange(), format="json", trace=lambda: {"trace": "abc", "status": "x", "n": object(), 7: "\n"})
    said = json.loads(line)
    assert {key: said[key] for key in ("trace", "meshkit_status", "n", "7", "status")} == {
        "trace": "abc",
        "meshkit_status": "x",
        "n": None,
        "7": "\\n",
        "status": 200,
    }
    assert "trace_id" not in said

    def broken():
        raise RuntimeError("hush")

    line = served(exchange(), format="json", trace=broken)
    assert json.loads(line)["meshkit_trace_failed"] == "RuntimeError"
    assert "trace_id" not in json.loads(served(exchange(), format="json", trace=lambda: None))


# What is hidden.


@pytest.mark.parametrize(
    ("scope", "options", "target"),
    [
        ({"query_string": b"token=1"}, {}, "/apache_pb.gif?*"),
        ({"query_string": b"token=1&b=%20"}, {"query": True}, "/apache_pb.gif?token=1&b=%20"),
        ({"raw_path": b"/users/ann@example.com/orders"}, {}, "/users/*/orders"),
        ({"raw_path": b"/users/ann@example.com/orders"}, {"path": True}, "/users/ann@example.com/orders"),
        ({"raw_path": b"/reset/8f14e45fceea167a5a36dedd4bea2543"}, {}, "/reset/*"),
        ({"raw_path": b"/a%20b/c?d=e", "query_string": b"d=e"}, {}, "/a%20b/c?*"),
        ({"raw_path": b"http://u:p@host/x"}, {"path": True}, "http://host/x"),
        ({"raw_path": None, "path": '/caf\u00e9 "x"\n'}, {}, "/caf%C3%A9%20%22x%22%0A"),
        ({"raw_path": None, "path": "/a\udcff"}, {}, "/a%ED%B3%BF"),
        ({"raw_path": b"/a\x01\x7f\xad\xff\\b"}, {}, r"/a\x01\x7F\xAD\xFF\x5Cb"),
        ({"raw_path": b"/a\x01\x7f\xad\xff\\b"}, {"path": True}, r"/a\x01\x7F\xAD\xFF\x5Cb"),
        ({"raw_path": b"/ann\x01@example.com/x\x01"}, {}, r"/*/x\x01"),
        ({"raw_path": b"/\x01" + b"a" * 23 + b"/x"}, {}, "/*/x"),
    ],
)
def test_of_the_target(scope, options, target):
    assert f'"GET {target} HTTP/1.0"' in served(exchange(scope), **options)


@pytest.mark.parametrize(
    ("referer", "said"),
    [
        (b"https://example.com/a/b?token=1#x", "https://example.com/a/b"),
        (b"https://ann:secret@example.com/a", "https://example.com/a"),
        (b"https://ann:sec@ret@example.com", "https://example.com"),
        (b"//ann:secret@example.com/x", "//example.com/x"),
        (b"ann:secret@example.com/x", "example.com/x"),
        (b"https:ann:secret@example.com/x", "example.com/x"),
        (rb"https:\\ann:secret@example.com\x", r"https:\x5C\x5Cexample.com\x5Cx"),
        (b"https://example.com/@ann", "https://example.com/@ann"),
        (b"#secret", "-"),
        (b"https://example.com/a\n?secret", r"https://example.com/a\x0A"),
        (b"https://example.com/?\nsecret", "https://example.com/"),
        (b" https://ann:secret@example.com/a", " https://example.com/a"),
        (b"\t\x00 https://ann:secret@example.com/a", r"\x09\x00 https://example.com/a"),
        (b"ht\ttps:\t/\n/\tann:secret@example.com/a", r"ht\x09tps:\x09/\x0A/\x09example.com/a"),
        (b" ann:secret@example.com/a", "example.com/a"),
        (b"https:/ann:secret@example.com/a", "https:/example.com/a"),
        (b"https:/ /ann:secret@example.com/a", "https:/ /example.com/a"),
        (b"view-source:https://ann:secret@example.com/a", "view-source:https://example.com/a"),
        (b"blob:https://ann:secret@example.com/4f6c", "blob:https://example.com/4f6c"),
        (b"view-source:ann:secret@example.com", "example.com"),
        (b"https%3A//ann:secret@example.com", "https%3A//example.com"),
        (
            b"https://archive.org/web/https://ann:secret@example.com/@x",
            "https://archive.org/web/https://example.com/@x",
        ),
        (b"https://[::1]:8080/a:b@c/@d", "https://[::1]:8080/a:b@c/@d"),
    ],
)
def test_of_the_referer(referer, said):
    line = served(exchange({"headers": [(b"referer", referer)]}), query=True, path=True)
    assert line.endswith(f' "{said}" "-"')


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::1", "::"),
        ("/run/app.sock", "-"),
        (None, "-"),
    ],
)
def test_of_the_address_where_that_is_wanted(address, said):
    request = exchange({"client": (address, 1) if address else None})
    assert served(request, anonymize=True).startswith(f"{said} - - [")
    assert json.loads(served(request, anonymize=True, format="json"))["client"] == (None if said == "-" else said)


# What cannot be forged.


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (b'curl" 200 1 "x', r"curl\x22 200 1 \x22x"),
        (b"a\nb\r\tc\x00\x1b[2J\x7f", r"a\x0Ab\x0D\x09c\x00\x1B[2J\x7F"),
        (b"back\\slash \\x22", r"back\x5Cslash \x5Cx22"),
        ("h\u00e9 \u2028".encode(), r"h\xC3\xA9 \xE2\x80\xA8"),
        (b"\xe9", r"\xE9"),
        (b"%s %(a)s {x}", "%s %(a)s {x}"),
        (b"", "-"),
    ],
)
def test_what_could_end_a_field_is_escaped_as_nginx_does_it(value, said):
    assert served(exchange({"headers": [(b"user-agent", value)]})).endswith(f' "{said}"')


def test_a_user_cannot_bring_a_time_or_a_host_along():
    line = served(exchange({"client": ("a b", 1)}), user=lambda scope: 'x [10/Oct/2000] "GET \u00e9')
    assert line.startswith(r"a\x20b - x\x20\x5B10/Oct/2000\x5D\x20\x22GET\x20\xC3\xA9 [10/Oct/2000:13:55:36 -0700] ")


COMBINED = re.compile(
    r'(?P<host>[^ "\[\]]+) - (?P<user>[^ "\[\]]+) \[10/Oct/2000:13:55:36 -0700\] '
    r'"(?P<method>[^ "]+) (?P<target>[^"]+) HTTP/[^ "]+" 200 (?:2326|-) "(?P<referer>[^"]+)" "(?P<agent>[^"]+)"'
)
VALUES = st.binary(max_size=300) | st.sampled_from([b'"', b"\\", b"\r\n", b'" 200 1 "-" "-"\n1.1.1.1 - - [', b"\\x2"])
TEXTS = st.text(max_size=300)


@given(
    raw=VALUES | st.none(),
    query=VALUES,
    referer=VALUES,
    agent=VALUES,
    words=st.tuples(*[TEXTS] * 5),
    whole=st.booleans(),
)
@example(
    raw=b"/" * 3000, query=b'"' * 3000, referer=b"\n" * 3000, agent=b"\xff" * 3000, words=("\x00",) * 5, whole=True
)
@example(raw=None, query=b"", referer=b"", agent=b"", words=("\ud800", "\U0001f600" * 999, "\x7f", "", "1"), whole=True)
def test_a_request_is_one_line_whatever_is_in_it(raw, query, referer, agent, words, whole):  # noqa: PLR0917  # drawn
    path, method, user, host, version = words
    request = exchange(
        {
            "raw_path": raw,
            "path": path,
            "query_string": query,
            "method": method,
            "client": (host, 1),
            "http_version": version,
            "headers": [(b"referer", referer), (b"user-agent", agent)],
        }
    )
    options = {"user": lambda scope: user, "path": whole, "query": whole}
    line = served(request, **options)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= LONGEST
    assert COMBINED.fullmatch(line)
    for field in re.split(r'[" ]', line):
        assert not re.search(r"\\(?!x[0-9A-F]{2})", field)
    line = served(request, format="json", **options)
    assert line.isascii()
    assert line.isprintable()
    assert len(line) <= LONGEST
    parsed = json.loads(line)
    assert next(iter(parsed)) == "time"
    assert (parsed["status"], parsed["kind"], len(parsed)) == (200, "server", 23)


@given(st.binary(max_size=80), st.integers(8, 40))
def test_what_is_escaped_can_be_read_back_up_to_where_it_was_cut(value, most):
    line = escaped(value, most)
    assert len(line) <= most
    back = re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), line.encode())
    if value and line.endswith("...") and back != value:
        assert value.startswith(back[:-3])
    else:
        assert back == (value or b"-")


@given(st.text(max_size=80), st.integers(30, 60))
def test_a_value_of_an_object_is_itself_or_was_cut(value, most):
    said = shown(value, most)
    assert len(json.dumps(said)) <= 2 * most
    assert said == (value or None) or (said.endswith("...") and value.startswith(said[:-3]))


# Which status.


@pytest.mark.parametrize(
    ("attributes", "event", "said"),
    [
        ({}, ended(Verdict.IGNORED, Overloaded("full"), 0), "503 "),
        ({}, ended(Verdict.FAILURE, TimedOut()), "504 "),
        ({}, ended(Verdict.FAILURE, ValueError()), "500 -"),
        ({}, ended(Verdict.FAILURE), "500 -"),
        ({"gone": True}, ended(Verdict.IGNORED, OSError()), "499 -"),
        ({}, ended(Verdict.IGNORED, KeyboardInterrupt()), "499 -"),
        ({"status": 200, "size": 5}, ended(Verdict.FAILURE, ValueError()), "200 5"),
        ({"gone": True}, ended(Verdict.IGNORED, TimedOut()), "499 -"),
        ({"status": 504, "size": 5, "gone": True}, ended(Verdict.IGNORED, TimedOut()), "504 5"),
    ],
)
def test_where_the_app_gave_no_answer(attributes, event, said):
    request = exchange(**{"status": None, "size": 0, **attributes})
    assert f'HTTP/1.0" {said}' in served(request, event)


def test_an_answer_that_began_when_nobody_was_there_any_more():
    lines = []
    request = exchange(status=None, size=0, gone=True)
    call = SimpleNamespace(request=request, door=request.door)
    following = AccessLog(lines.append).follow(SimpleNamespace(name=""), call)
    assert following.answering(call, 200) == ()
    request.status, request.size = 200, 5
    following(ended())
    assert '" 499 - "' in lines[0]


def test_an_error_of_the_apps_own_calls_is_none_of_ours():
    error = Overloaded("full")
    request = exchange(status=None, size=0, error=error)
    assert ' 500 - "' in served(request, ended(Verdict.IGNORED, error))
    request.door.translates = True
    assert " 503 " in served(request, ended(Verdict.IGNORED, error))


@pytest.mark.parametrize(("extensions", "status"), [(None, 403), ({}, 403), ({"websocket.http.response": {}}, 503)])
def test_a_websocket_that_is_refused(extensions, status):
    request = exchange({"type": "websocket", "extensions": extensions}, status=None)
    del request.size, request.scope["method"]
    assert f'"GET /apache_pb.gif HTTP/1.0" {status} ' in served(request, ended(Verdict.IGNORED, Overloaded("full")))


def test_a_head_has_no_body():
    assert '"HEAD /apache_pb.gif HTTP/1.0" 200 - ' in served(exchange({"method": "HEAD"}))
    of_a_file = exchange({"method": "HEAD"}, size=0, headers=[(b"content-length", b"7")])
    assert json.loads(served(of_a_file, format="json"))["bytes"] == 0


@pytest.mark.parametrize("status", [204, 304])
def test_neither_have_these_whatever_the_app_has_sent(status):
    request = exchange(status=status, size=3, headers=[(b"content-length", b"3")])
    assert f' {status} - "' in served(request)
    assert json.loads(served(request, format="json"))["bytes"] == 0


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"headers": [(b"Content-Length", b"2326")]}, None),
        ({"headers": [(b"etag", b"1"), (b"content-length", b" 10")]}, None),
        ({"headers": [(b"content-length", b"0")]}, 0),
        ({"headers": []}, 0),
        ({"headers": [(b"content-length", b"2326")], "over": False}, 0),
        ({"headers": [(b"content-length", b"2326")], "size": 5}, 5),
    ],
)
def test_bytes_that_nobody_has_seen_are_unknown(attributes, said):
    request = exchange(**{"size": 0, **attributes})
    assert json.loads(served(request, format="json"))["bytes"] == said
    assert f' 200 {said or "-"} "' in served(request)


async def test_of_a_file_that_the_server_sends_the_bytes_are_unknown():
    async def files(scope, receive, send):
        headers = [(b"content-length", b"2326")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.pathsend", "path": "/srv/a.gif"})

    async def send(message):
        pass

    lines = []
    api = Pipeline(Timeout(2.0))
    api.listen(AccessLog(lines.append, format="json"))
    scope = {"type": "http", "method": "GET", "path": "/a.gif", "headers": [], "client": ("192.0.2.7", 1)}
    await MeshMiddleware(files, api)(scope, None, send)
    line = json.loads(lines[0])
    assert (line["status"], line["bytes"], line["outcome"]) == (200, None, "success")


# Whose.


def test_it_is_one_who_follows():
    assert isinstance(AccessLog(), Follows)


def test_the_logger_is_meshkit_access_if_left_out(caplog):
    request = exchange({"headers": [(b"user-agent", b"%s %d")]})
    call = SimpleNamespace(request=request, door=request.door)
    pipeline = SimpleNamespace(name="")
    with caplog.at_level(logging.INFO, "meshkit.access"):
        AccessLog().follow(pipeline, call)(ended())
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("meshkit.access", logging.INFO)
    assert record.getMessage().endswith('"%s %d"')
    with caplog.at_level(logging.WARNING, "meshkit.access"):
        assert AccessLog().follow(pipeline, call) is None


def test_functions_have_no_line():
    lines = []
    pipeline = Pipeline(RateLimit("9/s"))
    pipeline.listen(AccessLog(lines.append))
    assert pipeline.call(len, "abc") == 3
    assert lines == []


def test_a_user_that_cannot_be_told_costs_no_line():
    lines = []
    request = exchange()

    def user(scope):
        raise LookupError("hush")

    following = AccessLog(lines.append, user=user).follow(
        SimpleNamespace(name=""), SimpleNamespace(request=request, door=request.door)
    )
    with pytest.raises(LookupError):  # the pipeline counts it
        following(ended())
    assert lines[0].startswith("127.0.0.1 - - [")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "nginx"}, "write one of 'combined', 'common', 'json'"),
        ({"query": 1}, "write True or False"),
        ({"path": None}, "write True or False"),
        ({"anonymize": "yes"}, "write True or False"),
        ({"write": "access.log"}, "a plain function of a line"),
        ({"write": anyio.sleep}, "a plain function of a line"),
        ({"user": "frank"}, "a plain function of the scope"),
        ({"trace": "id", "format": "json"}, "a plain function that answers a dict"),
        ({"trace": anyio.sleep, "format": "json"}, "a plain function that answers a dict"),
        ({"trace": dict}, 'write format="json"'),
        ({"clock": 0}, "time.time"),
    ],
)
def test_what_cannot_be(options, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        AccessLog(**options)


# With the doors.


CANARY = "c4n4ry"
FIELDS = {
    "authorization": CANARY,
    "cookie": f"s={CANARY}",
    "x-token": CANARY,
    "user-agent": "curl/8",
    "referer": f"https://{CANARY}:{CANARY}@example.com/x?{CANARY}#{CANARY}",
}


async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/broken":
        raise ValueError(CANARY)
    await send({"type": "http.response.start", "status": 201, "headers": [(b"set-cookie", CANARY.encode())]})
    await send({"type": "http.response.body", "body": CANARY.encode() * 100, "more_body": True})
    await send({"type": "http.response.body", "body": b"12345"})


def client_of(middleware, **options):
    transport = httpx.ASGITransport(middleware, raise_app_exceptions=False, client=("10.0.0.1", 5))
    return httpx.AsyncClient(transport=transport, base_url="http://api", **options)


@pytest.mark.parametrize("form", ["common", "combined", "json"])
async def test_a_line_for_each_request_that_was_served(form):
    lines = []
    api = Pipeline(RateLimit("3/min", burst=3, key="header:x-token"), Timeout(2.0), name="api")
    api.listen(AccessLog(lines.append, format=form, clock=lambda: THEN))
    async with client_of(MeshMiddleware(app, api, trusted=["10.0.0.0/8"]), headers=FIELDS) as client:
        sizes = []
        for path in (f"/orders?token={CANARY}", "/broken", "/orders", "/refused"):
            response = await client.post(path, content=CANARY, headers={"x-forwarded-for": "192.0.2.7"})
            sizes.append((response.status_code, len(response.content)))
    assert api.failed_listeners == 0
    assert CANARY not in "".join(lines)
    if form == "json":
        found = [json.loads(line) for line in lines]
        assert [(each["path"], each["outcome"]) for each in found] == [
            ("/orders?*", "success"),
            ("/broken", "failure"),
            ("/orders", "success"),
            ("/refused", "rejected"),
        ]
        assert {each["client"] for each in found} == {"192.0.2.7"}
        assert [(each["status"], each["bytes"]) for each in found] == [sizes[0], (500, 0), *sizes[2:]]
    else:
        begin = '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "POST '
        end = ' "https://example.com/x" "curl/8"' if form == "combined" else ""
        assert lines == [
            f'{begin}/orders?* HTTP/1.1" 201 605{end}',
            f'{begin}/broken HTTP/1.1" 500 -{end}',
            f'{begin}/orders HTTP/1.1" 201 605{end}',
            f'{begin}/refused HTTP/1.1" 429 {sizes[3][1]}{end}',
        ]


async def test_the_calls_made_meanwhile_are_counted():
    stock = AsyncMeshTransport(
        Pipeline(Retry("5xx", attempts=3, backoff=Constant(0.0))), httpx.MockTransport(lambda _: httpx.Response(503))
    )

    async def asks(scope, receive, send):
        async with httpx.AsyncClient(transport=stock) as client:
            await client.get("http://stock/")
        await app(scope, receive, send)

    lines = []
    api = Pipeline(Timeout(2.0))
    api.listen(AccessLog(lines.append, format="json"))
    async with client_of(MeshMiddleware(asks, api)) as client:
        await client.get("/")
    line = json.loads(lines[0])
    assert (line["calls"], line["calls_attempts"]) == (1, 3)
    assert 0 <= line["calls_seconds"] <= line["duration"]


@pytest.mark.parametrize("headers", [{}, {"x-request-deadline-ms": "900"}], ids=["no deadline", "a deadline"])
@pytest.mark.parametrize("path", ["/dead", "/bad"])
async def test_they_are_counted_where_the_request_has_failed_as_well(headers, path):
    def upstream(request):
        if request.url.path == "/dead":
            raise httpx.ConnectError(CANARY)
        return httpx.Response(503)

    stock = AsyncMeshTransport(Pipeline(Retry("5xx", attempts=2, backoff=Constant(0.0))), httpx.MockTransport(upstream))

    async def asks(scope, receive, send):
        async with httpx.AsyncClient(transport=stock) as client:
            (await client.get(f"http://stock{scope['path']}")).raise_for_status()

    lines = []
    api = Pipeline(Timeout(2.0))
    api.listen(AccessLog(lines.append, format="json"))
    async with client_of(MeshMiddleware(asks, api), headers=headers) as client:
        await client.get(path)
    line = json.loads(lines[0])
    assert (line["status"], line["outcome"], line["calls"], line["calls_attempts"]) == (500, "failure", 1, 2)
    assert line["error"] == ("ConnectError" if path == "/dead" else "HTTPStatusError")


async def test_a_refusal_is_told_by_its_class():
    lines = []
    api = Pipeline(RateLimit("1/min"))
    api.listen(AccessLog(lines.append, format="json"))
    async with client_of(MeshMiddleware(app, api)) as client:
        for _ in range(2):
            await client.get("/", headers={"traceparent": PARENT.decode()})
    said = [json.loads(line) for line in lines]
    assert [(each["error"], each["outcome"], each["status"]) for each in said] == [
        (None, "success", 201),
        ("RateLimited", "rejected", 429),
    ]
    assert {each["trace_id"] for each in said} == {"0af7651916cd43dd8448eb211c80319c"}


async def test_whoever_hangs_up_is_sent_nothing():
    """Whether the app then gives up, is late, or answers nobody."""
    clock = ManualClock()

    async def slow(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass
        if scope["path"] == "/late":
            clock.advance(3.0)
            raise DeadlineExceeded("no answer within 2 s")
        if scope["path"] == "/anyhow":
            await app(scope, nothing, send)

    async def nothing():
        return {"type": "http.request"}

    async def send(message):
        pass

    lines = []
    api = Pipeline(Timeout(2.0), clock=clock)
    api.listen(AccessLog(lines.append, format="common", clock=lambda: THEN))
    for path in ("/given-up", "/late", "/anyhow"):
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive(messages=messages):
            return next(messages)

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": ("192.0.2.7", 1)}
        with suppress(DeadlineExceeded):
            await MeshMiddleware(slow, api)(scope, receive, send)
    begin = "192.0.2.7 - - [10/Oct/2000:13:55:36 -0700]"
    assert lines == [f'{begin} "GET {path} HTTP/1.1" 499 -' for path in ("/given-up", "/late", "/anyhow")]


@pytest.mark.parametrize("translate", [False, True] if hasattr(AsgiDoor, "translates") else [False])
async def test_an_answer_that_stands_for_an_error_of_the_apps_calls(translate):
    async def asks(scope, receive, send):
        raise Overloaded("full", policy="stock")

    lines = []
    api = Pipeline(Timeout(2.0))
    api.listen(AccessLog(lines.append, format="json"))
    async with client_of(MeshMiddleware(asks, api, translate=translate)) as client:
        response = await client.get("/")
    assert json.loads(lines[0])["status"] == response.status_code == (503 if translate else 500)


async def test_a_websocket_is_one_line_at_its_end():
    async def echo(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        assert lines == []
        await send({"type": "websocket.close", "code": 1000})

    lines = []
    api = Pipeline(Timeout(2.0))
    api.listen(AccessLog(lines.append, clock=lambda: THEN))
    messages = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": CANARY}])

    async def receive():
        return next(messages)

    async def send(message):
        pass

    scope = {"type": "websocket", "path": "/chat", "headers": [], "client": ("192.0.2.7", 1), "http_version": "1.1"}
    await MeshMiddleware(echo, api)(scope, receive, send)
    assert lines == ['192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /chat HTTP/1.1" 101 - "-" "-"']


async def test_nothing_is_kept_of_a_request_that_is_over():
    kept = []

    async def answers(scope, receive, send):
        kept.append(ref(scope["state"]))
        await app(scope, receive, send)

    class State(dict):
        pass

    lines = []
    api = Pipeline(RateLimit("9/s"))
    api.listen(AccessLog(lines.append))
    middleware = MeshMiddleware(answers, api)

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        pass

    gc.collect()
    gc.disable()
    try:
        await middleware(
            {"type": "http", "method": "GET", "path": "/", "headers": [], "client": None, "state": State()},
            receive,
            send,
        )
        assert kept[0]() is None
    finally:
        gc.enable()
    assert len(lines) == 1


def test_a_line_of_json_for_each_request_that_was_sent():
    def upstream(request):
        if request.url.path == "/down":
            raise httpx.ConnectError(CANARY)
        return httpx.Response(503 if request.url.port == 81 else 200, text=CANARY, headers={"set-cookie": CANARY})

    clock = ManualClock()
    lines = []
    servers = Cluster("shop", ["10.0.0.7:81", "10.0.0.8:82"], balancer=RoundRobin())
    shop = Pipeline(Retry("5xx", attempts=2, backoff=Constant(0.0)), servers, clock=clock, seed=1, name="shop")
    shop.listen(AccessLog(lines.append, format="json", clock=lambda: THEN))
    with httpx.Client(transport=MeshTransport(shop, httpx.MockTransport(upstream)), headers=FIELDS) as client:
        url = f"https://{CANARY}:{CANARY}@shop:8443"
        client.put(f"{url}/users/ann@example.com?token={CANARY}#{CANARY}", content=CANARY)
        with suppress(httpx.ConnectError):
            client.put(f"{url}/down")
    first, second = map(json.loads, lines)
    attempts, endpoint = first.pop("attempts"), first.pop("endpoint")
    assert (attempts, endpoint) in {(1, "10.0.0.8:82"), (2, "10.0.0.8:82")}
    assert first == {
        "time": "2000-10-10T20:55:36.000Z",
        "kind": "client",
        "pipeline": "shop",
        "method": "PUT",
        "scheme": "https",
        "host": "shop",
        "port": 8443,
        "path": "/users/*?*",
        "status": 200,
        "error": None,
        "outcome": "success",
        "duration": 0.0,
        "trace_id": None,
        "span_id": None,
    }
    assert (second["status"], second["error"], second["outcome"]) == (None, "ConnectError", "failure")
    assert second["endpoint"] in {"10.0.0.7:81", "10.0.0.8:82"}
    assert CANARY not in "".join(lines)
    assert shop.failed_listeners == 0


def test_the_endpoint_is_that_of_the_last_attempt():
    lines = []
    about = {"method": "GET", "scheme": "http", "host": "shop", "port": None, "path": "/\n"}
    door = SimpleNamespace(about=lambda call: about)
    call = SimpleNamespace(request=SimpleNamespace(url=httpx.URL("http://shop/%0A?a=b")), door=door)
    following = AccessLog(lines.append, format="json", path=True, query=True).follow(SimpleNamespace(name=""), call)
    for number, endpoint in enumerate(["10.0.0.7:80", "10.0.0.8:80"], start=1):
        following(AttemptBegan(0.0, number, number, endpoint, "shop"))
    following(ended(Verdict.FAILURE, attempts=2))
    assert following.request is None
    line = json.loads(lines[0])
    assert (line["endpoint"], line["attempts"], line["path"]) == ("10.0.0.8:80", 2, "/%0A?a=b")
    assert line["status"] is None


def test_the_path_of_what_was_sent_is_shown_as_it_was_sent():
    lines = []
    shop = Pipeline(RateLimit("9/s"))
    for form in ("json", "common"):
        shop.listen(AccessLog(lines.append, format=form, path=True))
    with httpx.Client(transport=MeshTransport(shop, httpx.MockTransport(lambda _: httpx.Response(200)))) as client:
        client.get("http://shop/a%2Fb%3Fc%0A")
    assert json.loads(lines[0])["path"] == "/a%2Fb%3Fc%0A"
    assert '"GET http://shop/a%2Fb%3Fc%0A HTTP/1.1"' in lines[1]
    assert shop.failed_listeners == 0


@pytest.mark.parametrize("form", ["common", "combined"])
def test_what_was_sent_has_the_line_of_a_proxy_for_clients(form):
    def upstream(request):
        if request.url.path == "/down":
            raise httpx.ConnectError(CANARY)
        return httpx.Response(404, text=CANARY, extensions={"http_version": b"HTTP/2"})

    lines = []
    shop = Pipeline(RateLimit("2/min", burst=2), clock=ManualClock(), name="shop")
    shop.listen(AccessLog(lines.append, format=form, clock=lambda: THEN))
    with httpx.Client(transport=MeshTransport(shop, httpx.MockTransport(upstream)), headers=FIELDS) as client:
        for path in ("users/ann@example.com", "down", "refused"):
            with suppress(httpx.TransportError):
                client.get(f"https://{CANARY}:{CANARY}@[::1]:8443/{path}?token={CANARY}#{CANARY}")
    begin, end = '- - - [10/Oct/2000:13:55:36 -0700] "GET https://[::1]:8443', ' "-" "-"' if form == "combined" else ""
    assert lines == [
        f'{begin}/users/*?* HTTP/2.0" 404 -{end}',
        f'{begin}/down?* HTTP/1.1" 000 -{end}',
        f'{begin}/refused?* HTTP/1.1" 000 -{end}',
    ]
    assert shop.failed_listeners == 0
