"""What is let through of a WebSocket, and what cannot be said of it?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from meshkit import ConfigError, Mesh
from meshkit.config.meant import snake
from meshkit.route import WebSocket
from meshkit.route.plan import Plan


def test_the_last_one_counts() -> None:
    assert Plan().websocket is None
    plan = Plan([WebSocket(allowed=False), WebSocket(idle=60.0)])
    assert plan.websocket == WebSocket(max_message=1_048_576, idle=60.0, lifetime=None, ping=None, allowed=True)
    assert (plan.gates, plan.incoming, plan.outgoing) == ((), False, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_message": 0}, "whole number from 1"),
        ({"max_message": "1MiB"}, "whole number"),
        ({"idle": 0}, "duration in seconds, above 0"),
        ({"lifetime": -1.0}, "duration in seconds, above 0"),
        ({"ping": float("nan")}, "duration in seconds, above 0"),
        ({"allowed": "no"}, "True or False"),
    ],
)
def test_what_cannot_be(options: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WebSocket(**options)


def test_it_is_one_word_in_a_file() -> None:
    assert snake(WebSocket.__name__) == "websocket"


def test_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text(
        """
        clusters:
          chat:
            endpoints: [10.0.0.7:8080]
        routes:
        - match: {prefix: /chat}
          actions:
          - websocket: {max_message: 64KiB, idle: 1h, lifetime: 24h, ping: 20s}
          to: chat
        - match: {prefix: /}
          actions:
          - websocket: {allowed: false}
          to: chat
        """
    )
    mesh = Mesh.from_file(file)
    first, second = (route.actions for route in mesh.spec.routes)
    assert first == (WebSocket(max_message=65536, idle=3600.0, lifetime=86400.0, ping=20.0),)
    assert second == (WebSocket(allowed=False),)
