"""Who is the client, and who says so? Fields that proxies write, from somebody who is none, and from one who is."""

from __future__ import annotations

from .case import Case, Must, passed

__all__ = ["TRUST"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
XFF = "MDN, X-Forwarded-For; Adam Pritchard, The Perils of the Real Client IP (2022)"
RFC = "RFC 7239, 8.1"
IDENTITY = "CWE-290"


def sent(name: str, fields: bytes, source: str, *, site: str = "plain", **seen: bytes | None) -> Case:
    wanted = {each.replace("_", "-"): value for each, value in seen.items()}
    return Case(name, GET + fields + b"\r\n\r\n", passed(fields=wanted), source, site=site, shows=tuple(wanted))


def claimed(name: str, value: bytes = b"root") -> Case:
    """A field by which proxies say who somebody is."""
    line = f"{name}: ".encode() + value
    must = passed(fields={name.lower(): None})
    return Case(f"{name}, of a stranger", GET + line + b"\r\n\r\n", must, IDENTITY, shows=(name.lower(),))


STRANGER = b"X-Forwarded-For: 192.0.2.1"

TRUST = (
    sent("X-Forwarded-For of a stranger", STRANGER, XFF, x_forwarded_for=b"127.0.0.1"),
    sent("two lines of it", STRANGER + b"\r\nX-Forwarded-For: 192.0.2.2", XFF, x_forwarded_for=b"127.0.0.1"),
    sent(
        "100 addresses in it",
        b"X-Forwarded-For: " + b", ".join([b"192.0.2.1"] * 100),
        XFF,
        x_forwarded_for=b"127.0.0.1",
    ),
    sent("garbage in it", b'X-Forwarded-For: ,;"<script>', XFF, x_forwarded_for=b"127.0.0.1"),
    Case(
        "X_Forwarded_For of a stranger",
        GET + b"X_Forwarded_For: 192.0.2.1\r\n\r\n",
        passed(fields={"x-forwarded-for": b"127.0.0.1", "x_forwarded_for": None}),
        "RFC 3875, 4.1.18",
        shows=("x_forwarded_for",),
    ),
    sent("Forwarded of a stranger", b"Forwarded: for=192.0.2.1;host=b.example;proto=https", RFC, forwarded=None),
    sent(
        "Forwarded and X-Forwarded-For disagree",
        b"Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.2",
        RFC,
        forwarded=None,
        x_forwarded_for=b"127.0.0.1",
    ),
    sent("X-Real-IP of a stranger", b"X-Real-IP: 192.0.2.1", IDENTITY, x_real_ip=None),
    sent("X-Forwarded-Host of a stranger", b"X-Forwarded-Host: b.example", IDENTITY, x_forwarded_host=b"a.example"),
    sent("X-Forwarded-Proto of a stranger", b"X-Forwarded-Proto: https", IDENTITY, x_forwarded_proto=b"http"),
    sent("X-Forwarded-Port of a stranger", b"X-Forwarded-Port: 1", IDENTITY, x_forwarded_port=None),
    *(
        claimed(name)
        for name in (
            *("X-User", "X-User-Id", "Remote-User", "X-Remote-User", "X-Auth-Request-User", "X-Forwarded-User"),
            *("X-Forwarded-Client-Cert", "X-Client-Cert", "X-SSL-Client-Verify", "X-Amzn-Oidc-Identity"),
            *("X-Goog-IAP-JWT-Assertion", "X-Meshkit-Fault"),
        )
    ),
    Case(
        "X-Envoy-Upstream-Rq-Timeout-Ms of a stranger",
        GET + b"X-Envoy-Upstream-Rq-Timeout-Ms: 1\r\n\r\n",
        passed(fields={"x-envoy-upstream-rq-timeout-ms": None}),
        "Envoy, HTTP header sanitizing",
        shows=("x-envoy-upstream-rq-timeout-ms",),
    ),
    Case(
        "X_User, and X-User",
        GET + b"x_user: root\r\nX-User: root\r\n\r\n",
        passed(fields={"x-user": None, "x_user": None}),
        "RFC 3875, 4.1.18",
        shows=("x_user", "x-user"),
    ),
    sent("X-Forwarded-For of a trusted proxy", STRANGER, XFF, site="trusts", x_forwarded_for=b"192.0.2.1, 127.0.0.1"),
    sent(
        "two lines of a trusted proxy",
        STRANGER + b"\r\nX-Forwarded-For: 192.0.2.2",
        XFF,
        site="trusts",
        x_forwarded_for=b"192.0.2.1, 192.0.2.2, 127.0.0.1",
    ),
    sent(
        "Forwarded of a proxy that is trusted for X-Forwarded-For",
        b"Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.2",
        RFC,
        site="trusts",
        forwarded=None,
        x_forwarded_for=b"192.0.2.2, 127.0.0.1",
    ),
    sent("X-User of a trusted proxy", b"X-User: ann", IDENTITY, site="trusts", x_user=b"ann"),
    sent(
        "an IPv6 address that is one of IPv4",
        b"X-Forwarded-For: ::ffff:192.0.2.1",
        "RFC 4291, 2.5.5.2",
        site="trusts",
        x_forwarded_for=b"::ffff:192.0.2.1, 127.0.0.1",
    ),
    Case(
        "garbage of a trusted proxy",
        GET + b"X-Forwarded-For: unknown, , <b>\r\n\r\n",
        Must(statuses=(200, 400)),
        XFF,
        site="trusts",
        shows=("x-forwarded-for",),
    ),
)
