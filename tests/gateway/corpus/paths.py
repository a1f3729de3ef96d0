"""Which path is asked for? What is matched is what is sent on (`docs/reference/paths.md`)."""

from __future__ import annotations

from .case import Case, Must, passed, refused

__all__ = ["PATHS", "REWRITTEN"]

DOTS = "RFC 3986, 5.2.4"


def get(target: bytes) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\nHost: a.example\r\n\r\n"


def becomes(asked: bytes, sent: bytes, source: str) -> Case:
    return Case(f"`{asked.decode('latin-1')}`", get(asked), passed(sent), source, shows=("target",))


def wrong(asked: bytes, source: str, *statuses: int, name: str = "", granian: Must | None = None) -> Case:
    named = name or f"`{asked.decode('latin-1')}`"
    return Case(named, get(asked), refused(*statuses, ends=None), source, shows=("target",), granian=granian)


PATHS = (
    becomes(b"/a/../b", b"/b", f"{DOTS}; CVE-2019-9901"),
    becomes(b"/a/./b", b"/a/b", DOTS),
    becomes(b"/a/.", b"/a/", DOTS),
    becomes(b"/a/..", b"/", DOTS),
    becomes(b"/a/%2e%2e/b", b"/b", "RFC 3986, 6.2.2.2; CVE-2021-41773"),
    becomes(b"/a/.%2E/b", b"/b", "RFC 3986, 6.2.2.2; CVE-2021-41773"),
    wrong(b"/a/b/../../../c", DOTS),
    wrong(b"/../a", DOTS),
    wrong(b"/%2e%2e/a", "RFC 3986, 6.2.2.2; CVE-2021-41773"),
    wrong(b"/a%2fb", "CVE-2021-29492"),
    wrong(b"/a/..%2fb", "CVE-2021-29492"),
    wrong(b"/a%5cb", "CVE-2021-29492"),
    wrong(b"/a\\b", "RFC 3986, 3.3"),
    wrong(b"/a/..\\b", "RFC 3986, 3.3"),
    becomes(b"//a", b"/a", "RFC 3986, 4.2: an authority"),
    becomes(b"/a//b", b"/a/b", "nginx, merge_slashes"),
    becomes(b"//b.example/../a", b"/a", "RFC 3986, 4.2: an authority"),
    becomes(b"/a;x=1/b", b"/a;x=1/b", "RFC 3986, 3.3"),
    wrong(b"/a/..;/b", "Tsai, Breaking Parser Logic (2018); CVE-2020-5902"),
    wrong(b"/a/..;x=1/b", "Tsai (2018)"),
    wrong(b"/a/%2e%2e;/b", "Tsai (2018)"),
    wrong(b"/%c0%af", "RFC 3629, 3; CVE-2000-0884"),
    wrong(b"/%c0%ae%c0%ae/", "RFC 3629, 3; CVE-2000-0884"),
    wrong(b"/%e0%80%af", "RFC 3629, 3"),
    wrong(b"/%ed%a0%80", "RFC 3629, 3: a surrogate"),
    wrong(b"/%ff", "RFC 3629, 3"),
    wrong(b"/a%00b", "CWE-158"),
    wrong(b"/a%0ab", "CWE-93"),
    wrong(b"/a%0d%0aX-Evil:%201", "CWE-93"),
    wrong(b"/a%7f", "RFC 3986, 2.2"),
    wrong(b"/%zz", "RFC 3986, 2.1"),
    wrong(b"/a%", "RFC 3986, 2.1"),
    wrong(b"/a%4", "RFC 3986, 2.1"),
    wrong(b"/%u002e", "RFC 3986, 2.1"),
    becomes(b"/%41%7e", b"/A~", "RFC 3986, 6.2.2.2"),
    becomes(b"/%c3%a4", b"/%C3%A4", "RFC 3986, 6.2.2.1"),
    becomes(b"/a%252fb", b"/a%252fb", "RFC 3986, 2.4"),
    becomes(b"/a%3fb", b"/a%3Fb", "RFC 3986, 2.2"),
    becomes(b"/a%23b", b"/a%23b", "RFC 3986, 2.2"),
    becomes(b"/a?b=/../c", b"/a?b=/../c", "RFC 3986, 3.4"),
    becomes(b"/a?b?c", b"/a?b?c", "RFC 3986, 3.4"),
    Case("`/a?`", get(b"/a?"), passed(), "RFC 3986, 6.2.3; ASGI has no empty query", shows=("target",)),
    becomes(b"/a?b=%00", b"/a?b=%00", "RFC 3986, 3.4"),
    Case("`/a?b=%0d%0aX-Evil:%201`", get(b"/a?b=%0d%0aX-Evil:%201"), passed(fields={"x-evil": None}), "CWE-93"),
    wrong(b"/a#b", "RFC 9112, 3.2; CVE-2021-32779, CVE-2023-45539", granian=passed(b"/a")),
    wrong(b"/a?b#c", "RFC 9112, 3.2; CVE-2021-32779", granian=passed(b"/a?b")),
    wrong("/ä".encode(), "RFC 3986, 2", name="octets above ASCII", granian=passed(b"/%C3%A4")),
    Case("octets above ASCII in the query", get("/a?ä".encode()), Must(statuses=(200, 400)), "RFC 3986, 2"),
    Case(
        '`"<>^{|}` raw',
        get(b'/"<>^`{|}'),
        Must(statuses=(200, 400), target=b"/%22%3C%3E%5E%60%7B%7C%7D"),
        "RFC 3986, A",
        shows=("target",),
    ),
    wrong(b"/" + b"a" * 9000, "RFC 9110, 15.5.15", 414, name="9,000 letters"),
    wrong(b"/" + b"a/" * 40_000, "RFC 9110, 15.5.15", 414, 431, name="80,000 letters"),
    Case(
        "a query of 80,000 letters",
        get(b"/?" + b"a" * 80_000),
        refused(414, 431),
        "RFC 9110, 15.5.15",
    ),
)

HEADERS = "Detectify, Common Nginx Misconfigurations (2020)"
REWRITTEN = (
    Case("captured", get(b"/r/a"), passed(b"/to/a"), HEADERS, site="rewrites", shows=("target",)),
    *(
        Case(f"captured: `{tail.decode()}`", get(b"/r/" + tail), must, source, site="rewrites", shows=("target",))
        for tail, must, source in (
            (b"a%20HTTP/1.1%0d%0aX-Evil:1", refused(ends=None, fields={"x-evil": None}), f"{HEADERS}; CVE-2023-25690"),
            (b"a%0d%0a%0d%0aGET%20/hidden", refused(ends=None), "CVE-2023-25690"),
            (b"a%0aX-Evil:1", refused(ends=None, fields={"x-evil": None}), "CVE-2023-25690"),
            (b"a%20b", passed(b"/to/a%20b"), "RFC 3986, 2.4"),
            (b"a%3fb", passed(b"/to/a%3Fb"), "RFC 3986, 2.2"),
            (b"..%2f..%2fx", refused(ends=None), "CVE-2021-29492"),
            (b"..;/x", refused(ends=None), "Tsai (2018)"),
            (b"a%00", refused(ends=None), "CWE-158"),
            (b"a%252f", passed(b"/to/a%252f"), "RFC 3986, 2.4"),
        )
    ),
    *(
        Case(f"told where to go: `/r/{tail.decode()}`", get(b"/r/" + tail), must, source, site="redirects")
        for tail, must, source in (
            (b"a", Must(statuses=(302,), saw=0, told={"location": b"http://a.example/to/a"}), HEADERS),
            (b"a%0d%0aSet-Cookie:%20a=b", refused(ends=None, told={"set-cookie": None}), HEADERS),
            (
                b"/b.example",
                Must(statuses=(302,), saw=0, told={"location": b"http://a.example/to/b.example"}),
                "CWE-601",
            ),
        )
    ),
)
