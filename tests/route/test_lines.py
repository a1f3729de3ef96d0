"""What do fields say that come in several lines, and that say how long a body is?"""

from __future__ import annotations

import pytest

from meshkit.route.lines import joined, told, varied


@pytest.mark.parametrize(
    ("has", "by", "then"),
    [
        ([], b"origin", [b"origin"]),
        ([b"Cookie"], b"origin", [b"Cookie", b"origin"]),
        ([b"Cookie, Origin"], b"origin", [b"Cookie, Origin"]),
        ([b"cookie", b"ORIGIN ,x"], b"origin, y", [b"cookie", b"ORIGIN ,x", b"y"]),
        ([b"x-origin"], b"origin", [b"x-origin", b"origin"]),
        ([b"*"], b"origin", [b"*"]),
    ],
)
def test_what_an_answer_depends_on(has: list[bytes], by: bytes, then: list[bytes]) -> None:
    headers = [(b"Vary" if k % 2 else b"vary", value) for k, value in enumerate(has)]
    assert [value for _, value in varied(headers, by)] == then


def test_lines_are_joined() -> None:
    headers = [(b"A", b"1"), (b"b", b"2"), (b"a", b"3\xff")]
    assert joined(headers, b"a") == "1, 3\xff"
    assert joined(headers, b"c") is None


@pytest.mark.parametrize(
    ("field", "length"),
    [("0", 0), ("17", 17), (None, None), ("", None), ("-1", None), ("1, 1", None), ("٣", None), ("9" * 40, None)],
)
def test_what_a_length_says(field: str | None, length: int | None) -> None:
    assert told(field) == length
