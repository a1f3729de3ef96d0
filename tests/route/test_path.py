"""Is there one form of each path, which means the same to those who match and to those who are sent it?"""

import re
from itertools import product
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from meshkit import ConfigError
from meshkit.route.path import TOO_LONG, BadPath, Paths, normal

ENCODED_SLASH, ENCODED_BACKSLASH = "an encoded slash", "an encoded backslash"
ENCODED_CONTROL, CONTROL = "an encoded control character", "a control character"
ABOVE, BESIDE, PARAMETERS = (
    "a dot segment above the root",
    "a dot segment beside an encoded slash",
    "a dot segment with parameters",
)
PERCENT, UTF8 = "a percent sign without two hexadecimal digits", "octets that are not UTF-8"
START, TWO = "no slash at the beginning", "two slashes at the beginning"

# By default. Where a source is named, it has this row; where it decides otherwise, that is said.
BECOMES = [
    ("/", "/"),
    ("", "/"),  # RFC 9110, 4.2.3
    ("*", "*"),  # RFC 9112, 3.2.4: OPTIONS *
    ("/xyz", "/xyz"),  # Envoy, AlreadyNormalPaths
    ("/A/B/C", "/A/B/C"),  # Envoy: the case of letters stays
    ("/a/b/", "/a/b/"),
    ("/a.b/c..d/e.", "/a.b/c..d/e."),
    ("/.a", "/.a"),  # HAProxy, path-strip-dot
    ("/a.", "/a."),  # HAProxy
    ("/..a", "/..a"),  # nginx
    ("/...", "/..."),  # nginx
    ("/.well-known/acme", "/.well-known/acme"),
    ("/a;x=1/b;v=1.1", "/a;x=1/b;v=1.1"),  # RFC 3986, 3.3
    ("/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"),  # RFC 3986: pchar
    # Dot segments: RFC 3986, 5.2.4.
    ("/a/b/c/./../../g", "/a/g"),  # RFC 3986, 5.2.4
    ("/a/b/../c", "/a/c"),  # Envoy
    ("/a/b/./c", "/a/b/c"),  # Envoy
    ("/./a/b", "/a/b"),  # Envoy
    ("/.", "/"),  # HAProxy
    ("/./", "/"),  # HAProxy
    ("/a/.", "/a/"),  # HAProxy, nginx
    ("/foo/..", "/"),  # HAProxy
    ("/foo/../", "/"),  # HAProxy
    ("/foo/bar/../", "/foo/"),  # HAProxy
    ("/foo/../bar/", "/bar/"),  # HAProxy
    ("/a/..", "/"),  # nginx
    ("/a/%2E%2E/b", "/b"),  # Envoy
    ("/a/b/%2e%2e/c", "/a/c"),  # Envoy
    ("/a/b/%2E./c", "/a/c"),  # Envoy
    ("/a/b/.%2e/c", "/a/c"),
    ("/a/b/%2E/c", "/a/b/c"),  # Envoy
    ("/a/.../b", "/a/.../b"),  # nginx
    # Slashes.
    ("//a/b/c", "/a/b/c"),  # Envoy, MergeSlashes
    ("/a////b/c", "/a/b/c"),  # Envoy
    ("/a/b/c//", "/a/b/c/"),  # Envoy
    ("///foo///bar///", "/foo/bar/"),  # HAProxy
    ("///", "/"),  # HAProxy
    ("//evil.example/a", "/evil.example/a"),
    ("/.//evil.example", "/evil.example"),
    ("/./foo/../bar//", "/bar/"),  # Traefik
    ("/a//../b", "/b"),  # nginx merges first; Envoy and WHATWG resolve first: /a/b
    # Percent-encoding: RFC 3986, 6.2.2.
    ("/%61", "/a"),  # HAProxy, percent-decode-unreserved
    ("/%41%2d%5F%7e", "/A-_~"),
    ("/%3a%3A", "/%3A%3A"),  # HAProxy, percent-to-uppercase; a reserved one stays encoded
    ("/%3F", "/%3F"),  # HAProxy
    ("/%23foo", "/%23foo"),  # HAProxy
    ("/a%3bx=1", "/a%3Bx=1"),
    ("/a%20b", "/a%20b"),
    ("/100%25", "/100%25"),
    ("/%252e%252e/a", "/%252e%252e/a"),  # decoded once it is %2e%2e, which means nothing
    ("/%2541", "/%2541"),
    ("/caf%c3%a9", "/caf%C3%A9"),
    ("/%cE%Ab", "/%CE%AB"),
    ("/%f0%9f%a6%8a", "/%F0%9F%A6%8A"),
    ("/a[1]", "/a%5B1%5D"),
    ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
]

REFUSED = [
    ("a/b", START),
    ("a/b/../c", START),  # Envoy puts a slash there
    ("..", START),
    ("**", START),
    ("http://example.com/a", START),  # absolute form: another's business
    ("%2Fa", START),
    ("/../a/b", ABOVE),  # nginx; Envoy drops it
    ("/a/b/../../../../c", ABOVE),  # nginx; Envoy drops it
    ("/foo/../../bar/", ABOVE),  # HAProxy keeps or drops it
    ("/%2e%2e/a", ABOVE),  # nginx
    ("/foo//../../bar/", ABOVE),  # for HAProxy the empty segment counts
    ("/..", ABOVE),
    ("/..;/admin", PARAMETERS),  # Tsai 2018
    ("/a/..;x=1/admin", PARAMETERS),
    ("/a/.;/admin", PARAMETERS),
    ("/a/%2e%2e;/admin", PARAMETERS),
    ("/a/..%3b/admin", PARAMETERS),
    ("/a%2fb", ENCODED_SLASH),  # Envoy's REJECT_REQUEST, Traefik's middleware
    ("/a%2Fb", ENCODED_SLASH),
    ("/a/..%2fb", ENCODED_SLASH),
    ("/%5c%25", ENCODED_BACKSLASH),
    ("/a%5Cb", ENCODED_BACKSLASH),
    ("/a\\b", "a backslash"),
    ("/a/..\\c", "a backslash"),  # Envoy takes it for a slash
    ("\\a", "a backslash"),
    ("/xyz/.%00../abc", ENCODED_CONTROL),  # Envoy
    ("/xyz/%00.%00./abc", ENCODED_CONTROL),  # Envoy
    ("/a%00", ENCODED_CONTROL),  # nginx
    ("/a%0d%0aSet-Cookie:x", ENCODED_CONTROL),
    ("/a%09", ENCODED_CONTROL),
    ("/a%7F", ENCODED_CONTROL),
    ("/a\x00", CONTROL),
    ("/a\r\nb", CONTROL),
    ("/a\n", CONTROL),
    ("/a\x7f", CONTROL),
    ("/a b", "a blank"),  # nginx
    ("/a#b", "a fragment"),  # Envoy, http_reject_path_with_fragment; GHSA-fvhj-4qfh-q2hm of Traefik
    ("/#/../admin", "a fragment"),
    ("/a?b", "a query"),
    ("/caf\xe9", "a character that is not ASCII"),
    ("/\uff0e\uff0e/a", "a character that is not ASCII"),  # full-width dots
    ("/a%", PERCENT),  # nginx
    ("/a%2", PERCENT),
    ("/%zz", PERCENT),  # nginx; HAProxy, strict
    ("/%%36%36", PERCENT),  # HAProxy, strict
    ("/xyz/AAAAA%%0000/abc", PERCENT),  # Envoy
    ("/%u002e", PERCENT),
    ("/%-1", PERCENT),
    ("/%\uff12\uff11", "a character that is not ASCII"),  # digits, but not those
    ("/%c0%af", UTF8),  # an overlong slash; Envoy and nginx let it through
    ("/%c0%ae%c0%ae/", UTF8),  # overlong dots
    ("/%e0%80%af", UTF8),
    ("/%f0%80%80%af", UTF8),
    ("/%ed%a0%80", UTF8),  # a surrogate
    ("/%f4%90%80%80", UTF8),  # beyond Unicode
    ("/%ff", UTF8),
    ("/caf%e9", UTF8),  # Latin-1
    ("/%c3", UTF8),
    ("/%c3x%a9", UTF8),
    ("/%c3/%a9", UTF8),
]

OPTIONS = [
    (Paths(slashes="keep"), "/a//b", "/a//b"),
    (Paths(slashes="keep"), "/a//../b", "/a/b"),  # RFC 3986, WHATWG, Envoy
    (Paths(slashes="keep"), "/a//", "/a//"),
    (Paths(slashes="keep"), "//evil.example", TWO),
    (Paths(slashes="keep"), "/.//evil.example", TWO),
    (Paths(slashes="keep"), "/a/..//evil.example", TWO),
    (Paths(slashes="keep", dots="clamp"), "/..//evil.example", TWO),
    (Paths(slashes="reject"), "/a//b", "an empty segment"),
    (Paths(slashes="reject"), "/a/b/", "/a/b/"),
    (Paths(dots="clamp"), "/../a/b", "/a/b"),  # Envoy
    (Paths(dots="clamp"), "/a/b/../../../../c", "/c"),  # Envoy
    (Paths(dots="clamp"), "/foo/../../bar/", "/bar/"),  # HAProxy, full
    (Paths(dots="clamp"), "/..", "/"),
    (Paths(dots="reject"), "/a/./b", "a dot segment"),
    (Paths(dots="reject"), "/a/%2e%2e", "a dot segment"),
    (Paths(dots="reject"), "/.a/..b", "/.a/..b"),
    (Paths(encoded_slash="keep"), "/a%2fb%5c", "/a%2Fb%5C"),  # Envoy's KEEP_UNCHANGED
    (Paths(encoded_slash="keep"), "/a/%2F%2f/c", "/a/%2F%2F/c"),
    (Paths(encoded_slash="keep"), "/a%2F../b", BESIDE),
    (Paths(encoded_slash="keep"), "/a/..%2Fb", BESIDE),
    (Paths(encoded_slash="keep"), "/a/%2e%2e%5cb", BESIDE),
    (Paths(encoded_slash="keep"), "/a%2F.", BESIDE),
    (Paths(encoded_slash="keep"), "/a/.%2Fb", BESIDE),
    (Paths(encoded_slash="keep"), "/a%2F..%2Fb", BESIDE),
    (Paths(encoded_slash="keep"), "/a%2F..;x/b", PARAMETERS),
    (Paths(encoded_slash="keep"), "/a%2F...%2F.b", "/a%2F...%2F.b"),
    (Paths(encoded_slash="keep"), "/a%2F/../b", "/b"),
    (Paths(encoded_slash="decode"), "/a%2fb", "/a/b"),  # Envoy's UNESCAPE_AND_FORWARD, nginx
    (Paths(encoded_slash="decode"), "/a%2f..%2fb", "/b"),  # nginx
    (Paths(encoded_slash="decode"), "/%2Fa", "/a"),
    (Paths(encoded_slash="decode"), "/a%5cb", ENCODED_BACKSLASH),
    (Paths(encoded_slash="decode"), "/a%252fb", "/a%252fb"),
    (Paths(encoded_slash="decode", backslash="slash"), "/a%5c..%5Cb", "/b"),
    (Paths(encoded_slash="decode", slashes="reject"), "/a/%2fb", "an empty segment"),
    (Paths(backslash="slash"), "/a/..\\c", "/c"),  # Envoy, WHATWG
    (Paths(backslash="slash"), "\\a\\b", "/a/b"),
    (Paths(backslash="slash"), "/a%5cb", ENCODED_BACKSLASH),
    (Paths(parameters="reject"), "/a;x=1", "parameters"),
    (Paths(parameters="reject"), "/a%3bx=1", "an encoded character"),
    (Paths(octets="any"), "/caf%e9", "/caf%E9"),
    (Paths(octets="any"), "/%c0%af", "/%C0%AF"),  # Envoy, nginx
    (Paths(octets="any"), "/%00", ENCODED_CONTROL),
    (Paths(reject_encoded="%;?#"), "/100%25", "an encoded character"),  # Traefik's allowEncodedPercent: false
    (Paths(reject_encoded="%;?#"), "/a%3Bb", "an encoded character"),
    (Paths(reject_encoded="%;?#"), "/a;b", "/a;b"),
    (Paths(reject_encoded="%;?#"), "/%252e", "an encoded character"),
    (Paths(reject_encoded=":"), "/v1/things%3adelete", "an encoded character"),
    (Paths(reject_encoded="["), "/a[1]", "an encoded character"),
    (Paths(longest=5), "/abcd", "/abcd"),
    (Paths(longest=5), "/abcde", TOO_LONG),
    (Paths(longest=5), "/a/..", "/"),
    (Paths(longest=5), "/a|b", TOO_LONG),  # what it becomes
    (Paths(longest=5), "/a%41%42", TOO_LONG),  # what it was
]


def outcome(path, paths=None):
    try:
        return normal(path) if paths is None else normal(path, paths)
    except BadPath as error:
        return error.reason


@pytest.mark.parametrize(("path", "becomes"), BECOMES)
def test_a_path_becomes(path, becomes):
    assert outcome(path) == becomes
    assert outcome(becomes) == becomes


@pytest.mark.parametrize(("path", "reason"), REFUSED)
def test_a_path_is_refused(path, reason):
    assert outcome(path) == reason


@pytest.mark.parametrize(("paths", "path", "becomes"), OPTIONS)
def test_an_option_decides(paths, path, becomes):
    assert outcome(path, paths) == becomes


def test_what_is_normal_comes_back_as_it_is():
    for path in ("/", "/api/v1/users/42", "/a.b/" + "x" * 8000):
        assert normal(path) is path


def test_a_path_has_8192_characters_at_most():
    assert len(normal("/" + "a" * 8191)) == 8192
    assert outcome("/" + "a" * 8192) == TOO_LONG
    assert outcome("/%" + "a" * 1_000_000) == TOO_LONG


def test_a_reason_says_nothing_of_the_path():
    with pytest.raises(BadPath, match=r"^a control character$") as caught:
        normal("/secret\n")
    assert isinstance(caught.value, ValueError)
    assert caught.value.reason == "a control character"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("slashes", "squeeze"),
        ("dots", "keep"),
        ("encoded_slash", True),
        ("backslash", "keep"),
        ("parameters", "strip"),
        ("octets", "latin-1"),
        ("reject_encoded", "a"),
        ("reject_encoded", "/"),
        ("reject_encoded", "\\"),
        ("reject_encoded", "\n"),
        ("reject_encoded", " "),
        ("reject_encoded", "\xe9"),
        ("reject_encoded", None),
        ("longest", 0),
        ("longest", 2**20 + 1),
        ("longest", 8192.0),
    ],
)
def test_an_invalid_option_is_named(option, value):
    with pytest.raises(ConfigError, match=f"^Paths: {option}="):
        Paths(**{option: value})


WORDS = {
    "slashes": ("merge", "keep", "reject"),
    "dots": ("resolve", "clamp", "reject"),
    "encoded_slash": ("reject", "keep", "decode"),
    "backslash": ("reject", "slash"),
    "parameters": ("keep", "reject"),
    "octets": ("utf-8", "any"),
    "reject_encoded": ("", "%;?#:["),
    "longest": (8192, 12),
}
EVERY = [Paths(**dict(zip(WORDS, words, strict=True))) for words in product(*WORDS.values())]
PIECES = st.sampled_from(
    [
        "/",
        "/",
        "a",
        "B",
        ".",
        "..",
        ";",
        "%2e",
        "%2F",
        "%5c",
        "\\",
        "%25",
        "%41",
        "%c3%a9",
        "%e9",
        "%",
        "2",
        "F",
        "[",
        ":",
    ]
)
PATHS = st.lists(PIECES, max_size=12).map("".join)
FORM = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-F]{2})*)+")


@given(PATHS, st.sampled_from(EVERY))
@example("/a|b", Paths(longest=5))
def test_once_is_enough(path, paths):
    for each in (path, "/" + path):
        becomes = outcome(each, paths)
        if becomes[0] in "/*":
            assert outcome(becomes, paths) == becomes


@given(PATHS)
def test_nobody_who_decodes_once_finds_another_path(path):
    """By default: as an upstream reads it, there is nothing left to resolve, to merge, or to take for a separator."""
    becomes = outcome("/" + path)
    if becomes[0] != "/":
        return
    assert FORM.fullmatch(becomes)
    decoded = unquote_to_bytes(becomes)
    assert decoded.count(b"/") == becomes.count("/")
    assert b"//" not in decoded
    assert b"\\" not in decoded
    assert {b".", b".."}.isdisjoint(segment.partition(b";")[0] for segment in decoded.split(b"/"))
    decoded.decode()


@given(st.text(max_size=20))
def test_any_text_becomes_a_path_or_is_refused(text):
    becomes = outcome("/" + text)
    assert becomes[0] == "/" or becomes in {reason for _, reason in REFUSED}


@given(st.lists(st.sampled_from(["a", "b", ".", "..", "c;d"]), max_size=8), st.booleans())
def test_dots_are_resolved_as_the_standard_has_it(segments, closed):
    """RFC 3986, 5.2.4, by its letter: from an input buffer to an output buffer."""
    path = "/" + "/".join([*segments, *([""] if closed and segments else [])])
    source, output = path, ""
    while source:
        if source.startswith("/./") or source == "/.":
            source = "/" + source[3:]
        elif source.startswith("/../") or source == "/..":
            source = "/" + source[4:]
            output = output.rpartition("/")[0]
        else:
            end = source.find("/", 1)
            end = len(source) if end < 0 else end
            output, source = output + source[:end], source[end:]
    assert normal(path, Paths(dots="clamp")) == output
