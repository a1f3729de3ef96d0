"""Which limit of a WebSocket is reached, and when is the next to be looked at? Arithmetic; the timer is another's.

::

    lifetime   began + lifetime                                  whatever happens
    idle       the last word of either side + idle               an answer to a ping is no word
    ping       the upstream's last byte + ping: it is asked; as long after that, without a byte, it is lost
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from .frames import BAD_GATEWAY, GOING_AWAY

if TYPE_CHECKING:
    from ..route.websocket import WebSocket

__all__ = ["Patience"]


class Patience:
    """With one WebSocket, from ``now`` on, in seconds of one clock."""

    __slots__ = ("_ends", "_heard", "_limits", "_pinged", "moved")

    def __init__(self, limits: WebSocket, now: float) -> None:
        self._limits = limits
        self._ends = inf if limits.lifetime is None else now + limits.lifetime
        self._heard = now
        self._pinged = inf
        self.moved = now
        """When a word has come or gone."""

    def heard(self, now: float) -> None:
        """The upstream lives."""
        self._heard = now
        self._pinged = inf

    def pings(self, now: float) -> bool:
        """Whether the upstream is to be asked for a sign of life; it is taken as asked."""
        ping = self._limits.ping
        if ping is None or self._pinged < inf or self._heard + ping > now:
            return False
        self._pinged = now
        return True

    def over(self, now: float) -> tuple[int, str] | None:
        """The code and the reason, once it is."""
        limits = self._limits
        if self._ends <= now:
            return GOING_AWAY, f"open for {limits.lifetime:g} s"
        if limits.idle is not None and self.moved + limits.idle <= now:
            return GOING_AWAY, f"idle for {limits.idle:g} s"
        if limits.ping is not None and self._pinged + limits.ping <= now:
            return BAD_GATEWAY, f"the upstream was silent for {2 * limits.ping:g} s"
        return None

    @property
    def due(self) -> float:
        """When to look again, if nothing happens; infinite: never."""
        limits = self._limits
        due = self._ends if limits.idle is None else min(self._ends, self.moved + limits.idle)
        if limits.ping is None:
            return due
        return min(due, (self._heard if self._pinged == inf else self._pinged) + limits.ping)
