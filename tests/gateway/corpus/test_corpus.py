"""What becomes of bad input? Nothing smuggles, splits, hangs or leaks; and the page says what is so.

The page is written by `make corpus`.
"""

from __future__ import annotations

from typing import Any

import pytest

from ..visiting import ASYNCIO
from .corpus import CASES, SECTIONS
from .ours import Left, granian, llhttp, plain
from .playing import played
from .reading import answers, requests
from .seen import Seen
from .table import COLUMNS, PAGE, cell, escaped, read

FRONTS = {"llhttp": llhttp, "plain": plain, "granian": granian}


def told(seen: list[Seen], name: str) -> list[str]:
    """What is not as it must be, and the bytes that show it."""
    found = []
    for each in seen:
        wrong = [*each.misses(name), *each.flaws()]
        if wrong:
            came = [bytes(came.data[-1000:]) for came in each.came]
            found.append(f"{each.case.name}: {'; '.join(wrong)}\n  client: {bytes(each.talk.data[-1000:])!r}\n  {came}")
    return found


@ASYNCIO
@pytest.mark.parametrize("name", FRONTS)
async def test_each_comes_to_what_it_must(name: str) -> None:
    left = Left()
    seen = await played(CASES, FRONTS[name](left))
    wrong = told(seen, name)
    assert not wrong, "\n".join(wrong)
    assert not left.found, left
    if name in COLUMNS:
        column = [*COLUMNS].index(name)
        rows = [(case, cells[column]) for case, cells in read(PAGE.read_text("utf-8"))]
        assert rows == [(escaped(each.case.name), escaped(cell(each, name))) for each in seen], "run make corpus"


def test_the_cases() -> None:
    assert len(CASES) > 500
    for cases in SECTIONS.values():
        assert len({case.name for case in cases}) == len(cases)
    for case in CASES:
        assert case.source
        assert case.must.statuses


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("data", "bodies", "wrong"),
    [
        (GET + GET, [b"", b""], ""),
        (POST + b"Content-Length: 2\r\n\r\nab" + GET, [b"ab", b""], ""),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nab\r\n0\r\nX: y\r\n\r\n" + GET, [b"ab", b""], ""),
        (POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET, [b"", b""], "both framings"),
        (POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", [b"ab"], "two lengths"),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", [b""], "no request line"),
        (b"GET / HTTP/1.1\r\n\r\n", [b""], "0 Host fields"),
        (GET + b"\0\r\n\r\n", [b"", b""], "no request line"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\nab\r\n0\r\n\r\n", [b""], "a chunk of the size"),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", [b"ab"], "a chunk that does not end in CRLF"),
    ],
)
def test_how_requests_are_read(data: bytes, bodies: list[bytes], wrong: str) -> None:
    found = requests(data)
    assert [each.body for each in found] == bodies
    assert any(each.startswith(wrong) for message in found for each in message.wrong) if wrong else not found[0].wrong


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("data", "methods", "closed", "seen"),
    [
        (OK + b"ok" + OK + b"no", [], False, [(200, b"ok", True), (200, b"no", True)]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"ok", [], False, [(100, b"", True), (200, b"ok", True)]),
        (OK, [b"HEAD"], False, [(200, b"", True)]),
        (OK + b"o", [], True, [(200, b"o", False)]),
        (b"HTTP/1.1 200 OK\r\n\r\nall", [], True, [(200, b"all", True)]),
        (b"HTTP/1.1 200 OK\r\n\r\nall", [], False, [(200, b"all", False)]),
        (
            b"HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n" + OK + b"ok",
            [],
            False,
            [(204, b"", True), (200, b"ok", True)],
        ),
    ],
)
def test_how_answers_are_read(data: bytes, methods: list[bytes], closed: bool, seen: list[Any]) -> None:
    found = answers(data, methods, closed=closed)
    assert [(each.status, each.body, each.whole) for each in found] == seen
