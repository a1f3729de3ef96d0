"""Which fields are for the next one only? What `Connection` names, and what no proxy passes on (RFC 9110, 7.6.1)."""

from __future__ import annotations

from .case import Case, Must, passed

__all__ = ["BACK", "HOPS"]

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a.example\r\n"
RULE = "RFC 9110, 7.6.1"
ABUSE = "Davison, Abusing Hop-by-Hop Headers (2019)"


def get(fields: bytes) -> bytes:
    return GET + fields + b"\r\n\r\n"


def sent(name: str, fields: bytes, source: str = RULE, *, site: str = "plain", **seen: bytes | None) -> Case:
    """What becomes of the fields that ``seen`` names."""
    wanted = {each.replace("_", "-"): value for each, value in seen.items()}
    return Case(name, get(fields), passed(fields=wanted), source, site=site, shows=tuple(wanted))


HOPS = (
    sent("a field that Connection names", b"Connection: x-a\r\nX-A: b", x_a=None),
    sent("a field that Connection names, in capitals", b"CONNECTION: X-A\r\nx-a: b", x_a=None),
    sent("a field that a second Connection names", b"Connection: x-b\r\nConnection: x-a\r\nX-A: b", x_a=None),
    sent("a field that Connection names, before it", b"X-A: b\r\nConnection: x-a", x_a=None),
    sent("empty members in Connection", b"Connection: ,, x-a ,,\r\nX-A: b", x_a=None),
    sent("a quoted member in Connection", b'Connection: "x-a"\r\nX-A: b', x_a=b"b"),
    sent(
        "Connection names X-Forwarded-For",
        b"Connection: x-forwarded-for",
        "CVE-2022-31813",
        x_forwarded_for=b"127.0.0.1",
    ),
    sent(
        "Connection names X-Forwarded-For, of a proxy that is trusted",
        b"Connection: x-forwarded-for\r\nX-Forwarded-For: 192.0.2.1",
        "CVE-2022-31813",
        site="trusts",
        x_forwarded_for=b"192.0.2.1, 127.0.0.1",
    ),
    sent("Connection names Host", b"Connection: host", ABUSE, host=b"a.example"),
    sent(
        "Connection names Authorization",
        b"Connection: close, authorization\r\nAuthorization: Basic YTpi",
        ABUSE,
        authorization=b"Basic YTpi",
    ),
    sent("Connection names Cookie", b"Connection: cookie\r\nCookie: a=b", ABUSE, cookie=b"a=b"),
    sent("Connection names Via", b"Connection: via\r\nVia: 1.1 before", ABUSE, via=b"1.1 before, 1.1 meshkit"),
    sent(
        "Connection names Cache-Control",
        b"Connection: cache-control\r\nCache-Control: no-cache",
        RULE,
        cache_control=b"no-cache",
    ),
    Case(
        "Connection names Content-Length",
        POST + b"Connection: content-length\r\nContent-Length: 2\r\n\r\nab",
        passed(body=b"ab"),
        ABUSE,
    ),
    Case(
        "Connection names Transfer-Encoding",
        POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        passed(body=b"ab"),
        ABUSE,
    ),
    sent("Keep-Alive", b"Connection: keep-alive\r\nKeep-Alive: timeout=5", keep_alive=None),
    sent("Keep-Alive, not named", b"Keep-Alive: timeout=5", keep_alive=None),
    sent("Proxy-Connection", b"Proxy-Connection: keep-alive", proxy_connection=None),
    sent("Proxy-Authorization", b"Proxy-Authorization: Basic YTpi", "RFC 9110, 11.7.2", proxy_authorization=None),
    sent("Proxy", b"Proxy: http://192.0.2.1/", "httpoxy, CVE-2016-5385", proxy=None),
    sent("TE: gzip", b"TE: gzip\r\nConnection: TE", "RFC 9110, 10.1.4", te=None),
    Case("TE: trailers", get(b"TE: trailers\r\nConnection: TE"), passed(), "RFC 9110, 10.1.4", shows=("te",)),
    Case("TE, not named", get(b"TE: trailers, deflate;q=0.5"), passed(), "RFC 9110, 10.1.4", shows=("te",)),
    sent(
        "Upgrade: h2c",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        "RFC 9113, 3.1",
        upgrade=None,
        http2_settings=None,
    ),
    sent("Upgrade, not named", b"Upgrade: h2c", "Bishop Fox, h2c Smuggling (2020)", upgrade=None),
    sent("Upgrade to TLS", b"Connection: Upgrade\r\nUpgrade: TLS/1.2", "RFC 2817", upgrade=None),
    Case(
        "Trailer",
        POST + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 1\r\n\r\n",
        passed(body=b"ab"),
        "RFC 9110, 6.6.2",
        shows=("trailer",),
    ),
)


def back(name: str, fields: bytes, source: str = RULE, **told: bytes | None) -> Case:
    """What becomes of fields of the answer."""
    wanted = {each.replace("_", "-"): value for each, value in told.items()}
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + fields + b"\r\n\r\nok"
    return Case(name, GET + b"\r\n", passed(told=wanted), source, answer=answer)


BACK = (
    back("a field that Connection names", b"Connection: x-a\r\nX-A: b", x_a=None),
    back("Keep-Alive", b"Connection: keep-alive\r\nKeep-Alive: timeout=600", keep_alive=None),
    back("Proxy-Authenticate", b"Proxy-Authenticate: Basic", "RFC 9110, 11.7.1", proxy_authenticate=None),
    back("Upgrade", b"Connection: Upgrade\r\nUpgrade: h2c", upgrade=None),
    back("Connection: close, to a client that stays", b"Connection: close", "RFC 9112, 9.6", connection=None),
    back("Trailer", b"Trailer: X-Sum", "RFC 9110, 6.6.2"),
    back("two cookies", b"Set-Cookie: a=b\r\nSet-Cookie: c=d", "RFC 6265, 3", set_cookie=b"a=b, c=d"),
    back("a content coding, and no such content", b"Content-Encoding: gzip", "RFC 9110, 8.4", content_encoding=b"gzip"),
    Case(
        "103 before the answer",
        GET + b"\r\n",
        Must(statuses=(200,), saw=1),
        "RFC 8297",
        answer=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
)
