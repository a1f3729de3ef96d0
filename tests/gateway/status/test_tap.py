"""What a failure's story says of the request: where it went, as the client said it."""

from __future__ import annotations

from typing import Any

import pytest

from meshkit.gateway.status.tap import _host


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (b"shop.example", {"host": "shop.example"}),
        (b"shop.example:8443", {"host": "shop.example", "port": 8443}),
        (b"10.0.0.7:80", {"host": "10.0.0.7", "port": 80}),
        (b"[::1]:8443", {"host": "[::1]", "port": 8443}),
        (b"[::1]", {"host": "[::1]"}),
        (b"user:canary@shop.example:80", {"host": "*", "port": 80}),
        (b"shop.example:port", {"host": "*"}),
        (b"shop.example:123456", {"host": "*"}),
        (b"<b>", {"host": "*"}),
        (b"", {"host": "*"}),
    ],
)
def test_the_host_and_its_port(given: bytes, told: dict[str, Any]) -> None:
    assert _host({"headers": [(b"accept", b"*/*"), (b"host", given)]}) == told


def test_no_host() -> None:
    assert _host({"headers": []}) == {"host": "*"}
