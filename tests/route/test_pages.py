"""Which page stands for which error, and which fields go away with a body?"""

from __future__ import annotations

from typing import Any

import pytest

from meshkit import ConfigError
from meshkit.route.local import App
from meshkit.route.pages import Pages
from meshkit.route.plan import Plan


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called."""


def state(given: Any, **options: Any) -> Any:
    plan = Plan([Pages(given, **options)])
    assert plan.outgoing
    return plan.pages


def test_a_status_goes_before_its_class() -> None:
    for given in ({404: "none", "4xx": "wrong", "503": b"away"}, {"503": b"away", "4xx": "wrong", 404: "none"}):
        pages = state(given)
        assert [pages.find(status) for status in (200, 400, 404, 499, 500, 503)] == [
            *(None, b"wrong", b"none", b"wrong", None, b"away")
        ]


def test_text_is_utf_8() -> None:
    pages = state({"5xx": "später"}, type="text/plain; charset=utf-8", status=200)
    assert pages.find(500) == "später".encode()
    assert pages.type == b"text/plain; charset=utf-8"
    assert pages.status == 200


def test_what_goes_with_a_body_goes() -> None:
    had = [
        (b"Content-Type", b"application/json"),
        (b"content-length", b"9999"),
        (b"Content-Encoding", b"gzip"),
        (b"ETag", b'"1"'),
        (b"retry-after", b"3"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"Transfer-Encoding", b"chunked"),
    ]
    assert state({404: "x"}).fields(had, b"text/html", 5) == [
        (b"retry-after", b"3"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-type", b"text/html"),
        (b"content-length", b"5"),
    ]


def test_a_function_makes_a_page() -> None:
    call: Any = object()
    seen = []

    def page(status: int, given: Any) -> str:
        seen.append(given)
        return f"sorry: {status}"

    pages = state({"5xx": page})
    assert pages.made(pages.find(502), 502, call) == b"sorry: 502"
    assert seen == [call]
    assert pages.made(b"as it is", 500, call) == b"as it is"
    assert pages.made(lambda status, call: b"x", 500, call) == b"x"
    assert pages.made(lambda status, call: None, 500, call) is None
    with pytest.raises(TypeError, match="the page for 500 is a int: answer text, bytes or None"):
        pages.made(lambda status, call: 3, 500, call)


def test_an_app_makes_one() -> None:
    page = App(app)
    assert state({500: page}).find(500) is page


async def anon(status: int, call: Any) -> str:
    return ""


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ({}, {}, "give pages by status"),
        ("sorry", {}, "give pages by status"),
        ({200: "x"}, {}, "name an error"),
        ({"3xx": "x"}, {}, "name an error"),
        ({"5XX": "x"}, {}, "name an error"),
        ({True: "x"}, {}, "name an error"),
        ({600: "x"}, {}, "name an error"),
        ({404: None}, {}, "give text, bytes, a plain function"),
        ({404: anon}, {}, "give text, bytes, a plain function"),
        ({404: App}, {}, "give text, bytes, a plain function"),
        ({404: "x"}, {"type": "html"}, "give a media type"),
        ({404: "x"}, {"type": "text/html\r\nx: y"}, "give a media type"),
        ({404: "x"}, {"status": 204}, "give a status that has a body"),
        ({404: "x"}, {"status": 100}, "give a status that has a body"),
    ],
)
def test_what_cannot_be(given: Any, options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Pages(given, **options)
