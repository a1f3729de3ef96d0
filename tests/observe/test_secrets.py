"""Does what somebody else has written ever get into a record, a metric, a trace, a log, a graph or an answer?

Each kind of place where a secret may stand (a header, the text of an error, an argument) has a canary of its own. Calls
of every kind go through pipelines to which everything listens at once; then all that was told is searched for all
canaries: as they are, in part, in base64 and in hexadecimal. What is found names the place and the output.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import socket
import ssl
from base64 import b64encode, urlsafe_b64encode
from collections import defaultdict
from contextlib import contextmanager, suppress
from functools import cache, partial
from hashlib import blake2b
from types import SimpleNamespace

import anyio
import fastapi
import h11
import httpx
import pytest
import structlog
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.responses import PlainTextResponse, StreamingResponse
from structlog.testing import CapturingLogger
from typer.testing import CliRunner

from meshkit import (
    CircuitBreaker,
    Cluster,
    ConcurrencyLimit,
    Constant,
    Endpoint,
    Fallback,
    FaultInjection,
    FixedWindow,
    Hedge,
    HttpCheck,
    LoadShed,
    OutlierDetection,
    Pace,
    Pipeline,
    RateLimit,
    Rejected,
    Retry,
    RoundRobin,
    Shadow,
    SingleFlight,
    SlidingWindow,
    StaleIfError,
    Throttle,
    Timeout,
    last_call,
)
from meshkit.asgi import MeshMiddleware
from meshkit.balance import Hashed, LeastReported, Override, Sticky, Subset
from meshkit.cli import app as command
from meshkit.httpx import AsyncMeshTransport, MeshTransport, PoolTransport
from meshkit.httpx.door import HttpxDoor
from meshkit.observe import AccessLog, Graph, Journal, Log, Meters, Metrics, Recorder, Tracing, events, redact
from meshkit.observe.prometheus import exposition
from meshkit.route.answer import Redirect
from meshkit.route.match import Match
from meshkit.route.path import Paths
from meshkit.route.route import Route
from meshkit.route.router import Router
from meshkit.route.split import Branch, Split
from meshkit.route.value import Value
from meshkit.testing import ManualClock, run, virtual_clock
from meshkit.upstream.pure import PureParser

from ..asgi.stand_ins import ask as asgi
from ..asgi.stand_ins import websocket
from ..upstream.rogue import CLOSE, RESET, Rogue, answers, until

# The canaries.

LETTERS = "ghjkmnpqrstvwxyz"
"""Neither a word nor a number in hexadecimal is made of these."""
CANARIES = {}


def canary(place):
    """What stands in that place and nowhere else: 16 letters."""
    digest = blake2b(place.encode(), digest_size=8).hexdigest()
    return CANARIES.setdefault(place, "".join(LETTERS[int(digit, 16)] for digit in digest))


def hexadecimal(place):
    return CANARIES.setdefault(place, blake2b(place.encode(), digest_size=20).hexdigest())


def jwt(place):
    claims = urlsafe_b64encode(json.dumps({"sub": canary(place)}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.{canary(place)}"


WORD = re.compile("[a-z0-9+/=]{8,}")


@cache
def forms(secret):
    """What gives it away: either half, and the whole in base64, wherever it begins there, or in hexadecimal."""
    half = len(secret) // 2
    packed = [b64encode(b"x" * before + secret.encode()).decode()[4 if before else 0 : 20] for before in range(3)]
    return (secret[:half], secret[half:], secret.encode().hex(), *(each.lower() for each in packed))


def leaks(outputs):
    """Each canary that is found: ``"place, in output: ...around it..."``."""
    found = []
    words = "\n".join({word for told in outputs.values() for word in WORD.findall(told.lower())})
    for place, secret in CANARIES.items():
        there = [form for form in forms(secret) if form in words]
        for output, told in outputs.items() if there else ():
            low = told.lower()
            at = max(low.find(form) for form in there)
            if at >= 0:
                found.append(f"{place}, in {output}: ...{told[max(0, at - 60) : at + 40]}...")
    return found


# What is told.


class Kept(logging.Handler):
    """Records of the standard library with everything that is in them, errors and fields of their own as well."""

    def __init__(self, told):
        super().__init__(logging.DEBUG)
        self.told = told

    def emit(self, record):
        output = "warnings of meshkit" if record.name == "meshkit" else "Log, standard library"
        self.told[output].append(f"{record.getMessage()} {vars(record)!r}")
        if record.exc_info:
            self.told[output].append(logging.Formatter().formatException(record.exc_info))


def expected(error):
    """Whether an error that a mistake in these tests would raise is none: it says what a function here has answered."""
    return str(error).startswith(("a judge answers", "'str' object has no attribute"))


class Room:
    """Pipelines to which everything listens, and all that it tells of them."""

    def __init__(self, folder):
        self.told = defaultdict(list)
        self.pipelines = []
        self.calls = 0
        self.before = 0
        self.now = 0.0
        self.failing = False
        """Whether somebody who listens is to fail."""
        journal = Journal(folder / "calls.jsonl")
        self.path = journal.path
        self.recorder = Recorder(always=True, server_timing=True, to=journal.write, keep=1000)
        self.metrics = Metrics()
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)
        self.meters = Meters(self.metrics, meter_provider=self.meter_provider)
        self.spans = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = self.tracer_provider.get_tracer("test")
        self.graph = Graph("shop")
        self.lines = CapturingLogger()
        rendering = [structlog.processors.add_log_level, structlog.processors.JSONRenderer()]
        words = structlog.wrap_logger(self.lines, processors=rendering, wrapper_class=structlog.BoundLogger)
        self.follows = [
            self.recorder,
            Tracing(tracer_provider=self.tracer_provider),
            Log(logging.getLogger("meshkit.told"), calls="all"),
            Log(words, calls="all"),
            *(
                AccessLog(self.told[f"AccessLog, {form}"].append, format=form)
                for form in ("common", "combined", "json")
            ),
        ]
        self.handler = Kept(self.told)

    def clock(self):
        """That of the loop; when it is over, what it said last."""
        with suppress(RuntimeError):
            self.now = virtual_clock()
        return self.now

    def pipeline(self, *policies, name="shop", clock=None):
        stack = Pipeline(*policies, name=name, clock=clock or self.clock, seed=1)
        for follow in self.follows:
            stack.listen(follow)
        self.meters.watch(stack)
        self.graph.watch(stack)
        stack.listen(self.event, direct=True)
        self.pipelines.append(stack)
        return stack

    def event(self, event):
        self.told[f"the whole repr of {type(event).__name__}"].append(f"{event!r} {event}")
        said = repr(event)
        for name in ("failure", "reason"):  # looked at by a test of their own
            if (part := getattr(event, name, None)) is not None:
                said = said.replace(repr(part), "...")
        self.told[f"repr of {type(event).__name__}"].append(said)
        if event.__class__.__name__ == "CallEnded":
            self.calls += 1

    @contextmanager
    def call(self):
        """A call within a span, with what it raises."""
        with self.tracer.start_as_current_span("work", record_exception=False, set_status_on_exception=False):
            try:
                yield
            except (Exception, asyncio.CancelledError) as error:
                if isinstance(error, AssertionError | AttributeError | NameError | TypeError) and not expected(error):
                    raise
                for note in getattr(error, "__notes__", ()):
                    self.told["note" if note.startswith("meshkit: ") else "note of the engine"].append(note)
        record = last_call()
        if record is not None:
            self.told["last_call()"].append(f"{record!r} {record.json()}")

    def answer(self, response):
        """An answer that a client was given, as it was before its body was read."""
        record = response.extensions.get("meshkit")
        if record is not None:
            self.told["the extension of a response"].append(f"{record} {record!r} {record.json()}")

    def answered(self, response):
        """An answer of a server of ours."""
        for field in ("server-timing", "proxy-status", "ratelimit", "ratelimit-policy"):
            if field in response.headers:
                self.told[field].append(response.headers[field])
        if response.headers.get("content-type") == "application/problem+json":
            self.told["a refusal"].append(f"{response.headers.raw!r} {response.text}")

    def outputs(self):
        """All of them, by name."""
        told = {name: "\n".join(lines) for name, lines in self.told.items()}
        records = self.recorder.records
        told["Record, json"] = "\n".join(record.json() for record in records)
        told["Record, text"] = "\n".join(str(record) for record in records)
        told["Record, summary"] = "\n".join(record.summary for record in records)
        told["Record, repr"] = f"{records!r} {self.recorder!r}"
        told["Journal"] = self.path.read_text("utf-8") if self.path.exists() else ""
        asked = ["why", "--all", "--json", "--count", "1000", "--file", str(self.path)]
        told["why --all --json"] = CliRunner().invoke(command, asked).output
        told["Metrics"] = repr(self.metrics.snapshot())
        told["Prometheus"] = exposition(self.metrics)[1].decode()
        told["OpenMetrics"] = exposition(self.metrics, openmetrics=True)[1].decode()
        data = self.reader.get_metrics_data()
        told["Meters"] = "" if data is None else data.to_json(indent=None)
        told["Tracing"] = "\n".join(span.to_json() for span in self.spans.get_finished_spans())
        told["Log, structlog"] = repr(self.lines.calls)
        told["Graph, snapshot"] = repr(self.graph.snapshot())
        told["Graph, mermaid"] = self.graph.mermaid()
        told["Graph, dot"] = self.graph.dot()
        for what in ("snapshot", "explain", "__repr__"):
            told[f"Pipeline, {what}"] = "\n".join(str(getattr(stack, what)()) for stack in self.pipelines)
        return told

    def outcomes(self):
        """Of the calls since it was last asked."""
        records, self.before = self.recorder.records[self.before :], len(self.recorder.records)
        return " ".join(sorted({record.outcome for record in records}))

    def found(self):
        """The leaks, except in what is known to tell too much: see the tests of that."""
        assert self.calls
        assert any(stack.failed_listeners for stack in self.pipelines) is self.failing
        return leaks({output: text for output, text in self.outputs().items() if not output.startswith(LOOSE)})


LOOSE = ("the whole repr of ", "note of the engine")
"""Outputs that hold the repr of an error that somebody else has raised."""


@pytest.fixture
def room(tmp_path):
    logger = logging.getLogger("meshkit")
    room = Room(tmp_path)
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(room.handler)
    yield room
    logger.removeHandler(room.handler)
    logger.setLevel(before)
    room.meter_provider.shutdown()
    room.tracer_provider.shutdown()


# Requests, and answers to them.

EMAIL = f"{canary('e-mail in a path')}@example.com"
TWICE = f"{canary('e-mail in a path, encoded twice')}%2540a"
PATH = f"/reset/{EMAIL}/{TWICE}/{hexadecimal('40 hex characters in a path')}/{jwt('JWT in a path')}"
HANG = object()
pause = anyio.sleep
"""In virtual time."""
"""No answer in time."""


def fields(kind="header"):
    return {
        "authorization": f"Bearer {canary(f'{kind} authorization')}",
        "x-api-key": canary(f"{kind} x-api-key"),
        "referer": f"https://u:{canary('user of a referer')}@shop.test/?q={canary('query of a referer')}",
        "x-endpoint": canary(f"{kind} x-endpoint"),
        "idempotency-key": canary(f"{kind} idempotency-key"),
        "baggage": f"user={canary(f'{kind} baggage')}",
        "cookie": f"sid={canary('cookie')}; meshkit={canary('cookie of Sticky')}",
        "x-forwarded-for": canary(f"{kind} x-forwarded-for"),
    }


def request(userinfo=False, host="shop.test", method="POST", scheme="http"):
    """All a client may write into a request."""
    user = f"u{canary('user in a URL')}:{canary('password in a URL')}@" if userinfo else ""
    url = f"{scheme}://{user}{host}{PATH};v={canary('parameter of a path')}"
    url += f"?token={canary('query')}&{canary('name in a query')}#{canary('fragment')}"
    body = canary("body of a request") if method == "POST" else None
    extensions = {"secret": canary("extension of a request")}
    return httpx.Request(method, url, headers=fields(), content=body, extensions=extensions)


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Breaks off."""

    def __init__(self, error):
        self.error = error

    def __iter__(self):
        yield canary("body that breaks off").encode()
        raise self.error

    async def __aiter__(self):
        for chunk in self:
            yield chunk


def answer(status, stream=None, **more):
    headers = {
        "set-cookie": f"sid={canary('Set-Cookie of an answer')}; Path=/{canary('attribute of Set-Cookie')}",
        "location": f"http://{canary('user in Location')}@shop.test/{canary('path of Location')}?{canary('its query')}",
        "x-secret": canary("header of an answer"),
        "server-timing": f"{canary('Server-Timing of an answer')};dur=1",
        "www-authenticate": f'Bearer realm="{canary("header www-authenticate")}"',
        **more,
    }
    body = {"stream": stream} if stream is not None else {"content": canary("body of an answer")}
    reason = canary("reason phrase").encode()
    return lambda request: httpx.Response(
        status, headers=headers, request=request, extensions={"reason_phrase": reason}, **body
    )


def said(kind):
    return f"https://u:{canary(f'URL in the text of {kind}')}@shop/ authorization: {canary(f'text of {kind}')}"


def of_httpx():
    """Of each class of httpx, and what they are made from."""
    left, found = [httpx.HTTPError, httpx.StreamError], []
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        if kind.__module__ == "httpx" and kind not in found:
            found.append(kind)
    for kind in sorted(found, key=lambda kind: kind.__name__):
        text = said(f"httpx.{kind.__name__}")
        if kind is httpx.HTTPStatusError:
            yield kind(text, request=request(), response=answer(500)(request()))
        elif issubclass(kind, httpx.StreamError) and kind is not httpx.StreamError:
            error = kind()
            error.args = (text,)
            yield error
        else:
            yield kind(text)
    yield httpx.InvalidURL(said("httpx.InvalidURL"))
    yield httpx.CookieConflict(said("httpx.CookieConflict"))
    for begin in ("Server disconnected without sending a response", "peer closed connection without sending complete"):
        yield httpx.RemoteProtocolError(f"{begin} {said('a known beginning')}")


def caused(error, cause):
    error.__cause__ = cause
    return error


def of_others():
    """Of the standard library, of h11, of the app; and as the causes of httpx's."""
    yield ValueError(said("ValueError"))
    yield KeyError(said("KeyError"))
    yield RuntimeError(said("RuntimeError"), {"key": canary("argument of an error")})
    yield UnicodeDecodeError("utf-8", said("UnicodeDecodeError").encode(), 0, 1, said("its reason"))
    yield OSError(errno.EACCES, said("strerror"), said("file name"))
    yield ConnectionRefusedError(errno.ECONNREFUSED, said("ConnectionRefusedError"))
    yield ConnectionError(said("ConnectionError"))
    yield TimeoutError(said("TimeoutError"))
    yield socket.gaierror(socket.EAI_NONAME, said("gaierror"))
    yield ssl.SSLError(1, said("SSLError"))
    yield ssl.SSLCertVerificationError(1, said("SSLCertVerificationError"))
    yield h11.RemoteProtocolError(f"illegal header line: bytearray(b'{said('h11')}')")
    yield ExceptionGroup(said("ExceptionGroup"), [ConnectionResetError(errno.ECONNRESET, said("one in a group"))])
    yield json.JSONDecodeError(said("JSONDecodeError"), said("its document"), 0)
    noted = ValueError(said("ValueError"))
    noted.add_note(said("a note of the app's"))
    yield noted
    for kind, cause in (
        (httpx.ReadError, OSError(said("OSError without a number"))),
        (httpx.WriteError, ConnectionResetError(errno.ECONNRESET, said("ConnectionResetError"))),
        (httpx.RemoteProtocolError, h11.RemoteProtocolError(said("h11, as a cause"))),
        (httpx.ConnectError, ssl.SSLError(1, said("SSLError, as a cause"))),
        (httpx.ConnectError, socket.gaierror(socket.EAI_NONAME, said("gaierror, as a cause"))),
    ):
        yield caused(kind(said(f"httpx.{kind.__name__}")), cause)


class Answers:
    """An upstream that goes through its steps: an error, a function of the request, `HANG`. It repeats the last one."""

    def __init__(self, *steps, clock=None):
        self.steps = steps
        self.clock = clock
        self.asked = 0

    def step(self):
        self.asked += 1
        return self.steps[min(self.asked, len(self.steps)) - 1]

    async def later(self, request):
        step = self.step()
        await pause(0.01)
        if step is HANG:
            await anyio.sleep_forever()
        return self.give(step, request)

    def now(self, request):
        step = self.step()
        self.clock.advance(0.01)
        if step is HANG:
            self.clock.advance(10.0)
            raise httpx.ReadTimeout(said("a timeout"), request=request)
        return self.give(step, request)

    @staticmethod
    def give(step, request):
        if isinstance(step, BaseException):
            raise step
        return step(request)


def raising(what):
    """A function of the app's that fails, and says what it was given."""

    def fail(*args, **kwargs):
        raise LookupError(said(what), *map(str, args))

    return fail


again = partial(Retry, backoff=Constant(0.1), non_idempotent=True)
ERRORS = ["5xx", 429, ConnectionError, TimeoutError]
HOSTS = ["http://10.0.0.7", "http://10.0.0.8"]


def hosts(balancer=None, **options):
    return Cluster("stock", options.pop("hosts", HOSTS), balancer=balancer or RoundRobin(), **options)


def subset(**options):
    asked = lambda call: {"stage": call.request.headers["x-api-key"]}  # noqa: E731
    tagged = [Endpoint(each, tags={"stage": "prod"}) for each in HOSTS]
    return hosts(Subset(RoundRobin(), selectors=["stage"], key=asked, **options), hosts=tagged)


WELL, POOR, BUSY, MISSING = answer(200), answer(500), answer(503, **{"retry-after": "1"}), answer(404)
BROKEN = Body(httpx.ReadError(said("a body that breaks off")))
REDIRECT = answer(302)
PACKED = answer(200, **{"content-encoding": "gzip"})

TOLD = answer(
    429,
    **{
        "retry-after": canary("Retry-After"),
        "ratelimit": f'"{canary("name in RateLimit")}";r=0;t=9;pk=:{canary("pk in RateLimit")}:',
        "ratelimit-policy": f'"{canary("name in RateLimit-Policy")}";q=1;w=9',
        "x-ratelimit-remaining": canary("x-ratelimit-remaining"),
        "endpoint-load-metrics": f"TEXT named_metrics.load=0.5,named_metrics.{canary('name in a report')}=0.5",
    },
)


def routed(match, to, *policies, **options):
    return Router([Route(match, to, policies=policies, name="the route")], **options)


CLIENTS = {
    "a success": ([], [WELL], "success"),
    "a redirect": ([], [REDIRECT], "success"),
    "a 404": ([], [MISSING], "success"),
    "a 500": ([], [POOR], "failure"),
    "a 503 that asks for time": ([again("5xx")], [BUSY], "overloaded"),
    "an answer after two failures": (
        [again(ERRORS)],
        [httpx.ConnectError(said("httpx.ConnectError")), POOR, WELL],
        "success",
    ),
    "never an answer": ([again(ERRORS), hosts()], [POOR, httpx.ReadError(said("httpx.ReadError"))], "failure"),
    "a fallback": ([Fallback(lambda *_: answer(200)(None), on=ERRORS)], [POOR], "success"),
    "a fallback that fails": ([Fallback(raising("a fallback"), on=ERRORS)], [POOR], "failure"),
    "a limit by a header": ([RateLimit("1/h", key="header:authorization")], [WELL], "rejected success"),
    "a limit by a cookie": ([RateLimit("1/h", key="cookie:sid")], [WELL], "rejected success"),
    "a limit by the query": ([RateLimit("1/h", key="query:token")], [WELL], "rejected success"),
    "a limit by the URI": ([RateLimit("1/h", key="uri")], [WELL], "rejected success"),
    "a limit by a function": (
        [RateLimit("1/h", key=lambda call: call.request.headers["x-api-key"])],
        [WELL],
        "rejected success",
    ),
    "a limit on trial": ([Shadow(RateLimit("1/h", key="header:authorization"))], [WELL], "success"),
    "a window by a header": ([FixedWindow("1/h", key="header:authorization")], [WELL], "rejected success"),
    "a sliding window by a header": ([SlidingWindow("1/h", key="header:authorization")], [WELL], "rejected success"),
    "paced by what the upstream says": ([Pace(key="header:authorization")], [TOLD], "overloaded rejected"),
    "throttled": ([Throttle(minimum=1)], [TOLD], "overloaded rejected"),
    "endpoints that report": ([hosts(LeastReported(metrics=("named_metrics.load",)))], [TOLD], "overloaded"),
    "permits by a header": ([ConcurrencyLimit(1, key="header:authorization")], [HANG], "cancelled failure rejected"),
    "a breaker": ([CircuitBreaker(failures=1)], [POOR], "failure rejected"),
    "hashing a header": ([again(ERRORS), hosts(Hashed("header:authorization"))], [POOR, WELL], "success"),
    "sticking to a header": ([again(ERRORS), hosts(Sticky(key="header:x-api-key"))], [POOR, WELL], "success"),
    "sticking to a cookie": ([hosts(Sticky())], [WELL], "success"),
    "an endpoint by a header": ([hosts(Override(RoundRobin(), key="header:x-endpoint"))], [WELL], "success"),
    "only the endpoint of a header": (
        [hosts(Override(RoundRobin(), key="header:x-endpoint", strict=True))],
        [WELL],
        "rejected",
    ),
    "a subset nobody is in": ([subset()], [WELL], "rejected"),
    "a subset with a fallback": ([Fallback(lambda *_: answer(200)(None), on=Rejected), subset()], [WELL], "success"),
    "no route": ([routed(Match(host="elsewhere.test"), hosts())], [WELL], "rejected"),
    "a path that is refused": ([routed(Match(), hosts(), paths=Paths(longest=40))], [WELL], "rejected"),
    "a route by a header, and a branch by a cookie": (
        [
            routed(
                Match(headers={"authorization": Value(prefix="Bearer ")}),
                Split(Branch(hosts(), name="main"), sticky="cookie:sid"),
                RateLimit("1/h", key="header:x-api-key"),
            )
        ],
        [POOR],
        "failure rejected",
    ),
    "a redirect of a route": ([routed(Match(), Redirect(scheme="https"))], [WELL], "success"),
    "ejected": ([hosts(outliers=OutlierDetection(consecutive_5xx=1))], [POOR], "failure"),
    "a fault": ([FaultInjection(abort=503, when="header:authorization", expires=60.0)], [WELL], "failure"),
    "a fault that raises": ([FaultInjection(abort=raising("a fault"), expires=60.0)], [WELL], "failure"),
    "a body that breaks off": ([again(ERRORS)], [answer(200, BROKEN)], "failure"),
    "a body that cannot be unpacked": ([], [PACKED], "failure"),
    "a predicate that raises": ([again(raising("a predicate"))], [POOR], "failure"),
    "a key that raises": ([RateLimit("1/h", key=raising("a key"))], [WELL], "ignored"),
    "a cost that raises": ([RateLimit("1/h", cost=raising("a cost"))], [WELL], "ignored"),
    "a backoff that raises": (
        [Retry(ERRORS, backoff=SimpleNamespace(delay=raising("a backoff")), non_idempotent=True)],
        [POOR],
        "failure",
    ),
    "a hash key that raises": ([hosts(Hashed(raising("a hash key")))], [WELL], "ignored"),
    "a key on trial that raises": ([Shadow(RateLimit("1/h", key=raising("a key")))], [WELL], "success"),
}
"""Policies, what the upstream answers, and what the calls come to."""
LATER = {
    "a hedge": ([Hedge(0.1), hosts()], [HANG, WELL], "success"),
    "a hedge that fails": ([Hedge(0.1)], [HANG, httpx.ReadError(said("httpx.ReadError"))], "cancelled failure"),
    "no time left": ([Timeout(1.0), hosts()], [HANG], "timeout"),
    "one flight": ([SingleFlight(key="header:authorization")], [POOR], "failure"),
    "a stale answer": ([StaleIfError(60.0, key="uri")], [WELL, POOR], "success"),
    "out of time": ([Timeout(1.0), again(ERRORS), Timeout(0.4)], [HANG], "timeout"),
    "no time for the queue": ([ConcurrencyLimit(1, queue=3, wait=0.2)], [HANG], "cancelled rejected"),
}
"""Those of async clients alone."""


async def ask(room, transport, calls=2, at_once=2, *, within=5.0, method="POST"):
    """Calls one after the other, then some at once, of which nobody waits for ever."""

    async def once(number):
        with room.call(), anyio.move_on_after(within):
            response = await transport.handle_async_request(request(userinfo=bool(number % 2), method=method))
            room.answer(response)
            await response.aread()

    await several(once, calls, at_once)


async def several(once, calls, at_once):
    for number in range(calls):
        await once(number)
    async with anyio.create_task_group() as tasks:
        for number in range(at_once):
            tasks.start_soon(once, number)


def ask_sync(room, transport, calls=2):
    for number in range(calls):
        with room.call():
            response = transport.handle_request(request(userinfo=bool(number % 2)))
            room.answer(response)
            response.read()


def later(pipeline, *steps, **options):
    return AsyncMeshTransport(pipeline, httpx.MockTransport(Answers(*steps).later), **options)


def now(pipeline, *steps, **options):
    return MeshTransport(pipeline, httpx.MockTransport(Answers(*steps, clock=pipeline.clock).now), **options)


def some(table):
    """A few scenarios at a time: what was told is searched once for them all."""
    names = [*table]
    several = [names[k : k + 6] for k in range(0, len(names), 6)]
    return pytest.mark.parametrize("names", several, ids="; ".join)


@some(CLIENTS)
def test_clients(room, names):
    for name in names:
        policies, steps, outcomes = CLIENTS[name]
        ask_sync(room, now(room.pipeline(*policies, clock=ManualClock(), name=f"{name}, sync"), *steps))
        run(ask, room, later(room.pipeline(*policies, name=name), *steps))
        assert room.outcomes() == outcomes
    assert room.found() == []


@some(LATER)
def test_clients_that_await(room, names):
    for name in names:
        policies, steps, outcomes = LATER[name]
        run(partial(ask, room, later(room.pipeline(*policies, name=name), *steps), method="GET"))
        assert room.outcomes() == outcomes
    assert room.found() == []


# Errors.

GIVEN = {"httpx": of_httpx, "others": of_others}


@pytest.mark.parametrize("whose", GIVEN)
def test_the_errors_of_a_transport(room, whose):
    errors = [*GIVEN[whose]()]
    ask_sync(room, now(room.pipeline(clock=ManualClock(), name="sync"), *errors), len(errors))
    errors = [*GIVEN[whose]()]
    guarded = room.pipeline(again(ERRORS, budget=None), hosts(outliers=OutlierDetection(consecutive_5xx=1)))
    run(ask, room, later(guarded, *errors), len(errors), 0)
    assert len(room.spans.get_finished_spans()) > 2 * len(errors)
    assert room.found() == []


@pytest.mark.parametrize("whose", GIVEN)
def test_the_errors_of_a_body(room, whose):
    bodies = [answer(200, Body(error)) for error in GIVEN[whose]()]
    run(ask, room, later(room.pipeline(), *bodies), len(bodies), 0)
    assert room.found() == []


def test_an_answer_that_nobody_reads(room):
    async def scenario():
        transport = later(room.pipeline(), answer(200, BROKEN))
        with room.call():
            response = await transport.handle_async_request(request())
            room.answer(response)
            [record] = [response.extensions["meshkit"]]
            assert not record.complete
            await response.aclose()

    run(scenario)
    assert room.found() == []


def test_a_call_that_is_cancelled(room):
    async def scenario():
        for policies in ([], [again(ERRORS), hosts()], [Hedge(0.1, non_idempotent=True)], [Timeout(9.0)]):
            transport = later(room.pipeline(*policies), HANG)
            task = asyncio.create_task(transport.handle_async_request(request()))
            await pause(1.0)
            task.cancel(said("a cancellation"))
            with room.call():
                await task

    run(scenario)
    assert '"outcome":"cancelled"' in room.outputs()["Record, json"]
    assert room.found() == []


def test_a_retry_within_a_retry(room):
    inner = room.pipeline(again(ERRORS), name="inner")

    @room.pipeline(again(ERRORS), name="outer")
    async def charge(card):
        await later(inner, POOR).handle_async_request(request())

    async def scenario():
        with room.call():
            await charge(canary("argument"))

    run(scenario)
    assert "a retry within a retry: shop.test" in room.outputs()["warnings of meshkit"]
    assert room.found() == []


# Functions of the app's own: judges, listeners.


def test_judges_and_costs_that_fail(room):
    options = [{"judge": raising("a judge")}, {"spent": raising("spent")}, {"judge": lambda *_: said("a verdict")}]
    for option in options:
        run(ask, room, later(room.pipeline(again(ERRORS)), POOR, WELL, **option))
    assert room.found() == []


class Failing:
    """Follows each call, and fails wherever it is asked."""

    detailed = True
    __call__ = sending = answered = answering = left = staticmethod(raising("a follower"))

    def follow(self, pipeline, call):
        return self


def test_listeners_that_fail(room, caplog):
    room.failing = True
    stacks = [room.pipeline(name=f"shop{number}") for number in range(6)]
    logger = logging.getLogger("meshkit.told")
    stacks[0].listen(raising("a listener"), direct=True)
    stacks[1].listen(Failing())
    stacks[2].listen(SimpleNamespace(follow=raising("a follow")))
    stacks[3].listen(AccessLog(raising("a write")))
    stacks[4].listen(Log(logger, trace=raising("a trace")))
    stacks[5].listen(Recorder(always=True, to=raising("to")))
    queued = stacks[0].listen(raising("a listener in a thread"))
    for stack in stacks:
        run(ask, room, later(stack, POOR))
        run(serve, room, front(stack, POOR))
    queued()
    told = room.outputs()["warnings of meshkit"]
    assert "which listens, failed with LookupError" in told
    assert room.found() == []


def test_exemplars_that_fail(room):
    metrics = Metrics(exemplar=raising("an exemplar"))
    room.metrics, room.failing = metrics, True
    stack = room.pipeline()
    metrics.watch(stack)
    run(ask, room, later(stack, WELL))
    assert room.found() == []


# Over real connections, to a server that answers badly.

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def wire(place):
    return canary(f"{place}, on the wire").encode()


ILL = {
    "nothing": (CLOSE,),
    "a reset": (RESET,),
    "no HTTP": (wire("no HTTP") + b"\r\n\r\n", CLOSE),
    "a status that is none": (b"HTTP/1.1 " + wire("a status") + b" OK\r\n\r\n", CLOSE),
    "a version that is none": (b"HTTP/" + wire("a version") + b" 200 OK\r\n\r\n", CLOSE),
    "a field without a colon": (HEAD + wire("a field") + b"\r\n\r\n", CLOSE),
    "a field with a NUL": (HEAD + b"x-secret: " + wire("a NUL") + b"\x00\r\n\r\n", CLOSE),
    "a field with a bare CR": (
        HEAD + b"x-secret: " + wire("a bare CR") + b"\r" + wire("a bare CR") + b"\r\n\r\n",
        CLOSE,
    ),
    "a name that is none": (HEAD + b"x " + wire("a name") + b": 1\r\n\r\n", CLOSE),
    "a folded field": (HEAD + b"x: 1\r\n " + wire("a fold") + b"\r\n\r\n", CLOSE),
    "a length that is none": (HEAD + b"Content-Length: " + wire("a length") + b"\r\n\r\n", CLOSE),
    "a coding that is none": (HEAD + b"Transfer-Encoding: " + wire("a coding") + b"\r\n\r\n", CLOSE),
    "a chunk that is none": (CHUNKED + wire("a chunk") + b"\r\n", CLOSE),
    "a trailer that is none": (CHUNKED + b"2\r\nok\r\n0\r\n" + wire("a trailer") + b"\r\n\r\n", CLOSE),
    "half a head": (HEAD + b"x-secret: " + wire("half a head"), CLOSE),
    "half a body": (HEAD + b"Content-Length: 99\r\n\r\n" + wire("half a body"), CLOSE),
    "half a body, and a reset": (HEAD + b"Content-Length: 99\r\n\r\n" + wire("half a body"), RESET),
    "a body that is not packed": (
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 16\r\n\r\n" + wire("no gzip"),
        CLOSE,
    ),
    "a 503": (b"HTTP/1.1 503 " + wire("a reason") + b"\r\nContent-Length: 16\r\n\r\n" + wire("a body"), CLOSE),
    "a cookie": (
        HEAD + b"Set-Cookie: sid=" + wire("a cookie") + b"\r\nContent-Length: 16\r\n\r\n" + wire("a body"),
        CLOSE,
    ),
    "a redirect": (b"HTTP/1.1 302 Found\r\nLocation: /?" + wire("Location") + b"\r\nContent-Length: 0\r\n\r\n", CLOSE),
    "too much": (HEAD + b"Content-Length: 0\r\n\r\n" + wire("too much"), CLOSE),
    "protocols switched": (
        b"HTTP/1.1 101 x\r\nUpgrade: " + wire("an upgrade") + b"\r\nConnection: upgrade\r\n\r\n",
        CLOSE,
    ),
}
WAYS = {
    "our pool": PoolTransport,
    "our pool, on h11": PoolTransport,
    "httpx, async": httpx.AsyncHTTPTransport,
    "httpx, sync": httpx.HTTPTransport,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_answers_badly(room, way):
    stack = room.pipeline(name="real")
    inner = WAYS[way](limits=httpx.Limits(max_keepalive_connections=0))
    if way == "our pool, on h11":
        inner.pool._parser = PureParser

    def blocking(request):
        with MeshTransport(stack, inner) as outer:
            for _ in ILL:
                with room.call():
                    response = outer.handle_request(request())
                    room.answer(response)
                    try:
                        response.read()
                    finally:
                        response.close()

    async def awaiting(request):
        async with AsyncMeshTransport(stack, inner) as outer:
            for _ in ILL:
                with room.call():
                    response = await outer.handle_async_request(request())
                    room.answer(response)
                    try:
                        await response.aread()
                    finally:
                        await response.aclose()

    async def scenario():
        async with Rogue(*(answers(parts) for parts in ILL.values())) as rogue:
            a_request = partial(request, host=rogue.url.removeprefix("http://"), method="GET")
            if way == "httpx, sync":
                await asyncio.to_thread(blocking, a_request)
            else:
                await awaiting(a_request)
            assert len(rogue.peers) == len(ILL)

    asyncio.run(scenario())
    assert room.calls == len(ILL)
    assert "repr of Step" in room.told
    assert room.outputs()["Record, json"].count('"outcome":"failure"') > 10
    assert room.found() == []


# Servers.

BELOW = Timeout(5.0), again(ERRORS)


def front(stack, *steps, calls=None, **options):
    """An app of FastAPI behind a pipeline; its steps are answers, errors, `HANG`, or what it awaits."""
    upstream = Answers(*steps)
    app = fastapi.FastAPI()

    @app.api_route("/reset/{rest:path}", methods=["GET", "POST"])
    async def reset(request: fastapi.Request):
        body = await request.body()
        assert canary("body of a request").encode() == body
        step = upstream.step()
        if step is HANG:
            await anyio.sleep_forever()
        if calls is not None:
            await calls()
        if isinstance(step, BaseException):
            raise step
        made = step(None) if callable(step) else step
        if isinstance(made, httpx.Response):
            fields = {
                name: made.headers[name] for name in made.headers if name not in {"content-length", "server-timing"}
            }
            made = PlainTextResponse(made.text, made.status_code, fields)
        return made

    trusted = ["10.0.0.0/8"]
    return MeshMiddleware(app, stack, **{"trusted": trusted, "deadline": ["x-timeout"], **options})


async def serve(room, app, calls=2, at_once=2, seconds=3):
    """Requests of a trusted peer who asks why, one after the other and at once."""
    transport = httpx.ASGITransport(app, client=("10.0.0.9", 4711), raise_app_exceptions=False)
    got = []

    async def once(number):
        asked = request(userinfo=bool(number % 2))
        asked.headers["x-meshkit-explain"] = "1"
        if not number % 2:
            del asked.headers["x-forwarded-for"]  # who hands on what others write may not ask
        asked.headers["x-timeout"] = str(1000 * seconds)
        asked.headers["host"] = f"{canary('header host')}.test"
        with room.call(), anyio.move_on_after(2 * seconds):
            response = await transport.handle_async_request(asked)
            await response.aread()
            got.append(response)

    await several(once, calls, at_once)
    for response in got:
        room.answered(response)


def sent_in_pieces(error):
    async def pieces():
        yield canary("body that breaks off")
        raise error

    return lambda _: StreamingResponse(pieces(), headers={"x-secret": canary("header of an answer")})


DENIED = fastapi.HTTPException(403, said("fastapi.HTTPException"), {"x-secret": canary("header of an answer")})
SERVED = {
    "a success": ([], [WELL], "success"),
    "a 404": ([], [MISSING], "success"),
    "a 403 that is raised": ([], [DENIED], "success"),
    "a 500": ([CircuitBreaker(failures=1)], [POOR], "failure rejected"),
    "a 503": ([CircuitBreaker(failures=1)], [BUSY], "overloaded rejected"),
    "an error": ([CircuitBreaker(failures=1)], [ValueError(said("ValueError"))], "failure rejected"),
    "a body that breaks off": ([], [sent_in_pieces(ValueError(said("ValueError")))], "failure"),
    "out of time": ([Timeout(1.0)], [HANG], "timeout"),
    "the client's time is up": ([], [HANG], "timeout"),
    "a limit by a header": ([RateLimit("1/h", key="header:authorization")], [WELL], "rejected success"),
    "a limit by a cookie": ([RateLimit("1/h", key="cookie:sid")], [WELL], "rejected success"),
    "a limit by the query": ([RateLimit("1/h", key="query:token")], [WELL], "rejected success"),
    "a limit by the URI": ([RateLimit("1/h", key="uri")], [WELL], "rejected success"),
    "a limit by the user": ([RateLimit("1/h", key=lambda call: canary("a key"))], [WELL], "rejected success"),
    "permits by a header": ([ConcurrencyLimit(1, key="header:authorization")], [HANG], "rejected timeout"),
    "a limit on trial": ([Shadow(RateLimit("1/h", key="header:authorization"))], [WELL], "success"),
    "shed by a header": ([LoadShed(1, priority="header:x-api-key")], [HANG], "rejected timeout"),
    "a fault": ([FaultInjection(abort=503, expires=60.0)], [WELL], "failure"),
    "a fault that raises": ([FaultInjection(abort=raising("a fault"), expires=60.0)], [WELL], "failure"),
    "a key that raises": ([RateLimit("1/h", key=raising("a key"))], [WELL], "ignored"),
    "a fallback that fails": ([Fallback(raising("a fallback")), RateLimit("1/h")], [WELL], "failure success"),
}


@some(SERVED)
def test_servers(room, names):
    for name in names:
        policies, steps, outcomes = SERVED[name]
        run(serve, room, front(room.pipeline(*policies, name=name), *steps))
        assert room.outcomes() == outcomes
    assert room.found() == []


@pytest.mark.parametrize("bare", [False, True])
def test_a_server_that_asks_others(room, bare):
    """Client, function, and a server in the same process, whose path is its name in the ledger."""
    inner = front(room.pipeline(name="inner"), POOR)
    beyond = AsyncMeshTransport(room.pipeline(again(ERRORS), name="beyond"), httpx.ASGITransport(inner))
    below = later(room.pipeline(*BELOW, name="below"), httpx.ReadError(said("httpx.ReadError")), POOR, BUSY)
    limited = later(room.pipeline(RateLimit("1/h", key="header:authorization"), name="limited"), WELL)

    async def calls():
        for each in (beyond, below, limited):
            with room.call():
                await (await each.handle_async_request(request())).aread()
        await httpx.ASGITransport(inner).handle_async_request(request())
        await limited.handle_async_request(request(userinfo=True))
        await limited.handle_async_request(request(userinfo=True))

    async def app(scope, receive, send):
        await calls()

    stack = room.pipeline(Timeout(60.0), name="outer")
    outer = (
        MeshMiddleware(app, stack, translate=True, trusted=["10.0.0.0/8"]) if bare else front(stack, WELL, calls=calls)
    )
    run(partial(serve, room, outer, seconds=60))
    outputs = room.outputs()
    assert "POST_reset_*_*_*_*" in outputs["server-timing"]
    assert '"who":"POST /reset/*/*/*/*"' in outputs["Record, json"]
    assert not bare or "destination_unavailable; details=" in outputs["proxy-status"]
    assert room.found() == []


@pytest.mark.parametrize("whose", GIVEN)
def test_the_errors_of_an_app(room, whose):
    errors = [*GIVEN[whose]()]
    steps = [*errors, *map(sent_in_pieces, errors)]
    run(serve, room, front(room.pipeline(name="front"), *steps), len(steps), 0)
    assert room.found() == []


def test_a_judge_of_a_server(room):
    run(serve, room, front(room.pipeline(name="front"), WELL, judge=raising("a judge")))
    assert room.found() == []


def test_a_client_that_goes(room):
    async def scenario():
        app = front(room.pipeline(name="front"), HANG)
        for when in (0.0, 1.0):
            asked = request()
            task = asyncio.create_task(httpx.ASGITransport(app).handle_async_request(asked))
            await pause(when)
            task.cancel(said("a cancellation"))
            with room.call():
                await task

    run(scenario)
    assert room.found() == []


def test_a_websocket(room):
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept", "headers": [(b"x-secret", canary("header of an answer").encode())]})
        await send({"type": "websocket.send", "text": canary("message of a websocket")})
        raise ValueError(said("ValueError"))

    guarded = MeshMiddleware(app, room.pipeline(RateLimit("1/h", key="header:authorization"), name="front"))
    scope = websocket(PATH, query_string=f"token={canary('query')}".encode())
    scope["headers"] = [(name.encode(), value.encode()) for name, value in fields().items()]

    async def scenario():
        for _ in range(2):
            with room.call():
                await asgi(guarded, dict(scope), {"type": "websocket.connect"})

    run(scenario)
    assert room.calls == 2
    assert room.found() == []


# Functions.


def charged(room, policies, *errors, calls=3, **options):
    """What is done to functions with secrets in their arguments, which raise these errors in turn, or return."""
    upstream = Answers(*errors or [canary("result of a function")])

    def charge(card, *rest, user, **more):
        step = upstream.step()
        if isinstance(step, BaseException):
            raise step
        return step

    async def charge_later(card, *rest, user, **more):
        await pause(0.01)
        return charge(card, *rest, user=user, **more)

    arguments = [canary("argument"), (canary("argument within"),)]
    named = {"user": canary("argument by name"), canary("name of an argument"): 1}
    if not any(isinstance(policy, SingleFlight | StaleIfError) for policy in policies):
        guarded = room.pipeline(*policies, clock=ManualClock(), name="sync")(charge, **options)
        for _ in range(calls):
            with room.call():
                guarded(*arguments, **named)
    later = room.pipeline(*policies)(charge_later, **options)

    async def once(number):
        with room.call():
            await later(*arguments, **named)

    run(several, once, calls, 2)


FUNCTIONS = {
    "a success": [],
    "a limit by an argument": [RateLimit("1/h", key="user")],
    "a limit by a function": [RateLimit("1/h", key=lambda call: call.request[1]["user"])],
    "permits by an argument": [ConcurrencyLimit(1, key="user")],
    "hashing an argument": [again(Exception), hosts(Hashed("user"))],
    "sticking to an argument": [hosts(Sticky(key="user"))],
    "an endpoint by an argument": [hosts(Override(RoundRobin(), key="user", strict=True))],
    "a subset by an argument": [
        hosts(
            Subset(RoundRobin(), selectors=["stage"], key=lambda call: {"stage": call.request[1]["user"]}),
            hosts=[Endpoint(each, tags={"stage": "prod"}) for each in HOSTS],
        )
    ],
    "one flight": [SingleFlight()],
    "one flight by an argument": [SingleFlight(key="user")],
    "a stale answer": [StaleIfError(60.0)],
    "a fault": [FaultInjection(abort=503, expires=60.0)],
    "a predicate that raises": [Retry(raising("a predicate"))],
    "a fallback": [Fallback(lambda *_, **__: canary("result of a fallback"), on=Exception)],
    "an argument there is not": [RateLimit("1/h", key="user.name")],
}


@some(FUNCTIONS)
def test_functions(room, names):
    for name in names:
        charged(room, FUNCTIONS[name])
        charged(room, FUNCTIONS[name], ConnectionResetError(errno.ECONNRESET, said("an error")))
    assert room.found() == []


@pytest.mark.parametrize("whose", GIVEN)
def test_the_errors_of_a_function(room, whose):
    errors = [*GIVEN[whose]()]
    charged(room, [again(ERRORS)], *errors, calls=len(errors))
    assert room.found() == []


def test_judges_and_costs_of_a_function_that_fail(room):
    for options in (
        {"judge": raising("a judge")},
        {"spent": raising("spent")},
        {"judge": lambda *_: said("a verdict")},
    ):
        charged(room, [RateLimit("100/s")], **options)
    assert room.found() == []


# What is known to tell too much: whoever prints an event, or a note, prints an error of somebody else's.


class Leak(AssertionError):
    """It is there."""


def tight(room, output):
    found = leaks({name: text for name, text in room.outputs().items() if name.startswith(output)})
    if found:
        raise Leak(found)


def test_the_whole_repr_of_an_event(room):
    run(ask, room, later(room.pipeline(again(ERRORS)), httpx.ReadError(said("httpx.ReadError"))))
    tight(room, "the whole repr of ")


def test_the_whole_repr_of_a_refusal(room):
    run(ask, room, later(room.pipeline(subset()), WELL))
    tight(room, "the whole repr of RejectedCall")


def test_the_note_about_a_predicate(room):
    run(ask, room, later(room.pipeline(again(raising("a predicate"))), httpx.ReadError(said("httpx.ReadError"))))
    tight(room, "note of the engine")


class Nowhere:
    """A source of endpoints that fails."""

    watch = staticmethod(raising("a source"))

    def __repr__(self):
        return "Nowhere()"


def test_the_snapshot_of_a_source_that_fails(room):
    run(ask, room, later(room.pipeline(Cluster("stock", Nowhere(), patience=0.1)), WELL))
    assert "Nowhere()" in room.outputs()["Pipeline, snapshot"]
    tight(room, "Pipeline, snapshot")


def test_the_snapshot_of_a_check_that_fails(room):
    async def scenario():
        async with Rogue(answers(ILL["a status that is none"])) as rogue:
            stack = room.pipeline(hosts(hosts=[rogue.url], checks=HttpCheck("/health")))
            await ask(room, later(stack, WELL), 1, 0)
            await until(lambda: "'why'" in repr(stack.snapshot()))
            tight(room, "Pipeline, snapshot")

    asyncio.run(scenario())


# Can all this fail?


@pytest.mark.parametrize("place", ["header authorization", "40 hex characters in a path"])
def test_a_canary_is_found_however_it_is_written(place):
    secret = CANARIES[place]
    half = len(secret) // 2
    for before in ("", "x", "xy", "xyz", "xyz "):
        for after in ("", "!", "!!"):
            plain = f"{before}{secret}{after}"
            for told in (plain, plain.upper(), b64encode(plain.encode()).decode(), plain.encode().hex(), repr([plain])):
                assert any(place in leak for leak in leaks({"x": told})), told
    assert len(leaks({"x": secret[:half], "y": secret[half:], "z": secret[2 : half + 1]})) == 2


NAME = canary("a name that is shown")
OUTPUTS = {
    *("Record, json", "Record, text", "Record, summary", "Record, repr", "Journal", "why --all --json", "last_call()"),
    *("the extension of a response", "note", "server-timing", "proxy-status", "ratelimit", "ratelimit-policy"),
    *("a refusal", "Metrics", "Prometheus", "OpenMetrics", "Meters", "Tracing", "Log, standard library"),
    *("Log, structlog", "AccessLog, common", "AccessLog, combined", "AccessLog, json", "warnings of meshkit"),
    *("Graph, snapshot", "Graph, mermaid", "Graph, dot"),
    *("Pipeline, snapshot", "Pipeline, explain", "Pipeline, __repr__"),
    *(f"repr of {event}" for event in events.__all__ if event not in {"CallEnded", "Event", "Step"}),
}
"""Each output, but for two events that have no name in them."""


def test_a_leak_in_any_output_is_found(room):
    """Names are shown. One that is a canary must be found wherever anything is told at all."""
    named = partial(room.pipeline, name=NAME)
    retry = again(ERRORS, name=NAME)
    cluster = Cluster(NAME, HOSTS, balancer=RoundRobin())
    error = httpx.ReadError("")
    trial, limit = Shadow(RateLimit("1/h", name=NAME)), RateLimit("1/h", name=NAME)
    fault = FaultInjection(abort=503, expires=60.0, name=NAME)
    for policies, steps in (
        ([Timeout(9.0, name=NAME), retry, CircuitBreaker(name=NAME, failures=1), cluster], [error]),
        ([Fallback(lambda *_: answer(200)(None), on=ERRORS, name=NAME), retry], [POOR]),
        ([Hedge(0.1, non_idempotent=True, name=NAME)], [HANG, WELL]),
        ([trial, fault], [WELL]),
        ([limit], [WELL]),
        ([Router([Route(to=cluster, name=NAME)], name=NAME)], [WELL]),
    ):
        run(ask, room, later(named(*policies), *steps))

    below = later(room.pipeline(), WELL)

    async def calls():
        await below.handle_async_request(httpx.Request("GET", f"http://{NAME}/"))

    async def app(scope, receive, send):
        await calls()
        await PlainTextResponse("")(scope, receive, send)

    stack = named(limit)
    front = MeshMiddleware(app, stack, trusted=["10.0.0.0/8"])

    async def scenario():
        transport = httpx.ASGITransport(front, client=("10.0.0.9", 4711))
        for _ in range(2):
            headers = {"x-meshkit-explain": "1"}
            asked = httpx.Request("GET", f"http://shop.test/{NAME}", headers=headers)
            response = await transport.handle_async_request(asked)
            await response.aread()
            room.answered(response)

    run(scenario)
    stack.listen(raising("a listener"), direct=True)
    run(scenario)
    told = room.outputs()
    found = {leak.partition(", in ")[2].partition(": ...")[0] for leak in leaks(told) if leak.startswith("a name that")}
    assert OUTPUTS - found == set()
    assert {output for output in told if not output.startswith(LOOSE)} - OUTPUTS == {"repr of CallEnded"}


def leaking(room):
    run(ask, room, later(room.pipeline(again(ERRORS)), httpx.ReadError(said("httpx.ReadError"))))
    run(ask, room, later(room.pipeline(hosts()), ValueError(said("ValueError"))))
    run(serve, room, front(room.pipeline(name="front"), ValueError(said("ValueError"))))
    return {output for leak in room.found() for output in OUTPUTS if f", in {output}: ..." in leak}


def test_without_redaction_of_errors_it_fails(room, monkeypatch):
    assert leaking(room) == set()
    monkeypatch.setattr(redact, "_says", str)
    expected = {"Record, json", "Record, text", "Journal", "why --all --json", "note", "last_call()"}
    expected |= {"Tracing", "Log, standard library", "Log, structlog"}
    expected |= {"Graph, snapshot"}
    assert expected - leaking(room) == set()


def test_without_redaction_of_paths_it_fails(room, monkeypatch):
    monkeypatch.setattr(redact, "_segment", str)
    expected = {"Record, json", "Record, text", "Journal", "why --all --json", "note", "last_call()", "Tracing"}
    expected |= {
        "Log, standard library",
        "Log, structlog",
        "AccessLog, common",
        "AccessLog, combined",
        "AccessLog, json",
    }
    assert expected - leaking(room) == set()


@pytest.mark.parametrize("field", ["authorization", "cookie"])
def test_were_a_field_told_it_would_fail(room, monkeypatch, field):
    about = HttpxDoor.about
    monkeypatch.setattr(
        HttpxDoor, "about", lambda door, call: {**about(door, call), "host": call.request.headers[field]}
    )
    expected = {"Record, json", "Record, text", "Tracing", "Log, standard library", "AccessLog, json", "Graph, dot"}
    assert expected - leaking(room) == set()
