"""For whom is a request? Host, absolute targets, ports (RFC 9112, 3.2; RFC 9110, 7.2; RFC 3986, 3.2).

What the gateway routed by is what the upstream is told, in one form.
"""

from __future__ import annotations

from .case import Case, Must, passed
from .case import refused as closing

__all__ = ["HOSTS"]

RULE = "RFC 9112, 3.2"
URI = "RFC 3986, 3.2.2"
ABSOLUTE = "RFC 9112, 3.2.2"


def refused(*statuses: int) -> Must:
    """Where the request ends is not in doubt, so that another may follow."""
    return closing(*statuses, ends=None)


def host(value: bytes) -> bytes:
    return b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


def absolute(target: bytes, value: bytes = b"a.example") -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"


def to(value: bytes, **more: object) -> Must:
    return passed(fields={"host": value}, **more)


HOSTS = (
    Case("no Host", b"GET / HTTP/1.1\r\n\r\n", refused(), RULE),
    Case("two Hosts", host(b"a.example\r\nHost: b.example"), refused(), RULE),
    Case("the same Host twice", host(b"a.example\r\nHost: a.example"), refused(), RULE),
    Case("two Hosts, in two cases", host(b"a.example\r\nhOST: b.example"), refused(), RULE),
    Case("an empty Host", host(b""), refused(), "RFC 9110, 4.2.1", shows=("host",)),
    Case("a list of Hosts", host(b"a.example, b.example"), refused(), URI, shows=("host",)),
    Case("HTTP/1.0 without Host", b"GET / HTTP/1.0\r\n\r\n", Must(statuses=(200, 400, 404)), RULE, shows=("host",)),
    Case("capitals", host(b"A.EXAMPLE"), to(b"a.example"), "RFC 3986, 6.2.2.1", shows=("host",)),
    Case("a dot at the end", host(b"a.example."), to(b"a.example"), "RFC 3986, 3.2.2", shows=("host",)),
    Case("two dots at the end", host(b"a.example.."), refused(), URI, shows=("host",)),
    Case("an empty label", host(b"a..example"), refused(), URI, shows=("host",)),
    Case("a user", host(b"root@a.example"), refused(), "RFC 9110, 4.2.4", shows=("host",)),
    Case("a user and a password", host(b"root:x@a.example"), refused(), "RFC 9110, 4.2.4", shows=("host",)),
    Case("a path", host(b"a.example/x"), refused(), URI, shows=("host",)),
    Case("a query", host(b"a.example?x"), refused(), URI, shows=("host",)),
    Case("a fragment", host(b"a.example#x"), refused(), URI, shows=("host",)),
    Case("a backslash", host(b"a.example\\x"), refused(), URI, shows=("host",)),
    Case("a blank", host(b"a.example b.example"), refused(), URI, shows=("host",)),
    Case("a tab", host(b"a.example\tb"), refused(), URI, shows=("host",)),
    Case("a percent sign", host(b"a%2eexample"), refused(), URI, shows=("host",)),
    Case("octets above ASCII", host("ä.example".encode()), refused(), URI, shows=("host",)),
    Case("a name in Punycode", host(b"xn--4ca.example"), to(b"xn--4ca.example"), "RFC 5891, 4.4"),
    Case("a star", host(b"*"), refused(), URI, shows=("host",)),
    Case("an address", host(b"192.0.2.1"), to(b"192.0.2.1"), URI),
    Case("an address of IPv6", host(b"[2001:db8::1]"), to(b"[2001:db8::1]"), URI),
    Case("an address of IPv6, long", host(b"[2001:DB8:0:0::1]"), to(b"[2001:db8::1]"), "RFC 5952", shows=("host",)),
    Case("an address of IPv6 with a zone", host(b"[fe80::1%25eth0]"), refused(), "RFC 6874", shows=("host",)),
    Case("an address of IPv6, not closed", host(b"[2001:db8::1"), refused(), URI, shows=("host",)),
    Case("an address of IPv6, not in brackets", host(b"2001:db8::1"), refused(), URI, shows=("host",)),
    Case("port 80", host(b"a.example:80"), passed(), "RFC 3986, 6.2.3", shows=("host",)),
    Case("port 8080", host(b"a.example:8080"), to(b"a.example:8080"), "RFC 3986, 3.2.3"),
    Case("port 0", host(b"a.example:0"), Must(statuses=(200, 400)), "RFC 3986, 3.2.3", shows=("host",)),
    Case("port 65536", host(b"a.example:65536"), refused(), "RFC 3986, 3.2.3", shows=("host",)),
    Case("no port after the colon", host(b"a.example:"), passed(), "RFC 3986, 3.2.3", shows=("host",)),
    Case("a port of letters", host(b"a.example:http"), refused(), "RFC 3986, 3.2.3", shows=("host",)),
    Case("a negative port", host(b"a.example:-80"), refused(), "RFC 3986, 3.2.3", shows=("host",)),
    Case("two ports", host(b"a.example:80:81"), refused(), "RFC 3986, 3.2.3", shows=("host",)),
    Case("a Host of 300 letters", host(b"a" * 300), refused(400, 404), "RFC 1035, 2.3.4"),
    Case(
        "an absolute target",
        absolute(b"http://a.example/x"),
        passed(b"/x", fields={"host": b"a.example"}),
        ABSOLUTE,
        shows=("target", "host"),
    ),
    Case(
        "an absolute target, and another Host",
        absolute(b"http://b.example/x"),
        Must(statuses=(200, 400), target=b"/x", fields={"host": b"b.example"}),
        ABSOLUTE,
        granian=to(b"a.example"),
        shows=("target", "host"),
    ),
    Case(
        "an absolute target, and no Host",
        b"GET http://a.example/x HTTP/1.1\r\n\r\n",
        refused(),
        RULE,
        granian=to(b"a.example"),
        shows=("target", "host"),
    ),
    Case(
        "an absolute target, and an empty Host",
        absolute(b"http://a.example/x", b""),
        Must(statuses=(200, 400), target=b"/x", fields={"host": b"a.example"}),
        ABSOLUTE,
        shows=("target", "host"),
    ),
    Case(
        "an absolute target without a path",
        absolute(b"http://a.example"),
        passed(b"/"),
        "RFC 9112, 3.2.1",
        shows=("target",),
    ),
    Case(
        "an absolute target without a path, with a query",
        absolute(b"http://a.example?x"),
        Must(statuses=(200, 400), target=b"/?x"),
        "RFC 9112, 3.2.1",
        shows=("target",),
    ),
    Case(
        "an absolute target with a user",
        absolute(b"http://root@a.example/"),
        refused(),
        "RFC 9110, 4.2.4",
        granian=to(b"a.example"),
        shows=("target", "host"),
    ),
    Case(
        "an absolute target of https",
        absolute(b"https://a.example/x"),
        Must(statuses=(200, 400, 404, 421), target=b"/x"),
        "RFC 9110, 7.4",
        shows=("target", "x-forwarded-proto"),
    ),
    Case(
        "an absolute target of ftp",
        absolute(b"ftp://a.example/x"),
        Must(statuses=(200, 400, 404, 421)),
        "RFC 9110, 7.4",
        shows=("target",),
    ),
    Case(
        "an absolute target that climbs",
        absolute(b"http://a.example/x/../y"),
        passed(b"/y"),
        "RFC 3986, 5.2.4",
        shows=("target",),
    ),
)
