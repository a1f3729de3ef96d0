"""Which answers are encoded, and how? By what a client takes (RFC 9110, 12.5.3), and by type and status."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.route.compress import ENCODINGS, Compress, CompressState, accepted
from meshkit.route.plan import Plan

BROWSER = "gzip, deflate, br, zstd"
VARY = (b"vary", b"accept-encoding")


@pytest.mark.parametrize(
    ("field", "chosen"),
    [
        (BROWSER, "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("x-gzip", "gzip"),  # RFC 9110, 8.4.1.3
        ("deflate", None),
        ("", None),
        ("identity", None),
        ("*", "zstd"),
        ("*;q=0", None),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("gzip;q=0.5, br;q=0.5, zstd;q=0.4", "br"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("zstd;q=0, *;q=0.1", "br"),
        ("gzip;q=0.000", None),
        ("gzip;q=0.5, identity", None),  # it likes the answer as it is better
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip, identity;q=0", "gzip"),
        ("identity;q=0, *;q=0", None),
        ("gzip ; q=0.3 , br", "br"),
        ("gzip;q=2", None),
        ("gzip;q=0.1234", None),
        ("gzip;q=nan", None),
        ("gzip;level=9", None),
        (",,gzip,", "gzip"),
        ("x" * 2000 + ", gzip", None),
    ],
)
def test_what_a_client_takes(field: str, chosen: str | None) -> None:
    assert accepted(field, ENCODINGS) == chosen


def test_no_field_of_any_length_is_remembered() -> None:
    tracemalloc.start()
    try:
        for k in range(1000):
            accepted(f"q{k}, ".ljust(4096, "x"), ENCODINGS)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2_500_000


def test_what_is_not_offered_is_not_chosen() -> None:
    assert accepted(BROWSER, ("gzip",)) == "gzip"
    assert accepted(BROWSER, ()) is None
    assert accepted("br;q=1, gzip;q=0.9", ("gzip", "br")) == "br"
    assert accepted("br, gzip", ("gzip", "br")) == "gzip"


def state(**options: Any) -> CompressState:
    plan = Plan([Compress(**options)])
    assert plan.outgoing
    assert not plan.incoming
    found: CompressState = plan.compress
    return found


def suits(state: CompressState, status: int, *fields: tuple[str, str]) -> bool:
    """Whether such an answer depends on what the client takes; an encoding is then chosen."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    assert state.encoded(status, headers, None, ENCODINGS) in ((None, headers), (None, [*headers, VARY]))
    chosen, changed = state.encoded(status, headers, BROWSER, ENCODINGS)
    assert chosen in (None, "zstd")
    assert ((b"content-encoding", b"zstd") in changed) is (chosen is not None)
    return chosen is not None


@pytest.mark.parametrize(
    ("status", "kind", "worth"),
    [
        (200, "text/html; charset=utf-8", True),
        (200, "Text/HTML", True),
        (404, "application/json", True),
        (500, "application/problem+json", True),
        (200, "image/svg+xml", True),
        (200, "text/event-stream", False),
        (200, "text/event-stream; charset=utf-8", False),
        (200, "image/png", False),
        (200, "application/octet-stream", False),
        (200, "application/grpc", False),
        (200, "", False),
        (200, "text/", False),
        (204, "text/html", False),
        (206, "text/html", False),
        (304, "text/html", False),
    ],
)
def test_which_answers(status: int, kind: str, worth: bool) -> None:
    assert suits(state(), status, ("Content-Type", kind)) is worth


TEXT = ("content-type", "text/plain")


@pytest.mark.parametrize(
    ("fields", "worth"),
    [
        ([], False),
        ([TEXT], True),
        ([TEXT, ("Content-Length", "1023")], False),
        ([TEXT, ("content-length", "1024")], True),
        ([TEXT, ("content-length", "x")], True),
        ([TEXT, ("Content-Encoding", "gzip")], False),
        ([TEXT, ("Content-Range", "bytes 0-1/2")], False),
        ([TEXT, ("Repr-Digest", "x")], False),
        ([TEXT, ("Cache-Control", "max-age=1"), ("cache-control", "No-Transform")], False),
        ([TEXT, ("cache-control", "no-store")], True),
    ],
)
def test_which_fields(fields: list[tuple[str, str]], worth: bool) -> None:
    assert suits(state(), 200, *fields) is worth


def test_the_fields_of_what_is_encoded() -> None:
    headers = [
        (b"ETag", b'"1"'),
        (b"content-type", b"text/css"),
        (b"Content-Length", b"9999"),
        (b"accept-ranges", b"x"),
    ]
    assert state().encoded(200, headers, "br", ENCODINGS) == (
        "br",
        [(b"content-encoding", b"br"), (b"ETag", b'W/"1"'), (b"content-type", b"text/css"), VARY],
    )
    weak = [(b"etag", b'W/"1"'), (b"content-type", b"text/css"), (b"vary", b"origin, Accept-Encoding")]
    assert state().encoded(200, weak, "br", ENCODINGS) == ("br", [(b"content-encoding", b"br"), *weak])
    assert state().encoded(200, weak[:2], "br", ()) == (None, [*weak[:2], VARY])


def test_types_of_ones_own() -> None:
    mine = state(types=["application/*", "font/ttf"])
    assert suits(mine, 200, ("content-type", "application/x-tar"))
    assert suits(mine, 200, ("content-type", "font/ttf"))
    assert not suits(mine, 200, ("content-type", "text/html"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encodings": ()}, "list some of 'zstd', 'br', 'gzip'"),
        ({"encodings": "deflate"}, "list some of"),
        ({"encodings": ("gzip", "gzip")}, "list some of"),
        ({"types": "html"}, "list media types"),
        ({"types": "*/*/*"}, "list media types"),
        ({"types": "Text/HTML"}, "in lower case"),
        ({"level": 0}, "give a whole number from 1 to 9"),
        ({"least": -1}, "give a whole number from 0"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as raised:
        Compress(**options)
    assert raised.value.policy == "Compress"
