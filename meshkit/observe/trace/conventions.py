"""What is written on a span? Names and attributes, as plain data: no OpenTelemetry is needed here.

Those of HTTP are the stable semantic conventions for HTTP spans (OpenTelemetry, semantic-conventions 1.23 and later)::

    name                          {method} {template or route}, or {method}; a method that is not known is HTTP
    http.request.method           and http.request.method_original, where the first is _OTHER
    server.address, server.port   client: whom the URL names, and the Host field with it, not the endpoint picked
    network.peer.address, .port   client: the endpoint, where it is an IP address
    url.full                      client: without user, password, and what the query says
    url.scheme, url.path          server; a segment that looks like a secret or an identity is *
    http.route                    server, where the framework says it
    http.response.status_code     and error.type: a status that is an error, or the class of an exception
    http.request.resend_count     client: number - 1, from the second attempt on
    network.protocol.version      where it is known

What they have no names for is under ``meshkit.``, few values each: so is the name of a route of ours, which is neither
a framework's template (``http.route``) nor that of a URL (``url.template``). Recommended attributes that tell of the
person who calls (``client.address``, ``user_agent.original``, ``url.query``) are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import quote

from ...call import Failure, Verdict
from ...errors import TimedOut
from .. import redact
from ..events import FaultInjected, FellBack, GaveUp, Hedged, RejectedCall, Retried, StateChanged, WouldReject

__all__ = [
    "Attributes",
    "client",
    "known_methods",
    "place",
    "server",
    "titled",
    "told",
    "way",
    "where",
    "why",
    "word",
]

Attributes = dict[str, str | int | float | bool]

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""RFC 9110, 9.3, and RFC 5789."""
PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_USER = re.compile(r"(?<=://)[^/@?#]*@")


def known_methods() -> frozenset[str]:
    """Methods that are named; the conventions have them overruled by this variable, and by no other means."""
    given = os.environ.get("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "")
    return frozenset(name.strip() for name in given.split(",") if name.strip()) or METHODS


def titled(about: Mapping[str, Any], target: object, known: frozenset[str]) -> str:
    """The name of an HTTP span. ``target``: a route or template, of which there are few; anything but a text: none."""
    method = about["method"] if about["method"] in known else "HTTP"
    return f"{method} {redact.text(target)}" if isinstance(target, str) and target else method


def client(about: Mapping[str, Any], query: bool, template: object, known: frozenset[str]) -> Attributes:
    """What is known of a request before it is sent; ``query``: whether it has one."""
    scheme, host, port = about["scheme"], about["host"], about["port"]
    authority = f"[{host}]" if ":" in host else host
    if port is not None:
        authority += f":{port}"
    path = quote(redact.path(about["path"]), safe="/%:@!$&'()*+,;=~")  # encoded already
    found: Attributes = _method(about["method"], known)
    found["server.address"] = host
    if port is not None or scheme in PORTS:
        found["server.port"] = PORTS[scheme] if port is None else port
    found["url.full"] = f"{scheme}://{authority}{path}{'?REDACTED' if query else ''}"
    if isinstance(template, str) and template:
        found["url.template"] = redact.text(template)
    return found


def server(about: Mapping[str, Any], version: object, known: frozenset[str]) -> Attributes:
    """What is known of a request as it comes in. A websocket begins with a GET."""
    found = _method(about["method"], known)
    found["url.scheme"] = about["scheme"]
    found["url.path"] = redact.path(about["path"])
    if isinstance(version, str) and version:
        found["network.protocol.version"] = version
    return found


def where(call: Any, number: int, pipeline: str) -> Attributes:
    """Which attempt of which pipeline goes where."""
    found: Attributes = {"meshkit.attempt": number}
    if number > 1:
        found["http.request.resend_count"] = number - 1
    if pipeline:
        found["meshkit.pipeline"] = pipeline
    found |= way(call.events)
    if call.cluster:
        found["meshkit.cluster"] = call.cluster
    endpoint = call.endpoint
    if endpoint is not None:
        found["meshkit.endpoint"] = redact.text(endpoint)
        host = getattr(endpoint, "host", "")
        if ":" in host or host.rpartition(".")[2].isdecimal():
            found["network.peer.address"] = host
            found["network.peer.port"] = endpoint.port
    return found


def word(verdict: Verdict, failure: Failure | None) -> str:
    """An attempt's outcome, as a call's: "success", "failure", "overloaded", "timeout", "ignored"."""
    return "timeout" if failure is not None and isinstance(failure.error, TimedOut) else verdict.value


def way(taken: Any) -> Attributes:
    """Which route and which branch were taken: of a `Trail`, or of a `CallEnded`."""
    found: Attributes = {"meshkit.route": redact.text(taken.route)} if taken.route else {}
    return found | ({"meshkit.branch": redact.text(taken.branch)} if taken.branch else {})


def why(failure: Failure | BaseException | None) -> tuple[str, str | None]:
    """``error.type``, and what may be said of it; empty: nothing is known. A status says it all by its number."""
    if failure is None:
        return "", None
    error = failure.error if isinstance(failure, Failure) else failure
    if error is None:
        status = failure.status  # type: ignore[union-attr]  # an exception is its own error
        return "" if status is None else str(status), None
    return redact.text(type(error).__name__), redact.cause(failure)["says"]


def place(url: str) -> str:
    """Where a URL leads, to be compared: without user, query and fragment."""
    return re.split("[?#]", _USER.sub("", url), maxsplit=1)[0]


def told(event: Any) -> tuple[str, Attributes] | None:
    """An event that is no attempt's, as one of a span: its name and attributes; ``None`` for any other."""
    match event:
        case RejectedCall():
            return "meshkit.rejected", _refused(event)
        case WouldReject():
            return "meshkit.would_reject", _refused(event)
        case Retried():
            found = _of(event) | {"meshkit.attempt": event.attempt, "meshkit.delay": event.delay}
            return "meshkit.retried", found | _failed(event.failure)
        case GaveUp():
            found = _of(event) | {"meshkit.attempt": event.attempt}
            if event.reason:
                found["meshkit.reason"] = redact.text(event.reason)
            return "meshkit.gave_up", found | _failed(event.failure)
        case Hedged():
            return "meshkit.hedged", _of(event) | {"meshkit.attempt": event.attempt}
        case FellBack():
            return "meshkit.fell_back", _of(event) | _failed(event.reason)
        case StateChanged():
            return "meshkit.state_changed", _of(event) | {"meshkit.before": event.before, "meshkit.after": event.after}
        case FaultInjected():
            return "meshkit.fault_injected", _of(event)
    return None


def _method(method: str, known: frozenset[str]) -> Attributes:
    if method in known:
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": redact.text(method)}


def _of(event: Any) -> Attributes:
    found: Attributes = {"meshkit.policy": redact.text(event.policy)}
    endpoint = getattr(event, "endpoint", None)
    if endpoint is not None:
        found["meshkit.endpoint"] = redact.text(endpoint)
    return found


def _refused(event: RejectedCall | WouldReject) -> Attributes:
    found = _of(event) | _failed(event.reason)
    retry_after = getattr(event.reason, "retry_after", None)
    if retry_after is not None and isfinite(retry_after):
        found["meshkit.retry_after"] = retry_after
    return found


def _failed(failure: Failure | BaseException | None) -> Attributes:
    kind, says = why(failure)
    found: Attributes = {"error.type": kind} if kind else {}
    if says:
        found["meshkit.says"] = says
    return found
