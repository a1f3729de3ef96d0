"""Who is asked? Three servers, each on a port of its own: ``python -m examples.gateway.servers [8111 8112 8113]``.

Ctrl-C, or SIGTERM, ends them.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading

import uvicorn

from .app import Shop

__all__ = ["NAMES", "PORTS", "main"]

NAMES = ("one", "two", "three")
PORTS = (8111, 8112, 8113)


def main(ports: tuple[int, ...] = PORTS) -> None:
    served = []
    for name, port in zip(NAMES, ports, strict=True):
        wire = socket.create_server(("127.0.0.1", port))
        config = uvicorn.Config(
            Shop(name), log_level="warning", lifespan="off", ws="websockets-sansio", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([wire],))
        thread.start()
        served.append((server, thread))
        print(f"{name} listens on http://127.0.0.1:{port}", flush=True)

    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    over.wait()
    for server, thread in served:
        server.should_exit = True
        thread.join()


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or PORTS)
