"""The gateways of all cases under granian, in a process of its own: `python -m tests.gateway.corpus.on_granian`.

There is one port for all of them: to which case a request belongs is said by the address it comes from, of 127/8. A
request from any other address is answered with what the gateways hold.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from typing import Any

from meshkit.config import Listener
from meshkit.gateway.server.addresses import Bound
from meshkit.gateway.server.granian import GranianService
from meshkit.gateway.server.options import Serve

from .ours import LIMITS, Left, Watch, gateway
from .playing import CLIENT

__all__ = ["own"]


def own(number: int) -> str:
    """The address from which a case is played."""
    return f"127.72.{number // 250}.{1 + number % 250}"


async def main(host: str, port: int, lanes: list[tuple[str, int]]) -> None:
    """``lanes``: the site and the upstream's port of each case."""
    gateways = {own(number): gateway(*lane, host) for number, lane in enumerate(lanes)}
    left = Left()
    watch = Watch(left)
    logging.getLogger("meshkit").addHandler(watch)
    asyncio.get_running_loop().set_exception_handler(watch.unhandled)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        client, number = scope["client"]
        one = gateways.get(client)
        if one is not None:
            scope["client"] = (CLIENT, number)
            await one(scope, receive, send)
            return
        held = [f"held: {each.snapshot()}" for each in gateways.values() if not each.idle()]
        body = json.dumps([*left.found, *held]).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    bound = Bound(Listener("in"), socket.create_server((host, port), backlog=512), tls=False)
    service = GranianService(app, [bound], Serve(server="granian", limits=LIMITS), None, {})
    await service.start()
    await service.over()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)))
