"""Who says what? ``python -m examples.gateway.chat ws://127.0.0.1:8080/chat "ann: hello"`` says it, and shows what was
said until it has come back.
"""

from __future__ import annotations

import sys

from websockets.sync.client import connect

__all__ = ["main"]


def main(url: str, *lines: str) -> None:
    with connect(url) as socket:
        for line in lines:
            socket.send(line)
            while (heard := socket.recv()) != line:
                print(heard)
            print(heard)


if __name__ == "__main__":
    main(*sys.argv[1:])
