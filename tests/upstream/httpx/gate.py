"""How many ask at once? A play that lets all of them wait until the test has counted."""

from __future__ import annotations

import anyio
import anyio.lowlevel

from .stand_ins import OK, Origin, Peer


class Gate:
    """A play that answers when the test says so, and counts who is waiting at once."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.most = self.inside = 0

    async def __call__(self, origin: Origin, peer: Peer) -> None:
        while True:
            origin.asked.append(await peer.request())
            self.inside += 1
            self.most = max(self.most, self.inside)
            origin.changed()
            await self.open.wait()
            await anyio.lowlevel.checkpoint()
            self.inside -= 1
            await peer.send(OK)
